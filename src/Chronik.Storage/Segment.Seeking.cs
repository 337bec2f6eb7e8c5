using Chronik.Protocol.RecordBatches;

namespace Chronik.Storage;

/// <content>
/// Where a batch is. Neither the index nor the base offset of a batch is covered by a checksum, so each is believed only as far as the
/// other bears it out: a walk begins where a batch begins at the offset that the index says, and goes only from a batch to one that follows
/// it.
/// </content>
internal sealed partial class Segment
{
    private const int UnreadableSector = 5; // EIO, which is the HResult of what .NET throws for it.

    /// <summary>
    /// Reads until the span is full or the file ends, which it does for us where the disk has lost a sector. What else may fail, such as a
    /// file that cannot be opened, says nothing about the bytes and is thrown.
    /// </summary>
    public int Read(Span<byte> bytes, long position)
    {
        try
        {
            return Log.Read(bytes, position);
        }
        catch (IOException e) when (e.HResult == UnreadableSector)
        {
            return 0;
        }
    }

    /// <summary>The batch that starts at a position.</summary>
    /// <exception cref="StorageException">There is none.</exception>
    public BatchHeader HeaderAt(long position, long end) =>
        TryHeaderAt(position, end, out BatchHeader header) ? header : throw Damaged(position, -1, "there is no batch");

    /// <summary>The batch that starts at a position, which a damaged index may have named; false when there is none.</summary>
    public bool TryHeaderAt(long position, long end, out BatchHeader header)
    {
        Span<byte> bytes = stackalloc byte[RecordBatchView.HeaderSize];
        int read = position < 0 || position >= end ? 0 : Read(bytes, position);
        return BatchHeader.TryRead(bytes[..read], out header) && position + header.Bytes <= end;
    }

    /// <summary>Whether a batch starts where an entry of the index says, at the offset that it says; and that batch.</summary>
    public bool Holds(in IndexEntry entry, long end, out BatchHeader header) =>
        TryHeaderAt(entry.Position, end, out header) && header.BaseOffset == BaseOffset + entry.RelativeOffset;

    /// <summary>Where the first batch starts that ends at or behind an offset; <paramref name="end"/> when there is none.</summary>
    /// <exception cref="StorageException">What lies there, or on the way there, is damaged.</exception>
    public long PositionOf(long offset, long end)
    {
        long position = Seek(offset, end, out StorageException? damage);
        return damage is null ? position : throw damage;
    }

    /// <summary>The same, or where the way there ends: nothing before it reaches the offset.</summary>
    public long EndBefore(long offset, long end) => Seek(offset, end, out _);

    private long Seek(long offset, long end, out StorageException? damage)
    {
        damage = null;
        if (end == 0) return end;
        IndexEntry from = Index.FindLast(IndexKey.Offset, offset - BaseOffset, this);
        if (!Holds(from, end, out BatchHeader header))
        {
            // Either the entry is wrong, or the batch, or its bytes are not published yet.
            from = Index.FindLast(IndexKey.Position, from.Position - 1L, this);
            if (BaseOffset + from.RelativeOffset > offset || !Holds(from, end, out header)) from = default;
            if (from == default && !Holds(from, end, out header))
            {
                damage = Damaged(0, BaseOffset, "no batch begins there with that offset");
                return 0;
            }
        }

        long position = from.Position;
        while (header.LastOffset < offset)
        {
            long next = header.LastOffset + 1;
            position += header.Bytes;
            if (position >= end) return end;
            if (TryHeaderAt(position, end, out header) && header.BaseOffset == next) continue;
            damage = Damaged(position, next, "no batch begins there with that offset");
            break;
        }

        return position;
    }
}

using Chronik.Model;
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
    public int Read(Span<byte> bytes, long position) => Read(Log, bytes, position);

    private static int Read(IDiskFile file, Span<byte> bytes, long position)
    {
        try
        {
            return file.Read(bytes, position);
        }
        catch (IOException e) when (e.HResult == UnreadableSector)
        {
            return 0;
        }
    }

    /// <summary>The batch that starts at a position.</summary>
    /// <exception cref="StorageException">There is none.</exception>
    public BatchHeader HeaderAt(long position, long end) =>
        TryHeaderAt(position, end, out BatchHeader header) ? header : throw NoBatch(position, KafkaOffset.Unknown);

    /// <summary>The batch that starts at a position, which a damaged index may have named; false when there is none.</summary>
    public bool TryHeaderAt(long position, long end, out BatchHeader header) => TryHeaderAt(Log, position, end, out header);

    private static bool TryHeaderAt(IDiskFile file, long position, long end, out BatchHeader header)
    {
        Span<byte> bytes = stackalloc byte[RecordBatchView.HeaderSize];
        int read = position < 0 || position >= end ? 0 : Read(file, bytes, position);
        return BatchHeader.TryRead(bytes[..read], out header) && position + header.Bytes <= end;
    }

    /// <summary>Whether a batch starts where an entry of the index says, at the offset that it says; and that batch.</summary>
    public bool Holds(in IndexEntry entry, long end, out BatchHeader header) =>
        TryHeaderAt(entry.Position, end, out header) && header.BaseOffset == BaseOffset + entry.RelativeOffset;

    /// <summary>Where the first batch starts that ends at or behind an offset; <paramref name="end"/> when there is none.</summary>
    /// <exception cref="StorageException">What lies there, or on the way there, is damaged.</exception>
    public long PositionOf(long offset, long end) => PositionOf(offset, end, out _);

    /// <summary>The same, and where the last batch starts that was looked at.</summary>
    public long PositionOf(long offset, long end, out long lookedAt)
    {
        long position = Seek(offset, end, out lookedAt, out StorageException? damage);
        return damage is null ? position : throw damage;
    }

    /// <summary>The same, or where the way there ends: nothing before it reaches the offset.</summary>
    public long EndBefore(long offset, long end) => Seek(offset, end, out _, out _);

    /// <summary>
    /// Nothing that may be read reaches an offset. Either that is yet to come, or the last batch says that it ends earlier than it does.
    /// </summary>
    /// <param name="offset">The offset.</param>
    /// <param name="position">Where the last batch starts.</param>
    /// <param name="end">Where it ends.</param>
    /// <param name="isComplete">Whether nothing is yet to come.</param>
    /// <param name="pool">Lends the memory.</param>
    /// <exception cref="StorageException">The batch is damaged.</exception>
    public void CheckReach(long offset, long position, long end, bool isComplete, BufferPool pool)
    {
        if (end == 0) return;
        KafkaOffset next = KafkaOffset.Unknown;
        CheckPiece(Log, position, end, 1, ref next, pool, out StorageException? damage);
        if (isComplete) damage ??= NoBatch(end, new KafkaOffset(offset));
        if (damage is not null) throw damage;
    }

    /// <summary>Where to begin to look for a timestamp: what lies before it is all older. A batch starts there, with that offset.</summary>
    public (long Position, KafkaOffset Offset) StartFor(long timestampMs, long end)
    {
        // The one before that which fits: should a bit have flipped in either, the other still says that nothing is left out.
        IndexEntry fits = Index.FindLast(IndexKey.Timestamp, timestampMs, this);
        // What is not published yet comes behind all that is: nothing there has to be looked for either.
        IndexEntry before = Index.FindLast(IndexKey.Position, Math.Min(fits.Position, end) - 1L, this);
        return before.MaxTimestampBefore < timestampMs ? StartAt(before, end) : (0, new KafkaOffset(BaseOffset));
    }

    /// <summary>The last place in the index up to a position, of what is published.</summary>
    public (long Position, KafkaOffset Offset) StartBefore(long position, long end) =>
        StartAt(Index.FindLast(IndexKey.Position, Math.Min(position, end - 1), this), end);

    private (long Position, KafkaOffset Offset) StartAt(in IndexEntry entry, long end) =>
        Holds(entry, end, out BatchHeader header) ? (entry.Position, new KafkaOffset(header.BaseOffset)) : (0, new KafkaOffset(BaseOffset));

    private long Seek(long offset, long end, out long lookedAt, out StorageException? damage)
    {
        damage = null;
        lookedAt = 0;
        if (end == 0) return end;
        IndexEntry from = Index.FindLast(IndexKey.Offset, offset - BaseOffset, this);
        if (!Holds(from, end, out BatchHeader header))
        {
            // Either the entry is wrong, or the batch, or its bytes are not published yet.
            from = Index.FindLast(IndexKey.Position, from.Position - 1L, this);
            if (BaseOffset + from.RelativeOffset > offset || !Holds(from, end, out header)) from = default;
            if (from == default && !Holds(from, end, out header))
            {
                damage = NoBatch(0, new KafkaOffset(BaseOffset));
                return 0;
            }
        }

        long position = from.Position;
        while (header.LastOffset < offset)
        {
            long next = header.LastOffset + 1;
            lookedAt = position;
            position += header.Bytes;
            if (position >= end) return end;
            if (TryHeaderAt(position, end, out header) && header.BaseOffset == next) continue;
            damage = NoBatch(position, new KafkaOffset(next));
            break;
        }

        return position;
    }

    private StorageException NoBatch(long position, KafkaOffset offset) =>
        Damaged(position, new BatchDamage(0, offset, KafkaOffset.Unknown, "no batch begins there"));
}

using Chronik.Model;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Storage;

/// <content>
/// Whether what is read is what was written. What this process appended came from memory whose checksums it had looked at; what it found
/// on the disk has been there for any time, so its first reader looks.
/// </content>
internal sealed partial class Segment
{
    private const int CheckBytes = 1 << 20; // Read at a time, unless one batch alone is larger.

    private readonly Lock _checking = new();
    private readonly long _foundBytes; // What was there when the process began.
    private Checked _checked; // The stretch of it that was looked at last; who reads on from there makes it longer.

    /// <summary>
    /// Makes sure, for whole batches, that their checksums are right and that each follows the one before it. Bytes that were looked at
    /// cost nothing. Any thread.
    /// </summary>
    /// <exception cref="StorageException">They are damaged.</exception>
    public void Check(long start, long end, BufferPool pool)
    {
        end = Math.Min(end, _foundBytes);
        if (start >= end) return;
        Checked known;
        lock (_checking) known = _checked;
        if (known.From <= start && end <= known.To) return;
        bool goesOn = known.From <= start && start <= known.To;
        long from = goesOn ? known.To : start;
        long next = goesOn ? known.Next : start == 0 ? BaseOffset : -1;
        while (from < end) from += CheckPiece(from, end, ref next, pool);
        lock (_checking)
        {
            bool stillGoesOn = _checked.From <= start && start <= _checked.To;
            if (!stillGoesOn) _checked = new Checked(start, end, next);
            else if (end > _checked.To) _checked = new Checked(_checked.From, end, next);
        }
    }

    /// <summary>Looks at as many batches as fit into one read; returns their bytes.</summary>
    /// <param name="position">Where they begin.</param>
    /// <param name="end">Where the last one may end.</param>
    /// <param name="next">The offset of the first, or -1 when it is not known; then the one behind the last.</param>
    /// <param name="pool">Lends the memory.</param>
    private int CheckPiece(long position, long end, ref long next, BufferPool pool)
    {
        int length = Math.Max((int)Math.Min(end - position, CheckBytes), HeaderAt(position, end).Bytes);
        PooledBuffer buffer = pool.Rent(length);
        try
        {
            Span<byte> bytes = buffer.Span[..length];
            if (Log.Read(bytes, position) != length) throw Damaged(position, "it ends there");
            int done = 0;
            while (BatchHeader.TryRead(bytes[done..], out BatchHeader header) && done + header.Bytes <= length)
            {
                if (next >= 0 && header.BaseOffset != next)
                    throw Damaged(position + done, $"offset {next} should follow, not {header.BaseOffset}");
                if (!new RecordBatchView(bytes.Slice(done, header.Bytes)).IsIntact) throw Damaged(position + done, "a checksum is wrong");
                next = header.LastOffset + 1;
                done += header.Bytes;
            }

            return done > 0 ? done : throw Damaged(position, "there is no batch");
        }
        finally
        {
            buffer.Release();
        }
    }

    private StorageException Damaged(long position, string why) =>
        new($"{LogPath} is damaged at position {position}: {why}") { IsDamage = true };

    private readonly record struct Checked(long From, long To, long Next);
}

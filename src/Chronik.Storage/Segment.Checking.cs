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
    private long _foundBytes; // What was there when the process began, or when damage was found.
    private Checked _checked; // The stretch of it that was looked at last; who reads on from there makes it longer.

    /// <summary>
    /// How far whole batches are what was written: their checksums are right, and each follows the one before it. Bytes that were looked
    /// at cost nothing. Any thread.
    /// </summary>
    /// <param name="start">Where the first batch begins.</param>
    /// <param name="end">Where the last one ends.</param>
    /// <param name="pool">Lends the memory.</param>
    /// <returns><paramref name="end"/>, or where the first damaged batch begins.</returns>
    /// <exception cref="StorageException">The first batch is damaged.</exception>
    public long IntactEnd(long start, long end, BufferPool pool)
    {
        long found;
        Checked known;
        lock (_checking) (found, known) = (Math.Min(end, _foundBytes), _checked);
        if (start >= found) return end;
        if (known.From <= start && found <= known.To) return end;
        bool goesOn = known.From <= start && start <= known.To;
        long to = goesOn ? known.To : start;
        long next = goesOn ? known.Next : start == 0 ? BaseOffset : -1;
        StorageException? damage = null;
        while (to < found && damage is null) to += CheckPiece(to, found, ref next, pool, out damage);
        if (damage is not null && to == start) throw damage;
        lock (_checking)
        {
            bool stillGoesOn = _checked.From <= start && start <= _checked.To;
            if (!stillGoesOn) _checked = new Checked(start, to, next);
            else if (to > _checked.To) _checked = new Checked(_checked.From, to, next);
        }

        return damage is null ? end : to;
    }

    /// <summary>
    /// Has everything that is there now looked at when it is read next, whoever wrote it and whoever has looked already. Any thread.
    /// </summary>
    public void Distrust()
    {
        lock (_checking)
        {
            _foundBytes = Bytes;
            _checked = new Checked(0, 0, BaseOffset);
        }
    }

    /// <summary>Looks at as many batches as fit into one read; returns the bytes of those that are intact.</summary>
    /// <param name="position">Where they begin.</param>
    /// <param name="end">Where the last one may end.</param>
    /// <param name="next">The offset of the first, or -1 when it is not known; then the one behind the last.</param>
    /// <param name="pool">Lends the memory.</param>
    /// <param name="damage">What is wrong with the batch behind them; null when nothing is, or it was not looked at.</param>
    private int CheckPiece(long position, long end, ref long next, BufferPool pool, out StorageException? damage)
    {
        damage = null;
        if (!TryHeaderAt(position, end, out BatchHeader first))
        {
            damage = Damaged(position, next, "there is no batch");
            return 0;
        }

        int length = Math.Max((int)Math.Min(end - position, CheckBytes), first.Bytes);
        PooledBuffer buffer = pool.Rent(length);
        try
        {
            Span<byte> bytes = buffer.Span[..length];
            if (Read(bytes, position) != length)
            {
                bytes = bytes[..first.Bytes]; // It may be one further on that cannot be read.
                length = first.Bytes;
                if (Read(bytes, position) != length)
                {
                    damage = Damaged(position, next, "it cannot be read");
                    return 0;
                }
            }

            int done = 0;
            while (BatchHeader.TryRead(bytes[done..], out BatchHeader header) && done + header.Bytes <= length)
            {
                long begins = next < 0 ? header.BaseOffset : next;
                bool follows = header.BaseOffset == begins;
                if (!follows || !new RecordBatchView(bytes.Slice(done, header.Bytes)).IsIntact)
                {
                    string why = follows ? "a checksum is wrong" : $"the batch says that it begins at {header.BaseOffset}";
                    damage = Damaged(position + done, begins, why, begins + (header.LastOffset - header.BaseOffset));
                    break;
                }

                next = header.LastOffset + 1;
                done += header.Bytes;
            }

            return done;
        }
        finally
        {
            buffer.Release();
        }
    }

    /// <summary>What is wrong, with the offsets of the batch as far as they are known: a reader who seeks behind them gets on.</summary>
    private StorageException Damaged(long position, long firstOffset, string why, long lastOffset = -1)
    {
        string offsets = firstOffset < 0 ? "" : lastOffset < 0 ? $", offset {firstOffset} on" : $", offsets {firstOffset} to {lastOffset}";
        return new StorageException($"{LogPath} is damaged at position {position}{offsets}: {why}") { IsDamage = true };
    }

    private readonly record struct Checked(long From, long To, long Next);
}

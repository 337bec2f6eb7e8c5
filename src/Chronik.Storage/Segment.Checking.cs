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
    private const int WalkBytes = 64 << 10; // The same, for who is likely to find what it looks for in the first few batches.

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
        KafkaOffset next = goesOn ? known.Next : start == 0 ? new KafkaOffset(BaseOffset) : KafkaOffset.Unknown;
        StorageException? damage = null;
        while (to < found && damage is null) to += CheckPiece(Log, to, found, CheckBytes, ref next, pool, out damage);
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
            _checked = new Checked(0, 0, new KafkaOffset(BaseOffset));
        }
    }

    /// <summary>Looks at as many batches as are read at once; returns the bytes of those that are intact. Any thread.</summary>
    /// <param name="file">The file of batches: the segment's own, or one that was opened for this.</param>
    /// <param name="position">Where they begin.</param>
    /// <param name="end">Where the last one may end.</param>
    /// <param name="bytes">How much to read, unless the first batch is larger.</param>
    /// <param name="next">The offset of the first, or unknown; then the one behind the last.</param>
    /// <param name="pool">Lends the memory.</param>
    /// <param name="damage">What is wrong with the batch behind them; null when nothing is, or it was not looked at.</param>
    public int CheckPiece(
        IDiskFile file, long position, long end, int bytes, ref KafkaOffset next, BufferPool pool, out StorageException? damage)
    {
        BufferSlice piece = ReadPiece(file, position, end, bytes, pool);
        try
        {
            BatchWalk walk = new(piece.Span, next);
            while (walk.MoveNext())
            {
            }

            damage = DamageMetBy(walk, position);
            next = walk.Next;
            return walk.Bytes;
        }
        finally
        {
            piece.Release();
        }
    }

    /// <summary>
    /// Hands batches to a reader, each of which is what was written, whoever wrote it, until it has had enough. Any thread.
    /// </summary>
    /// <param name="position">Where the first one begins.</param>
    /// <param name="next">Its offset.</param>
    /// <param name="end">Where the last one may end.</param>
    /// <param name="pool">Lends the memory.</param>
    /// <param name="wantsMore">Takes a batch; false when it needs no other.</param>
    /// <exception cref="StorageException">One is damaged: from now on all here is looked at again before it is given out.</exception>
    public void Walk(long position, KafkaOffset next, long end, BufferPool pool, BatchSeeker wantsMore)
    {
        while (position < end)
        {
            BufferSlice piece = ReadPiece(Log, position, end, WalkBytes, pool);
            try
            {
                BatchWalk walk = new(piece.Span, next);
                while (walk.MoveNext())
                    if (!wantsMore(walk.Current)) return;
                if (DamageMetBy(walk, position) is { } damage)
                {
                    Distrust();
                    throw damage;
                }

                position += walk.Bytes;
                next = walk.Next;
            }
            finally
            {
                piece.Release();
            }
        }
    }

    /// <summary>
    /// Bytes that begin with a whole batch, with a reference for the caller; none when no batch that ends in time is there, or it cannot
    /// be read. The last batch in it may be cut off.
    /// </summary>
    private BufferSlice ReadPiece(IDiskFile file, long position, long end, int bytes, BufferPool pool)
    {
        if (!TryHeaderAt(file, position, end, out BatchHeader first)) return BufferSlice.Empty;
        int length = Math.Max((int)Math.Min(end - position, bytes), first.Bytes);
        PooledBuffer buffer = pool.Rent(length);
        try
        {
            // It may be a batch further on that cannot be read.
            if (Read(file, buffer.Span[..length], position) == length) return buffer.Slice(0, length);
            if (Read(file, buffer.Span[..first.Bytes], position) == first.Bytes) return buffer.Slice(0, first.Bytes);
        }
        catch
        {
            buffer.Release();
            throw;
        }

        buffer.Release();
        return BufferSlice.Empty;
    }

    /// <summary>What ended a walk over a piece; null when nothing did but the end of the piece.</summary>
    private StorageException? DamageMetBy(in BatchWalk walk, long position)
    {
        if (walk.Bytes > 0 && walk.Damage is null or { IsCutOff: true }) return null; // The next piece begins with that batch.
        return Damaged(position, walk.Damage ?? new BatchDamage(0, walk.Next, KafkaOffset.Unknown, "there is no batch that can be read"));
    }

    /// <summary>What is wrong, with the offsets of the batch as far as they are known: a reader who seeks behind them gets on.</summary>
    private StorageException Damaged(long position, BatchDamage damage)
    {
        string colon = damage.First == KafkaOffset.Unknown ? ":" : ",";
        return new StorageException($"{LogPath} is damaged at position {position + damage.Position}{colon} {damage}") { IsDamage = true };
    }

    private readonly record struct Checked(long From, long To, KafkaOffset Next);
}

/// <summary>Takes a batch that was found to be right, which is valid until the call returns; false when it needs no other.</summary>
internal delegate bool BatchSeeker(in RecordBatchView batch);

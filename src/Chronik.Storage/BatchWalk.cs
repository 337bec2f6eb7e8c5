using Chronik.Model;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Storage;

/// <summary>
/// Steps over record batches that lie one behind the other in memory, and looks at each of them once: that it is all there, of the one
/// format that is served, what its checksum says, and that it begins where the one before it ends, which no checksum covers. The first that
/// is not what was written ends the walk. Allocates nothing but the words for that.
/// </summary>
/// <example>
/// <code>
/// BatchWalk walk = new(batches.Span, next);
/// while (walk.MoveNext()) Use(walk.Current);
/// if (walk.Damage is { } damage) throw new StorageException($"... is damaged, {damage}") { IsDamage = true };
/// </code>
/// </example>
public ref struct BatchWalk
{
    private readonly ReadOnlySpan<byte> _batches;
    private bool _mayBeginBefore;

    /// <summary>Begins in front of the first batch.</summary>
    /// <param name="batches">The batches.</param>
    /// <param name="first">The offset at which the first one begins; unknown: whatever it says.</param>
    public BatchWalk(ReadOnlySpan<byte> batches, KafkaOffset first)
    {
        _batches = batches;
        Next = first;
    }

    /// <summary>A walk whose first batch holds an offset, and may begin before it.</summary>
    public static BatchWalk Holding(ReadOnlySpan<byte> batches, KafkaOffset offset) => new(batches, offset) { _mayBeginBefore = true };

    /// <summary>The batch that was stepped to, exactly its bytes. As valid as the memory.</summary>
    public RecordBatchView Current { get; private set; }

    /// <summary>How many bytes of batches were found to be right.</summary>
    public int Bytes { get; private set; }

    /// <summary>The offset behind the last of them.</summary>
    public KafkaOffset Next { get; private set; }

    /// <summary>What ended the walk before the end of the memory; null when nothing has.</summary>
    public BatchDamage? Damage { get; private set; }

    /// <summary>Steps to the next batch; false when there is none, or it is damaged.</summary>
    public bool MoveNext()
    {
        if (Damage is not null || Bytes == _batches.Length) return false;
        ReadOnlySpan<byte> left = _batches[Bytes..];
        if (!BatchHeader.TryRead(left, out BatchHeader header))
        {
            bool isCutOff = left.Length < RecordBatchView.HeaderSize;
            Damage = new BatchDamage(Bytes, Next, KafkaOffset.Unknown, isCutOff ? CutOff : "there is no batch") { IsCutOff = isCutOff };
            return false;
        }

        KafkaOffset begins = Next == KafkaOffset.Unknown || _mayBeginBefore ? new KafkaOffset(header.BaseOffset) : Next;
        KafkaOffset last = begins + (header.LastOffset - header.BaseOffset);
        if (header.Bytes > left.Length)
        {
            Damage = new BatchDamage(Bytes, begins, last, CutOff) { IsCutOff = true };
            return false;
        }

        RecordBatchView batch = new(left[..header.Bytes]);
        bool follows = header.BaseOffset == begins.Value && (!_mayBeginBefore || (begins <= Next && Next <= last));
        if (!follows || !batch.IsIntact)
        {
            string why = follows ? "a checksum is wrong" : $"the batch says that it begins at {header.BaseOffset}";
            Damage = new BatchDamage(Bytes, _mayBeginBefore && !follows ? Next : begins, last, why);
            return false;
        }

        Current = batch;
        Bytes += header.Bytes;
        Next = last + 1;
        _mayBeginBefore = false;
        return true;
    }

    private const string CutOff = "the batch is cut off";
}

/// <summary>Where a walk over batches met one that is not what was written, and why it is not. Reads as the end of a sentence.</summary>
/// <param name="Position">Where it begins, in bytes from where the walk began.</param>
/// <param name="First">The offset at which it should begin; unknown when nothing says so.</param>
/// <param name="Last">Its last offset, as far as its header can be believed; unknown when there is none.</param>
/// <param name="Why">What is wrong, in words.</param>
public readonly record struct BatchDamage(int Position, KafkaOffset First, KafkaOffset Last, string Why)
{
    /// <summary>Whether the memory ends before the batch does: it may be whole where the memory was read from.</summary>
    public bool IsCutOff { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        First == KafkaOffset.Unknown ? Why
        : Last < First ? $"offset {First} on: {Why}"
        : Last == First ? $"offset {First}: {Why}"
        : $"offsets {First} to {Last}: {Why}";
}

/// <summary>Takes a batch that was found to be right; it is valid until the call returns.</summary>
public delegate void BatchReader(in RecordBatchView batch);

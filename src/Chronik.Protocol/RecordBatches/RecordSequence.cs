using System.Buffers;
using Chronik.Protocol.Compression;

namespace Chronik.Protocol.RecordBatches;

/// <summary>Walks the records of a batch. Nothing is allocated per record; a compressed batch is decompressed into pooled memory.</summary>
/// <remarks>
/// A record is good until the next one is asked for. Dispose, which foreach does, gives the pooled memory back. A batch that was
/// validated when it arrived has no faults; any other may throw <see cref="ProtocolException"/> or <see cref="InvalidDataException"/>.
/// </remarks>
public ref struct RecordSequence : IDisposable
{
    private readonly RecordBatchView _batch;
    private RecordScanner _scanner;
    private byte[]? _rented;
    private int _left;

    internal RecordSequence(RecordBatchView batch, int maxLength)
    {
        _batch = batch;
        _left = batch.RecordCount;
        ReadOnlySpan<byte> payload = batch.Payload;
        if (batch.Compression != CompressionType.None)
        {
            _rented = Codecs.Decompress(batch.Compression, payload, maxLength, out int length);
            payload = _rented.AsSpan(0, length);
        }

        _scanner = new RecordScanner(payload);
    }

    /// <summary>The current record.</summary>
    public RecordView Current { get; private set; }

    /// <summary>For foreach.</summary>
    public readonly RecordSequence GetEnumerator() => this;

    /// <summary>Goes to the next record; false when there is none.</summary>
    /// <exception cref="ProtocolException">The record does not fit its length or the batch.</exception>
    public bool MoveNext()
    {
        if (_left <= 0) return false;
        _left--;
        var record = new RecordScanner(_scanner.Take(_scanner.Varint()));
        record.Take(1);
        long timestampDelta = record.Varlong();
        int offsetDelta = record.Varint();
        int keyLength = record.Varint();
        ReadOnlySpan<byte> key = record.Take(Math.Max(0, keyLength));
        int valueLength = record.Varint();
        ReadOnlySpan<byte> value = record.Take(Math.Max(0, valueLength));
        int headers = record.Varint();
        long timestamp = _batch.IsLogAppendTime ? _batch.MaxTimestamp : _batch.BaseTimestamp + timestampDelta;
        Current = new RecordView(_batch.BaseOffset + offsetDelta, timestamp, keyLength, key, valueLength, value, headers, record.Rest());
        return true;
    }

    /// <summary>Gives pooled memory back.</summary>
    public void Dispose()
    {
        if (_rented is null) return;
        ArrayPool<byte>.Shared.Return(_rented);
        _rented = null;
    }
}

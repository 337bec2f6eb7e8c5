using Chronik.Model;

namespace Chronik.Protocol.RecordBatches;

/// <summary>One record of a batch, where it lies.</summary>
public readonly ref struct RecordView
{
    private readonly ReadOnlySpan<byte> _headers;

    internal RecordView(
        KafkaOffset offset, long timestamp, int keyLength, ReadOnlySpan<byte> key, int valueLength, ReadOnlySpan<byte> value,
        int headerCount, ReadOnlySpan<byte> headers)
    {
        Offset = offset;
        Timestamp = timestamp;
        IsKeyNull = keyLength < 0;
        Key = key;
        IsValueNull = valueLength < 0;
        Value = value;
        HeaderCount = headerCount;
        _headers = headers;
    }

    /// <summary>The record's offset.</summary>
    public KafkaOffset Offset { get; }

    /// <summary>The record's timestamp in milliseconds since 1970; -1 for none.</summary>
    public long Timestamp { get; }

    /// <summary>Whether there is no key.</summary>
    public bool IsKeyNull { get; }

    /// <summary>The key; empty when it is null.</summary>
    public ReadOnlySpan<byte> Key { get; }

    /// <summary>Whether there is no value: a tombstone.</summary>
    public bool IsValueNull { get; }

    /// <summary>The value; empty when it is null.</summary>
    public ReadOnlySpan<byte> Value { get; }

    /// <summary>How many headers there are.</summary>
    public int HeaderCount { get; }

    /// <summary>The headers, for foreach.</summary>
    public RecordHeaders Headers => new(_headers, HeaderCount);
}

/// <summary>One header of a record.</summary>
/// <param name="key">The key, UTF-8.</param>
/// <param name="value">The value.</param>
/// <param name="isNull">Whether the value is null.</param>
public readonly ref struct RecordHeaderView(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, bool isNull)
{
    /// <summary>The key, UTF-8.</summary>
    public ReadOnlySpan<byte> Key { get; } = key;

    /// <summary>The value; empty when it is null.</summary>
    public ReadOnlySpan<byte> Value { get; } = value;

    /// <summary>Whether there is no value.</summary>
    public bool IsValueNull { get; } = isNull;
}

/// <summary>Walks the headers of a record without allocating.</summary>
public ref struct RecordHeaders
{
    private RecordScanner _scanner;
    private int _left;

    internal RecordHeaders(ReadOnlySpan<byte> bytes, int count)
    {
        _scanner = new RecordScanner(bytes);
        _left = count;
    }

    /// <summary>The current header.</summary>
    public RecordHeaderView Current { get; private set; }

    /// <summary>For foreach.</summary>
    public readonly RecordHeaders GetEnumerator() => this;

    /// <summary>Goes to the next header; false when there is none.</summary>
    public bool MoveNext()
    {
        if (_left == 0) return false;
        _left--;
        ReadOnlySpan<byte> key = _scanner.Take(_scanner.Varint());
        int length = _scanner.Varint();
        Current = new RecordHeaderView(key, _scanner.Take(Math.Max(0, length)), length < 0);
        return true;
    }
}

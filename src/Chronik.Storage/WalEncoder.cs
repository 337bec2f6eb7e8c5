using System.Runtime.InteropServices;
using Chronik.Model;

namespace Chronik.Storage;

/// <summary>
/// Turns queued writes into the slices of one gathered write, padded to whole blocks. Headers and small payloads are copied into pinned
/// blocks, large payloads are gathered from where they are.
/// </summary>
internal sealed class WalEncoder(BufferPool pool) : IDisposable
{
    private const int GatherFromBytes = 4096;
    private const int StagingBytes = 256 << 10;

    private readonly List<PooledBuffer> _staging = [];
    private readonly List<BufferSlice> _slices = [];
    private long _generation;
    private long _start;
    private int _block;
    private int _used;
    private int _sliceStart;
    private long _bytes;

    /// <summary>What to write, in order.</summary>
    public ReadOnlySpan<BufferSlice> Slices => CollectionsMarshal.AsSpan(_slices);

    /// <summary>Where the next record goes.</summary>
    public long Position => _start + _bytes;

    public void Begin(long generation, long position)
    {
        if (_staging.Count == 0) _staging.Add(pool.Rent(StagingBytes));
        _slices.Clear();
        _generation = generation;
        _start = position;
        _block = _used = _sliceStart = 0;
        _bytes = WalFormat.HeaderBytes;
        _used = WalFormat.HeaderBytes;
    }

    /// <summary>Adds a record and returns its position.</summary>
    public long Add(
        WalRecordType type, GroupId group, long a, long b = 0, long c = 0, EntryKind kind = default, BufferSlice payload = default)
    {
        long position = Position;
        WalHeader header = new()
        {
            Length = payload.Length,
            Generation = _generation,
            Position = position,
            Type = type,
            Kind = kind,
            Topic = group.Topic.Value,
            Partition = group.Partition,
            A = a,
            B = b,
            C = c,
        };
        WalFormat.WriteHeader(Reserve(WalFormat.HeaderBytes), header, payload.Span);
        int padding = -payload.Length & 7;
        if (payload.Length >= GatherFromBytes)
        {
            CloseSlice();
            _slices.Add(payload);
            _bytes += payload.Length;
            Reserve(padding).Clear();
        }
        else
        {
            Span<byte> copy = Reserve(payload.Length + padding);
            payload.Span.CopyTo(copy);
            copy[payload.Length..].Clear();
        }

        return position;
    }

    /// <summary>Writes the start record and the padding. Returns the length in bytes, a multiple of the block size.</summary>
    public long End(WalPosition durable)
    {
        long length = _bytes;
        Span<byte> padding = Reserve((int)(WalFormat.AlignToBlock(length) - length));
        padding.Clear();
        CloseSlice();
        WalHeader start = new()
        {
            Generation = _generation,
            Position = _start,
            Type = WalRecordType.WriteStart,
            A = durable.Generation,
            B = durable.Position,
            C = length,
        };
        WalFormat.WriteHeader(_staging[0].Span[..WalFormat.HeaderBytes], start, default);
        return _bytes;
    }

    /// <summary>Keeps one block for the next write.</summary>
    public void Reset()
    {
        _slices.Clear();
        for (int i = _staging.Count - 1; i > 0; i--)
        {
            _staging[i].Release();
            _staging.RemoveAt(i);
        }
    }

    public void Dispose()
    {
        foreach (PooledBuffer block in _staging) block.Release();
        _staging.Clear();
    }

    private Span<byte> Reserve(int length)
    {
        if (_used + length > StagingBytes)
        {
            CloseSlice();
            _block++;
            _used = _sliceStart = 0;
            if (_block == _staging.Count) _staging.Add(pool.Rent(StagingBytes));
        }

        Span<byte> span = _staging[_block].Span.Slice(_used, length);
        _used += length;
        _bytes += length;
        return span;
    }

    private void CloseSlice()
    {
        if (_used > _sliceStart) _slices.Add(_staging[_block].Slice(_sliceStart, _used - _sliceStart));
        _sliceStart = _used;
    }
}

using System.Buffers;
using Chronik.Model;
using Chronik.Protocol.Compression;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>A piece of a log on its way from one node to another. Pure.</summary>
internal static class SnapshotChunk
{
    /// <summary>More than that no chunk has when decompressed: the largest batch, and what lies before it.</summary>
    private const int RawBytesMax = 256 << 20;

    /// <summary>
    /// The offset behind the last of some batches, every one of which is whole, undamaged, and follows the one before it.
    /// </summary>
    /// <param name="batches">The batches.</param>
    /// <param name="offset">What the first one has to hold.</param>
    /// <exception cref="InvalidDataException">They are not that.</exception>
    public static KafkaOffset EndOf(ReadOnlySpan<byte> batches, KafkaOffset offset)
    {
        BatchWalk walk = BatchWalk.Holding(batches, offset);
        while (walk.MoveNext())
        {
        }

        if (walk.Damage is { } damage) throw new InvalidDataException($"the log is damaged, {damage}");
        return walk.Bytes > 0 ? walk.Next : throw new InvalidDataException($"there is no batch at offset {offset}");
    }

    /// <summary>The batches of a payload, with a reference for the caller.</summary>
    /// <exception cref="InvalidDataException">The payload is damaged.</exception>
    public static BufferSlice Unpack(in BufferSlice payload, int rawBytes, BufferPool pool)
    {
        if (rawBytes == 0)
        {
            payload.Retain();
            return payload;
        }

        if (rawBytes > RawBytesMax) throw new InvalidDataException($"a chunk of {rawBytes} bytes is larger than any");
        if (!Codecs.IsAvailable(CompressionType.Zstd, out string reason)) throw new InvalidDataException(reason);
        byte[] raw = Codecs.Decompress(CompressionType.Zstd, payload.Span, rawBytes, out int length);
        try
        {
            if (length != rawBytes) throw new InvalidDataException($"a chunk has {length} bytes instead of {rawBytes}");
            return pool.Copy(raw.AsSpan(0, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(raw);
        }
    }
}

/// <summary>
/// Compresses the chunks of one transfer where that helps. The first bytes of a chunk tell whether it does; where it does not, because
/// producers have compressed already, the next chunks go as they are, and are tried again later.
/// </summary>
internal sealed class SnapshotPacker(BufferPool pool)
{
    private const int SampleBytes = 16 << 10;
    private const int SkippedChunks = 31;
    private const double WorthIt = 0.9; // What is left must be less than this part.

    private readonly ArrayBufferWriter<byte> _compressed = new();
    private int _skip = Codecs.IsAvailable(CompressionType.Zstd, out _) ? 0 : int.MaxValue;

    /// <summary>The payload for some batches, with a reference for the caller, and their length if it is compressed, otherwise 0.</summary>
    public (BufferSlice Payload, int RawBytes) Pack(in BufferSlice raw)
    {
        if (_skip == 0 && Shrinks(raw.Span[..Math.Min(SampleBytes, raw.Length)])
            && (raw.Length <= SampleBytes || Shrinks(raw.Span)))
            return (pool.Copy(_compressed.WrittenSpan), raw.Length);

        if (_skip == 0) _skip = SkippedChunks;
        else if (_skip < int.MaxValue) _skip--;
        raw.Retain();
        return (raw, 0);
    }

    private bool Shrinks(ReadOnlySpan<byte> bytes)
    {
        _compressed.ResetWrittenCount();
        Codecs.Compress(CompressionType.Zstd, bytes, _compressed);
        return _compressed.WrittenCount < bytes.Length * WorthIt;
    }
}

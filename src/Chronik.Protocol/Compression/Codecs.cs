using System.Buffers;
using System.IO.Compression;
using ZstdSharp;

namespace Chronik.Protocol.Compression;

/// <summary>The codecs of record batches: whether they are there, compression of a block, bounded decompression.</summary>
public static class Codecs
{
    private const int FirstBlock = 64 * 1024;

    private static readonly Lazy<string?>[] Missing =
    [
        new(() => null), new(() => null), new(() => null), new(Lz4Frame.WhyMissing), new(WhyZstdMissing),
    ];

    /// <summary>Whether the codec can be used on this machine.</summary>
    /// <param name="type">The codec.</param>
    /// <param name="reason">Why it cannot: the system's library that is missing.</param>
    public static bool IsAvailable(CompressionType type, out string reason)
    {
        string? missing = (uint)type < (uint)Missing.Length ? Missing[(int)type].Value : $"compression type {(int)type} is not known";
        reason = missing ?? "";
        return missing is null;
    }

    /// <summary>Compresses a block.</summary>
    /// <param name="type">The codec; none copies.</param>
    /// <param name="source">The block.</param>
    /// <param name="destination">Where the compressed bytes are added.</param>
    /// <exception cref="NotSupportedException">The codec is not available.</exception>
    public static void Compress(CompressionType type, ReadOnlySpan<byte> source, IBufferWriter<byte> destination)
    {
        Require(type);
        switch (type)
        {
            case CompressionType.None:
                destination.Write(source);
                break;
            case CompressionType.Gzip:
                using (var target = new MemoryStream())
                {
                    using (var gzip = new GZipStream(target, CompressionLevel.Optimal, leaveOpen: true)) gzip.Write(source);
                    destination.Write(target.GetBuffer().AsSpan(0, (int)target.Length));
                }

                break;
            case CompressionType.Snappy:
                SnappyFrame.Compress(source, destination);
                break;
            case CompressionType.Lz4:
                Lz4Frame.Compress(source, destination);
                break;
            default:
                using (var zstd = new Compressor())
                {
                    Span<byte> target = destination.GetSpan(Compressor.GetCompressBound(source.Length));
                    destination.Advance(zstd.Wrap(source, target));
                }

                break;
        }
    }

    /// <summary>Decompresses a block into memory of the shared array pool.</summary>
    /// <param name="type">The codec; none copies.</param>
    /// <param name="source">The block.</param>
    /// <param name="maxLength">How long the result may be.</param>
    /// <param name="length">How long it is.</param>
    /// <returns>An array rented from <see cref="ArrayPool{T}.Shared"/>, which the caller returns.</returns>
    /// <exception cref="InvalidDataException">The block is damaged or longer than allowed.</exception>
    /// <exception cref="NotSupportedException">The codec is not available.</exception>
    public static unsafe byte[] Decompress(CompressionType type, ReadOnlySpan<byte> source, int maxLength, out int length)
    {
        byte[] result = ArrayPool<byte>.Shared.Rent(Math.Min(maxLength, Math.Max(FirstBlock, source.Length)));
        length = 0;
        try
        {
            fixed (byte* start = source)
            {
                using Stream stream = OpenRead(type, start, source.Length);
                while (true)
                {
                    if (length == result.Length) Enlarge(ref result, maxLength);
                    int count = stream.Read(result.AsSpan(length));
                    if (count == 0) break;
                    length += count;
                    if (length > maxLength) throw new InvalidDataException($"more than {maxLength} bytes when decompressed");
                }
            }

            return result;
        }
        catch (Exception e) when (IsDamage(e))
        {
            ArrayPool<byte>.Shared.Return(result);
            throw e as InvalidDataException ?? new InvalidDataException($"{type}: {e.Message}", e);
        }
    }

    /// <summary>A stream of the decompressed bytes. The block must stay where it is while the stream is read.</summary>
    internal static unsafe Stream OpenRead(CompressionType type, byte* source, int length)
    {
        Require(type);
        return type switch
        {
            CompressionType.None => Bytes(source, length),
            CompressionType.Gzip => new GZipStream(Bytes(source, length), CompressionMode.Decompress),
            CompressionType.Snappy => new SnappyFrame(source, length),
            CompressionType.Lz4 => new Lz4Frame(source, length),
            _ => new DecompressionStream(Bytes(source, length)),
        };
    }

    /// <summary>Whether an exception says that compressed data are damaged, in the words of whichever library found it.</summary>
    internal static bool IsDamage(Exception e) => e is InvalidDataException or IOException or ZstdException;

    private static void Require(CompressionType type)
    {
        if (!IsAvailable(type, out string reason)) throw new NotSupportedException(reason);
    }

    // The address of nothing is null, which the stream does not take.
    private static unsafe Stream Bytes(byte* source, int length) => length == 0 ? Stream.Null : new UnmanagedMemoryStream(source, length);

    private static void Enlarge(ref byte[] array, int maxLength)
    {
        // One byte more than allowed, so that what is too long is noticed.
        byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(array.Length * 2L, maxLength + 1L));
        array.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(array);
        array = larger;
    }

    private static string? WhyZstdMissing()
    {
        try
        {
            using var probe = new Compressor();
            return null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return "zstd needs the system library libzstd.so.1";
        }
    }
}

using System.Buffers;
using System.Runtime.InteropServices;

namespace Chronik.Protocol.Compression;

/// <summary>The LZ4 frame format through the system's liblz4.</summary>
internal sealed unsafe partial class Lz4Frame : PullStream
{
    private const string Library = "liblz4.so.1";
    private const uint ApiVersion = 100;

    private readonly byte* _source;
    private readonly int _length;
    private nint _context;
    private int _position;
    private bool _ended;

    public Lz4Frame(byte* source, int length)
    {
        _source = source;
        _length = length;
        Check(CreateDecompressor(out _context, ApiVersion));
    }

    public static string? WhyMissing()
    {
        try
        {
            _ = VersionNumber();
            return null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return "lz4 needs the system library liblz4.so.1";
        }
    }

    public static void Compress(ReadOnlySpan<byte> source, IBufferWriter<byte> destination)
    {
        // Java's reader refuses blocks that depend on each other.
        var preferences = new Preferences { BlockIndependent = 1 };
        Span<byte> target = destination.GetSpan((int)CompressBound((nuint)source.Length, &preferences));
        fixed (byte* from = source)
        fixed (byte* to = target)
        {
            destination.Advance((int)Check(CompressFrame(to, (nuint)target.Length, from, (nuint)source.Length, &preferences)));
        }
    }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        ObjectDisposedException.ThrowIf(_context == 0, this);
        while (!_ended)
        {
            nuint written = (nuint)buffer.Length;
            nuint read = (nuint)(_length - _position);
            fixed (byte* to = buffer)
            {
                _ended = Check(Decompress(_context, to, &written, _source + _position, &read, null)) == 0;
            }

            _position += (int)read;
            if (_ended && _position != _length) throw new InvalidDataException("bytes follow the lz4 frame");
            if (written > 0) return (int)written;
            if (!_ended && read == 0) throw new InvalidDataException("the lz4 frame is cut short");
        }

        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (_context != 0) FreeDecompressor(_context);
        _context = 0;
        base.Dispose(disposing);
    }

    private static nuint Check(nuint result)
    {
        if (IsError(result) == 0) return result;
        throw new InvalidDataException(Marshal.PtrToStringUTF8(ErrorName(result)) ?? "lz4 failed");
    }

    [LibraryImport(Library, EntryPoint = "LZ4_versionNumber")]
    private static partial int VersionNumber();

    [LibraryImport(Library, EntryPoint = "LZ4F_isError")]
    private static partial uint IsError(nuint result);

    [LibraryImport(Library, EntryPoint = "LZ4F_getErrorName")]
    private static partial nint ErrorName(nuint result);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressFrameBound")]
    private static partial nuint CompressBound(nuint length, Preferences* preferences);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressFrame")]
    private static partial nuint CompressFrame(byte* target, nuint room, byte* source, nuint length, Preferences* preferences);

    [LibraryImport(Library, EntryPoint = "LZ4F_createDecompressionContext")]
    private static partial nuint CreateDecompressor(out nint context, uint version);

    [LibraryImport(Library, EntryPoint = "LZ4F_freeDecompressionContext")]
    private static partial nuint FreeDecompressor(nint context);

    [LibraryImport(Library, EntryPoint = "LZ4F_decompress")]
    private static partial nuint Decompress(nint context, byte* target, nuint* room, byte* source, nuint* length, void* options);

    /// <summary>LZ4F_preferences_t; zero means the library's default.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Preferences
    {
        public int BlockSizeId;
        public int BlockIndependent;
        public int ContentChecksum;
        public int FrameType;
        public ulong ContentSize;
        public uint DictionaryId;
        public int BlockChecksum;
        public int CompressionLevel;
        public uint AutoFlush;
        public uint FavorDecompression;
        public uint Reserved0;
        public uint Reserved1;
        public uint Reserved2;
    }
}

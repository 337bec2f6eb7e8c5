namespace ZstdSharp;

/// <summary>Compresses whole blocks, one frame each. Not thread-safe.</summary>
public unsafe class Compressor : IDisposable
{
    public const int DefaultCompressionLevel = 0;

    private nint _context;
    private int _level;

    public Compressor(int level = DefaultCompressionLevel)
    {
        _context = Native.CreateCompressor();
        if (_context == 0) throw new ZstdException("no memory for a compression context");
        Level = level;
    }

    ~Compressor() => Release();

    public int Level
    {
        get => _level;
        set
        {
            Native.Check(Native.SetCompressor(Context, Native.CompressionLevel, value));
            _level = value;
        }
    }

    private nint Context => _context != 0 ? _context : throw new ObjectDisposedException(nameof(Compressor));

    public static int GetCompressBound(int length) => (int)Native.CompressBound((nuint)length);

    public Span<byte> Wrap(ReadOnlySpan<byte> src)
    {
        byte[] dest = new byte[GetCompressBound(src.Length)];
        return dest.AsSpan(0, Wrap(src, dest));
    }

    public int Wrap(ReadOnlySpan<byte> src, Span<byte> dest)
    {
        fixed (byte* source = src)
        fixed (byte* target = dest)
        {
            return (int)Native.Check(Native.Compress(Context, target, (nuint)dest.Length, source, (nuint)src.Length));
        }
    }

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        if (_context != 0) Native.FreeCompressor(_context);
        _context = 0;
    }
}

namespace ZstdSharp;

/// <summary>Decompresses whole frames into memory of the caller. Not thread-safe.</summary>
public unsafe class Decompressor : IDisposable
{
    private nint _context;

    public Decompressor()
    {
        _context = Native.CreateDecompressor();
        if (_context == 0) throw new ZstdException("no memory for a decompression context");
    }

    ~Decompressor() => Release();

    private nint Context => _context != 0 ? _context : throw new ObjectDisposedException(nameof(Decompressor));

    public int Unwrap(ReadOnlySpan<byte> src, Span<byte> dest)
    {
        fixed (byte* source = src)
        fixed (byte* target = dest)
        {
            return (int)Native.Check(Native.Decompress(Context, target, (nuint)dest.Length, source, (nuint)src.Length));
        }
    }

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    internal nuint Stream(Native.Buffer* output, Native.Buffer* input) => Native.Check(Native.DecompressStream(Context, output, input));

    private void Release()
    {
        if (_context != 0) Native.FreeDecompressor(_context);
        _context = 0;
    }
}

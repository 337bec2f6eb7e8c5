using System.Buffers;

namespace ZstdSharp;

/// <summary>Reads the decompressed content of the frames in another stream. Not thread-safe.</summary>
public class DecompressionStream : Stream
{
    private readonly Stream _inner;
    private readonly bool _checkEndOfStream;
    private readonly bool _leaveOpen;
    private readonly int _inputSize;
    private readonly byte[] _input;
    private Decompressor? _decompressor;
    private int _inputStart;
    private int _inputEnd;
    private bool _moreInside;
    private nuint _expected;

    public DecompressionStream(Stream stream, int bufferSize = 0, bool checkEndOfStream = true, bool leaveOpen = true)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegative(bufferSize);
        if (!stream.CanRead) throw new ArgumentException("Stream is not readable", nameof(stream));
        _inner = stream;
        _checkEndOfStream = checkEndOfStream;
        _leaveOpen = leaveOpen;
        _decompressor = new Decompressor();
        _inputSize = bufferSize > 0 ? bufferSize : (int)Native.StreamInputSize();
        _input = ArrayPool<byte>.Shared.Rent(_inputSize);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_decompressor is null, this);
        if (buffer.IsEmpty) return 0;
        while (true)
        {
            if (_inputStart == _inputEnd && !_moreInside)
            {
                _inputStart = 0;
                _inputEnd = _inner.Read(_input, 0, _inputSize);
                if (_inputEnd == 0)
                {
                    // Anything but 0 is libzstd's hint that it waits for the rest of a frame.
                    if (_checkEndOfStream && _expected != 0) throw new EndOfStreamException("Premature end of stream");
                    return 0;
                }
            }

            int written = Step(buffer);
            if (written > 0) return written;
        }
    }

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing && _decompressor is not null)
        {
            _decompressor.Dispose();
            _decompressor = null;
            ArrayPool<byte>.Shared.Return(_input);
            if (!_leaveOpen) _inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private unsafe int Step(Span<byte> target)
    {
        fixed (byte* source = _input)
        fixed (byte* destination = target)
        {
            var input = new Native.Buffer { Data = source, Size = (nuint)_inputEnd, Position = (nuint)_inputStart };
            var output = new Native.Buffer { Data = destination, Size = (nuint)target.Length };
            nuint hint = _decompressor!.Stream(&output, &input);
            // A call without progress starts to expect the next frame, which need not come.
            if (output.Position > 0 || (int)input.Position != _inputStart) _expected = hint;
            _inputStart = (int)input.Position;
            _moreInside = output.Position == output.Size;
            return (int)output.Position;
        }
    }
}

using System.Net.Sockets;
using System.Runtime.InteropServices;
using Chronik.Model;

namespace Chronik.Gateway.Network;

/// <summary>
/// Sends straight to the socket, past Kestrel's output pipe: responses in memory are gathered into one system call, file ranges go from
/// the page cache to the socket by sendfile(2) without a copy through this process.
/// </summary>
/// <remarks>
/// The socket is non-blocking. When it is full, sendfile says EAGAIN; then the next piece of the file is read into a buffer and sent by
/// an ordinary asynchronous send, which is how the runtime waits for room, and after that sendfile goes on. Small ranges are read
/// into memory at once, because a second system call and packet would cost more than the copy.
/// </remarks>
internal sealed partial class SocketResponseSender : ResponseSender
{
    private const int GatherMax = 64;
    private const int SmallRangeBytes = 16 << 10;
    private const int RefillBytes = 64 << 10;
    private const int SendFileBytes = 1 << 20;
    private const int BytesPerPump = 8 << 20;
    private const int Eintr = 4;
    private const int Eagain = 11;

    private readonly Socket _socket;
    private readonly BufferPool _buffers;
    private readonly Action _progress;
    private readonly SocketAsyncEventArgs _args = new(true);
    private readonly Queue<Request> _queue = new();
    private List<ArraySegment<byte>>? _gathered;
    private PooledBuffer? _refill;
    private int _part;
    private int _partSent;
    private Carried? _carried;
    private volatile bool _sending;

    public SocketResponseSender(Socket socket, BufferPool buffers, Action progress)
    {
        _socket = socket;
        _buffers = buffers;
        _progress = progress;
        _args.Completed += (_, _) =>
        {
            _sending = false;
            _progress();
        };
    }

    public override bool InFlight => _sending;

    public override void Enqueue(Request response) => _queue.Enqueue(response);

    public override void Pump(List<Request> sent)
    {
        if (_sending) return;
        FinishAsyncSend(sent);
        int budget = BytesPerPump;
        while (_queue.Count > 0)
        {
            if (budget <= 0)
            {
                // A fast reader of large files must not keep the actor from its mailbox.
                _progress();
                return;
            }

            List<ResponsePart> parts = _queue.Peek().Parts;
            if (_part == parts.Count)
            {
                Next(sent);
                continue;
            }

            ResponsePart part = parts[_part];
            bool pending = part.File is null || part.FileLength <= SmallRangeBytes ? SendMemory() : SendFile(part, ref budget);
            if (pending) return;
            FinishAsyncSend(sent);
        }
    }

    public override void Dispose()
    {
        while (_queue.TryDequeue(out Request? unsent)) unsent.Release();
        _args.Dispose();
        _refill?.Release();
        _refill = null;
    }

    // Gathers what lies in memory, over as many queued responses as there are, up to the first large file range.
    private bool SendMemory()
    {
        _gathered ??= [];
        _gathered.Clear();
        int refillUsed = 0;
        int responses = 0;
        int firstPart = _part;
        int parts = 0;
        foreach (Request response in _queue)
        {
            int index = firstPart;
            for (; index < response.Parts.Count && _gathered.Count < GatherMax; index++)
            {
                ResponsePart part = response.Parts[index];
                if (part.File is null) _gathered.Add(Segment(part.Bytes));
                else if (part.FileLength > SmallRangeBytes || refillUsed + part.FileLength > RefillBytes) break;
                else _gathered.Add(ReadSmall(part, ref refillUsed));
            }

            parts = index;
            if (index < response.Parts.Count) break;
            responses++;
            firstPart = 0;
            parts = 0;
        }

        _carried = new Carried(responses, parts);
        if (_gathered.Count == 1)
        {
            _args.BufferList = null;
            _args.SetBuffer(_gathered[0].Array, _gathered[0].Offset, _gathered[0].Count);
        }
        else
        {
            _args.SetBuffer(null, 0, 0);
            _args.BufferList = _gathered;
        }

        return Send();
    }

    private ArraySegment<byte> ReadSmall(ResponsePart part, ref int used)
    {
        _refill ??= _buffers.Rent(RefillBytes);
        ReadExactly(part, 0, _refill.Span.Slice(used, part.FileLength));
        var segment = new ArraySegment<byte>(_refill.Array, used, part.FileLength);
        used += part.FileLength;
        return segment;
    }

    private bool SendFile(ResponsePart part, ref int budget)
    {
        while (_partSent < part.FileLength && budget > 0)
        {
            int wanted = Math.Min(part.FileLength - _partSent, SendFileBytes);
            long position = part.Position + _partSent;
            nint moved = Sendfile(part, ref position, wanted, out int errno);
            if (moved > 0)
            {
                _partSent += (int)moved;
                budget -= (int)moved;
            }
            else if (moved == 0)
            {
                throw new IOException("a segment file is shorter than its log says");
            }
            else if (errno == Eagain)
            {
                return SendPiece(part);
            }
            else if (errno != Eintr)
            {
                throw new IOException($"sendfile failed with errno {errno}");
            }
        }

        if (_partSent == part.FileLength)
        {
            _part++;
            _partSent = 0;
        }

        return false;
    }

    private nint Sendfile(ResponsePart part, ref long position, int count, out int errno)
    {
        SafeHandle socket = _socket.SafeHandle;
        bool socketHeld = false;
        bool fileHeld = false;
        try
        {
            // Held, so that a connection closed meanwhile cannot make the descriptor mean something else.
            socket.DangerousAddRef(ref socketHeld);
            part.File!.DangerousAddRef(ref fileHeld);
            nint moved = sendfile((int)socket.DangerousGetHandle(), (int)part.File.DangerousGetHandle(), ref position, (nuint)count);
            errno = moved < 0 ? Marshal.GetLastPInvokeError() : 0;
            return moved;
        }
        catch (ObjectDisposedException e)
        {
            throw new IOException("the connection was closed", e);
        }
        finally
        {
            if (fileHeld) part.File!.DangerousRelease();
            if (socketHeld) socket.DangerousRelease();
        }
    }

    // The socket is full: an ordinary send of the next piece waits for room.
    private bool SendPiece(ResponsePart part)
    {
        int count = Math.Min(part.FileLength - _partSent, RefillBytes);
        _refill ??= _buffers.Rent(RefillBytes);
        ReadExactly(part, _partSent, _refill.Span[..count]);
        _partSent += count;
        bool whole = _partSent == part.FileLength;
        if (whole) _partSent = 0;
        _carried = new Carried(0, whole ? _part + 1 : _part);
        _args.BufferList = null;
        _args.SetBuffer(_refill.Array, 0, count);
        return Send();
    }

    private bool Send()
    {
        _sending = true;
        try
        {
            if (_socket.SendAsync(_args)) return true;
        }
        catch (ObjectDisposedException e)
        {
            _sending = false;
            throw new IOException("the connection was closed", e);
        }

        _sending = false;
        return false;
    }

    // What an asynchronous send carried has arrived in the socket, or the client is gone.
    private void FinishAsyncSend(List<Request> sent)
    {
        if (_carried is not { } carried) return;
        _carried = null;
        if (_args.SocketError != SocketError.Success) throw new IOException($"the client is gone: {_args.SocketError}");
        for (int i = 0; i < carried.Responses; i++) sent.Add(_queue.Dequeue());
        _part = carried.Part;
        if (_queue.Count == 0 && _refill is { } refill)
        {
            refill.Release();
            _refill = null;
        }
    }

    private void Next(List<Request> sent)
    {
        sent.Add(_queue.Dequeue());
        _part = 0;
        _partSent = 0;
    }

    private static void ReadExactly(ResponsePart part, int from, Span<byte> into)
    {
        while (!into.IsEmpty)
        {
            int read = RandomAccess.Read(part.File!, into, part.Position + from);
            if (read == 0) throw new IOException("a segment file is shorter than its log says");
            from += read;
            into = into[read..];
        }
    }

    private static ArraySegment<byte> Segment(ReadOnlyMemory<byte> bytes) =>
        MemoryMarshal.TryGetArray(bytes, out ArraySegment<byte> segment) ? segment : new ArraySegment<byte>(bytes.ToArray());

    /// <param name="Responses">How many queued responses a send completes.</param>
    /// <param name="Part">The first part of the response after them that it does not carry.</param>
    private readonly record struct Carried(int Responses, int Part);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendfile(int socket, int file, ref long position, nuint count);
}

using System.IO.Pipelines;
using Chronik.Model;

namespace Chronik.Gateway.Network;

/// <summary>Sends through the transport's output pipe: the way for transports without a socket, such as TLS and in-memory ones.</summary>
internal sealed class PipeResponseSender(PipeWriter output, BufferPool buffers, Action progress) : ResponseSender
{
    private const int CopyBytes = 64 << 10;

    private readonly Queue<Request> _queue = new();
    private Task? _write;

    public override bool InFlight => _write is { IsCompleted: false };

    public override void Enqueue(Request response) => _queue.Enqueue(response);

    public override void Pump(List<Request> sent)
    {
        while (true)
        {
            if (_write is { } write)
            {
                if (!write.IsCompleted) return;
                _write = null;
                if (write.Exception is { } failure) throw new IOException("the client is gone", failure.InnerException);
                sent.Add(_queue.Dequeue());
            }

            if (_queue.Count == 0) return;
            _write = WriteAsync(_queue.Peek());
            if (_write.IsCompleted) continue;
            _write.ContinueWith((_, state) => ((Action)state!)(), progress, TaskScheduler.Default);
            return;
        }
    }

    public override void Dispose()
    {
        while (_queue.TryDequeue(out Request? unsent)) unsent.Release();
    }

    private async Task WriteAsync(Request response)
    {
        foreach (ResponsePart part in response.Parts)
        {
            if (part.File is null) await WriteAsync(part.Bytes).ConfigureAwait(false);
            else await WriteFileAsync(part).ConfigureAwait(false);
        }
    }

    private async Task WriteFileAsync(ResponsePart part)
    {
        PooledBuffer buffer = buffers.Rent(CopyBytes);
        try
        {
            int done = 0;
            while (done < part.FileLength)
            {
                Memory<byte> piece = buffer.Memory[..Math.Min(CopyBytes, part.FileLength - done)];
                int read = RandomAccess.Read(part.File!, piece.Span, part.Position + done);
                if (read == 0) throw new IOException("a segment file is shorter than its log says");
                await WriteAsync(piece[..read]).ConfigureAwait(false);
                done += read;
            }
        }
        finally
        {
            buffer.Release();
        }
    }

    private async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        FlushResult result = await output.WriteAsync(bytes).ConfigureAwait(false);
        if (result.IsCompleted || result.IsCanceled) throw new IOException("the transport was closed");
    }
}

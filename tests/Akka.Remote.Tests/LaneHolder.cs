using System.Net;
using System.Net.Sockets;

namespace Akka.Remote.Tests;

/// <summary>Passes on what one system sends to another, connection by connection, and can hold all but the first of them.</summary>
public sealed class LaneHolder : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ReservedPort _target = new();
    private volatile int _passing = int.MaxValue;
    private int _connections;

    public LaneHolder()
    {
        _listener.Server.ReceiveBufferSize = 16 * 1024;
        _listener.Start();
        _ = Accept();
    }

    public string Hocon =>
        $"akka.remote.dot-netty.tcp {{ port = {_target.Number}, public-port = {((IPEndPoint)_listener.LocalEndpoint).Port} }}";

    public int Connections => Volatile.Read(ref _connections);

    public void HoldAllBut(int first) => _passing = first;

    public void Release() => _released.TrySetResult();

    public void Dispose()
    {
        Release();
        _ending.Cancel();
        _listener.Stop();
        _target.Dispose();
        _ending.Dispose();
    }

    private async Task Accept()
    {
        try
        {
            while (true)
                _ = Serve(await _listener.AcceptSocketAsync(_ending.Token), Interlocked.Increment(ref _connections));
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The end.
        }
    }

    private async Task Serve(Socket inbound, int number)
    {
        using var outbound = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using (inbound)
        {
            try
            {
                await outbound.ConnectAsync(IPAddress.Loopback, _target.Number);
                await Task.WhenAny(Pass(inbound, outbound, hold: number), Pass(outbound, inbound, hold: 0));
            }
            catch (SocketException)
            {
                // Either side is gone; so is the other.
            }
        }
    }

    private async Task Pass(Socket from, Socket to, int hold)
    {
        byte[] buffer = new byte[16 * 1024];
        long passed = 0;
        int received;
        while ((received = await from.ReceiveAsync(buffer, SocketFlags.None)) > 0)
        {
            // The greeting always passes, so that the lane is there.
            if (hold > _passing && passed > 0)
                await _released.Task;
            await to.SendAsync(buffer.AsMemory(0, received), SocketFlags.None);
            passed += received;
        }
    }
}

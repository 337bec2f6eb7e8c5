using System.Net;
using System.Net.Sockets;

namespace Akka.Remote.Tests;

/// <summary>Stands between two systems and passes on what they say, until it is told not to.</summary>
public sealed class TcpProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ending = new();
    private readonly List<Socket> _sockets = [];
    private readonly ReservedPort _target = new();
    private TaskCompletionSource _open = Opened();
    private bool _isCut;

    public TcpProxy()
    {
        _listener.Start();
        _ = Accept();
    }

    /// <summary>What the system behind the proxy is configured with.</summary>
    public string Hocon =>
        $"akka.remote.dot-netty.tcp {{ port = {_target.Number}, public-port = {((IPEndPoint)_listener.LocalEndpoint).Port} }}";

    /// <summary>Ends all connections and takes no others.</summary>
    public void Cut()
    {
        Socket[] sockets;
        lock (_sockets)
        {
            _isCut = true;
            sockets = [.. _sockets];
            _sockets.Clear();
        }

        foreach (Socket socket in sockets)
            socket.Close(0);
    }

    /// <summary>Passes nothing on, without a sign that it does not.</summary>
    public void Freeze() => _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Heal()
    {
        lock (_sockets)
            _isCut = false;
        _open.TrySetResult();
    }

    public void Dispose()
    {
        _ending.Cancel();
        _open.TrySetResult();
        _listener.Stop();
        _target.Dispose();
        Cut();
    }

    private static TaskCompletionSource Opened()
    {
        var opened = new TaskCompletionSource();
        opened.SetResult();
        return opened;
    }

    private async Task Accept()
    {
        while (!_ending.IsCancellationRequested)
        {
            try
            {
                _ = Serve(await _listener.AcceptSocketAsync(_ending.Token));
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
        }
    }

    private async Task Serve(Socket inbound)
    {
        var outbound = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            lock (_sockets)
            {
                if (_isCut)
                {
                    inbound.Close(0);
                    return;
                }

                _sockets.AddRange([inbound, outbound]);
            }

            await outbound.ConnectAsync(IPAddress.Loopback, _target.Number);
            await Task.WhenAny(Pass(inbound, outbound), Pass(outbound, inbound));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Either side is gone; so is the other.
        }
        finally
        {
            inbound.Dispose();
            outbound.Dispose();
        }
    }

    private async Task Pass(Socket from, Socket to)
    {
        byte[] buffer = new byte[64 * 1024];
        while (true)
        {
            int received = await from.ReceiveAsync(buffer, SocketFlags.None);
            await _open.Task;
            if (received == 0)
                return;
            await to.SendAsync(buffer.AsMemory(0, received), SocketFlags.None);
        }
    }
}

using System.Net;
using System.Net.Sockets;

namespace Akka.Remote.Tests;

/// <summary>
/// A port of the loopback address that nobody gets who asks for any port, as long as this is held; a system that is told its number does,
/// and another one after that.
/// </summary>
public sealed class ReservedPort : IDisposable
{
    // It never listens: the operating system lets another socket that asks for this very port listen beside it.
    private readonly Socket _holder = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public ReservedPort()
    {
        _holder.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Number = ((IPEndPoint)_holder.LocalEndPoint).Port;
    }

    public int Number { get; }

    public void Dispose() => _holder.Dispose();
}

using Akka.Actor;
using Chronik.Partitions.Peers;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>One way from one node to another, which a test can cut, hold up or damage.</summary>
internal sealed class TestLink(Func<PeerHub?> receiver) : ICanTell
{
    private readonly Lock _lock = new();
    private readonly Queue<PeerFrame> _held = new();
    private bool _holds;
    private bool _isClosed;

    /// <summary>Whether what is sent is lost.</summary>
    public volatile bool IsCut;

    /// <summary>Changes the bytes of a frame on its way.</summary>
    public Action<byte[]>? Damage { get; set; }

    public int Frames { get; private set; }

    public void Tell(object message, IActorRef sender)
    {
        if (IsCut) return;
        PeerFrame frame = new([.. ((PeerFrame)message).Bytes]);
        Damage?.Invoke(frame.Bytes);
        lock (_lock)
        {
            if (_isClosed) return;
            Frames++;
            _held.Enqueue(frame);
            if (!_holds) Deliver();
        }
    }

    /// <summary>From now on frames wait here.</summary>
    public void Hold()
    {
        lock (_lock) _holds = true;
    }

    /// <summary>Lets everything through again, in order.</summary>
    public void LetGo()
    {
        lock (_lock)
        {
            _holds = false;
            Deliver();
        }
    }

    /// <summary>From now on nothing comes through, and what was on its way has been taken once this completes.</summary>
    public Task CloseAsync()
    {
        lock (_lock)
        {
            _isClosed = true;
            _held.Clear();
            return _tail;
        }
    }

    private void Deliver()
    {
        while (_held.TryDequeue(out PeerFrame? frame))
        {
            // On another thread, like a socket: nobody is to find itself inside of somebody else's send.
            PeerHub? hub = receiver();
            if (hub is not null) _ = _tail = _tail.ContinueWith(_ => hub.Receive(frame), TaskScheduler.Default);
        }
    }

    private Task _tail = Task.CompletedTask;
}

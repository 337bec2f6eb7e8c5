using System.Threading.Channels;
using Akka.Actor;
using Xunit;

namespace Akka.Cluster.Tests;

/// <summary>What an actor has received, to be awaited.</summary>
public sealed class Mailbox
{
    private readonly Channel<object> _received = Channel.CreateUnbounded<object>();

    public void Add(object message) => _received.Writer.TryWrite(message);

    /// <summary>The next message, which has to be of this type.</summary>
    public async Task<T> Next<T>() =>
        Assert.IsType<T>(await _received.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60)), exactMatch: false);
}

public sealed class Collector(Mailbox mailbox) : UntypedActor
{
    protected override void OnReceive(object message) => mailbox.Add(message);
}

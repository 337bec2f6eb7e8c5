using System.Threading.Channels;
using Akka.Actor;

namespace Chronik.Persistence.Tests;

/// <summary>An actor that keeps what it is told for a test to look at.</summary>
internal sealed class Probe
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Channel<object> _messages = Channel.CreateUnbounded<object>();

    public Probe(ActorSystem system)
    {
        ChannelWriter<object> writer = _messages.Writer;
        Ref = system.ActorOf(Props.Create(() => new Keeper(writer)));
    }

    public IActorRef Ref { get; }

    /// <summary>The next message, which must be of this type.</summary>
    public async Task<T> ExpectAsync<T>() => Assert.IsType<T>(await ExpectAnyAsync());

    /// <summary>The next message.</summary>
    public Task<object> ExpectAnyAsync() => _messages.Reader.ReadAsync().AsTask().WaitAsync(Patience);

    private sealed class Keeper(ChannelWriter<object> writer) : UntypedActor
    {
        protected override void OnReceive(object message) => writer.TryWrite(message);
    }
}

namespace Akka.Remote.Tests;

public sealed class DeathWatchTests : RemoteTest
{
    private const string QuickDetector = """
        akka.remote.watch-failure-detector {
          heartbeat-interval = 100ms
          acceptable-heartbeat-pause = 2s
          unreachable-nodes-reaper-interval = 100ms
          expected-response-after = 3s
        }
        """;

    [Fact]
    public async Task The_end_of_a_remote_actor_is_told()
    {
        IActorRef probe = Probe(There, "probe");
        IActorRef remote = await Across(probe, There, Here);
        await Watching(remote);
        There.Stop(probe);
        var terminated = Seen.Next<Terminated>();
        Assert.Equal(remote, terminated.ActorRef);
        Assert.False(terminated.AddressTerminated);
    }

    [Fact]
    public async Task An_actor_that_is_dead_already_is_told_to_be()
    {
        IActorRef probe = Probe(There, "probe");
        IActorRef remote = await Across(probe, There, Here);
        There.Stop(probe);
        await probe.WatchAsync().WaitAsync(Long);
        await Watching(remote);
        Assert.Equal(new Terminated(remote, existenceConfirmed: false, addressTerminated: false), Seen.Next());
    }

    [Fact]
    public async Task After_unwatch_nothing_is_told()
    {
        IActorRef probe = Probe(There, "probe"), other = Probe(There, "other");
        IActorRef remote = await Across(probe, There, Here), remoteOther = await Across(other, There, Here);
        IActorRef watcher = await Watching(remote, remoteOther);
        await watcher.Ask<string>(new Unwatching(remote), Long);
        There.Stop(probe);
        There.Stop(other);
        Assert.Equal(remoteOther, Seen.Next<Terminated>().ActorRef);
        Seen.AssertNothingMore();
    }

    [Fact]
    public async Task Watchers_outside_of_actors_are_told_too()
    {
        IActorRef probe = Probe(There, "probe");
        IActorRef remote = await Across(probe, There, Here);
        Task<bool> ended = remote.WatchAsync();
        Assert.True(await remote.GracefulStop(Long));
        Assert.True(await ended.WaitAsync(Long));
    }

    [Fact]
    public async Task The_end_of_a_whole_system_is_the_end_of_its_actors()
    {
        IActorRef remote = await Across(Probe(There, "probe"), There, Here);
        await Watching(remote);
        await There.Terminate();
        Assert.Equal(remote, Seen.Next<Terminated>().ActorRef);
    }

    [Fact]
    public async Task A_system_that_falls_silent_is_quarantined_and_its_actors_are_dead()
    {
        using var proxy = new TcpProxy();
        ActorSystem behind = Start("behind", hocon: proxy.Hocon), quick = Start("quick", hocon: QuickDetector);
        Record quarantined = Published(quick, typeof(QuarantinedEvent));
        Record told = Published(behind, typeof(ThisActorSystemQuarantinedEvent));
        IActorRef remote = await Across(Probe(behind, "probe"), behind, quick);
        await Watching(quick, remote);
        proxy.Freeze();
        Assert.Equal(new Terminated(remote, existenceConfirmed: false, addressTerminated: true), Seen.Next());
        var happened = quarantined.Next<QuarantinedEvent>();
        Assert.Equal(AddressOf(behind), happened.Address);
        Assert.Equal(AddressUidExtension.Uid(behind), happened.Uid);
        proxy.Heal();

        // It is not forgiven when it is heard of again, and learns of it.
        Record here = new();
        quick.ActorOf(Props.Create(() => new Collector(here)), "collector");
        ActorSelection back = behind.ActorSelection(new RootActorPath(AddressOf(quick)) / "user" / "collector");
        back.Tell("still here?");
        Assert.Equal(AddressOf(quick), told.Next<ThisActorSystemQuarantinedEvent>().RemoteAddress);
        here.AssertNothingMore();
        remote.Tell("lost");
        Seen.AssertNothingMore();
    }

    [Fact]
    public async Task An_end_while_the_connection_was_lost_is_told_once_it_is_back()
    {
        using var proxy = new TcpProxy();
        ActorSystem behind = Start("behind", hocon: proxy.Hocon);
        IActorRef probe = Probe(behind, "probe");
        IActorRef remote = await Across(probe, behind, Here);
        Record disassociated = Published(Here, typeof(DisassociatedEvent));
        await Watching(remote);
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => remote.Ask<ActorIdentity>(new Identify(i), Long)));
        proxy.Cut();
        disassociated.First<DisassociatedEvent>(static e => !e.IsInbound);
        behind.Stop(probe);
        await probe.WatchAsync().WaitAsync(Long);
        proxy.Heal();
        Assert.Equal(remote, Seen.Next<Terminated>().ActorRef);
    }

    /// <summary>An actor that watches these and says what it is told.</summary>
    private Task<IActorRef> Watching(params IActorRef[] subjects) => Watching(Here, subjects);

    private async Task<IActorRef> Watching(ActorSystem system, params IActorRef[] subjects)
    {
        IActorRef watcher = Acting(system, (context, message) =>
        {
            switch (message)
            {
                case Unwatching unwatching:
                    context.Unwatch(unwatching.Subject);
                    context.Sender.Tell("done");
                    break;
                case Terminated:
                    Seen.Add(message);
                    break;
                default:
                    foreach (IActorRef subject in subjects)
                        context.Watch(subject);
                    context.Sender.Tell("done");
                    break;
            }
        });
        await watcher.Ask<string>("watch", Long);
        return watcher;
    }

    private sealed record Unwatching(IActorRef Subject);

    private sealed class Collector(Record seen) : UntypedActor
    {
        protected override void OnReceive(object message) => seen.Add(message);
    }
}

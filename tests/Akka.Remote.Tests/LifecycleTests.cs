using Akka.Event;

namespace Akka.Remote.Tests;

public sealed class LifecycleTests : RemoteTest
{
    public LifecycleTests()
        : base("akka.remote.retry-gate-closed-for = 0s")
    {
    }

    [Fact]
    public async Task Both_ends_of_an_association_publish_it()
    {
        Record here = Published(Here, typeof(AssociatedEvent)), there = Published(There, typeof(AssociatedEvent));
        await Across(Probe(There, "probe"), There, Here);
        AssociatedEvent outbound = here.First<AssociatedEvent>(static e => !e.IsInbound);
        Assert.Equal(AddressOf(Here), outbound.LocalAddress);
        Assert.Equal(AddressOf(There), outbound.RemoteAddress);
        AssociatedEvent inbound = there.First<AssociatedEvent>(static e => e.IsInbound);
        Assert.Equal(AddressOf(There), inbound.LocalAddress);
        Assert.Equal(AddressOf(Here), inbound.RemoteAddress);
    }

    [Fact]
    public async Task The_end_of_a_system_is_noticed_without_a_message_to_it()
    {
        await Across(Probe(There, "probe"), There, Here);
        Record here = Published(Here, typeof(DisassociatedEvent));
        await There.Terminate();
        Assert.Equal(AddressOf(There), here.First<DisassociatedEvent>(static e => !e.IsInbound).RemoteAddress);
    }

    [Fact]
    public async Task A_lost_connection_is_noticed_and_made_anew()
    {
        using var proxy = new TcpProxy();
        ActorSystem behind = Start("behind", hocon: proxy.Hocon);
        IActorRef remote = await Across(Acting(behind, static (context, m) => context.Sender.Tell(m), "echo"), behind, Here);
        Record here = Published(Here, typeof(DisassociatedEvent), typeof(AssociatedEvent));
        proxy.Cut();
        here.First<DisassociatedEvent>(e => !e.IsInbound && e.RemoteAddress.Equals(AddressOf(behind)));
        proxy.Heal();
        Assert.Equal("again", await remote.Ask<string>("again"));
    }

    [Fact]
    public async Task A_connection_that_falls_silent_is_given_up_by_both_ends_and_made_anew()
    {
        using var proxy = new TcpProxy();
        const string Impatient = "akka.remote.transport-failure-detector { heartbeat-interval = 100ms, acceptable-heartbeat-pause = 5s }\n";
        ActorSystem behind = Start("behind", hocon: Impatient + proxy.Hocon);
        ActorSystem before = Start("before", hocon: Impatient);
        IActorRef remote = await Across(Acting(behind, static (context, m) => context.Sender.Tell(m), "echo"), behind, before);
        Record lostBefore = Published(before, typeof(DisassociatedEvent)), lostBehind = Published(behind, typeof(DisassociatedEvent));
        proxy.Freeze();
        lostBefore.First<DisassociatedEvent>(static e => !e.IsInbound);
        lostBehind.First<DisassociatedEvent>(static e => e.IsInbound);
        IActorRef asker = Probe(before);
        before.EventStream.Subscribe(asker, typeof(RemotingLifecycleEvent));
        behind.EventStream.Subscribe(Probe(behind), typeof(RemotingLifecycleEvent));
        proxy.Heal();

        // On a busy machine they may give each other up again, with what is under way: then it is sent again.
        do
            remote.Tell("again", asker);
        while (Seen.Next() is RemotingLifecycleEvent);
    }

    [Fact]
    public async Task While_connections_break_nothing_arrives_twice_or_out_of_order()
    {
        using var proxy = new TcpProxy();
        ActorSystem behind = Start("behind", hocon: "akka.remote.retry-gate-closed-for = 10ms\n" + proxy.Hocon);
        ActorSystem before = Start("before", hocon: "akka.remote.retry-gate-closed-for = 10ms");
        IActorRef remote = await Across(Probe(behind, "probe"), behind, before);
        Record lost = Published(before, typeof(DisassociatedEvent));
        int sent = 0, previous = 0, arrived = 0;
        for (int cut = 0; cut < 20; cut++)
        {
            for (int i = 0; i < 500; i++)
                remote.Tell(++sent);
            Assert.True(Take(Seen.Next()));
            proxy.Cut();
            for (int i = 0; i < 500; i++)
                remote.Tell(++sent);
            lost.First<DisassociatedEvent>(static e => !e.IsInbound);
            proxy.Heal();
            while (!await IsReached(before, remote.Path))
            {
            }
        }

        remote.Tell("last");
        while (Take(Seen.Next()))
        {
        }

        Assert.InRange(arrived, 20, sent);

        bool Take(object seen)
        {
            if (seen is not int number)
                return false;
            Assert.True(number > previous);
            previous = number;
            arrived++;
            return true;
        }
    }

    [Fact]
    public async Task Nobody_at_the_address_is_an_error_and_the_messages_are_dead_letters()
    {
        IActorRef remote = await Across(Probe(There, "probe"), There, Here);
        Record lost = Published(Here, typeof(DisassociatedEvent));
        Record errors = Published(Here, typeof(AssociationErrorEvent)), dead = Published(Here, typeof(DeadLetter));
        await There.Terminate();
        lost.First<DisassociatedEvent>(static e => !e.IsInbound);
        remote.Tell("anybody?");
        Assert.Equal(remote.Path.Address, errors.Next<AssociationErrorEvent>().RemoteAddress);
        Assert.Equal("anybody?", dead.First<DeadLetter>(static letter => letter.Message is string).Message);
    }

    [Fact]
    public async Task A_system_that_was_started_again_is_reached_and_its_former_actors_are_not()
    {
        using var port = new ReservedPort();
        ActorSystem first = Start("restarting", port.Number);
        IActorRef former = await Across(Probe(first, "probe"), first, Here);
        Record lost = Published(Here, typeof(DisassociatedEvent));
        await first.Terminate();
        await first.WhenTerminated.WaitAsync(Long);
        lost.First<DisassociatedEvent>(static e => !e.IsInbound);
        ActorSystem again = Start("restarting", port.Number);
        Assert.NotEqual(AddressUidExtension.Uid(first), AddressUidExtension.Uid(again));
        IActorRef successor = Probe(again, "probe");
        IActorRef found = await Across(successor, again, Here);
        Assert.Equal(successor.Path.Uid, found.Path.Uid);
        former.Tell("for the former one");
        found.Tell("for its successor");
        Assert.Equal("for its successor", Seen.Next());
    }

    [Fact]
    public async Task A_system_of_another_name_at_the_address_is_not_taken_for_the_one_meant()
    {
        Record errors = Published(Here, typeof(AssociationErrorEvent), typeof(Error));
        var wrong = new Address("akka.tcp", "elsewhere", "127.0.0.1", AddressOf(There).Port);
        IActorRef probe = Probe(There, "probe");
        Here.ActorSelection(new RootActorPath(wrong) / "user" / "probe").Tell("astray");
        (await Across(probe, There, Here)).Tell("well addressed");
        Assert.Equal("well addressed", Seen.Next());
        Seen.AssertNothingMore();
    }

    [Fact]
    public void A_port_that_is_taken_ends_the_start()
    {
        Exception e = Assert.ThrowsAny<Exception>(() => Start("third", AddressOf(There).Port.Value));
        Assert.Contains(AddressOf(There).Port.ToString(), e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_uid_stays_as_long_as_the_system_lives()
    {
        Assert.Equal(AddressUidExtension.Uid(Here), Here.WithExtension<AddressUid, AddressUidExtension>().Uid);
        Assert.NotEqual(AddressUidExtension.Uid(Here), AddressUidExtension.Uid(There));
    }

    [Fact]
    public async Task What_was_sent_before_the_end_arrives()
    {
        ActorSystem patient = Start("patient", hocon: "akka.remote.flush-wait-on-shutdown = 30s");
        IActorRef remote = await Across(Probe(There, "probe"), There, patient);
        for (int i = 0; i < 1000; i++)
            remote.Tell(i);
        await patient.Terminate();
        for (int i = 0; i < 1000; i++)
            Assert.Equal(i, Seen.Next());
    }

    /// <summary>Whether somebody answers there. As long as the way is closed the answer, that nobody does, comes at once.</summary>
    private static async Task<bool> IsReached(ActorSystem from, ActorPath path) =>
        (await from.ActorSelection(path).Ask<ActorIdentity>(new Identify("there?"), Long)).Subject is not null;
}

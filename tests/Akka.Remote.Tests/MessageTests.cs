using Akka.Event;

namespace Akka.Remote.Tests;

public sealed class MessageTests : RemoteTest
{
    [Fact]
    public async Task A_question_is_answered_across_systems()
    {
        IActorRef echo = Acting(There, static (context, message) => context.Sender.Tell(message), "echo");
        IActorRef remote = await Across(echo, There, Here);
        Assert.Equal("text", await remote.Ask<string>("text"));
        Assert.Equal(42, await remote.Ask<int>(42));
        Assert.Equal(1L << 40, await remote.Ask<long>(1L << 40));
        Assert.Equal(new byte[] { 1, 2, 3 }, await remote.Ask<byte[]>(new byte[] { 1, 2, 3 }));
        Assert.Equal("ok", (await remote.Ask<Status.Success>(new Status.Success("ok"))).Status);
    }

    [Fact]
    public async Task The_remote_reference_has_the_path_and_uid_of_the_actor()
    {
        IActorRef probe = Probe(There, "probe");
        IActorRef remote = await Across(probe, There, Here);
        Assert.Equal(AddressOf(There), remote.Path.Address);
        Assert.Equal(probe.Path.Elements, remote.Path.Elements);
        Assert.Equal(probe.Path.Uid, remote.Path.Uid);
    }

    [Fact]
    public async Task Messages_of_one_sender_arrive_in_order()
    {
        const int Messages = 20_000;
        IActorRef remote = await Across(Probe(There, "probe"), There, Here);
        for (int i = 0; i < Messages; i++)
            remote.Tell(i);
        for (int i = 0; i < Messages; i++)
            Assert.Equal(i, Seen.Next());
    }

    [Fact]
    public async Task Large_payloads_arrive_whole_and_in_order()
    {
        IActorRef remote = await Across(Probe(There, "probe"), There, Here);
        int[] sizes = [0, 1, 4095, 4096, 4097, 60_000, 65_536, 100_000, 128_000, 7, 127_999];
        for (int i = 0; i < 20; i++)
        {
            foreach (int size in sizes)
                remote.Tell(Filled(size, (byte)(size + i)));
        }

        for (int i = 0; i < 20; i++)
        {
            foreach (int size in sizes)
                Assert.True(Filled(size, (byte)(size + i)).AsSpan().SequenceEqual((byte[])Seen.Next()));
        }

        static byte[] Filled(int size, byte with)
        {
            byte[] bytes = new byte[size];
            Array.Fill(bytes, with);
            return bytes;
        }
    }

    [Fact]
    public async Task A_selection_reaches_children_and_patterns()
    {
        IActorRef parent = Acting(There, (context, _) =>
        {
            context.ActorOf(Props.Create(() => new Replier("one")), "child-1");
            context.ActorOf(Props.Create(() => new Replier("two")), "child-2");
            context.Sender.Tell("done");
        }, "parent");
        await (await Across(parent, There, Here)).Ask<string>("go");
        string root = new RootActorPath(AddressOf(There)).ToString();
        Assert.Equal("two", await Here.ActorSelection(root + "/user/parent/child-2").Ask<string>("who"));
        IActorRef probe = Probe(Here);
        Here.ActorSelection(root + "/user/parent/*").Tell("who", probe);
        Assert.Equal(["one", "two"], new[] { Seen.Next<string>(), Seen.Next<string>() }.Order());
        Here.ActorSelection(root + "/user/parent/child-1/../child-2").Tell("who", probe);
        Assert.Equal("two", Seen.Next());
    }

    [Fact]
    public async Task A_path_without_an_actor_is_not_found()
    {
        ActorSelection selection = Here.ActorSelection(new RootActorPath(AddressOf(There)) / "user" / "nobody");
        ActorIdentity identity = await selection.Ask<ActorIdentity>(new Identify("id"));
        Assert.Equal("id", identity.MessageId);
        Assert.Null(identity.Subject);
        await Assert.ThrowsAsync<ActorNotFoundException>(() => selection.ResolveOne(Long));
    }

    [Fact]
    public async Task References_travel_and_lead_back()
    {
        IActorRef probe = Probe(Here, "probe");
        IActorRef greeter = Acting(There, static (_, message) => ((IActorRef)message).Tell("hello"), "greeter");
        (await Across(greeter, There, Here)).Tell(probe);
        Assert.Equal("hello", Seen.Next());
    }

    [Fact]
    public async Task A_serialized_path_is_resolved_on_either_side()
    {
        IActorRef probe = Probe(There, "probe");
        string path = Akka.Serialization.Serialization.SerializedActorPath(probe);
        Assert.Equal($"{AddressOf(There)}/user/probe#{probe.Path.Uid}", path);
        Assert.Same(probe, There.Serialization.DeserializeActorRef(path));
        Here.Serialization.DeserializeActorRef(path).Tell("hello");
        Assert.Equal("hello", Seen.Next());
        await Task.CompletedTask;
    }

    [Fact]
    public async Task The_address_of_the_system_itself_leads_to_its_own_actors()
    {
        IActorRef probe = Probe(Here, "probe");
        IActorRef found = await Here.ActorSelection(new RootActorPath(AddressOf(Here)) / "user" / "probe").ResolveOne(Long);
        Assert.Same(probe, found);
    }

    [Fact]
    public async Task A_failure_faults_the_question()
    {
        IActorRef failing = Acting(
            There, static (context, _) => context.Sender.Tell(new Status.Failure(new InvalidOperationException("no"))), "failing");
        IActorRef remote = await Across(failing, There, Here);
        Exception e = await Assert.ThrowsAnyAsync<Exception>(() => remote.Ask<string>("go"));
        Assert.Contains("no", e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_poison_pill_and_stop_end_a_remote_actor()
    {
        foreach (bool stop in new[] { false, true })
        {
            IActorRef probe = Probe(There);
            IActorRef remote = await Across(probe, There, Here);
            if (stop)
                Here.Stop(remote);
            else
                remote.Tell(PoisonPill.Instance);
            Assert.True(await probe.WatchAsync().WaitAsync(Long));
        }
    }

    [Fact]
    public async Task A_message_that_is_too_large_is_not_sent_and_those_after_it_are()
    {
        IActorRef remote = await Across(Probe(There, "probe"), There, Here);
        Record errors = Published(Here, typeof(Error));
        remote.Tell(new byte[200_000]);
        remote.Tell("after");
        Assert.Equal("after", Seen.Next());
        Error error = errors.First<Error>(static e => e.ToString().Contains("max allowed size", StringComparison.Ordinal));
        Assert.Contains("128000", error.ToString(), StringComparison.Ordinal);
    }

    private sealed class Replier(string answer) : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(answer);
    }
}

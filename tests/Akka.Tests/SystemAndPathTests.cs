using Akka.Configuration;

namespace Akka.Tests;

public sealed class SystemAndPathTests : SystemTest
{
    [Fact]
    public void Paths_parse_and_print()
    {
        ActorPath path = ActorPath.Parse("akka://sys@host:4711/user/a/b#42");
        Assert.Equal(new Address("akka", "sys", "host", 4711), path.Address);
        Assert.Equal(["user", "a", "b"], path.Elements);
        Assert.Equal(42, path.Uid);
        Assert.Equal("b", path.Name);
        Assert.Equal("akka://sys@host:4711/user/a/b", path.ToString());
        Assert.Equal("akka://sys@host:4711/user/a/b#42", path.ToSerializationFormat());
        Assert.Equal("/user/a/b", path.ToStringWithoutAddress());
        Assert.Equal("akka://sys@host:4711/user", path.Parent.Parent.ToString());
        Assert.Equal(path, path.WithUid(7));
        Assert.Equal(path, path.Parent / "b");
        Assert.True(path.CompareTo(path.Parent / "c") < 0);
        Assert.False(ActorPath.TryParse("no/path", out _));
        Assert.False(ActorPath.TryParse("akka://sys@host/user", out _));
    }

    [Theory]
    [InlineData("akka://sys", null, null)]
    [InlineData("akka.tcp://sys@host:80", "host", 80)]
    [InlineData("akka://sys@[::1]:80", "[::1]", 80)]
    public void Addresses_parse_and_print(string text, string host, int? port)
    {
        Address address = Address.Parse(text);
        Assert.Equal(host, address.Host);
        Assert.Equal(port, address.Port);
        Assert.Equal(text, address.ToString());
        Assert.Equal(address, Address.Parse(text));
        Assert.Equal(host is not null, address.HasGlobalScope);
    }

    [Fact]
    public async Task Selections_resolve_relative_absolute_and_with_wildcards()
    {
        IActorRef parent = Acting((context, message) =>
        {
            switch (message)
            {
                case "children":
                    for (int i = 1; i <= 3; i++)
                        context.ActorOf(Props.Create(() => new Child(Seen)), "c" + i);
                    break;
                case string path:
                    context.ActorSelection(path).Tell(path);
                    break;
            }
        }, "parent");
        parent.Tell("children");
        await Settled(parent);
        parent.Tell("c1");
        Seen.AssertNext("c1: c1");
        parent.Tell("../parent/c2");
        Seen.AssertNext("c2: ../parent/c2");
        Sys.ActorSelection("/user/parent/c3").Tell("absolute");
        Seen.AssertNext("c3: absolute");
        Sys.ActorSelection("akka://" + Sys.Name + "/user/parent/c3").Tell("full");
        Seen.AssertNext("c3: full");
        Sys.ActorSelection("/user/*/c?").Tell("all");
        Assert.Equal(["c1: all", "c2: all", "c3: all"], Enumerable.Range(0, 3).Select(_ => Seen.Next<string>()).Order());
        IActorRef child = await Sys.ActorSelection("/user/parent/c1").ResolveOne(Long);
        Assert.Equal("c1", child.Path.Name);
        Assert.Equal(parent.Path, child.Path.Parent);
        await Assert.ThrowsAsync<ActorNotFoundException>(() => Sys.ActorSelection("/user/parent/none").ResolveOne(Long));
    }

    private sealed class Child(Record seen) : UntypedActor
    {
        protected override void OnReceive(object message) => seen.Add(Self.Path.Name + ": " + message);
    }

    [Fact]
    public async Task Identify_is_answered_by_every_actor()
    {
        IActorRef probe = Probe();
        ActorIdentity identity = await probe.Ask<ActorIdentity>(new Identify("id"), Long);
        Assert.Equal("id", identity.MessageId);
        Assert.Equal(probe, identity.Subject);
        Assert.True(await probe.GracefulStop(Long));
        Assert.Null((await probe.Ask<ActorIdentity>(new Identify("id"), Long)).Subject);
    }

    [Fact]
    public void References_are_equal_by_path_and_uid()
    {
        IActorRef a = Probe("a"), b = Probe("b");
        Assert.NotEqual(a, b);
        Assert.True(a.CompareTo(b) < 0);
        Assert.True(ActorRefs.Nobody.IsNobody());
        Assert.Null(ActorRefs.NoSender);
        Assert.False(a.IsNobody());
    }

    [Fact]
    public async Task Termination_runs_callbacks_last_registered_first_and_then_completes()
    {
        ActorSystem system = ActorSystem.Create("ending", "akka.loglevel = OFF");
        var order = new List<int>();
        system.RegisterOnTermination(() => order.Add(1));
        system.RegisterOnTermination(() => order.Add(2));
        Assert.False(system.WhenTerminated.IsCompleted);
        await system.Terminate().WaitAsync(Long);
        Assert.True(system.WhenTerminated.IsCompletedSuccessfully);
        Assert.Equal([2, 1], order);
        Assert.ThrowsAny<InvalidOperationException>(() => system.RegisterOnTermination(() => { }));
        Assert.ThrowsAny<Exception>(() => system.ActorOf(Props.Empty));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-a")]
    [InlineData("a b")]
    public void A_malformed_system_name_is_refused(string name) => Assert.Throws<ArgumentException>(() => ActorSystem.Create(name));

    [Fact]
    public void A_dispatcher_or_mailbox_that_is_not_configured_is_refused_when_the_actor_is_made()
    {
        Assert.Throws<ConfigurationException>(() => Sys.ActorOf(Props.Create(() => new Child(Seen)).WithDispatcher("no.such")));
        Assert.Throws<ConfigurationException>(() => Sys.ActorOf(Props.Create(() => new Child(Seen)).WithMailbox("no.such")));
    }

    private sealed class Counter : IExtension
    {
        public int Value;
    }

    private sealed class CounterId : ExtensionIdProvider<Counter>
    {
        public override Counter CreateExtension(ExtendedActorSystem system) => new();
    }

    [Fact]
    public void An_extension_is_made_once()
    {
        Assert.False(Sys.HasExtension<Counter>());
        Assert.Null(Sys.GetExtension<Counter>());
        Counter counter = Sys.WithExtension<Counter, CounterId>();
        counter.Value++;
        Assert.Same(counter, Sys.WithExtension<Counter, CounterId>());
        Assert.Same(counter, new CounterId().Get(Sys));
        Assert.Same(counter, Sys.RegisterExtension(new CounterId()));
        Assert.True(Sys.TryGetExtension(out Counter found));
        Assert.Same(counter, found);
    }

    [Fact]
    public void Props_make_actors_in_every_way()
    {
        Sys.ActorOf(Props.Create<Made>(Seen, "args")).Tell("go");
        Seen.AssertNext("args");
        Sys.ActorOf(Props.Create(typeof(Made), Seen, "type")).Tell("go");
        Seen.AssertNext("type");
        string local = "closure";
        Sys.ActorOf(Props.Create(() => new Made(Seen, local + "!"))).Tell("go");
        Seen.AssertNext("closure!");
        Sys.ActorOf(Props.CreateBy(new Producer(Seen))).Tell("go");
        Seen.AssertNext("produced");
        Assert.Throws<ArgumentException>(() => Props.Create(typeof(string)));
        Props props = Props.Create<Made>(Seen, "x").WithDispatcher("d").WithMailbox("m");
        Assert.Equal(("d", "m"), (props.Dispatcher, props.Mailbox));
        Assert.Equal(typeof(Made), props.Type);
    }

    private sealed class Made(Record seen, string name) : UntypedActor
    {
        protected override void OnReceive(object message) => seen.Add(name);
    }

    private sealed class Producer(Record seen) : IIndirectActorProducer
    {
        public Type ActorType => typeof(Made);

        public ActorBase Produce() => new Made(seen, "produced");

        public void Release(ActorBase actor)
        {
        }
    }

    [Fact]
    public void Uptime_grows_from_the_start()
    {
        Assert.True(Sys.Uptime >= TimeSpan.Zero);
        Assert.True(Sys.StartTime > TimeSpan.Zero);
    }
}

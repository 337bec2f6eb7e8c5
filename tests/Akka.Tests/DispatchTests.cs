using Akka.Configuration;
using Akka.Dispatch;

namespace Akka.Tests;

public sealed class DispatchTests() : SystemTest("""
    own-threads {
      type = ForkJoinDispatcher
      throughput = 10
      dedicated-thread-pool.thread-count = 2
    }
    own-executor {
      type = Dispatcher
      executor = fork-join-executor
      fork-join-executor { parallelism-min = 1, parallelism-factor = 0.1, parallelism-max = 1 }
    }
    pinned.type = PinnedDispatcher
    fair { type = Dispatcher, throughput = 1 }
    deadline { type = Dispatcher, throughput = 1000, throughput-deadline-time = 1h }
    little-room { mailbox-type = "Akka.Dispatch.BoundedMailbox", mailbox-capacity = 1, mailbox-push-timeout-time = 10ms }
    by-priority.mailbox-type = "Akka.Tests.DispatchTests+ByNumber, Akka.Tests"
    """)
{
    public sealed class ByNumber(Settings settings, Config config) : UnboundedStablePriorityMailbox(settings, config)
    {
        protected override int PriorityGenerator(object message) => message is (int priority, _) ? priority : 0;
    }

    private IActorRef ThreadReporter(string dispatcher) =>
        Sys.ActorOf(Props.Create(() => new Reporter()).WithDispatcher(dispatcher));

    private sealed class Reporter : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(Thread.CurrentThread);
    }

    [Fact]
    public async Task The_default_dispatcher_runs_on_the_thread_pool()
    {
        Thread thread = await Sys.ActorOf<Reporter>().Ask<Thread>("?", Long);
        Assert.True(thread.IsThreadPoolThread);
        Assert.Equal(Dispatchers.DefaultDispatcherId, Sys.Dispatchers.DefaultGlobalDispatcher.Id);
    }

    [Theory]
    [InlineData("own-threads")]
    [InlineData("own-executor")]
    [InlineData("pinned")]
    public async Task A_dispatcher_with_threads_of_its_own_does_not_use_the_pool(string dispatcher)
    {
        Thread thread = await ThreadReporter(dispatcher).Ask<Thread>("?", Long);
        Assert.False(thread.IsThreadPoolThread);
    }

    [Fact]
    public async Task A_pinned_actor_keeps_its_thread_and_shares_it_with_nobody()
    {
        IActorRef one = ThreadReporter("pinned"), two = ThreadReporter("pinned");
        Thread first = await one.Ask<Thread>("?", Long);
        Assert.Same(first, await one.Ask<Thread>("?", Long));
        Assert.NotSame(first, await two.Ask<Thread>("?", Long));
        Assert.True(await one.GracefulStop(Long));
        Assert.True(first.Join(Long));
    }

    [Fact]
    public async Task Blocked_actors_of_one_dispatcher_do_not_starve_another()
    {
        var gate = new ManualResetEventSlim();
        for (int i = 0; i < 4; i++)
            Sys.ActorOf(Props.Create(() => new Blocking(gate)).WithDispatcher("own-executor")).Tell("block");
        await ThreadReporter("own-threads").Ask<Thread>("?", Long);
        gate.Set();
    }

    private sealed class Blocking(ManualResetEventSlim gate) : UntypedActor
    {
        protected override void OnReceive(object message) => gate.Wait(Long);
    }

    private sealed class Noting(Record seen, ManualResetEventSlim gate) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            gate.Wait(Long);
            seen.Add(message);
        }
    }

    [Theory]
    [InlineData("fair")]
    [InlineData("deadline")]
    public void Every_message_is_handled_whatever_the_throughput(string dispatcher)
    {
        var gate = new ManualResetEventSlim();
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Noting(Seen, gate)).WithDispatcher(dispatcher));
        for (int i = 0; i < 500; i++)
            actor.Tell(i);
        gate.Set();
        for (int i = 0; i < 500; i++)
            Seen.AssertNext(i);
    }

    [Fact]
    public void An_actor_gives_way_after_as_many_messages_as_the_throughput_says()
    {
        // One thread, two actors whose mail is queued before either runs: they take turns of one message.
        var gate = new ManualResetEventSlim();
        Props props = Props.Create(() => new Noting(Seen, gate)).WithDispatcher("turns");
        Config turns = ConfigurationFactory.ParseString("""
            akka.loglevel = OFF
            akka.stdout-loglevel = OFF
            turns { type = ForkJoinDispatcher, throughput = 2, dedicated-thread-pool.thread-count = 1 }
            """);
        using ActorSystem system = ActorSystem.Create("turns", turns);
        IActorRef a = system.ActorOf(props), b = system.ActorOf(props);
        foreach (string message in new[] { "a1", "a2", "a3", "a4" })
            a.Tell(message);
        foreach (string message in new[] { "b1", "b2", "b3", "b4" })
            b.Tell(message);
        gate.Set();
        string[] seen = [.. Enumerable.Range(0, 8).Select(_ => Seen.Next<string>())];
        Assert.Equal(["a1", "a2", "a3", "a4"], seen.Where(s => s[0] == 'a'));
        Assert.Equal(["b1", "b2", "b3", "b4"], seen.Where(s => s[0] == 'b'));
        // All of b did not have to wait for all of a.
        Assert.True(Array.IndexOf(seen, "b1") < Array.IndexOf(seen, "a4"));
    }

    [Fact]
    public void A_priority_mailbox_sorts_what_waits_and_keeps_the_order_of_equals()
    {
        var gate = new ManualResetEventSlim();
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Noting(Seen, gate)).WithMailbox("by-priority"));
        actor.Tell((0, "first"));
        // The first message is being handled when the others arrive.
        while (!gate.IsSet)
        {
            foreach ((int, string) message in new[] { (2, "c"), (1, "a"), (1, "b") })
                actor.Tell(message);
            gate.Set();
        }

        Seen.Next();
        Assert.Equal(["a", "b", "c"], Enumerable.Range(0, 3).Select(_ => Seen.Next<(int, string)>().Item2));
    }

    [Fact]
    public void A_bounded_mailbox_turns_what_has_no_room_in_time_into_dead_letters()
    {
        var gate = new ManualResetEventSlim();
        IActorRef probe = Probe();
        Sys.EventStream.Subscribe(probe, typeof(Akka.Event.DeadLetter));
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Noting(Seen, gate)).WithMailbox("little-room"));
        for (int i = 0; i < 5; i++)
            actor.Tell(i);
        Assert.IsType<int>(Seen.Next<Akka.Event.DeadLetter>().Message);
        gate.Set();
    }

    [Fact]
    public async Task Work_can_be_scheduled_on_a_dispatcher()
    {
        var ran = new TaskCompletionSource<bool>();
        Sys.Dispatchers.Lookup("own-threads").Schedule(() => ran.SetResult(Thread.CurrentThread.IsThreadPoolThread));
        Assert.False(await ran.Task.WaitAsync(Long));
        Assert.Throws<ConfigurationException>(() => Sys.Dispatchers.Lookup("no.such.dispatcher"));
    }
}

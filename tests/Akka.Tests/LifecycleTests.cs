namespace Akka.Tests;

public sealed class LifecycleTests : SystemTest
{
    private sealed record Fail(string Why = "expected");

    private sealed class Living(Record seen) : UntypedActor
    {
        protected override void PreStart() => seen.Add("PreStart");

        protected override void PostStop() => seen.Add("PostStop");

        protected override void PreRestart(Exception reason, object message)
        {
            seen.Add($"PreRestart {reason.Message} {message.GetType().Name}");
            base.PreRestart(reason, message);
        }

        protected override void PostRestart(Exception reason)
        {
            seen.Add($"PostRestart {reason.Message}");
            base.PostRestart(reason);
        }

        protected override void OnReceive(object message)
        {
            if (message is Fail fail)
                throw new ExpectedException(fail.Why);
            seen.Add(message);
        }
    }

    [Fact]
    public async Task Messages_of_one_sender_to_one_receiver_stay_in_order()
    {
        const int messages = 20_000;
        var done = new TaskCompletionSource<int>();
        int expected = 0;
        IActorRef receiver = Acting((_, message) =>
        {
            if ((int)message != expected)
                done.TrySetResult((int)message);
            if (++expected == messages)
                done.TrySetResult(-1);
        });
        IActorRef sender = Acting((_, _) =>
        {
            for (int i = 0; i < messages; i++)
                receiver.Tell(i);
        });
        sender.Tell("go");
        Assert.Equal(-1, await done.Task.WaitAsync(Long));
    }

    [Fact]
    public async Task Many_senders_lose_nothing()
    {
        const int senders = 8, each = 5_000;
        int received = 0;
        var done = new TaskCompletionSource();
        IActorRef receiver = Acting((_, _) =>
        {
            if (++received == senders * each)
                done.SetResult();
        });
        await Task.WhenAll(Enumerable.Range(0, senders).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < each; i++)
                receiver.Tell(i, ActorRefs.NoSender);
        })));
        await done.Task.WaitAsync(Long);
    }

    [Fact]
    public void System_messages_run_before_user_messages_that_were_sent_before_them()
    {
        var stopSent = new ManualResetEventSlim();
        IActorRef busy = Acting((context, message) =>
        {
            Seen.Add(message);
            stopSent.Wait(Long);
        });
        busy.Tell("first");
        Seen.AssertNext("first");
        busy.Tell("second");
        IActorRef watcher = Acting((context, message) =>
        {
            if (message is Terminated)
                Seen.Add("terminated");
            else
                context.Watch(busy);
        });
        watcher.Tell("watch");
        Sys.Stop(busy);
        stopSent.Set();
        // The second message was queued before the stop and is not handled.
        Seen.AssertNext("terminated");
        Seen.AssertNothingMore();
    }

    [Fact]
    public void A_restart_keeps_the_reference_and_the_mailbox_and_loses_the_failing_message()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Living(Seen)));
        actor.Tell("one");
        actor.Tell(new Fail());
        actor.Tell("two");
        Seen.AssertNext("PreStart", "one", "PreRestart expected Fail", "PostStop", "PostRestart expected", "PreStart", "two");
    }

    private sealed class Parent(Record seen) : UntypedActor
    {
        protected override void PreStart() => Context.ActorOf(Props.Create(() => new Living(seen)), "child");

        protected override void OnReceive(object message) => throw new ExpectedException();
    }

    [Fact]
    public async Task A_restart_stops_the_children_and_PreStart_makes_new_ones()
    {
        IActorRef parent = Sys.ActorOf(Props.Create(() => new Parent(Seen)), "parent");
        Seen.AssertNext("PreStart");
        IActorRef before = await Sys.ActorSelection("/user/parent/child").ResolveOne(Long);
        parent.Tell(new Fail());
        Seen.AssertNext("PostStop", "PreStart");
        IActorRef after = await Sys.ActorSelection("/user/parent/child").ResolveOne(Long);
        Assert.Equal(before.Path, after.Path);
        Assert.NotEqual(before, after);
        Assert.NotEqual(before.Path.Uid, after.Path.Uid);
    }

    [Fact]
    public async Task PoisonPill_waits_its_turn_and_Stop_does_not()
    {
        IActorRef poisoned = Sys.ActorOf(Props.Create(() => new Living(Seen)));
        poisoned.Tell("before");
        poisoned.Tell(PoisonPill.Instance);
        poisoned.Tell("after");
        Seen.AssertNext("PreStart", "before", "PostStop");
        var gate = new ManualResetEventSlim();
        IActorRef stopped = Acting((_, message) =>
        {
            Seen.Add(message);
            gate.Wait(Long);
        });
        stopped.Tell("running");
        stopped.Tell("queued");
        Seen.AssertNext("running");
        Sys.Stop(stopped);
        gate.Set();
        Assert.True(await stopped.WatchAsync().WaitAsync(Long));
        Seen.AssertNothingMore();
    }

    private sealed class Nested(Record seen, string name, int depth) : UntypedActor
    {
        protected override void PreStart()
        {
            if (depth > 0)
                Context.ActorOf(Props.Create(() => new Nested(seen, name + "/c", depth - 1)), "c");
        }

        protected override void PostStop() => seen.Add(name);

        protected override void OnReceive(object message)
        {
        }
    }

    [Fact]
    public async Task Termination_stops_children_first_then_PostStop_then_tells_the_watchers()
    {
        IActorRef top = Sys.ActorOf(Props.Create(() => new Nested(Seen, "a", 2)));
        await Settled(top);
        IActorRef watcher = Acting((context, message) =>
        {
            if (message is Terminated)
                Seen.Add("terminated");
            else
                context.Watch(top);
        });
        watcher.Tell("watch");
        await Settled(watcher);
        Sys.Stop(top);
        Seen.AssertNext("a/c/c", "a/c", "a", "terminated");
    }

    private sealed class Silent : UntypedActor
    {
        protected override void OnReceive(object message)
        {
        }
    }

    [Fact]
    public void A_name_is_free_again_once_its_actor_is_dead_and_not_before()
    {
        // It is the parent's Terminated that says so. Others who watch may be told before the parent has been.
        IActorRef parent = Acting((context, message) =>
        {
            if (message is Terminated)
            {
                Seen.Add(context.ActorOf<Silent>("taken"));
                return;
            }

            IActorRef child = context.Watch(context.ActorOf<Silent>("taken"));
            Seen.Add(child);
            Assert.Throws<InvalidActorNameException>(() => context.ActorOf<Silent>("taken"));
            context.Stop(child);
            Assert.Throws<InvalidActorNameException>(() => context.ActorOf<Silent>("taken"));
        });
        parent.Tell("go");
        IActorRef first = Seen.Next<IActorRef>(), second = Seen.Next<IActorRef>();
        Assert.Equal(first.Path, second.Path);
        Assert.NotEqual(first, second);
    }

    [Fact]
    public async Task Mail_for_an_actor_that_is_being_made_is_handled_by_it()
    {
        // Whoever looks for the next name all the time finds the actor as soon as it can be found.
        IActorRef errors = Probe();
        Sys.EventStream.Subscribe(errors, typeof(Akka.Event.Error));
        var made = new List<IActorRef>();
        int next = 0;
        Task looking = Task.Run(() =>
        {
            while (Volatile.Read(ref next) is >= 0 and var number)
                Sys.ActorSelection($"/user/made-{number}").Tell("found", ActorRefs.NoSender);
        });
        while (made.Count < 2_000)
        {
            made.Add(Sys.ActorOf<Silent>($"made-{made.Count}"));
            Volatile.Write(ref next, made.Count);
        }

        Volatile.Write(ref next, -1);
        await looking.WaitAsync(Long);
        foreach (IActorRef actor in made)
            await Settled(actor);
        await Settled(errors);
        Seen.AssertNothingMore();
    }

    [Theory]
    [InlineData("")]
    [InlineData("$mine")]
    [InlineData("a/b")]
    [InlineData("a b")]
    public void A_malformed_name_is_refused(string name) => Assert.Throws<InvalidActorNameException>(() => Probe(name));

    [Fact]
    public void Null_is_no_message()
    {
        IActorRef probe = Probe();
        Assert.Throws<InvalidMessageException>(() => probe.Tell(null, ActorRefs.NoSender));
    }

    [Fact]
    public void An_actor_is_not_made_with_new()
    {
        Assert.Throws<ActorInitializationException>(() => new Living(Seen));
    }

    private sealed class Switching : ReceiveActor
    {
        public Switching(Record seen)
        {
            Receive<string>(text => text == "stack", _ => BecomeStacked(() => Receive<string>(text =>
            {
                seen.Add("stacked " + text);
                if (text == "back")
                    UnbecomeStacked();
            })));
            Receive<string>(text => text == "replace", _ => Become(() => ReceiveAny(message => seen.Add("replaced " + message))));
            Receive<string>(text => seen.Add("base " + text));
            Receive<int>(_ => false);
            Receive(typeof(int), message => seen.Add("second handler " + message));
        }
    }

    [Fact]
    public void Behaviours_stack_replace_and_fall_through_in_order_of_registration()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Switching(Seen)));
        foreach (object message in new object[] { "a", 7, "stack", "b", "back", "c", "replace", 8 })
            actor.Tell(message);
        Seen.AssertNext("base a", "second handler 7", "stacked b", "stacked back", "base c", "replaced 8");
    }

    [Fact]
    public void Receive_timeout_comes_after_silence_and_again()
    {
        Acting((context, message) =>
        {
            if (message is ReceiveTimeout)
                Seen.Add("timeout");
            else
                context.SetReceiveTimeout(TimeSpan.FromMilliseconds(20));
        }).Tell("start");
        Seen.AssertNext("timeout", "timeout");
    }
}

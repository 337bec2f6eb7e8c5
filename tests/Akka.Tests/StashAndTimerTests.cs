using System.Collections.Concurrent;

namespace Akka.Tests;

public sealed class StashAndTimerTests : SystemTest
{
    private sealed class Stashing(Record seen) : UntypedActor, IWithUnboundedStash
    {
        private bool _open;

        public IStash Stash { get; set; }

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case "open":
                    _open = true;
                    Stash.UnstashAll();
                    break;
                case "close":
                    _open = false;
                    break;
                case "one":
                    Stash.Unstash();
                    _open = true;
                    break;
                case "twice":
                    Stash.Stash();
                    seen.Add(Record(() => Stash.Stash()));
                    break;
                case Exception e:
                    throw e;
                case "count":
                    seen.Add(Stash.Count);
                    break;
                default:
                    if (_open)
                        seen.Add(message);
                    else
                        Stash.Stash();
                    break;
            }
        }

        private static Type Record(Action action)
        {
            try
            {
                action();
                return null;
            }
            catch (Exception e)
            {
                return e.GetType();
            }
        }
    }

    [Fact]
    public void UnstashAll_puts_the_messages_in_front_of_the_mailbox_in_their_order()
    {
        var gate = new ManualResetEventSlim();
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Stashing(Seen)));
        foreach (object message in new object[] { 1, 2, 3, "open", 4 })
            actor.Tell(message);
        gate.Set();
        Seen.AssertNext(1, 2, 3, 4);
    }

    [Fact]
    public void Unstash_returns_the_oldest_only()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Stashing(Seen)));
        foreach (object message in new object[] { 1, 2, "one", "count" })
            actor.Tell(message);
        Seen.AssertNext(1, 1);
    }

    private sealed class StashingTheEnd(Record seen, IActorRef watched) : UntypedActor, IWithUnboundedStash
    {
        private bool _open;

        public IStash Stash { get; set; }

        protected override void PreStart() => Context.Watch(watched);

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case Terminated when !_open:
                    Stash.Stash();
                    _open = true;
                    Stash.UnstashAll();
                    break;
                case Terminated terminated:
                    seen.Add(terminated.ActorRef.Equals(watched));
                    break;
            }
        }
    }

    [Fact]
    public void A_Terminated_can_be_stashed_and_comes_again()
    {
        IActorRef watched = Sys.ActorOf(Props.Create(() => new Stashing(Seen)));
        Sys.ActorOf(Props.Create(() => new StashingTheEnd(Seen, watched)));
        Sys.Stop(watched);
        Seen.AssertNext(true);
    }

    [Fact]
    public void Stashing_one_message_twice_throws()
    {
        Sys.ActorOf(Props.Create(() => new Stashing(Seen))).Tell("twice");
        Seen.AssertNext(typeof(IllegalActorStateException));
    }

    private sealed class OpenAfterRestart(Record seen) : UntypedActor, IWithUnboundedStash
    {
        private bool _restarted;

        public IStash Stash { get; set; }

        protected override void PostRestart(Exception reason) => _restarted = true;

        protected override void OnReceive(object message)
        {
            if (message is Exception e)
                throw e;
            if (_restarted)
                seen.Add(message);
            else
                Stash.Stash();
        }
    }

    [Fact]
    public void A_restart_unstashes_everything_in_front_of_what_waits()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new OpenAfterRestart(Seen)));
        foreach (object message in new object[] { 1, 2, new ExpectedException(), 3 })
            actor.Tell(message);
        Seen.AssertNext(1, 2, 3);
    }

    [Fact]
    public void A_full_stash_throws()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Overflowing(Seen)).WithStashCapacity(1));
        actor.Tell(1);
        actor.Tell(2);
        Seen.AssertNext("stashed", typeof(StashOverflowException));
    }

    private sealed class Overflowing(Record seen) : UntypedActorWithStash
    {
        protected override void OnReceive(object message)
        {
            try
            {
                Stash.Stash();
                seen.Add("stashed");
            }
            catch (Exception e)
            {
                seen.Add(e.GetType());
            }
        }
    }

    private sealed class Timed(Record seen) : UntypedActor, IWithTimers
    {
        public ITimerScheduler Timers { get; set; }

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case Action<ITimerScheduler> action:
                    action(Timers);
                    break;
                case Exception e:
                    throw e;
                default:
                    seen.Add(message);
                    break;
            }
        }
    }

    private static Action<ITimerScheduler> Do(Action<ITimerScheduler> action) => action;

    [Fact]
    public void Single_and_periodic_timers_fire()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Timed(Seen)));
        actor.Tell(Do(timers => timers.StartSingleTimer("s", "single", TimeSpan.FromMilliseconds(10))));
        Seen.AssertNext("single");
        actor.Tell(Do(timers => timers.StartPeriodicTimer("p", "tick", TimeSpan.FromMilliseconds(5))));
        Seen.AssertNext("tick", "tick", "tick");
    }

    [Fact]
    public async Task A_timer_that_was_replaced_or_cancelled_while_its_message_waited_in_the_mailbox_is_not_seen()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Timed(Seen)));
        actor.Tell(Do(timers =>
        {
            timers.StartSingleTimer("a", "old", TimeSpan.Zero);
            timers.StartSingleTimer("b", "cancelled", TimeSpan.Zero);
            // Both messages have time to arrive behind this turn.
            var scheduled = new ManualResetEventSlim();
            Sys.Scheduler.Advanced.ScheduleOnce(TimeSpan.FromMilliseconds(30), scheduled.Set);
            scheduled.Wait(Long);
            timers.StartSingleTimer("a", "new", TimeSpan.Zero);
            timers.Cancel("b");
            Assert.True(timers.IsTimerActive("a"));
            Assert.False(timers.IsTimerActive("b"));
        }));
        Seen.AssertNext("new");
        await Settled(actor);
        Seen.AssertNothingMore();
    }

    [Fact]
    public async Task Timers_end_with_the_incarnation()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Timed(Seen)));
        actor.Tell(Do(timers =>
        {
            timers.StartSingleTimer("old", "of the first instance", TimeSpan.FromMilliseconds(50));
            throw new ExpectedException();
        }));
        actor.Tell(Do(timers =>
        {
            Seen.Add(timers.ActiveTimers.Count);
            timers.StartSingleTimer("late", "of the second instance", TimeSpan.FromMilliseconds(100));
        }));
        Seen.AssertNext(0, "of the second instance");
        await Settled(actor);
        Seen.AssertNothingMore();
    }

    [Fact]
    public void Scheduled_messages_are_never_early_and_keep_their_order()
    {
        IActorRef probe = Probe();
        TimeSpan clock, between;
        do
        {
            clock = Sys.Scheduler.MonotonicClock;
            Sys.Scheduler.ScheduleTellOnce(TimeSpan.FromMilliseconds(60), probe, "later", ActorRefs.NoSender);
            Sys.Scheduler.ScheduleTellOnce(TimeSpan.FromMilliseconds(20), probe, "sooner", ActorRefs.NoSender);
            between = Sys.Scheduler.MonotonicClock - clock;
            string[] order = [Seen.Next<string>(), Seen.Next<string>()];
            Assert.True(Sys.Scheduler.MonotonicClock - clock >= TimeSpan.FromMilliseconds(59));
            if (between < TimeSpan.FromMilliseconds(40))
                Assert.Equal(["sooner", "later"], order);
        }
        while (between >= TimeSpan.FromMilliseconds(40)); // This thread stood still in between: the first may be due first.
    }

    [Fact]
    public void Repeated_work_has_a_fixed_rate_and_makes_up_for_a_pause()
    {
        IActorRef probe = Probe();
        TimeSpan start = Sys.Scheduler.MonotonicClock;
        int runs = 0;
        var cancelable = Sys.Scheduler.Advanced.ScheduleRepeatedlyCancelable(TimeSpan.Zero, TimeSpan.FromMilliseconds(20), () =>
        {
            // One run takes the time of five; the four that it delays follow without waiting.
            if (++runs == 1)
                new ManualResetEventSlim().Wait(100);
            probe.Tell(runs, ActorRefs.NoSender);
        });
        for (int i = 1; i <= 6; i++)
            Seen.AssertNext(i);
        // The sixth was due 100 ms after the first, pause or not.
        Assert.True(Sys.Scheduler.MonotonicClock - start >= TimeSpan.FromMilliseconds(90));
        cancelable.Cancel();
    }

    [Fact]
    public async Task What_is_cancelled_does_not_run()
    {
        IActorRef probe = Probe();
        Sys.Scheduler.Advanced.ScheduleOnce(TimeSpan.Zero, () =>
        {
            // On the thread that would run it, which cannot do so before it is cancelled.
            ICancelable cancelable = Sys.Scheduler.ScheduleTellOnceCancelable(TimeSpan.Zero, probe, "cancelled", ActorRefs.NoSender);
            cancelable.Cancel();
            Seen.Add((cancelable.IsCancellationRequested, cancelable.Token.IsCancellationRequested));
            Sys.Scheduler.ScheduleTellOnce(TimeSpan.FromMilliseconds(30), probe, "end", ActorRefs.NoSender);
        });
        Seen.AssertNext((true, true), "end");
        await Settled(probe);
        Seen.AssertNothingMore();
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            Sys.Scheduler.ScheduleTellOnce(TimeSpan.FromMilliseconds(-1), probe, "x", ActorRefs.NoSender));
    }

    [Fact]
    public void Of_thousands_of_timers_each_runs_once_when_it_is_due_and_never_when_it_was_cancelled()
    {
        var random = new Random(4711);
        const int timers = 2_000;
        var due = new TimeSpan[timers];
        var runs = new ConcurrentQueue<(int Timer, TimeSpan At)>();
        using var done = new CountdownEvent(timers / 2);
        Sys.Scheduler.Advanced.ScheduleOnce(TimeSpan.Zero, () =>
        {
            // On the thread that runs them: none runs before it is cancelled.
            for (int i = 0; i < timers; i++)
            {
                int timer = i;
                var delay = TimeSpan.FromMilliseconds(random.Next(50, 400));
                due[timer] = Sys.Scheduler.MonotonicClock + delay;
                ICancelable cancelable = Sys.Scheduler.Advanced.ScheduleOnceCancelable(delay, () =>
                {
                    runs.Enqueue((timer, Sys.Scheduler.MonotonicClock));
                    done.Signal();
                });
                if (timer % 2 == 0)
                    cancelable.Cancel();
            }
        });
        Assert.True(done.Wait(Long));
        Assert.Equal(Enumerable.Range(0, timers).Where(timer => timer % 2 == 1), runs.Select(run => run.Timer).Order());
        Assert.All(runs, run => Assert.True(run.At >= due[run.Timer]));
    }
}

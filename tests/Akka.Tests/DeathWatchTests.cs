using Akka.Event;

namespace Akka.Tests;

public sealed class DeathWatchTests : SystemTest
{
    private sealed class Watcher : UntypedActor
    {
        private readonly Record _seen;

        public Watcher(Record seen) => _seen = seen;

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case (string verb, IActorRef subject):
                    if (verb == "watch")
                        Context.Watch(subject);
                    else if (verb == "unwatch")
                        Context.Unwatch(subject);
                    else
                        Context.WatchWith(subject, verb);
                    break;
                case Action<IActorContext> action:
                    action(Context);
                    break;
                default:
                    _seen.Add(message);
                    break;
            }
        }
    }

    private IActorRef NewWatcher() => Sys.ActorOf(Props.Create(() => new Watcher(Seen)));

    private async Task<IActorRef> Dead()
    {
        IActorRef actor = Probe();
        Assert.True(await actor.GracefulStop(Long));
        return actor;
    }

    [Fact]
    public async Task The_watcher_is_told_once_however_often_it_watches()
    {
        IActorRef subject = Probe();
        IActorRef watcher = NewWatcher();
        watcher.Tell(("watch", subject));
        watcher.Tell(("watch", subject));
        await Settled(watcher);
        Sys.Stop(subject);
        var terminated = Seen.Next<Terminated>();
        Assert.Equal(subject, terminated.ActorRef);
        Assert.True(terminated.ExistenceConfirmed);
        await Settled(watcher);
        Seen.AssertNothingMore();
    }

    [Fact]
    public async Task A_second_WatchWith_is_ignored()
    {
        IActorRef subject = Probe();
        IActorRef watcher = NewWatcher();
        watcher.Tell(("first", subject));
        watcher.Tell(("second", subject));
        watcher.Tell(("watch", subject));
        await Settled(watcher);
        Sys.Stop(subject);
        Seen.AssertNext("first");
        await Settled(watcher);
        Seen.AssertNothingMore();
    }

    [Fact]
    public async Task Watching_a_dead_reference_ends_at_once_without_confirmed_existence()
    {
        IActorRef dead = await Dead();
        NewWatcher().Tell(("watch", dead));
        var terminated = Seen.Next<Terminated>();
        Assert.Equal(dead, terminated.ActorRef);
        Assert.False(terminated.ExistenceConfirmed);
    }

    [Fact]
    public async Task Terminated_never_arrives_after_Unwatch_even_when_it_was_in_the_mailbox()
    {
        IActorRef subject = Probe();
        IActorRef watcher = NewWatcher();
        var gate = new ManualResetEventSlim();
        var entered = new ManualResetEventSlim();
        watcher.Tell(("watch", subject));
        watcher.Tell((Action<IActorContext>)(_ =>
        {
            entered.Set();
            gate.Wait(Long);
        }));
        entered.Wait(Long);
        Sys.Stop(subject);
        // The death is queued behind this turn; the next turn takes the watch back.
        Assert.True(await subject.WatchAsync().WaitAsync(Long));
        watcher.Tell(("unwatch", subject));
        watcher.Tell("end");
        gate.Set();
        Seen.AssertNext("end");
        await Settled(watcher);
        Seen.AssertNothingMore();
    }

    [Fact]
    public async Task Unwatch_in_the_turn_in_which_the_subject_died_takes_Terminated_back()
    {
        IActorRef subject = Probe();
        IActorRef watcher = NewWatcher();
        watcher.Tell((Action<IActorContext>)(context =>
        {
            context.Watch(subject);
            context.Stop(subject);
            Assert.True(subject.WatchAsync().Wait(Long));
            context.Unwatch(subject);
        }));
        watcher.Tell("end");
        Seen.AssertNext("end");
        await Settled(watcher);
        Seen.AssertNothingMore();
    }

    private sealed class Pact(IActorRef subject) : ReceiveActor
    {
        protected override void PreStart() => Context.Watch(subject);
    }

    [Fact]
    public async Task An_unhandled_Terminated_breaks_the_death_pact_and_stops_the_watcher()
    {
        IActorRef subject = Probe();
        IActorRef pact = Sys.ActorOf(Props.Create(() => new Pact(subject)));
        await Settled(pact);
        Sys.Stop(subject);
        Assert.True(await pact.WatchAsync().WaitAsync(Long));
    }

    [Fact]
    public void What_the_dead_actor_sent_before_arrives_before_Terminated()
    {
        IActorRef watcher = NewWatcher();
        IActorRef subject = Acting((context, message) =>
        {
            for (int i = 0; i < 3; i++)
                watcher.Tell(i);
            context.Stop(context.Self);
        });
        watcher.Tell(("watch", subject));
        subject.Tell("go");
        Seen.AssertNext(0, 1, 2);
        Seen.Next<Terminated>();
    }

    [Fact]
    public async Task GracefulStop_is_cancelled_when_the_actor_does_not_stop()
    {
        IActorRef actor = Probe();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => actor.GracefulStop(TimeSpan.FromMilliseconds(20), "no stop message"));
        Seen.AssertNext("no stop message");
    }

    [Fact]
    public async Task WatchAsync_returns_false_when_it_is_cancelled()
    {
        using var source = new CancellationTokenSource();
        Task<bool> watching = Probe().WatchAsync(source.Token);
        source.Cancel();
        Assert.False(await watching.WaitAsync(Long));
    }

    [Fact]
    public async Task Messages_to_the_dead_are_dead_letters()
    {
        IActorRef dead = await Dead();
        Sys.EventStream.Subscribe(Probe(), typeof(DeadLetter));
        dead.Tell("late", ActorRefs.NoSender);
        var letter = Seen.Next<DeadLetter>();
        Assert.Equal("late", letter.Message);
        Assert.Equal(dead, letter.Recipient);
        Assert.Equal(Sys.DeadLetters, letter.Sender);
    }

    [Fact]
    public async Task What_is_still_in_the_mailbox_of_a_dying_actor_becomes_dead_letters_in_order()
    {
        var gate = new ManualResetEventSlim();
        IActorRef dying = Acting((context, _) =>
        {
            gate.Wait(Long);
            context.Stop(context.Self);
        });
        IActorRef probe = Probe();
        Sys.EventStream.Subscribe(probe, typeof(DeadLetter));
        dying.Tell("go");
        dying.Tell("one");
        dying.Tell("two");
        gate.Set();
        Assert.Equal("one", Seen.Next<DeadLetter>().Message);
        Assert.Equal("two", Seen.Next<DeadLetter>().Message);
        Assert.True(await dying.WatchAsync().WaitAsync(Long));
    }

    private sealed class Quiet : IDeadLetterSuppression;

    [Fact]
    public async Task Suppressed_dead_letters_are_published_as_such()
    {
        IActorRef dead = await Dead();
        IActorRef probe = Probe();
        Sys.EventStream.Subscribe(probe, typeof(AllDeadLetters));
        dead.Tell(new Quiet());
        Assert.IsType<Quiet>(Seen.Next<SuppressedDeadLetter>().Message);
    }

    private sealed class Picky : ReceiveActor
    {
        public Picky() => Receive<int>(_ => { });
    }

    [Fact]
    public void Unhandled_messages_are_published()
    {
        Sys.EventStream.Subscribe(Probe(), typeof(UnhandledMessage));
        IActorRef picky = Sys.ActorOf<Picky>();
        picky.Tell("text");
        var unhandled = Seen.Next<UnhandledMessage>();
        Assert.Equal("text", unhandled.Message);
        Assert.Equal(picky, unhandled.Recipient);
    }
}

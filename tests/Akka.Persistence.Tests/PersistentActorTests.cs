using Akka.Actor;
using Xunit;

namespace Akka.Persistence.Tests;

/// <summary>Commands, events, recovery and snapshots over the in-memory plugins. All of it also holds for the official package.</summary>
public class PersistentActorTests : TestKit.Xunit2.TestKit
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    private readonly string _id = Guid.NewGuid().ToString("N");

    public PersistentActorTests() : base("""
        akka.test.single-expect-default = 30s
        akka.test.filter-leeway = 30s
        akka.persistence.journal.plugin = "akka.persistence.journal.inmem"
        akka.persistence.snapshot-store.plugin = "akka.persistence.snapshot-store.inmem"
        """)
    {
    }

    [Fact]
    public void Events_survive_the_actor()
    {
        var first = Start();
        ExpectMsg("recovered 0 at 0");
        first.Tell(new Counter.Add(1));
        first.Tell(new Counter.AddAll(2, 3));
        foreach (var text in new[] { "applied 1", "applied 2", "applied 3" }) ExpectMsg(text);
        Stop(first);
        var second = Start();
        ExpectMsg("recovered 6 at 3");
        second.Tell(new Counter.Add(4));
        ExpectMsg("applied 4");
        Stop(second);
        Start(new Recovery(SnapshotSelectionCriteria.None, 2));
        ExpectMsg("recovered 3 at 4");
    }

    [Fact]
    public void Commands_wait_for_recovery_and_for_the_handlers_of_Persist()
    {
        var actor = Start();
        for (var i = 1; i <= 3; i++)
        {
            actor.Tell(new Counter.AddAll(i, i));
            actor.Tell($"after {i}");
        }

        ExpectMsg("recovered 0 at 0");
        for (var i = 1; i <= 3; i++)
        {
            ExpectMsg($"applied {i}");
            ExpectMsg($"applied {i}");
            ExpectMsg($"after {i}");
        }
    }

    [Fact]
    public void PersistAsync_holds_nothing_back_and_keeps_the_order_of_handlers()
    {
        var actor = Start();
        ExpectMsg("recovered 0 at 0");
        for (var i = 0; i < 20; i++) actor.Tell(new Counter.AddAsync(i));
        var seen = ReceiveN(60, Long).Cast<string>().Where(text => text != "command done").ToList();
        Assert.Equal(Enumerable.Range(0, 20).SelectMany(i => new[] { $"async {i}", "deferred" }), seen);
        actor.Tell("get");
        ExpectMsg(190);
    }

    [Fact]
    public void A_deferred_handler_runs_at_once_when_nothing_is_pending()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Deferring(_id, TestActor)));
        actor.Tell("go");
        ExpectMsg("handler");
        ExpectMsg("command done");
    }

    [Fact]
    public void Sender_is_the_same_in_the_handler()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Deferring(_id, TestActor)));
        actor.Tell(1);
        ExpectMsgFrom(actor, "stored 1");
    }

    [Fact]
    public void An_asynchronous_command_may_persist_after_its_await()
    {
        var actor = Start();
        ExpectMsg("recovered 0 at 0");
        var signal = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        actor.Tell(new Counter.AddLater(5, signal));
        actor.Tell("next command");
        ExpectNoMsg(50);
        signal.SetResult();
        ExpectMsg("applied 5");
        ExpectMsg("next command");
        var done = new TaskCompletionSource();
        done.SetResult();
        actor.Tell(new Counter.AddLater(6, done));
        actor.Tell("one more");
        ExpectMsg("applied 6");
        ExpectMsg("one more");
    }

    [Fact]
    public void A_snapshot_shortens_recovery()
    {
        var first = Start();
        ExpectMsg("recovered 0 at 0");
        first.Tell(new Counter.AddAll(1, 2, 3));
        for (var i = 1; i <= 3; i++) ExpectMsg($"applied {i}");
        first.Tell("save");
        Assert.Equal(3, ExpectMsg<SaveSnapshotSuccess>().Metadata.SequenceNr);
        first.Tell("delete events");
        ExpectMsg(new DeleteMessagesSuccess(3));
        first.Tell(new Counter.Add(4));
        ExpectMsg("applied 4");
        Stop(first);
        var second = Start();
        ExpectMsg("recovered 10 at 4");
        second.Tell("delete snapshots");
        ExpectMsg<DeleteSnapshotsSuccess>();
        Stop(second);
        // The events before the snapshot are gone, the sequence number is not.
        Start();
        ExpectMsg("recovered 4 at 4");
    }

    [Fact]
    public void Deleting_more_than_there_is_fails()
    {
        var actor = Start();
        ExpectMsg("recovered 0 at 0");
        actor.Tell("delete too many");
        Assert.Equal(1, ExpectMsg<DeleteMessagesFailure>().ToSequenceNr);
    }

    [Fact]
    public void Recovery_None_replays_nothing_and_goes_on_counting()
    {
        var first = Start();
        ExpectMsg("recovered 0 at 0");
        first.Tell(new Counter.AddAll(1, 2));
        ExpectMsg("applied 1");
        ExpectMsg("applied 2");
        Stop(first);
        Start(Recovery.None);
        ExpectMsg("recovered 0 at 2");
    }

    [Fact]
    public void A_restart_recovers_again_and_loses_no_command()
    {
        var actor = Start();
        ExpectMsg("recovered 0 at 0");
        EventFilter.Exception<InvalidOperationException>().ExpectOne(() =>
        {
            actor.Tell(new Counter.Add(1));
            actor.Tell("throw in handler");
            actor.Tell("after the failure");
            actor.Tell(new Counter.Add(2));
        });
        ExpectMsg("applied 1");
        ExpectMsg("restart");
        // The event whose handler failed is stored.
        ExpectMsg("recovered 2 at 2");
        ExpectMsg("after the failure");
        ExpectMsg("applied 2");
    }

    [Fact]
    public void What_was_persisted_before_an_exception_is_stored()
    {
        var actor = Start();
        ExpectMsg("recovered 0 at 0");
        EventFilter.Exception<InvalidOperationException>().ExpectOne(() => actor.Tell("persist and throw"));
        ExpectMsg("restart");
        ExpectMsg("recovered 1000 at 1");
    }

    [Fact]
    public void Handlers_are_named_in_the_constructor_and_in_Become()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Changing(_id)));
        actor.Tell("first", TestActor);
        ExpectMsg("started");
        actor.Tell("first", TestActor);
        ExpectMsg("changed: first");
        actor.Tell("configure", TestActor);
        ExpectMsg("refused");
    }

    [Fact]
    public void Stashed_commands_come_back_in_order()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Stashing(_id, TestActor)));
        foreach (var text in new[] { "a", "b", "open", "c" }) actor.Tell(text);
        foreach (var text in new[] { "a", "b", "c" }) ExpectMsg(text);
    }

    [Fact]
    public void Persisting_is_not_possible_during_recovery()
    {
        var first = Start();
        ExpectMsg("recovered 0 at 0");
        first.Tell(new Counter.Add(1));
        ExpectMsg("applied 1");
        Stop(first);
        var actor = Sys.ActorOf(Props.Create(() => new PersistingWhileRecovering(_id, TestActor)));
        Watch(actor);
        ExpectMsg<InvalidOperationException>();
        ExpectTerminated(actor, Long);
    }

    private IActorRef Start(Recovery recovery = null) => Sys.ActorOf(Props.Create(() => new Counter(_id, TestActor, recovery, null)));

    private void Stop(IActorRef actor)
    {
        Watch(actor);
        Sys.Stop(actor);
        ExpectTerminated(actor, Long);
    }

    private sealed class Deferring(string id, IActorRef probe) : UntypedPersistentActor
    {
        public override string PersistenceId => id;

        protected override void OnCommand(object message)
        {
            if (message is int number)
            {
                Persist(number, stored => Sender.Tell($"stored {stored}"));
                return;
            }

            DeferAsync("handler", probe.Tell);
            probe.Tell("command done");
        }

        protected override void OnRecover(object message)
        {
        }
    }

    private sealed class Changing : ReceivePersistentActor
    {
        public Changing(string id)
        {
            PersistenceId = id;
            Command<string>(text => text == "first", _ =>
            {
                Sender.Tell("started");
                Become(() => Command<string>(text =>
                {
                    if (text == "configure") Configure();
                    else Sender.Tell("changed: " + text);
                }));
            });
        }

        public override string PersistenceId { get; }

        private void Configure()
        {
            try
            {
                Command<int>(_ => { });
            }
            catch (InvalidOperationException)
            {
                Sender.Tell("refused");
            }
        }
    }

    private sealed class Stashing : ReceivePersistentActor
    {
        public Stashing(string id, IActorRef probe)
        {
            PersistenceId = id;
            Command<string>(text =>
            {
                if (text != "open")
                {
                    Stash.Stash();
                    return;
                }

                Persist(text, _ =>
                {
                    Stash.UnstashAll();
                    Become(() => Command<string>(probe.Tell));
                });
            });
        }

        public override string PersistenceId { get; }
    }

    private sealed class PersistingWhileRecovering(string id, IActorRef probe) : UntypedPersistentActor
    {
        public override string PersistenceId => id;

        protected override void OnCommand(object message)
        {
        }

        protected override void OnRecover(object message)
        {
            if (message is int) Persist(2, static _ => { });
        }

        protected override void OnRecoveryFailure(Exception reason, object message = null) => probe.Tell(reason);
    }
}

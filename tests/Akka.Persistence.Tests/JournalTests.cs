using System.Collections.Immutable;
using Akka.Actor;
using Xunit;

namespace Akka.Persistence.Tests;

/// <summary>Journals that are slow, that reject and that fail.</summary>
public class JournalTests : TestKit.Xunit2.TestKit
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    private readonly string _id = Guid.NewGuid().ToString("N");

    public JournalTests() : base("""
        akka.test.single-expect-default = 30s
        akka.persistence.max-concurrent-recoveries = 2
        akka.persistence.journal.plugin = "scripted"
        akka.persistence.snapshot-store.plugin = "akka.persistence.no-snapshot-store"
        scripted {
          class = "Akka.Persistence.Tests.ScriptedJournal, Akka.Persistence.Tests"
          plugin-dispatcher = "akka.actor.default-dispatcher"
        }
        """)
    {
    }

    [Fact]
    public void A_failed_write_stops_the_actor()
    {
        var actor = Start(_id);
        ExpectMsg("recovered 0 at 0");
        Watch(actor);
        HoldNext(_id).SetException(new IOException("disk gone"));
        actor.Tell(new Counter.Add(1));
        ExpectMsg("failed 1 at 1: disk gone");
        ExpectTerminated(actor, Long);
        Assert.Empty(ScriptedJournal.EventsOf(_id));
    }

    [Fact]
    public void A_rejected_event_is_reported_and_the_actor_goes_on()
    {
        var actor = Start(_id);
        ExpectMsg("recovered 0 at 0");
        HoldNext(_id).SetResult(ImmutableList.Create<Exception>(new ArgumentException("not this one")));
        actor.Tell(new Counter.Add(1));
        actor.Tell(new Counter.Add(2));
        ExpectMsg("rejected 1 at 1: not this one");
        ExpectMsg("applied 2");
        Assert.Equal([2], ScriptedJournal.EventsOf(_id).Select(p => (int)p.Payload));
    }

    [Fact]
    public void There_is_one_write_in_flight_and_the_rest_becomes_the_next_one()
    {
        var actor = Start(_id);
        ExpectMsg("recovered 0 at 0");
        var first = HoldNext(_id);
        for (var i = 1; i <= 5; i++) actor.Tell(new Counter.AddAsync(i));
        for (var i = 1; i <= 5; i++) ExpectMsg("command done");
        Assert.Empty(ScriptedJournal.EventsOf(_id));
        first.SetResult(null);
        for (var i = 1; i <= 5; i++)
        {
            ExpectMsg($"async {i}");
            ExpectMsg("deferred");
        }

        Assert.Equal([1L, 2, 3, 4, 5], ScriptedJournal.EventsOf(_id).Select(p => p.SequenceNr));
    }

    /// <summary>The official journal answers all actors in the order of their requests, so there this one has to wait.</summary>
    [Fact]
    [Trait("Official", "differs")]
    public void A_slow_write_holds_up_nobody_else()
    {
        var slow = Start(_id);
        ExpectMsg("recovered 0 at 0");
        var write = HoldNext(_id);
        slow.Tell(new Counter.Add(1));
        var fast = Start(_id + "-fast");
        ExpectMsg("recovered 0 at 0");
        fast.Tell(new Counter.Add(2));
        ExpectMsg("applied 2");
        write.SetResult(null);
        ExpectMsg("applied 1");
    }

    /// <summary>The official journal may replay while the write of the incarnation before is still under way.</summary>
    [Fact]
    [Trait("Official", "differs")]
    public void A_replay_waits_for_the_writes_before_it()
    {
        var actor = Start(_id);
        ExpectMsg("recovered 0 at 0");
        var write = HoldNext(_id);
        EventFilter.Exception<InvalidOperationException>().ExpectOne(Long, () => actor.Tell("persist and throw"));
        ExpectMsg("restart");
        actor.Tell("waiting");
        ExpectNoMsg(50);
        write.SetResult(null);
        ExpectMsg("recovered 1000 at 1");
        ExpectMsg("waiting");
        actor.Tell(new Counter.Add(1));
        ExpectMsg("applied 1");
    }

    [Fact]
    public void A_failed_replay_stops_the_actor()
    {
        ScriptedJournal.EventsOf(_id).Add(new Persistent(1, 1, _id));
        ScriptedJournal.ReplayFailures[_id] = new IOException("unreadable");
        var actor = Start(_id);
        Watch(actor);
        ExpectMsg("no recovery: unreadable");
        ExpectTerminated(actor, Long);
    }

    [Fact]
    public void Deleting_that_the_journal_refuses_is_answered()
    {
        var actor = Start(_id);
        ExpectMsg("recovered 0 at 0");
        actor.Tell(new Counter.Add(1));
        ExpectMsg("applied 1");
        actor.Tell("delete events");
        Assert.IsType<NotSupportedException>(ExpectMsg<DeleteMessagesFailure>().Cause);
        actor.Tell("save");
        ExpectMsg<SaveSnapshotFailure>();
    }

    [Fact]
    public void The_protocol_answers_the_batch_first_and_then_each_event()
    {
        var journal = Persistence.Instance.Apply(Sys).JournalFor("scripted");
        IPersistentRepresentation Event(long number) => new Persistent(number, number, _id, sender: TestActor);
        var batch = new IPersistentEnvelope[]
        {
            new AtomicWrite(Event(1)), new AtomicWrite(ImmutableList.Create(Event(2), Event(3))), new AtomicWrite(Event(4)),
        };
        HoldNext(_id).SetResult(ImmutableList.Create<Exception>(null, new ArgumentException("no"), null));
        journal.Tell(new WriteMessages(batch, TestActor, 7), TestActor);
        ExpectMsg<WriteMessagesSuccessful>();
        Assert.Equal(1, ExpectMsg<WriteMessageSuccess>(m => m.ActorInstanceId == 7).Persistent.SequenceNr);
        Assert.Equal(2, ExpectMsg<WriteMessageRejected>().Persistent.SequenceNr);
        Assert.Equal(3, ExpectMsg<WriteMessageRejected>().Persistent.SequenceNr);
        Assert.Equal(4, ExpectMsg<WriteMessageSuccess>().Persistent.SequenceNr);
        journal.Tell(new ReplayMessages(1, long.MaxValue, long.MaxValue, _id, TestActor), TestActor);
        Assert.Equal(1, ExpectMsg<ReplayedMessage>().Persistent.SequenceNr);
        Assert.Equal(4, ExpectMsg<ReplayedMessage>().Persistent.SequenceNr);
        Assert.Equal(4, ExpectMsg<RecoverySuccess>().HighestSequenceNr);
    }

    [Fact]
    public void A_result_of_the_wrong_length_is_a_failure()
    {
        var actor = Start(_id);
        ExpectMsg("recovered 0 at 0");
        Watch(actor);
        HoldNext(_id).SetResult(ImmutableList.Create<Exception>(null, null));
        actor.Tell(new Counter.Add(1));
        Assert.StartsWith("failed 1 at 1: ", ExpectMsg<string>());
        ExpectTerminated(actor, Long);
    }

    [Fact]
    public void Only_so_many_actors_recover_at_a_time()
    {
        var gates = Enumerable.Range(0, 4).Select(_ => new TaskCompletionSource()).ToList();
        var actors = gates.Select((gate, i) => Sys.ActorOf(Props.Create(() => new Gated($"{_id}-{i}", TestActor, gate.Task)))).ToList();
        var first = new[] { ExpectMsg<int>(), ExpectMsg<int>() };
        ExpectNoMsg(50);
        // A permit comes back with the end of a recovery.
        gates[first[0]].SetResult();
        ExpectMsg<int>();
        ExpectNoMsg(50);
        foreach (var gate in gates) gate.TrySetResult();
        ExpectMsg<int>();
        Assert.Equal(4, actors.Count);
    }

    private static TaskCompletionSource<IImmutableList<Exception>> HoldNext(string id) =>
        ScriptedJournal.Next[id] = new TaskCompletionSource<IImmutableList<Exception>>(TaskCreationOptions.RunContinuationsAsynchronously);

    private IActorRef Start(string id) => Sys.ActorOf(Props.Create(() => new Counter(id, TestActor, null, null)));

    /// <summary>Says when it recovers, and blocks until it may go on.</summary>
    private sealed class Gated(string id, IActorRef probe, Task gate) : UntypedPersistentActor
    {
        public override string PersistenceId => id;

        protected override void OnCommand(object message)
        {
        }

        protected override void OnRecover(object message)
        {
            if (message is not RecoveryCompleted) return;
            probe.Tell(id[^1] - '0');
            gate.Wait(TimeSpan.FromSeconds(30));
        }
    }
}

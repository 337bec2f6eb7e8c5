using Akka.Actor;

namespace Akka.Persistence.Tests;

/// <summary>Adds numbers up. Commands name how the number is persisted; everything that happens is told to a probe.</summary>
internal sealed class Counter : ReceivePersistentActor
{
    private int _sum;

    public Counter(string id, IActorRef probe, Recovery recovery = null, string journal = null)
    {
        PersistenceId = id;
        JournalPluginId = journal ?? "";
        Recovery = recovery ?? Recovery.Default;
        Recover<int>(number => _sum += number);
        Recover<SnapshotOffer>(offer => _sum = (int)offer.Snapshot);
        Recover<RecoveryCompleted>(_ => probe.Tell($"recovered {_sum} at {LastSequenceNr}"));
        Command<Add>(add => Persist(add.Number, Apply));
        Command<AddAll>(add => PersistAll(add.Numbers, Apply));
        Command<AddAsync>(add =>
        {
            PersistAsync(add.Number, number =>
            {
                _sum += number;
                probe.Tell($"async {number}");
            });
            DeferAsync("deferred", text => probe.Tell(text));
            probe.Tell("command done");
        });
        CommandAsync<AddLater>(async add =>
        {
            await add.Signal.Task;
            Persist(add.Number, Apply);
        });
        Command<string>(text =>
        {
            switch (text)
            {
                case "get": Sender.Tell(_sum); break;
                case "save": SaveSnapshot(_sum); break;
                case "delete events": DeleteMessages(LastSequenceNr); break;
                case "delete too many": DeleteMessages(LastSequenceNr + 1); break;
                case "delete snapshots": DeleteSnapshots(SnapshotSelectionCriteria.Latest); break;
                case "persist and throw":
                    Persist(1000, Apply);
                    throw new InvalidOperationException("after persisting");
                case "throw in handler": Persist(1, _ => throw new InvalidOperationException("in the handler")); break;
                default: probe.Tell(text); break;
            }
        });
        Command<SaveSnapshotSuccess>(success => probe.Tell(success));
        Command<SaveSnapshotFailure>(failure => probe.Tell(failure));
        Command<DeleteMessagesSuccess>(success => probe.Tell(success));
        Command<DeleteMessagesFailure>(failure => probe.Tell(failure));
        Command<DeleteSnapshotsSuccess>(success => probe.Tell(success));

        void Apply(int number)
        {
            _sum += number;
            probe.Tell($"applied {number}");
        }

        Probe = probe;
    }

    public override string PersistenceId { get; }

    public override Recovery Recovery { get; }

    private IActorRef Probe { get; }

    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) =>
        Probe.Tell($"failed {@event} at {sequenceNr}: {cause.Message}");

    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr) =>
        Probe.Tell($"rejected {@event} at {sequenceNr}: {cause.Message}");

    protected override void OnRecoveryFailure(Exception reason, object message = null) => Probe.Tell($"no recovery: {reason.Message}");

    protected override void PreRestart(Exception reason, object message)
    {
        Probe.Tell("restart");
        base.PreRestart(reason, message);
    }

    internal sealed record Add(int Number);

    internal sealed record AddAll(params int[] Numbers);

    internal sealed record AddAsync(int Number);

    internal sealed record AddLater(int Number, TaskCompletionSource Signal);
}

using Akka.Actor;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>Linearizable reads: the core says what must be applied, and whoever waits is told when it is.</summary>
internal sealed partial class ReplicaActor
{
    private readonly List<ReadGrant> _granted = []; // What is not applied yet.
    private IActorRef? _readIndex;
    private int _readIndexes;
    private long _readsPassedOn;

    private void Confirm(ConfirmRead read)
    {
        if (_readIndex is null)
        {
            Props props = Props.Create(() => new ReadIndexActor(_node.Limits.ReadIndexTimeout, _node.Meters));
            _readIndex = Context.Watch(Context.ActorOf(props, $"read-index-{++_readIndexes}"));
            _readsPassedOn = 0;
        }

        _readsPassedOn++;
        _readIndex.Tell(read, _self);
    }

    /// <summary>The child has nothing to do; it goes unless something is on its way to it.</summary>
    private void EndReadIndex(ReadIndexIdle idle)
    {
        if (_readIndex is null || !_readIndex.Equals(Sender) || idle.Received != _readsPassedOn) return;
        Context.Unwatch(_readIndex);
        Context.Stop(_readIndex);
        _readIndex = null;
    }

    /// <summary>After each step: what the core says of reads.</summary>
    private void AnswerReads()
    {
        foreach (ulong round in _effects.ReadsRefused) _readIndex?.Tell(new ReadIndexDone(round, false), _self);
        foreach (ReadGrant granted in _effects.ReadsGranted) RenewLease(granted);
        _granted.AddRange(_effects.ReadsGranted);
        for (int i = _granted.Count - 1; i >= 0; i--)
        {
            if (_granted[i].Index > _core.AppliedIndex) continue;
            _readIndex?.Tell(new ReadIndexDone(_granted[i].Id, true), _self);
            _granted.RemoveAt(i);
        }
    }
}

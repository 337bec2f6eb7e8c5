using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <content>Replicas whose bytes are not what they were: which of them begin anew, and which keep what they have.</content>
internal sealed partial class PartitionsActor
{
    private readonly HashSet<GroupId> _damaged = [];
    private readonly HashSet<GroupId> _suspected = []; // Damaged, which has been said, and could not be spared.
    private readonly Dictionary<GroupId, ReplicaDamaged?> _undecided = []; // Damaged, or not started, before it was known who has the rest.
    private bool _isReconciled; // Whether the metadata have said what lives here.

    /// <summary>
    /// What a replica holds is damaged. Others of its group hold the same: it begins anew, without a vote, and they fill it again. That it
    /// has lost something is remembered first.
    /// </summary>
    private void Replace(ReplicaDamaged damaged)
    {
        if (!_assigned.TryGetValue(damaged.Group, out ReplicaAssigned? assigned)) return;
        if (IsYetUnknown(damaged.Group))
        {
            // The list of replicas says who held it once. They may have been relieved of it meanwhile, and this be the only copy.
            string what = "whether others have all of it is known once the metadata are";
            _logger.Warning("{0} is damaged ({1}): {2}", assigned.Name, damaged.Reason, what);
            _undecided[damaged.Group] = damaged;
            return;
        }

        if (IsAlone(assigned, damaged.Voters))
        {
            _logger.Error("{0} is damaged ({1}), and no other replica has all of it: its files are kept", assigned.Name, damaged.Reason);
            return;
        }

        _logger.Warning("{0} is damaged ({1}): it is dropped, and filled again from its other replicas", assigned.Name, damaged.Reason);
        // Who belongs to the metadata's group no list says: it is told by whoever leads it.
        ReplicaAssigned lost = damaged.Group == GroupId.Metadata
            ? ReplicaAssigned.Newcomer(assigned.Group, assigned.Name)
            : assigned.LostBy(_node.Self);
        _assigned[damaged.Group] = lost;
        _damaged.Add(damaged.Group);
        Persist(lost, _ =>
        {
            SnapshotNowAndThen();
            if (ReplicaOf(damaged.Group) is null && _damaged.Remove(damaged.Group)) Drop(damaged.Group); // It has ended already.
        });
    }

    /// <summary>
    /// Some of what a replica holds is damaged, and the rest serves. It is given up only while all the others are in sync: what one lacks
    /// another may have to bring, and a replica that is being filled has no vote.
    /// </summary>
    private void Spare(ReplicaSuspect suspect)
    {
        if (ReplicaOf(suspect.Group) is not { } replica || !_assigned.TryGetValue(suspect.Group, out ReplicaAssigned? assigned)) return;
        bool canGo = !suspect.MustStay && !IsYetUnknown(suspect.Group) && !IsAlone(assigned, suspect.Voters) && AreOthersInSync(suspect);
        TimeSpan wait = DamageTurn.Wait(_node.NowMs, suspect.Voters, _node.Self, _node.Limits.ReplicaLagMax);
        if (canGo && wait == TimeSpan.Zero)
        {
            replica.Tell(new LogGivenUp(suspect.Reason));
            return;
        }

        if (!canGo && _suspected.Add(suspect.Group))
        {
            string what = "its other replicas, if any, are not all in sync, so it stays, and serves what can be read";
            _logger.Error("{0} is damaged ({1}): {2}", assigned.Name, suspect.Reason, what);
        }

        // In its turn, or in the next one, it is asked again: others may be back by then.
        TimeSpan again = wait > TimeSpan.Zero ? wait : DamageTurn.Length(_node.Limits.ReplicaLagMax) / 8;
        Timers.StartSingleTimer((nameof(Spare), suspect.Group), new LookAgain(suspect.Group, suspect.Reason), again);
    }

    /// <summary>A replica is gone: what was said of it is not true of another one.</summary>
    private void Trust(GroupId group)
    {
        _suspected.Remove(group);
        Timers.Cancel((nameof(Spare), group));
    }

    private void LookAt(LookAgain again) => ReplicaOf(again.Group)?.Tell(new LogSuspect(again.Reason));

    /// <summary>
    /// Whether all others have everything, can vote and are there: as who leads says, and, of a group that they list, as the metadata have
    /// recorded, too.
    /// </summary>
    private bool AreOthersInSync(ReplicaSuspect suspect)
    {
        if (_node.Peers.Leaders.Locate(suspect.Group) is not { } known || known.Leader == _node.Self) return false;
        if (known.Epoch != suspect.Epoch || !suspect.Voters.All(node => IsThere(node, known.Isr))) return false;
        return suspect.Group == GroupId.Metadata
            || (ImageOf(suspect.Group) is { IsMoving: false } image && image.Replicas.All(node => IsThere(node, image.Isr)));

        bool IsThere(NodeId node, ImmutableArray<NodeId> isr) =>
            node == _node.Self || (isr.Contains(node) && _node.Peers.IsAlive(node));
    }

    /// <summary>
    /// Whether a replica cannot be judged yet. The metadata's own can: it has to be there before they are known, and goes by what it knew
    /// of its group itself.
    /// </summary>
    private bool IsYetUnknown(GroupId group) => !_isReconciled && group != GroupId.Metadata;

    /// <summary>The metadata are known: what had to wait for them is judged by them.</summary>
    private void DecideOnDamaged()
    {
        foreach ((GroupId group, ReplicaDamaged? damaged) in _undecided)
        {
            if (damaged is not null)
            {
                Replace(damaged);
            }
            else if (_assigned.TryGetValue(group, out ReplicaAssigned? assigned) && ReplicaOf(group) is null)
            {
                _directory.Remove(group);
                Start(assigned);
            }
        }

        _undecided.Clear();
    }

    /// <summary>
    /// Whether no other node is known to have what a replica holds. One that a move adds is in sync only once it has been filled, and one
    /// that is far behind is not.
    /// </summary>
    /// <param name="assigned">The replica.</param>
    /// <param name="voters">Who voted in its group, as it knew last; none when it did not know.</param>
    private bool IsAlone(ReplicaAssigned assigned, ImmutableArray<NodeId> voters)
    {
        if (!voters.IsEmpty && voters.All(node => node == _node.Self)) return true;
        return ImageOf(assigned.Group) is { } image && image.Isr.All(node => node == _node.Self);
    }

    /// <summary>Whether a partition has no other replica but such as a move adds, which have nothing yet.</summary>
    private bool IsOnlyReplica(ReplicaAssigned assigned) => ImageOf(assigned.Group) is { } image
        ? image.Replicas.All(node => node == _node.Self || (image.Adding.Contains(node) && !image.Isr.Contains(node)))
        : assigned.Voters.Count == 1;

    /// <summary>
    /// What the metadata say of a partition; null while they are not known. Who is in sync changes without a message to here.
    /// </summary>
    private PartitionImage? ImageOf(GroupId group) => _node.Metadata.Image.Find(group) ?? _images.GetValueOrDefault(group);

    private sealed record LookAgain(GroupId Group, string Reason);
}

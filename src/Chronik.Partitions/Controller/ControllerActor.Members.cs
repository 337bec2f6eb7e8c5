using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Controller;

/// <content>Who belongs to the metadata's own group, and partitions that have moved.</content>
internal sealed partial class ControllerActor
{
    private static readonly TimeSpan CompleteTimeout = TimeSpan.FromSeconds(5);

    private readonly HashSet<GroupId> _completing = []; // Partitions whose move this node is having recorded as complete.

    /// <summary>
    /// Brokers hear the metadata's log as learners; some vote on it. They are those that the cluster was formed of, until one is forgotten
    /// or leaves: then another takes its place. A cluster that was formed of few gets more when there are more. A broker that is merely
    /// away stays what it is: replacing it would cost the majority that it may be back in time for.
    /// </summary>
    private void WatchMembers()
    {
        ImmutableArray<NodeId> voters = [.. _log!.View.Replicas];
        if (_image.Level >= FeatureLevel.Operable)
        {
            int formedOf = _setup.Node.Storage.Identity.MetadataVoters.Count;
            voters = MetadataVoters.Choose(_image, voters, formedOf, id => id == _setup.Node.Self || _setup.Node.Peers.IsAlive(id));
        }

        ImmutableArray<NodeId> learners = [.. _image.Brokers.Keys.Except(voters).OrderBy(id => id.Value)];
        _log.Replica.Tell(new MembersWanted(voters, learners), ActorRefs.NoSender);
    }

    /// <summary>
    /// A broker whose process is gone can be forgotten, though nobody has missed it for long enough yet.
    /// </summary>
    private MetadataImage WithoutLiveness(UnregisterBroker unregister)
    {
        bool isGone = unregister.Id != _setup.Node.Self && !_setup.Node.Peers.IsAlive(unregister.Id);
        return isGone && _image.Brokers.ContainsKey(unregister.Id)
            ? _image.Apply(new BrokerLivenessChanged(unregister.Id, IsLive: false))
            : _image;
    }

    /// <summary>A partition that this node leads has the members that its move was to bring. It says so until the metadata do.</summary>
    private void Complete(MembersReached reached)
    {
        if (!_completing.Add(reached.Group)) return;
        CompleteReassignment complete = new(reached.Group.Topic, reached.Group.Partition, reached.Epoch, reached.Voters)
        {
            Move = reached.Move,
        };
        _router.SubmitAsync(complete, CompleteTimeout).ContinueWith(
            ended => _self.Tell(new Completed(reached.Group, ended.Exception?.InnerException?.Message), ActorRefs.NoSender),
            TaskScheduler.Default);
    }

    private void End(Completed completed)
    {
        _completing.Remove(completed.Group);
        if (completed.Failure is { } failure) _logger.Info("that {0} has moved was not recorded yet: {1}", completed.Group, failure);
    }

    private sealed record Completed(GroupId Group, string? Failure);
}

using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Operating;
using Chronik.Partitions.Peers;

namespace Chronik.Partitions.Controller;

/// <summary>
/// Finds the controller and asks it, whichever node it is on. Thread-safe. A command that was refused before anything was done is tried
/// again for as long as its time lasts; one of which nobody knows what became of it is not, because it may have been carried out.
/// </summary>
internal sealed class CommandRouter(
    NodeId self,
    PeerHub peers,
    PartitionDirectory directory,
    PartitionLocator locator,
    PeerBook others,
    PublishedMetadata published,
    Task<IActorRef> controller)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1); // For an answer that is given when the time is over.
    private static readonly TimeSpan LossInterval = TimeSpan.FromMilliseconds(50);

    /// <summary>The node that leads the metadata, as far as is known here; none while nobody is known to.</summary>
    public NodeId Controller => locator.LeaderOf(GroupId.Metadata);

    /// <summary>
    /// Changes the metadata. Completes once what was granted is committed, and applied on this node too unless this node is late.
    /// </summary>
    /// <exception cref="MetadataAppendException">It was refused, or it is not known what became of it.</exception>
    /// <exception cref="TimeoutException">Nobody could be asked in time, or did not answer.</exception>
    public async Task<CommandDone> SubmitAsync(MetadataCommand command, TimeSpan timeout)
    {
        long began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            TimeSpan left = timeout - TimeProvider.System.GetElapsedTime(began);
            TimeSpan allowed = left > TimeSpan.Zero ? left : TimeSpan.Zero;
            object? answer = await AskControllerAsync(new Submit(command, allowed), allowed).ConfigureAwait(false);
            switch (answer)
            {
                case CommandDone done:
                    left = timeout - TimeProvider.System.GetElapsedTime(began);
                    await AppliedAsync(done.End, (left > TimeSpan.Zero ? left : TimeSpan.Zero) + Grace).ConfigureAwait(false);
                    return done;
                case CommandRefused { Error: not KafkaError.NotController } refused:
                    throw new MetadataAppendException(refused.Error, refused.Message);
            }

            if (left <= Pause) throw new TimeoutException($"there was no controller for {timeout}");
            await Task.Delay(Pause).ConfigureAwait(false);
        }
    }

    /// <summary>What is committed is so, whether this node has heard of it in time or not.</summary>
    private async Task AppliedAsync(KafkaOffset end, TimeSpan timeout)
    {
        try
        {
            await published.WaitForAsync(end, timeout).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
        }
    }

    /// <summary>How the metadata's group stands, as its leader sees it; no leader and no members when none can be asked.</summary>
    public async Task<QuorumState> DescribeQuorumAsync()
    {
        try
        {
            if (await AskControllerAsync(DescribeMetadataQuorum.Instance, Replies.Timeout).ConfigureAwait(false) is QuorumDescribed known)
                return known.State;
        }
        catch (Exception e) when (e is AskTimeoutException or TimeoutException)
        {
            // Whoever led is gone.
        }

        return new QuorumState(NodeId.None, LeaderEpoch.Unknown, KafkaOffset.Unknown, [], []);
    }

    /// <summary>Who leads a group, as far as is known here: none while nobody is known to.</summary>
    public NodeId LeaderOf(GroupId group) => locator.LeaderOf(group);

    /// <summary>Another node's answer; null when it is out of reach, too old for what operators ask, or too late.</summary>
    public async Task<object?> AskNodeAsync(NodeId node, IOperatingMessage message, TimeSpan timeout)
    {
        if (peers.LevelWith(node) < FeatureLevel.Operable || !peers.IsAlive(node) || others.Find(node) is not { } peer) return null;
        try
        {
            return await peer.Rpc.Ask<object>(message, timeout).ConfigureAwait(false);
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }

    /// <summary>The controller's answer, or null while there is no controller to ask.</summary>
    public async Task<object?> AskControllerAsync(IRpcMessage message, TimeSpan timeout)
    {
        NodeId leader = Controller;
        if (message is IOperatingMessage && leader.IsSome && peers.LevelWith(leader) < FeatureLevel.Operable) return null;
        if (leader == self)
        {
            if (message is DescribeMetadataQuorum)
                return new QuorumDescribed(await directory.Find(GroupId.Metadata)!.DescribeQuorumAsync().ConfigureAwait(false));
            IActorRef here = await controller.ConfigureAwait(false);
            return await here.Ask<object>(message, timeout + Grace).ConfigureAwait(false);
        }

        if (!leader.IsSome && directory.Find(GroupId.Metadata)?.View.Failure is { } failure)
            return new CommandRefused(KafkaError.KafkaStorageError, failure);
        if (leader.IsSome && message is Submit { Command: { } command } && command.Since > peers.LevelWith(leader) && peers.IsAlive(leader))
            return new CommandRefused(
                KafkaError.UnsupportedVersion,
                $"the controller, node {leader}, is of an older version that does not know {command.GetType().Name}");
        if (!leader.IsSome || !peers.IsAlive(leader) || others.Find(leader) is not { } peer) return null;
        Task<object> answer = peer.Rpc.Ask<object>(message, timeout + Grace);
        while (await Task.WhenAny(answer, Task.Delay(LossInterval)).ConfigureAwait(false) != answer)
        {
            if (peers.IsAlive(leader)) continue;
            _ = answer.ContinueWith(
                static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            return new CommandRefused(KafkaError.RequestTimedOut, $"controller {leader} was lost before it answered");
        }

        return await answer.ConfigureAwait(false);
    }
}

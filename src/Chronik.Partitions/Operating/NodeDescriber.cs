using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;

namespace Chronik.Partitions.Operating;

/// <summary>Says of this node what no other can know.</summary>
internal sealed class NodeDescriber(ControllerSetup setup)
{
    private static readonly string Version = typeof(NodeDescriber).Assembly.GetName().Version?.ToString(3) ?? "";

    public async Task<NodeDescribed> DescribeAsync()
    {
        List<Task<MoveProgress?>> moves = [];
        foreach (Partition partition in setup.Directory.All)
        {
            if (partition.View.IsLeader && setup.Published.Image.Find(partition.Group) is { IsMoving: true } image)
                moves.Add(ProgressAsync(partition, image));
        }

        MoveProgress?[] known = await Task.WhenAll(moves).ConfigureAwait(false);
        StorageStatus storage = setup.StorageStatus();
        return new NodeDescribed(
            Version,
            new DiskStatus(storage.DataDirectory, storage.TotalBytes, storage.FreeBytes, storage.Failure),
            [.. known.OfType<MoveProgress>()],
            [.. setup.Node.Snapshots.All.Where(transfer => transfer.IsSending).Select(transfer => new TransferStatus(
                transfer.Partition.Topic, transfer.Partition.Partition, setup.Node.Self, transfer.Peer, transfer.IsWaiting,
                transfer.BytesDone, transfer.BytesTotal, transfer.Remaining?.TotalSeconds))]);
    }

    /// <summary>How far the new replica has come that is furthest behind; null when the group does not answer.</summary>
    private static async Task<MoveProgress?> ProgressAsync(Partition partition, PartitionImage image)
    {
        QuorumState quorum;
        try
        {
            quorum = await partition.DescribeQuorumAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is Akka.Actor.AskTimeoutException or TimeoutException)
        {
            return null;
        }

        PartitionView view = partition.View;
        long start = view.LogStartOffset.Value;
        long total = view.LogEndOffset.Value - start;
        long done = total;
        foreach (NodeId node in image.Adding)
        {
            if (image.Removing.Contains(node)) continue;
            QuorumReplica? replica = quorum.Voters.Concat(quorum.Observers).FirstOrDefault(member => member.Node == node);
            done = Math.Min(done, Math.Max(0, (replica?.LogEndOffset.Value ?? -1) - start));
        }

        return new MoveProgress(partition.Group.Topic, partition.Group.Partition, done, total);
    }
}

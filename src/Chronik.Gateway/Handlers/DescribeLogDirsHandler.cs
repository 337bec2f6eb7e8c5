using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DescribeLogDirs: how much each partition occupies, and how full the disk is (KIP-113, KIP-827).</summary>
internal sealed class DescribeLogDirsHandler(GatewayServices services)
    : ApiHandler<DescribeLogDirsRequest, DescribeLogDirsResponse>(services, ApiKey.DescribeLogDirs)
{
    /// <inheritdoc/>
    protected override ValueTask<DescribeLogDirsResponse> HandleAsync(DescribeLogDirsRequest body, Request request)
    {
        StorageStatus storage = Services.Node.Storage;
        var folder = new DescribeLogDirsResponse.DescribeLogDirsResult
        {
            LogDir = storage.DataDirectory,
            ErrorCode = (short)(storage.Failure is null ? KafkaError.None : KafkaError.KafkaStorageError),
            TotalBytes = storage.TotalBytes,
            UsableBytes = storage.FreeBytes,
        };
        MetadataImage image = Services.Node.Metadata;
        if (body.Topics is null)
        {
            foreach (TopicImage topic in image.Topics.Values) Add(folder, topic.Name, Enumerable.Range(0, topic.Partitions.Length));
        }
        else
        {
            foreach (DescribeLogDirsRequest.DescribableLogDirTopic topic in body.Topics)
                Add(folder, topic.Topic, topic.Partitions.Distinct());
        }

        return new(new DescribeLogDirsResponse { Results = [folder] });
    }

    /// <inheritdoc/>
    protected override DescribeLogDirsResponse Failure(DescribeLogDirsRequest body, Request request, KafkaError error) =>
        new() { ErrorCode = (short)error, Results = [new() { ErrorCode = (short)error, LogDir = Services.Node.Storage.DataDirectory }] };

    // What is not here is left out, as the client asks every broker.
    private void Add(DescribeLogDirsResponse.DescribeLogDirsResult folder, string topic, IEnumerable<int> partitions)
    {
        if (topic == TopicNames.ClusterMetadata) return;
        var described = new DescribeLogDirsResponse.DescribeLogDirsTopic { Name = topic };
        foreach (int index in partitions)
            if (Services.Node.Find(new TopicPartition(topic, index)) is { } partition)
                described.Partitions.Add(new() { PartitionIndex = index, PartitionSize = partition.View.Log.SizeBytes });
        if (described.Partitions.Count > 0) folder.Topics.Add(described);
    }
}

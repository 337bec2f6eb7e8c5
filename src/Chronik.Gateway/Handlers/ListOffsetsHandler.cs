using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Chronik.Storage;

namespace Chronik.Gateway.Handlers;

/// <summary>ListOffsets: the ends of a partition, and offsets by time, exact to the record.</summary>
internal sealed class ListOffsetsHandler(GatewayServices services)
    : ApiHandler<ListOffsetsRequest, ListOffsetsResponse>(services, ApiKey.ListOffsets)
{
    private const long Latest = -1;
    private const long Earliest = -2;
    private const long MaxTimestamp = -3;
    private const long EarliestLocal = -4;
    private const long LatestTiered = -5;
    private const long EarliestPendingUpload = -6;

    // The timestamp of an answer that is no record.
    private const long NoTimestamp = -1;

    /// <inheritdoc/>
    protected override ValueTask<ListOffsetsResponse> HandleAsync(ListOffsetsRequest body, Request request)
    {
        // A search by time may have to read the disk, which a connection's thread must not wait for.
        bool searches = body.Topics.Exists(topic => topic.Partitions.Exists(p => p.Timestamp >= 0 || p.Timestamp == MaxTimestamp));
        return searches
            ? new ValueTask<ListOffsetsResponse>(Task.Run(() => Answer(body, request.Version)))
            : new ValueTask<ListOffsetsResponse>(Answer(body, request.Version));
    }

    /// <inheritdoc/>
    protected override ListOffsetsResponse Failure(ListOffsetsRequest body, Request request, KafkaError error)
    {
        var response = new ListOffsetsResponse();
        foreach (ListOffsetsRequest.ListOffsetsTopic topic in body.Topics)
            response.Topics.Add(new() { Name = topic.Name, Partitions = [.. topic.Partitions.Select(p => Refused(p, error))] });
        return response;
    }

    private ListOffsetsResponse Answer(ListOffsetsRequest body, short version)
    {
        var response = new ListOffsetsResponse { Topics = new List<ListOffsetsResponse.ListOffsetsTopicResponse>(body.Topics.Count) };
        var seen = new HashSet<TopicPartition>();
        foreach (ListOffsetsRequest.ListOffsetsTopic topic in body.Topics)
        {
            var answered = new ListOffsetsResponse.ListOffsetsTopicResponse { Name = topic.Name };
            foreach (ListOffsetsRequest.ListOffsetsPartition partition in topic.Partitions)
            {
                answered.Partitions.Add(seen.Add(new TopicPartition(topic.Name, partition.PartitionIndex))
                    ? Find(topic.Name, partition, body.IsolationLevel, version)
                    : Refused(partition, KafkaError.InvalidRequest));
            }

            response.Topics.Add(answered);
        }

        return response;
    }

    private ListOffsetsResponse.ListOffsetsPartitionResponse Find(
        string topic, ListOffsetsRequest.ListOffsetsPartition asked, sbyte isolation, short version)
    {
        if (!IsKnown(asked.Timestamp, version)) return Refused(asked, KafkaError.UnsupportedVersion);
        (Partition? partition, KafkaError error) = Services.Node.FindHere(topic, asked.PartitionIndex);
        if (partition is null) return Refused(asked, error);
        PartitionView view = partition.View;
        error = view.CheckLeader(asked.CurrentLeaderEpoch);

        // A leader that has not committed an entry of its own term yet does not know its high watermark; it must not tell an old one.
        if (error == KafkaError.NotLeaderOrFollower && !view.Leader.IsSome)
            error = version >= 5 ? KafkaError.OffsetNotAvailable : KafkaError.LeaderNotAvailable;
        if (error != KafkaError.None) return Refused(asked, error);

        KafkaOffset end = isolation == 1 ? view.LastStableOffset : view.HighWatermark;
        switch (asked.Timestamp)
        {
            case Latest:
                return Found(asked, end, NoTimestamp, view.Epoch);
            case Earliest or EarliestLocal:
                return Found(asked, view.LogStartOffset, NoTimestamp, EpochAtStart(view));
            case LatestTiered or EarliestPendingUpload:
                return Found(asked, KafkaOffset.Unknown, NoTimestamp, LeaderEpoch.Unknown);
        }

        try
        {
            TimestampedOffset? match = asked.Timestamp == MaxTimestamp
                ? view.Log.MaxTimestamp(end)
                : view.Log.FindByTimestamp(asked.Timestamp, end);
            return match is { } found
                ? Found(asked, found.Offset, found.TimestampMs, found.Epoch)
                : Found(asked, KafkaOffset.Unknown, NoTimestamp, LeaderEpoch.Unknown);
        }
        catch (StorageException damage) when (damage.IsDamage)
        {
            partition.ReportDamage(damage.Message); // Whoever leads next can answer; the other partitions are answered now.
            return Refused(asked, KafkaError.KafkaStorageError);
        }
    }

    // Where no batch is, the next one will be of the leader's own epoch.
    private static LeaderEpoch EpochAtStart(PartitionView view) =>
        view.LogStartOffset == view.LogEndOffset ? view.Epoch : view.Epochs.EpochAt(view.LogStartOffset);

    // The special times came one by one; a version that does not know one must not take it for a time.
    private static bool IsKnown(long timestamp, short version) => timestamp switch
    {
        >= Earliest => true,
        MaxTimestamp => version >= 7,
        EarliestLocal => version >= 8,
        LatestTiered => version >= 9,
        EarliestPendingUpload => version >= 11,
        _ => false,
    };

    private static ListOffsetsResponse.ListOffsetsPartitionResponse Found(
        ListOffsetsRequest.ListOffsetsPartition asked, KafkaOffset offset, long timestampMs, LeaderEpoch epoch) =>
        new() { PartitionIndex = asked.PartitionIndex, Offset = offset.Value, Timestamp = timestampMs, LeaderEpoch = epoch.Value };

    private static ListOffsetsResponse.ListOffsetsPartitionResponse Refused(
        ListOffsetsRequest.ListOffsetsPartition asked, KafkaError error) =>
        new() { PartitionIndex = asked.PartitionIndex, ErrorCode = (short)error };
}

using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>ElectLeaders: has partitions led by their preferred replica, the first one, again (KIP-183, KIP-460).</summary>
/// <remarks>
/// Any node may be asked. Unclean elections are refused: only a replica that has everything that was acknowledged is ever elected, so there
/// is nobody whom an operator could elect beyond that.
/// </remarks>
internal sealed class ElectLeadersHandler(GatewayServices services)
    : ApiHandler<ElectLeadersRequest, ElectLeadersResponse>(services, ApiKey.ElectLeaders)
{
    private const sbyte Preferred = 0;
    private const sbyte Unclean = 1;
    private static readonly TimeSpan LongestTimeout = TimeSpan.FromMinutes(5);

    /// <inheritdoc/>
    protected override async ValueTask<ElectLeadersResponse> HandleAsync(ElectLeadersRequest body, Request request)
    {
        ItemResult? refused = body.ElectionType switch
        {
            Preferred => null,
            Unclean => new ItemResult(
                KafkaError.InvalidRequest,
                "there are no unclean elections: what is acknowledged is on a majority of the replicas, and only a replica that has all of "
                + "it is elected, by itself, as soon as a majority is there"),
            _ => new ItemResult(KafkaError.InvalidRequest, $"there is no election of type {body.ElectionType}"),
        };
        List<(string Topic, int Partition)> asked = Asked(body);
        ItemResult[] results = refused is null
            ? await ElectAsync(asked, TimeoutOf(body)).ConfigureAwait(false)
            : [.. asked.Select(_ => refused)];
        var response = new ElectLeadersResponse();
        for (int i = 0; i < asked.Count; i++)
        {
            // Whoever asks for all of them wants to hear of those for which there was something to do.
            if (body.TopicPartitions is null && results[i].Error == KafkaError.ElectionNotNeeded) continue;
            List<ElectLeadersResponse.ReplicaElectionResult> topics = response.ReplicaElectionResults;
            if (topics.Count == 0 || topics[^1].Topic != asked[i].Topic) topics.Add(new() { Topic = asked[i].Topic });
            topics[^1].PartitionResult.Add(new()
            {
                PartitionId = asked[i].Partition,
                ErrorCode = (short)results[i].Error,
                ErrorMessage = results[i].Message,
            });
        }

        return response;
    }

    /// <inheritdoc/>
    protected override ElectLeadersResponse Failure(ElectLeadersRequest body, Request request, KafkaError error) =>
        new() { ErrorCode = (short)error };

    private static TimeSpan TimeoutOf(ElectLeadersRequest body) =>
        TimeSpan.FromMilliseconds(Math.Clamp(body.TimeoutMs, 0, LongestTimeout.TotalMilliseconds));

    private List<(string Topic, int Partition)> Asked(ElectLeadersRequest body) => body.TopicPartitions is { } named
        ? [.. named.SelectMany(topic => topic.Partitions.Select(partition => (topic.Topic, partition)))]
        : [.. Services.Node.Metadata.Topics.Values.SelectMany(
            topic => Enumerable.Range(0, topic.Partitions.Length).Select(partition => (topic.Name, partition)))];

    private async Task<ItemResult[]> ElectAsync(List<(string Topic, int Partition)> asked, TimeSpan timeout)
    {
        MetadataImage image = Services.Node.Metadata;
        ItemResult[] results = new ItemResult[asked.Count];
        List<(int Item, LeaderMove Move)> moves = [];
        for (int i = 0; i < asked.Count; i++)
        {
            (string name, int partition) = asked[i];
            if (!image.Topics.TryGetValue(name, out TopicImage? topic) || (uint)partition >= (uint)topic.Partitions.Length)
                results[i] = new ItemResult(KafkaError.UnknownTopicOrPartition, $"there is no partition {name}-{partition}");
            else moves.Add((i, new LeaderMove(topic.Id, partition, topic.Partitions[partition].Replicas[0])));
        }

        if (moves.Count == 0) return results;
        IReadOnlyList<ItemResult> moved =
            await Services.Node.MoveLeadersAsync([.. moves.Select(move => move.Move)], timeout).ConfigureAwait(false);
        for (int i = 0; i < moves.Count; i++)
        {
            // A partition without a leader gets one as soon as it can have one, and that needs no asking for.
            ItemResult result = moved[i];
            results[moves[i].Item] = result.Error == KafkaError.LeaderNotAvailable
                ? new ItemResult(KafkaError.PreferredLeaderNotAvailable, result.Message)
                : result;
        }

        return results;
    }
}

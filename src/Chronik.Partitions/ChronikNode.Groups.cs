using Akka.Actor;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Groups;
using Chronik.Protocol;

namespace Chronik.Partitions;

/// <content>Where group coordinators are, and what they are asked.</content>
public sealed partial class ChronikNode
{
    private static readonly TimeSpan OffsetsTopicTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CoordinatorTimeout = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public async Task<(KafkaError Error, NodeId Coordinator)> FindGroupCoordinatorAsync(string groupId)
    {
        if (!Metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out TopicImage? topic))
        {
            await CreateOffsetsTopicAsync().ConfigureAwait(false);
            if (!Metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out topic))
                return (KafkaError.CoordinatorNotAvailable, NodeId.None);
        }

        int number = GroupCoordinator.PartitionFor(groupId, topic.Partitions.Length);
        NodeId leader = Locate(topic.Id, number)?.Leader ?? NodeId.None;
        bool isThere = leader == Id
            ? await _coordinators.WaitForAsync(number, CoordinatorTimeout).ConfigureAwait(false)
            : leader.IsSome;
        return isThere ? (KafkaError.None, leader) : (KafkaError.CoordinatorNotAvailable, NodeId.None);
    }

    /// <inheritdoc/>
    public async Task<IResponseMessage?> AskGroupCoordinatorAsync(
        string groupId, IRequestMessage request, short version, RequestOrigin origin)
    {
        if (!Metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out TopicImage? topic)) return null;
        int number = GroupCoordinator.PartitionFor(groupId, topic.Partitions.Length);
        if (_coordinators.Find(number) is not { } coordinator || !Leads(topic, number)) return null;
        return await AskCoordinatorAsync(coordinator, request, version, origin).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<IResponseMessage>> AskAllGroupCoordinatorsAsync(
        IRequestMessage request, short version, RequestOrigin origin)
    {
        if (!Metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out TopicImage? topic)) return [];
        IEnumerable<Task<IResponseMessage>> answers = _coordinators.All
            .Where(one => Leads(topic, one.Key))
            .Select(one => AskCoordinatorAsync(one.Value, request, version, origin));
        return await Task.WhenAll(answers).ConfigureAwait(false);
    }

    /// <summary>
    /// Whether what a coordinator here remembers is the truth at this moment: one whose replica was deposed may not have heard of it yet.
    /// </summary>
    private bool Leads(TopicImage topic, int partition) => Find(topic.Id, partition) is { View.IsLeader: true };

    /// <summary>A join or a sync waits for other members, so there is no bound here: the coordinator answers in its own time.</summary>
    private static Task<IResponseMessage> AskCoordinatorAsync(
        IActorRef coordinator, IRequestMessage request, short version, RequestOrigin origin) =>
        coordinator.Ask<IResponseMessage>(new GroupRequest(request, version, origin), Timeout.InfiniteTimeSpan);

    /// <summary>What becomes of it shows in the metadata; who asked for a coordinator asks again.</summary>
    private async Task CreateOffsetsTopicAsync()
    {
        try
        {
            NewTopic topic = InternalTopics.ConsumerOffsets(Metadata, Id, Settings, _cluster?.BootstrapExpect ?? 1);
            await SubmitAsync(new CreateTopics([topic]), OffsetsTopicTimeout).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or MetadataAppendException)
        {
        }
    }
}

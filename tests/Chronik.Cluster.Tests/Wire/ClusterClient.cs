using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Cluster.Tests.Wire;

/// <summary>
/// What a client knows of a cluster: asks whichever broker answers. Nothing is remembered between calls, so that every call sees what
/// the brokers say now. Thread-safe.
/// </summary>
internal sealed class ClusterClient(IReadOnlyList<Address> bootstrap)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // Longer than what the broker is given, so that it may say that it could not; short, as a broker that was stopped says nothing.
    private static readonly TimeSpan AdminPatience = TimeSpan.FromSeconds(8);
    private const int AdminTimeoutMs = 5_000;

    private int _preferred;

    /// <summary>Asks a broker, the next one when that fails, until one answers or the time is over.</summary>
    public async Task<TResponse> AskAnyAsync<TResponse>(
        IRequestMessage<TResponse> request, short version, TimeSpan? patience = null)
        where TResponse : IResponseMessage
    {
        long start = Environment.TickCount64;
        for (int at = Volatile.Read(ref _preferred); ; at = (at + 1) % bootstrap.Count)
        {
            try
            {
                using Connection connection = await Connection.OpenAsync(bootstrap[at]);
                TResponse response = await connection.CallAsync(request, version, patience);
                Volatile.Write(ref _preferred, at);
                return response;
            }
            catch (RetryException) when (Environment.TickCount64 - start < Patience.TotalMilliseconds)
            {
                await Task.Delay(Pause);
            }
        }
    }

    /// <summary>The broker that answers knows too little: the next one is asked first from now on.</summary>
    public void TryAnother() => Volatile.Write(ref _preferred, (Volatile.Read(ref _preferred) + 1) % bootstrap.Count);

    public Task<MetadataResponse> MetadataAsync(params string[] topics) => AskAnyAsync(
        new MetadataRequest
        {
            Topics = [.. topics.Select(topic => new MetadataRequest.MetadataRequestTopic { Name = topic })],
            AllowAutoTopicCreation = false,
        },
        12);

    /// <summary>Who leads a partition, by the metadata of one broker.</summary>
    public async Task<(NodeId Leader, Address Address)> LeaderAsync(string topic, int partition)
    {
        MetadataResponse response = await MetadataAsync(topic);
        MetadataResponse.MetadataResponseTopic answer = response.Topics[0];
        if (answer.ErrorCode != 0) throw new RetryException($"{topic}: {(KafkaError)answer.ErrorCode}");
        MetadataResponse.MetadataResponsePartition? found = answer.Partitions.Find(one => one.PartitionIndex == partition);
        MetadataResponse.MetadataResponseBroker? broker = response.Brokers.Find(one => one.NodeId == found?.LeaderId);
        if (found is not null && broker is not null) return (new NodeId(broker.NodeId), new Address(broker.Host, broker.Port));
        TryAnother();
        throw new RetryException($"{topic}-{partition} has no leader");
    }

    /// <summary>The leader of every partition of a topic; waits until each has one.</summary>
    public async Task<IReadOnlyList<NodeId>> LeadersAsync(string topic)
    {
        NodeId[] leaders = [];
        await Wait.UntilAsync(async () =>
        {
            MetadataResponse.MetadataResponseTopic answer = (await MetadataAsync(topic)).Topics[0];
            leaders = [.. answer.Partitions.OrderBy(one => one.PartitionIndex).Select(one => new NodeId(one.LeaderId))];
            return answer.ErrorCode == 0 && leaders.Length > 0 && leaders.All(leader => leader.IsSome);
        }, $"every partition of {topic} has a leader");
        return leaders;
    }

    public async Task<NodeId> ControllerAsync()
    {
        int controller = -1;
        await Wait.UntilAsync(
            async () => (controller = (await MetadataAsync()).ControllerId) >= 0, "there is a controller");
        return new NodeId(controller);
    }

    /// <summary>Who coordinates a group; null while nobody can say.</summary>
    public async Task<(NodeId Node, Address Address)?> CoordinatorAsync(string group)
    {
        FindCoordinatorResponse answer = await AskAnyAsync(new FindCoordinatorRequest { Key = group }, 3, patience: AdminPatience);
        if (answer.ErrorCode == 0) return (new NodeId(answer.NodeId), new Address(answer.Host, answer.Port));
        TryAnother();
        return null;
    }

    /// <summary>Creates a topic, or finds that it was created; retries until then.</summary>
    public async Task CreateTopicAsync(string name, int partitions, short replicas)
    {
        CreateTopicsRequest request = new()
        {
            Topics = [new() { Name = name, NumPartitions = partitions, ReplicationFactor = replicas }],
            TimeoutMs = AdminTimeoutMs,
        };
        await Wait.UntilAsync(async () =>
        {
            CreateTopicsResponse answer = await AskAnyAsync(request, 7, patience: AdminPatience);
            CreateTopicsResponse.CreatableTopicResult result = answer.Topics[0];
            KafkaError error = (KafkaError)result.ErrorCode;
            if (error is KafkaError.None or KafkaError.TopicAlreadyExists) return true;
            if (!Errors.IsRetriable(error)) throw new InvalidOperationException($"{name}: {error} {result.ErrorMessage}");
            TryAnother();
            return false;
        }, $"{name} is created");
    }
}

/// <summary>Which errors a client answers by asking again.</summary>
internal static class Errors
{
    public static bool IsRetriable(KafkaError error) => error is
        KafkaError.NotLeaderOrFollower or KafkaError.LeaderNotAvailable or KafkaError.RequestTimedOut or KafkaError.NotEnoughReplicas
        or KafkaError.NotEnoughReplicasAfterAppend or KafkaError.CoordinatorLoadInProgress or KafkaError.CoordinatorNotAvailable
        or KafkaError.NotCoordinator or KafkaError.NotController or KafkaError.KafkaStorageError or KafkaError.OffsetNotAvailable
        or KafkaError.FencedLeaderEpoch or KafkaError.UnknownLeaderEpoch or KafkaError.UnknownTopicOrPartition
        or KafkaError.ReplicaNotAvailable or KafkaError.NetworkException or KafkaError.InvalidReplicationFactor;
}

/// <summary>Waiting for what comes true by itself.</summary>
internal static class Wait
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        long start = Environment.TickCount64;
        string last = "";
        while (true)
        {
            try
            {
                if (await condition()) return;
            }
            catch (RetryException e)
            {
                last = e.Message;
            }

            if (Environment.TickCount64 - start > Patience.TotalMilliseconds)
                throw new TimeoutException($"waited {Patience.TotalSeconds} s in vain until {what} {last}");
            await Task.Delay(Pause);
        }
    }
}

using System.Diagnostics;
using System.Text.Json;
using Chronik.Gateway;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Partitions.Watching;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Chronik.Storage;

namespace Chronik.Server.Page;

/// <summary>Answers what the pages of this node and of others ask about this node.</summary>
internal sealed class NodeReporter(ChronikHost host, ChronikNode node, NodeStorage storage, GatewayMetrics gateway, Samples samples)
{
    /// <summary>How many partitions or groups one answer may have.</summary>
    public const int Most = 500;

    private const short ListGroupsVersion = 4;
    private const short DescribeGroupsVersion = 5;
    private const short OffsetFetchVersion = 7;
    private const int TransfersMax = 100;
    private static readonly TimeSpan GroupsAge = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan EndsTimeout = TimeSpan.FromSeconds(1);
    private static readonly RequestOrigin Origin = new("page", "/localhost");

    private readonly SemaphoreSlim _looking = new(1, 1);
    private (string Filter, int Most, long At, GroupList List)? _groups;

    /// <summary>Answers a question; questions of a newer form are answered as far as they are understood.</summary>
    public async Task<JsonElement> AnswerAsync(JsonElement question)
    {
        var asked = question.Deserialize(PageJson.Default.NodeQuestion) ?? throw new JsonException("there is no question");
        var most = Math.Clamp(asked.Most, 0, Most);
        var answer = asked.About switch
        {
            NodeQuestion.Self => new NodeAnswer { Self = Self() },
            NodeQuestion.Partitions => new NodeAnswer { Partitions = Partitions(asked, most) },
            NodeQuestion.Groups => new NodeAnswer { Groups = await GroupsAsync(asked.Filter, most).ConfigureAwait(false) },
            _ => new NodeAnswer(),
        };
        return JsonSerializer.SerializeToElement(answer, PageJson.Default.NodeAnswer);
    }

    private NodeReport Self()
    {
        var status = node.Storage;
        return new NodeReport
        {
            Version = typeof(NodeReporter).Assembly.GetName().Version?.ToString(3) ?? "",
            UptimeSeconds = (long)(DateTime.Now - Process.GetCurrentProcess().StartTime).TotalSeconds,
            Problem = host.WhyNotReady ?? host.Remark,
            Directory = status.DataDirectory,
            DiskTotal = status.TotalBytes,
            DiskFree = status.FreeBytes,
            WalBytes = storage.Wal.SizeBytes,
            Connections = gateway.Connections,
            Replicas = host.Progress.All,
            Leading = node.Leading,
            Samples = samples.Series,
            Transfers =
            [
                .. node.SnapshotTransfers.Take(TransfersMax).Select(one => new TransferReport(
                    one.Partition.ToString(), one.Peer.Value, one.IsSending, one.IsWaiting, one.BytesDone, one.BytesTotal,
                    one.Remaining?.TotalSeconds)),
            ],
        };
    }

    private IReadOnlyList<LedReport> Partitions(NodeQuestion asked, int most)
    {
        var found = asked.Keys is { } keys
            ? keys.Take(most).Select(key => node.DescribeLed(new GroupId(new TopicId(key.Topic), key.Partition))).OfType<LedPartition>()
            : node.FindLed(most, asked.Order == "size" ? PartitionOrder.Size : PartitionOrder.Lag, asked.Filter);
        return
        [
            .. found.Select(led => new LedReport(
                led.Group.Topic.Value, led.Name.Topic, led.Name.Partition, led.LogStartOffset.Value, led.HighWatermark.Value, led.SizeBytes,
                [.. led.Followers.Select(follower => new FollowerReport(follower.Node.Value, follower.Records))])),
        ];
    }

    /// <summary>The groups that are coordinated here. However many look, they are worked out once in a few seconds.</summary>
    private async Task<GroupList> GroupsAsync(string filter, int most)
    {
        await _looking.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_groups is var (known, upTo, at, list) && known == filter && upTo >= most && Stopwatch.GetElapsedTime(at) < GroupsAge)
                return list;
            var found = await FindGroupsAsync(filter, most).ConfigureAwait(false);
            _groups = (filter, most, Stopwatch.GetTimestamp(), found);
            return found;
        }
        finally
        {
            _looking.Release();
        }
    }

    private async Task<GroupList> FindGroupsAsync(string filter, int most)
    {
        var answers = await node.AskAllGroupCoordinatorsAsync(new ListGroupsRequest(), ListGroupsVersion, Origin).ConfigureAwait(false);
        var listed = answers.OfType<ListGroupsResponse>().SelectMany(answer => answer.Groups)
            .Where(group => group.GroupId.Contains(filter, StringComparison.OrdinalIgnoreCase))
            .OrderBy(group => group.GroupId, StringComparer.Ordinal).ToList();
        var reports = new List<GroupReport>();
        foreach (var group in listed.Take(most))
            reports.Add(await DescribeAsync(group.GroupId, group.GroupState).ConfigureAwait(false));
        return new GroupList(listed.Count, reports);
    }

    private async Task<GroupReport> DescribeAsync(string id, string state)
    {
        var members = await AskAsync<DescribeGroupsResponse>(id, new DescribeGroupsRequest { Groups = [id] }, DescribeGroupsVersion)
            .ConfigureAwait(false);
        var offsets = await AskAsync<OffsetFetchResponse>(id, new OffsetFetchRequest { GroupId = id, Topics = null }, OffsetFetchVersion)
            .ConfigureAwait(false);
        List<(TopicPartition Name, long Committed)> committed =
        [
            .. (offsets?.Topics ?? []).SelectMany(topic => topic.Partitions, (topic, partition) =>
                (new TopicPartition(topic.Name, partition.PartitionIndex), partition.CommittedOffset))
                .Where(one => one.CommittedOffset >= 0),
        ];
        var ends = await EndsAsync([.. committed.Select(one => one.Name)]).ConfigureAwait(false);
        List<(TopicPartition Name, long Lag)> lags =
        [
            .. committed.Where(one => ends.ContainsKey(one.Name)).Select(one => (one.Name, Math.Max(0, ends[one.Name] - one.Committed))),
        ];
        var worst = lags.Count == 0 ? default : lags.MaxBy(one => one.Lag);
        return new GroupReport(
            id, state, members?.Groups.Sum(group => group.Members.Count) ?? 0, node.Id.Value,
            lags.Count == 0 ? null : lags.Sum(one => one.Lag), lags.Count == 0 ? null : worst.Name.ToString(), worst.Lag, committed.Count);
    }

    private async Task<TResponse?> AskAsync<TResponse>(string group, IRequestMessage request, short version)
        where TResponse : class, IResponseMessage
    {
        return await node.AskGroupCoordinatorAsync(group, request, version, Origin).ConfigureAwait(false) as TResponse;
    }

    /// <summary>Where partitions end: this node's own replicas know it well enough; for others their leaders are asked.</summary>
    private async Task<Dictionary<TopicPartition, long>> EndsAsync(IReadOnlyCollection<TopicPartition> partitions)
    {
        var ends = new Dictionary<TopicPartition, long>();
        var elsewhere = new Dictionary<NodeId, List<PartitionKey>>();
        foreach (var name in partitions)
        {
            if (!node.Metadata.Topics.TryGetValue(name.Topic, out TopicImage? topic)) continue;
            if (node.Find(topic.Id, name.Partition) is { } here) ends[name] = here.View.HighWatermark.Value;
            else if (node.Locate(topic.Id, name.Partition) is { Leader.IsSome: true } location)
                (elsewhere.TryGetValue(location.Leader, out var keys) ? keys : elsewhere[location.Leader] = [])
                    .Add(new PartitionKey(topic.Id.Value, name.Partition));
        }

        foreach (var (leader, keys) in elsewhere)
        {
            var question = new NodeQuestion { About = NodeQuestion.Partitions, Keys = [.. keys.Take(Most)], Most = Most };
            var (answer, _) = await node.AskAsync(
                leader, JsonSerializer.SerializeToElement(question, PageJson.Default.NodeQuestion), EndsTimeout).ConfigureAwait(false);
            foreach (var led in answer?.Deserialize(PageJson.Default.NodeAnswer)?.Partitions ?? [])
                ends[new TopicPartition(led.Name, led.Partition)] = led.End;
        }

        return ends;
    }
}

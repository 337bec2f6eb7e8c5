using System.Text.Json;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;

namespace Chronik.Server.Page;

/// <summary>
/// The whole cluster, as far as this node knows it: the metadata, what leaders announced, and what the other nodes answer about
/// themselves.
/// </summary>
internal sealed class ClusterPage(ChronikNode node)
{
    /// <summary>How many rows one page of a table may have.</summary>
    public const int RowsMax = 200;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan Age = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private Task<ClusterReport>? _report;
    private long _reportAt;

    /// <summary>The cluster and its nodes. However many look, it is worked out once in two seconds.</summary>
    public Task<ClusterReport> ClusterAsync()
    {
        lock (_lock)
        {
            if (_report is null || (_report.IsCompleted && TimeProvider.System.GetElapsedTime(_reportAt) > Age))
            {
                _reportAt = TimeProvider.System.GetTimestamp();
                _report = Task.Run(LookAsync);
            }

            return _report;
        }
    }

    /// <summary>Some of the partitions: filtered, ordered, from an offset on.</summary>
    /// <param name="filter">What the name, topic-number, contains.</param>
    /// <param name="only">problems leaves out those that are well; anything else, none.</param>
    /// <param name="order">lag, size, or by name.</param>
    /// <param name="offset">How many to skip.</param>
    /// <param name="limit">How many to return.</param>
    public async Task<PartitionPage> PartitionsAsync(string filter, string only, string order, int offset, int limit)
    {
        offset = Math.Max(0, offset);
        limit = Math.Clamp(limit, 1, RowsMax);
        return order is "lag" or "size"
            ? await RankedAsync(filter, order, offset, limit).ConfigureAwait(false)
            : await NamedAsync(filter, only == "problems", offset, limit).ConfigureAwait(false);
    }

    /// <summary>Some of the groups of all nodes: filtered, ordered by lag or name, from an offset on.</summary>
    public async Task<GroupPage> GroupsAsync(string filter, string order, int offset, int limit)
    {
        offset = Math.Max(0, offset);
        limit = Math.Clamp(limit, 1, RowsMax);
        var question = new NodeQuestion { About = NodeQuestion.Groups, Filter = filter, Most = NodeReporter.Most };
        var answers = await AskAllAsync(question).ConfigureAwait(false);
        var groups = answers.SelectMany(one => one.Answer?.Groups?.Groups ?? []);
        groups = order == "lag"
            ? groups.OrderByDescending(group => group.Lag ?? -1).ThenBy(group => group.Id, StringComparer.Ordinal)
            : groups.OrderBy(group => group.Id, StringComparer.Ordinal);
        return new GroupPage(
            answers.Sum(one => one.Answer?.Groups?.Total ?? 0), offset, [.. groups.Skip(offset).Take(limit)],
            [.. answers.Where(one => one.Answer?.Groups is null).Select(one => one.Node.Value)]);
    }

    private async Task<ClusterReport> LookAsync()
    {
        var image = node.Metadata;
        var answers = await AskAllAsync(new NodeQuestion { About = NodeQuestion.Self }).ConfigureAwait(false);
        var byNode = answers.ToDictionary(one => one.Node);
        return new ClusterReport
        {
            ClusterId = node.ClusterId,
            Self = node.Id.Value,
            Controller = node.Controller.Value,
            Level = image.Level,
            Partitions = Count(image),
            Nodes = [.. image.Brokers.Values.OrderBy(broker => broker.Id.Value).Select(broker => Row(broker, byNode))],
        };
    }

    private NodeRow Row(BrokerImage broker, Dictionary<NodeId, (NodeId Node, NodeAnswer? Answer, string? Why)> answers)
    {
        var address = broker.Endpoints.Length == 0 ? "" : $"{broker.Endpoints[0].Host}:{broker.Endpoints[0].Port}";
        var (_, answer, why) = answers.GetValueOrDefault(broker.Id);
        var isDraining = broker.IsDraining ? "draining: its replicas move to others" : null;
        if (answer?.Self is { } report) return new NodeRow(broker.Id.Value, address, broker.Rack, "up", isDraining, report);
        return IsThere(broker.Id)
            ? new NodeRow(broker.Id.Value, address, broker.Rack, "silent", $"does not answer: {why}", null)
            : new NodeRow(broker.Id.Value, address, broker.Rack, "down", "cannot be reached", null);
    }

    private PartitionCounts Count(MetadataImage image)
    {
        var counts = new int[Enum.GetValues<PartitionTrouble>().Length];
        foreach (var (topic, partition) in All(image, "")) counts[(int)HealthOf(image, topic, partition).Trouble]++;
        return new PartitionCounts(
            image.Topics.Count, counts.Sum(), counts[(int)PartitionTrouble.Leaderless], counts[(int)PartitionTrouble.UnderMinIsr],
            counts[(int)PartitionTrouble.UnderReplicated], counts[(int)PartitionTrouble.Moving]);
    }

    private async Task<PartitionPage> NamedAsync(string filter, bool onlyProblems, int offset, int limit)
    {
        var image = node.Metadata;
        var total = 0;
        var rows = new List<PartitionRow>();
        foreach (var (topic, partition) in All(image, filter))
        {
            if (onlyProblems && HealthOf(image, topic, partition).Trouble == PartitionTrouble.None) continue;
            if (total++ >= offset && rows.Count < limit && Row(image, topic, partition, null) is { } row) rows.Add(row);
        }

        // Only those that are shown are asked for.
        var keys = rows.Where(row => row.Leader >= 0)
            .GroupBy(row => row.Leader, row => new PartitionKey(image.Topics[row.Topic].Id.Value, row.Partition));
        var answers = await Task.WhenAll(keys.Select(ofLeader => AskAsync(new NodeId(ofLeader.Key), new NodeQuestion
        {
            About = NodeQuestion.Partitions,
            Keys = [.. ofLeader],
            Most = RowsMax,
        }))).ConfigureAwait(false);
        var led = answers.SelectMany(one => one.Answer?.Partitions ?? []).ToLookup(one => (one.Name, one.Partition));
        return new PartitionPage(
            total, offset, [.. rows.Select(row => row with { Led = led[(row.Topic, row.Partition)].FirstOrDefault() })]);
    }

    private async Task<PartitionPage> RankedAsync(string filter, string order, int offset, int limit)
    {
        var image = node.Metadata;
        var question = new NodeQuestion
        {
            About = NodeQuestion.Partitions,
            Order = order,
            Filter = filter,
            Most = Math.Min(offset + limit, NodeReporter.Most),
        };
        var answers = await AskAllAsync(question).ConfigureAwait(false);
        var ranked = answers.SelectMany(one => one.Answer?.Partitions ?? [])
            .OrderByDescending(led => order == "lag" ? led.Lag : led.Size)
            .ThenBy(led => led.Name, StringComparer.Ordinal).ThenBy(led => led.Partition).ToList();
        var rows = ranked.Skip(offset).Take(limit)
            .Where(led => image.Topics.ContainsKey(led.Name))
            .Select(led => Row(image, image.Topics[led.Name], led.Partition, led)).OfType<PartitionRow>();
        return new PartitionPage(Math.Min(All(image, filter).Count(), NodeReporter.Most), offset, [.. rows]);
    }

    private static IEnumerable<(TopicImage Topic, int Partition)> All(MetadataImage image, string filter)
    {
        // What people made first.
        var topics = image.Topics.Values.OrderBy(topic => TopicNames.IsInternal(topic.Name))
            .ThenBy(topic => topic.Name, StringComparer.Ordinal);
        foreach (var topic in topics)
        {
            for (var n = 0; n < topic.Partitions.Length; n++)
            {
                if (filter.Length == 0 || $"{topic.Name}-{n}".Contains(filter, StringComparison.OrdinalIgnoreCase)) yield return (topic, n);
            }
        }
    }

    private PartitionRow? Row(MetadataImage image, TopicImage topic, int partition, LedReport? led)
    {
        if (node.Locate(topic.Id, partition) is not { } location) return null;
        var (trouble, why) = HealthOf(image, topic, partition);
        return new PartitionRow
        {
            Topic = topic.Name,
            Partition = partition,
            Leader = location.Leader.Value,
            Epoch = location.Epoch.Value,
            Replicas = [.. location.Replicas.Select(id => id.Value)],
            Isr = [.. location.Isr.Select(id => id.Value)],
            Trouble = trouble,
            Why = why,
            Led = led,
        };
    }

    private (PartitionTrouble Trouble, string? Why) HealthOf(MetadataImage image, TopicImage topic, int partition)
    {
        if (node.Locate(topic.Id, partition) is not { } location) return (PartitionTrouble.Leaderless, "it is being created or deleted");
        var minIsr = int.Parse(
            TopicConfigs.Value(image, topic, node.Id, node.Settings, TopicConfigs.MinInsyncReplicas),
            System.Globalization.CultureInfo.InvariantCulture);
        return PartitionHealth.Of(
            location, topic.Partitions[partition], minIsr, IsThere, node.Find(topic.Id, partition)?.View.Failure);
    }

    private bool IsThere(NodeId id) => id == node.Id || node.IsReachable(id);

    private async Task<IReadOnlyList<(NodeId Node, NodeAnswer? Answer, string? Why)>> AskAllAsync(NodeQuestion question) =>
        await Task.WhenAll(node.Metadata.Brokers.Keys.Select(id => AskAsync(id, question))).ConfigureAwait(false);

    private async Task<(NodeId Node, NodeAnswer? Answer, string? Why)> AskAsync(NodeId id, NodeQuestion question)
    {
        var (answer, why) = await node.AskAsync(
            id, JsonSerializer.SerializeToElement(question, PageJson.Default.NodeQuestion), Patience).ConfigureAwait(false);
        try
        {
            return (id, answer?.Deserialize(PageJson.Default.NodeAnswer), why);
        }
        catch (JsonException)
        {
            return (id, null, "its answer is not understood");
        }
    }
}

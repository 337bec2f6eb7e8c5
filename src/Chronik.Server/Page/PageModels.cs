using System.Text.Json.Serialization;

namespace Chronik.Server.Page;

/// <summary>What a node is asked about itself by the page of any node.</summary>
internal sealed record NodeQuestion
{
    public const string Self = "self";
    public const string Partitions = "partitions";
    public const string Groups = "groups";

    /// <summary>What about: one of the constants.</summary>
    public required string About { get; init; }

    /// <summary>Which partitions; null asks for the first ones in an order.</summary>
    public IReadOnlyList<PartitionKey>? Keys { get; init; }

    /// <summary>By what they are ordered: lag or size.</summary>
    public string? Order { get; init; }

    /// <summary>What names contain; empty for all.</summary>
    public string Filter { get; init; } = "";

    /// <summary>How many at most.</summary>
    public int Most { get; init; }
}

/// <summary>Names a partition.</summary>
internal readonly record struct PartitionKey(Guid Topic, int Partition);

/// <summary>What a node answers.</summary>
internal sealed record NodeAnswer
{
    public NodeReport? Self { get; init; }

    public IReadOnlyList<LedReport>? Partitions { get; init; }

    public GroupList? Groups { get; init; }
}

/// <summary>A node, as it sees itself.</summary>
internal sealed record NodeReport
{
    public required string Version { get; init; }

    public required long UptimeSeconds { get; init; }

    /// <summary>Why it does not serve, or refuses to be written to; null when it does all it should.</summary>
    public string? Problem { get; init; }

    public required string Directory { get; init; }

    public required long DiskTotal { get; init; }

    public required long DiskFree { get; init; }

    public required long WalBytes { get; init; }

    public required long Connections { get; init; }

    public required int Replicas { get; init; }

    public required int Leading { get; init; }

    public required SampleSeries Samples { get; init; }

    public required IReadOnlyList<TransferReport> Transfers { get; init; }
}

/// <summary>A snapshot on its way.</summary>
internal sealed record TransferReport(
    string Partition, int Peer, bool Sending, bool Waiting, long Done, long Total, double? RemainingSeconds);

/// <summary>A partition, as its leader sees it.</summary>
internal sealed record LedReport(
    Guid Topic, string Name, int Partition, long Start, long End, long Size, IReadOnlyList<FollowerReport> Followers)
{
    [JsonIgnore]
    public long Lag => Followers.Count == 0 ? 0 : Followers.Max(follower => follower.Lag);
}

/// <summary>How far a follower is behind, in records.</summary>
internal sealed record FollowerReport(int Node, long Lag);

/// <summary>Groups, some of them.</summary>
internal sealed record GroupList(int Total, IReadOnlyList<GroupReport> Groups);

/// <summary>A consumer group.</summary>
/// <param name="Id">Its id, as clients chose it.</param>
/// <param name="State">Its state, such as Stable.</param>
/// <param name="Members">How many members it has.</param>
/// <param name="Coordinator">The node that coordinates it.</param>
/// <param name="Lag">Records behind its committed offsets, over all partitions that it has committed; null when unknown.</param>
/// <param name="Worst">The partition with the most of them.</param>
/// <param name="WorstLag">How many.</param>
/// <param name="Partitions">Partitions with a committed offset.</param>
internal sealed record GroupReport(
    string Id, string State, int Members, int Coordinator, long? Lag, string? Worst, long WorstLag, int Partitions);

/// <summary>The cluster, as the node that was asked sees it.</summary>
internal sealed record ClusterReport
{
    public required string ClusterId { get; init; }

    public required int Self { get; init; }

    /// <summary>The node that leads the metadata; -1 while none is known.</summary>
    public required int Controller { get; init; }

    public required int Level { get; init; }

    public required PartitionCounts Partitions { get; init; }

    public required IReadOnlyList<NodeRow> Nodes { get; init; }
}

/// <summary>How many partitions are how well.</summary>
internal sealed record PartitionCounts(int Topics, int All, int Leaderless, int UnderMinIsr, int UnderReplicated, int Moving);

/// <summary>A node of the cluster.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Address">Where clients reach it.</param>
/// <param name="Rack">Its rack.</param>
/// <param name="State">up, silent (it is there and does not answer), or down.</param>
/// <param name="Why">Why it is not up, or draining.</param>
/// <param name="Report">What it says of itself; null when it does not answer.</param>
internal sealed record NodeRow(int Id, string Address, string? Rack, string State, string? Why, NodeReport? Report);

/// <summary>Some of the partitions.</summary>
internal sealed record PartitionPage(int Total, int Offset, IReadOnlyList<PartitionRow> Rows);

/// <summary>A partition of the cluster.</summary>
internal sealed record PartitionRow
{
    public required string Topic { get; init; }

    public required int Partition { get; init; }

    /// <summary>-1 while nobody is known to lead.</summary>
    public required int Leader { get; init; }

    public required int Epoch { get; init; }

    public required IReadOnlyList<int> Replicas { get; init; }

    public required IReadOnlyList<int> Isr { get; init; }

    public required PartitionTrouble Trouble { get; init; }

    /// <summary>What is wrong, for people; null when nothing is.</summary>
    public string? Why { get; init; }

    /// <summary>What its leader says; null when it could not be asked.</summary>
    public LedReport? Led { get; init; }
}

/// <summary>Some of the groups, and the nodes whose groups are missing.</summary>
internal sealed record GroupPage(int Total, int Offset, IReadOnlyList<GroupReport> Rows, IReadOnlyList<int> Silent);

/// <summary>What the page and the nodes say, as JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(NodeQuestion))]
[JsonSerializable(typeof(NodeAnswer))]
[JsonSerializable(typeof(ClusterReport))]
[JsonSerializable(typeof(PartitionPage))]
[JsonSerializable(typeof(GroupPage))]
internal sealed partial class PageJson : JsonSerializerContext;

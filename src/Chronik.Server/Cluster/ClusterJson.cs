using System.Text.Json;
using System.Text.Json.Serialization;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Operating;

namespace Chronik.Server.Cluster;

/// <summary>What came of something that an operator asked for.</summary>
/// <param name="Ok">Whether it was granted.</param>
/// <param name="Error">Kafka's name of why not; null when it was.</param>
/// <param name="Message">What was granted, or why it was refused, in words.</param>
internal sealed record OperationAnswer(bool Ok, string? Error, string Message);

/// <summary>What the balancer would do.</summary>
/// <param name="Moves">Partitions that would get other replicas, or another preferred leader.</param>
/// <param name="Stuck">Replicas that should leave their broker and have nowhere to go.</param>
/// <param name="Reason">Why it does not do it at the moment; null when it does, or nothing is to be done.</param>
internal sealed record PlanAnswer(IReadOnlyList<BalancerMove> Moves, IReadOnlyList<StuckReplica> Stuck, string? Reason);

/// <summary>The forms of what is said under /cluster: names in camelCase, nodes by their numbers, -1 for none.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, Converters = [typeof(NodeIdConverter)])]
[JsonSerializable(typeof(ClusterStatus))]
[JsonSerializable(typeof(OperationAnswer))]
[JsonSerializable(typeof(PlanAnswer))]
internal sealed partial class ClusterJson : JsonSerializerContext;

/// <summary>A node as its number.</summary>
internal sealed class NodeIdConverter : JsonConverter<NodeId>
{
    /// <inheritdoc/>
    public override NodeId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetInt32());

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, NodeId value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value);
}

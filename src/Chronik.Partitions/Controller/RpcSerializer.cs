using System.Text.Json;
using Akka.Actor;
using Akka.Serialization;
using Chronik.Partitions.Forming;
using Chronik.Partitions.Leaderships;
using Chronik.Partitions.Operating;
using Chronik.Partitions.Watching;

namespace Chronik.Partitions.Controller;

/// <summary>Writes <see cref="IRpcMessage"/> for the wire: JSON, the manifest names the type and the version of its form.</summary>
internal sealed class RpcSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private static readonly Dictionary<string, Type> Types = new(StringComparer.Ordinal)
    {
        ["submit-1"] = typeof(Submit),
        ["done-1"] = typeof(CommandDone),
        ["refused-1"] = typeof(CommandRefused),
        ["describe-quorum-1"] = typeof(DescribeMetadataQuorum),
        ["quorum-1"] = typeof(QuorumDescribed),
        ["move-leaders-1"] = typeof(MoveLeaders),
        ["leaders-moved-1"] = typeof(LeadersMoved),
        ["stopping-1"] = typeof(NodeStopping),
        ["ask-node-1"] = typeof(AskNode),
        ["node-answered-1"] = typeof(NodeAnswered),
        ["hello-1"] = typeof(Hello),
        ["welcome-1"] = typeof(Welcome),
        ["unwelcome-1"] = typeof(Unwelcome),
        ["propose-1"] = typeof(Propose),
        ["accepted-1"] = typeof(Accepted),
        ["withdrawn-1"] = typeof(Withdrawn),
        ["formed-1"] = typeof(Formed),
        ["describe-node-1"] = typeof(DescribeNode),
        ["node-described-1"] = typeof(NodeDescribed),
        ["balancer-request-1"] = typeof(BalancerRequest),
        ["balancer-answer-1"] = typeof(BalancerAnswer),
        ["leave-1"] = typeof(LeaveCluster),
    };

    private static readonly Dictionary<Type, string> Manifests = Types.ToDictionary(pair => pair.Value, pair => pair.Key);

    /// <summary>Names this serializer on the wire; never changes.</summary>
    public override int Identifier => 9_204;

    public override string Manifest(object o) => Manifests[o.GetType()];

    public override byte[] ToBinary(object obj) => JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), RpcJson.Wire);

    public override object FromBinary(byte[] bytes, string manifest) => Types.TryGetValue(manifest, out Type? type)
        ? JsonSerializer.Deserialize(bytes, type, RpcJson.Wire)!
        : throw new ArgumentException(
            $"this version does not know messages of the kind '{manifest}', but {string.Join(", ", Types.Keys)}", nameof(manifest));
}

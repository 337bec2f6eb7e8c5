using System.Collections.Immutable;
using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using Akka.Serialization;

namespace Akka.Cluster.Serialization;

/// <summary>
/// The messages between nodes. The manifest says which message it is, the first byte which version of the format; the rest are its fields
/// in order. A gossip starts with a table of the nodes in it, to which everything after it refers by number.
/// </summary>
internal sealed class ClusterMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const byte Version = 1;

    public override int Identifier => 5;

    public override string Manifest(object o) => o switch
    {
        Heartbeat => "HB",
        HeartbeatRsp => "HBR",
        GossipStatus => "GS",
        GossipEnvelope => "GE",
        InitJoin => "IJ",
        InitJoinAck => "IJA",
        InitJoinNack => "IJN",
        Join => "J",
        Welcome => "W",
        ExitingConfirmed => "EC",
        _ => throw new ArgumentException($"{o.GetType()} is no message between nodes of a cluster.", nameof(o)),
    };

    public override byte[] ToBinary(object obj)
    {
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(Version);
        switch (obj)
        {
            case Heartbeat heartbeat:
                Write(writer, heartbeat.From);
                writer.Write7BitEncodedInt64(heartbeat.SequenceNr);
                break;
            case HeartbeatRsp answer:
                Write(writer, answer.From);
                writer.Write7BitEncodedInt64(answer.SequenceNr);
                break;
            case GossipStatus status:
                Write(writer, status.From);
                var versionNodes = new NodeTable(status.Version.Versions.Keys);
                versionNodes.Write(writer);
                WriteVersion(writer, status.Version, versionNodes);
                break;
            case GossipEnvelope envelope:
                Write(writer, envelope.From);
                Write(writer, envelope.To);
                Write(writer, envelope.Gossip);
                break;
            case InitJoin:
                break;
            case InitJoinAck ack:
                Write(writer, ack.Address);
                break;
            case InitJoinNack nack:
                Write(writer, nack.Address);
                break;
            case Join join:
                Write(writer, join.Node);
                WriteRoles(writer, join.Roles);
                break;
            case Welcome welcome:
                Write(writer, welcome.From);
                Write(writer, welcome.Gossip);
                break;
            case ExitingConfirmed confirmed:
                Write(writer, confirmed.Node);
                break;
            default:
                throw new ArgumentException($"{obj.GetType()} is no message between nodes of a cluster.", nameof(obj));
        }

        writer.Flush();
        return stream.ToArray();
    }

    /// <exception cref="SerializationException">The bytes are no such message, or of another version.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        try
        {
            using var reader = new BinaryReader(new MemoryStream(bytes, writable: false), Encoding.UTF8);
            byte version = reader.ReadByte();
            if (version != Version)
                throw new SerializationException($"A cluster message [{manifest}] has version {version}; {Version} is known here.");
            return Read(reader, manifest);
        }
        catch (Exception e) when (e is IOException or FormatException or ArgumentException)
        {
            throw new SerializationException($"A cluster message [{manifest}] of {bytes.Length} bytes is damaged.", e);
        }
    }

    private static object Read(BinaryReader reader, string manifest) => manifest switch
    {
        "HB" => new Heartbeat(ReadAddress(reader), reader.Read7BitEncodedInt64()),
        "HBR" => new HeartbeatRsp(ReadNode(reader), reader.Read7BitEncodedInt64()),
        "GS" => new GossipStatus(ReadNode(reader), ReadVersion(reader, ReadNodes(reader))),
        "GE" => new GossipEnvelope(ReadNode(reader), ReadNode(reader), ReadGossip(reader)),
        "IJ" => new InitJoin(),
        "IJA" => new InitJoinAck(ReadAddress(reader)),
        "IJN" => new InitJoinNack(ReadAddress(reader)),
        "J" => new Join(ReadNode(reader), ReadRoles(reader)),
        "W" => new Welcome(ReadNode(reader), ReadGossip(reader)),
        "EC" => new ExitingConfirmed(ReadNode(reader)),
        _ => throw new SerializationException($"There is no cluster message [{manifest}]."),
    };

    private static void Write(BinaryWriter writer, Address address)
    {
        writer.Write(address.Protocol);
        writer.Write(address.System);
        writer.Write(address.Host ?? string.Empty);
        writer.Write7BitEncodedInt(address.Port ?? 0);
    }

    private static Address ReadAddress(BinaryReader reader)
    {
        string protocol = reader.ReadString(), name = reader.ReadString(), host = reader.ReadString();
        int port = reader.Read7BitEncodedInt();
        return host.Length == 0 ? new Address(protocol, name) : new Address(protocol, name, host, port);
    }

    private static void Write(BinaryWriter writer, UniqueAddress node)
    {
        Write(writer, node.Address);
        writer.Write(node.Uid);
    }

    private static UniqueAddress ReadNode(BinaryReader reader) => new(ReadAddress(reader), reader.ReadInt32());

    private static void WriteRoles(BinaryWriter writer, ImmutableHashSet<string> roles)
    {
        writer.Write7BitEncodedInt(roles.Count);
        foreach (string role in roles)
            writer.Write(role);
    }

    private static ImmutableHashSet<string> ReadRoles(BinaryReader reader) => [.. ReadMany(reader, static r => r.ReadString())];

    private static void Write(BinaryWriter writer, Gossip gossip)
    {
        var nodes = new NodeTable(gossip.Members.Select(static m => m.UniqueAddress)
            .Concat(gossip.Seen)
            .Concat(gossip.Version.Versions.Keys)
            .Concat(gossip.Reachability.Versions.Keys)
            .Concat(gossip.Reachability.Records.SelectMany(static r => new[] { r.Observer, r.Subject })));
        nodes.Write(writer);
        writer.Write7BitEncodedInt(gossip.Members.Count);
        foreach (Member member in gossip.Members)
        {
            writer.Write7BitEncodedInt(nodes[member.UniqueAddress]);
            writer.Write7BitEncodedInt(member.UpNumber);
            writer.Write((byte)member.Status);
            WriteRoles(writer, member.Roles);
        }

        writer.Write7BitEncodedInt(gossip.Seen.Count);
        foreach (UniqueAddress node in gossip.Seen)
            writer.Write7BitEncodedInt(nodes[node]);
        writer.Write7BitEncodedInt(gossip.Reachability.Versions.Count);
        foreach ((UniqueAddress observer, long version) in gossip.Reachability.Versions)
        {
            writer.Write7BitEncodedInt(nodes[observer]);
            writer.Write7BitEncodedInt64(version);
        }

        writer.Write7BitEncodedInt(gossip.Reachability.Records.Length);
        foreach (ReachabilityRecord record in gossip.Reachability.Records)
        {
            writer.Write7BitEncodedInt(nodes[record.Observer]);
            writer.Write7BitEncodedInt(nodes[record.Subject]);
            writer.Write((byte)record.Status);
            writer.Write7BitEncodedInt64(record.Version);
        }

        WriteVersion(writer, gossip.Version, nodes);
    }

    private static Gossip ReadGossip(BinaryReader reader)
    {
        UniqueAddress[] nodes = ReadNodes(reader);
        List<Member> members = ReadMany(reader, r => new Member(
            ReadIndex(r, nodes), r.Read7BitEncodedInt(), ReadStatus<MemberStatus>(r, (byte)MemberStatus.WeaklyUp), ReadRoles(r)));
        List<UniqueAddress> seen = ReadMany(reader, r => ReadIndex(r, nodes));
        ImmutableDictionary<UniqueAddress, long> versions =
            ReadMany(reader, r => KeyValuePair.Create(ReadIndex(r, nodes), r.Read7BitEncodedInt64())).ToImmutableDictionary();
        List<ReachabilityRecord> records = ReadMany(reader, r => new ReachabilityRecord(
            ReadIndex(r, nodes), ReadIndex(r, nodes), ReadStatus<ReachabilityStatus>(r, (byte)ReachabilityStatus.Terminated),
            r.Read7BitEncodedInt64()));
        return new Gossip([.. members], [.. seen], new Reachability([.. records], versions), ReadVersion(reader, nodes));
    }

    private static void WriteVersion(BinaryWriter writer, VectorClock version, NodeTable nodes)
    {
        writer.Write7BitEncodedInt(version.Versions.Count);
        foreach ((UniqueAddress node, long count) in version.Versions)
        {
            writer.Write7BitEncodedInt(nodes[node]);
            writer.Write7BitEncodedInt64(count);
        }
    }

    private static VectorClock ReadVersion(BinaryReader reader, UniqueAddress[] nodes) =>
        new(ReadMany(reader, r => KeyValuePair.Create(ReadIndex(r, nodes), r.Read7BitEncodedInt64())).ToImmutableSortedDictionary());

    private static UniqueAddress[] ReadNodes(BinaryReader reader) => [.. ReadMany(reader, ReadNode)];

    private static UniqueAddress ReadIndex(BinaryReader reader, UniqueAddress[] nodes) =>
        reader.Read7BitEncodedInt() is var index && (uint)index < (uint)nodes.Length
            ? nodes[index]
            : throw new FormatException($"Node {index} of {nodes.Length}.");

    private static T ReadStatus<T>(BinaryReader reader, byte last)
        where T : struct, Enum =>
        reader.ReadByte() is var status && status <= last
            ? (T)Enum.ToObject(typeof(T), status)
            : throw new FormatException($"{typeof(T).Name} {status}.");

    /// <summary>A count, and so many of something. A count that the rest of the bytes cannot hold is refused at once.</summary>
    private static List<T> ReadMany<T>(BinaryReader reader, Func<BinaryReader, T> read)
    {
        int count = reader.Read7BitEncodedInt();
        if (count < 0 || count > reader.BaseStream.Length - reader.BaseStream.Position)
            throw new FormatException($"{count} elements.");
        var many = new List<T>(count);
        for (int i = 0; i < count; i++)
            many.Add(read(reader));
        return many;
    }

    private sealed class NodeTable
    {
        private readonly Dictionary<UniqueAddress, int> _index = [];
        private readonly List<UniqueAddress> _nodes = [];

        public NodeTable(IEnumerable<UniqueAddress> nodes)
        {
            foreach (UniqueAddress node in nodes)
            {
                if (_index.TryAdd(node, _nodes.Count))
                    _nodes.Add(node);
            }
        }

        public int this[UniqueAddress node] => _index[node];

        public void Write(BinaryWriter writer)
        {
            writer.Write7BitEncodedInt(_nodes.Count);
            foreach (UniqueAddress node in _nodes)
                ClusterMessageSerializer.Write(writer, node);
        }
    }
}

using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>The bytes of a metadata record cannot be read by this version.</summary>
public sealed class MetadataFormatException(string message) : Exception(message);

/// <summary>
/// The binary form of metadata records: a type byte, a version byte, then the fields. Numbers are zig-zag variable-length integers,
/// strings are a length (-1 for null) and UTF-8, lists are a count and their items.
/// </summary>
/// <remarks>
/// A type keeps its number for ever. A new field raises the version of its type and goes to the end; a reader takes every version up to
/// its own and refuses a newer one, because skipping what it does not know would let replicas of different versions disagree. What a record
/// type or version needs of the cluster's level is <see cref="MetadataRecord.Since"/>, and is seen to where records are decided.
/// </remarks>
public static class MetadataRecordCodec
{
    private enum RecordType : byte
    {
        ClusterFormed = 1,
        TopicCreated = 2,
        TopicDeleted = 3,
        PartitionsAdded = 4,
        ConfigChanged = 5,
        ProducerIdsAllocated = 6,
        BrokerRegistered = 7,
        MetadataRestated = 8,
        BrokerLivenessChanged = 9,
        LevelChanged = 10,
        IsrChanged = 11,
        ReassignmentChanged = 12,
        BrokerUnregistered = 13,
        BrokerDrainingChanged = 14,
    }

    /// <summary>The version that a type is written in, and the newest that is read.</summary>
    private static byte VersionOf(RecordType type) => type switch
    {
        // 1: the directories of replicas and brokers, the protocol of brokers.
        RecordType.TopicCreated or RecordType.PartitionsAdded or RecordType.BrokerRegistered => 1,
        _ => 0,
    };

    /// <summary>The bytes of a record.</summary>
    public static byte[] ToBytes(MetadataRecord record)
    {
        ArrayBufferWriter<byte> buffer = new(64);
        FieldWriter writer = new(buffer);
        switch (record)
        {
            case ClusterFormed formed:
                writer.Header(RecordType.ClusterFormed);
                writer.String(formed.ClusterId);
                break;
            case LevelChanged changed:
                writer.Header(RecordType.LevelChanged);
                writer.Number(changed.Level);
                break;
            case TopicCreated created:
                writer.Header(RecordType.TopicCreated);
                writer.String(created.Name);
                writer.Guid(created.Id.Value);
                writer.Partitions(created.Partitions);
                writer.Number(created.Configs.Count);
                foreach ((string key, string value) in created.Configs)
                {
                    writer.String(key);
                    writer.String(value);
                }

                break;
            case TopicDeleted deleted:
                writer.Header(RecordType.TopicDeleted);
                writer.Guid(deleted.Id.Value);
                break;
            case PartitionsAdded added:
                writer.Header(RecordType.PartitionsAdded);
                writer.Guid(added.Id.Value);
                writer.Number(added.First);
                writer.Partitions(added.Partitions);
                break;
            case IsrChanged changed:
                writer.Header(RecordType.IsrChanged);
                writer.Guid(changed.Id.Value);
                writer.Number(changed.Partition);
                writer.Number(changed.Epoch.Value);
                writer.Nodes(changed.Isr);
                break;
            case ConfigChanged changed:
                writer.Header(RecordType.ConfigChanged);
                writer.Number((byte)changed.Resource.Kind);
                writer.String(changed.Resource.Name);
                writer.String(changed.Key);
                writer.String(changed.Value);
                break;
            case ProducerIdsAllocated allocated:
                writer.Header(RecordType.ProducerIdsAllocated);
                writer.Number(allocated.NextProducerId);
                break;
            case BrokerRegistered registered:
                writer.Header(RecordType.BrokerRegistered);
                writer.Number(registered.Id.Value);
                writer.Number(registered.Endpoints.Length);
                foreach (BrokerEndpoint endpoint in registered.Endpoints)
                {
                    writer.String(endpoint.Listener);
                    writer.String(endpoint.Host);
                    writer.Number(endpoint.Port);
                }

                writer.String(registered.Rack);
                writer.Guid(registered.Directory);
                writer.Guid(registered.Incarnation);
                writer.Number(registered.Protocol.Min);
                writer.Number(registered.Protocol.Max);
                break;
            case BrokerLivenessChanged changed:
                writer.Header(RecordType.BrokerLivenessChanged);
                writer.Number(changed.Id.Value);
                writer.Number(changed.IsLive ? 1 : 0);
                break;
            case BrokerDrainingChanged changed:
                writer.Header(RecordType.BrokerDrainingChanged);
                writer.Number(changed.Id.Value);
                writer.Number(changed.IsDraining ? 1 : 0);
                writer.Number(changed.IsLeaving ? 1 : 0);
                break;
            case ReassignmentChanged changed:
                writer.Header(RecordType.ReassignmentChanged);
                writer.Guid(changed.Id.Value);
                writer.Number(changed.Partition);
                writer.Nodes(changed.Replicas);
                foreach (Guid directory in changed.Directories) writer.Guid(directory);
                writer.Nodes(changed.Adding);
                writer.Nodes(changed.Removing);
                break;
            case BrokerUnregistered unregistered:
                writer.Header(RecordType.BrokerUnregistered);
                writer.Number(unregistered.Id.Value);
                break;
            case MetadataRestated:
                writer.Header(RecordType.MetadataRestated);
                break;
            default:
                throw new ArgumentException($"no form for {record.GetType().Name}", nameof(record));
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>
    /// The record in these bytes; throws <see cref="MetadataFormatException"/> when they are damaged or of a newer version.
    /// </summary>
    public static MetadataRecord Read(ReadOnlySpan<byte> bytes)
    {
        FieldReader reader = new(bytes);
        byte type = reader.Byte();
        byte version = reader.Byte();
        byte newest = VersionOf((RecordType)type);
        if (version > newest)
            throw new MetadataFormatException($"metadata record of type {type} has version {version}; this broker reads up to {newest}");
        MetadataRecord record = (RecordType)type switch
        {
            RecordType.ClusterFormed => new ClusterFormed(reader.String()),
            RecordType.LevelChanged => new LevelChanged(reader.Int()),
            RecordType.TopicCreated => new TopicCreated(
                reader.String(), new TopicId(reader.Guid()), reader.Partitions(version), reader.Configs()),
            RecordType.TopicDeleted => new TopicDeleted(new TopicId(reader.Guid())),
            RecordType.PartitionsAdded => new PartitionsAdded(new TopicId(reader.Guid()), reader.Int(), reader.Partitions(version)),
            RecordType.IsrChanged => new IsrChanged(
                new TopicId(reader.Guid()), reader.Int(), new LeaderEpoch(reader.Int()), reader.Nodes()),
            RecordType.ConfigChanged => new ConfigChanged(
                new ConfigResource((ConfigResourceKind)reader.Int(), reader.String()), reader.String(), reader.NullableString()),
            RecordType.ProducerIdsAllocated => new ProducerIdsAllocated(reader.Number()),
            RecordType.BrokerRegistered => new BrokerRegistered(new NodeId(reader.Int()), reader.Endpoints(), reader.NullableString())
            {
                Directory = version >= 1 ? reader.Guid() : Guid.Empty,
                Incarnation = version >= 1 ? reader.Guid() : Guid.Empty,
                Protocol = version >= 1 ? new ProtocolVersions(reader.Int(), reader.Int()) : ProtocolVersions.First,
            },
            RecordType.BrokerLivenessChanged => new BrokerLivenessChanged(new NodeId(reader.Int()), reader.Number() != 0),
            RecordType.BrokerDrainingChanged => new BrokerDrainingChanged(
                new NodeId(reader.Int()), reader.Number() != 0, reader.Number() != 0),
            RecordType.ReassignmentChanged => reader.Reassignment(),
            RecordType.BrokerUnregistered => new BrokerUnregistered(new NodeId(reader.Int())),
            RecordType.MetadataRestated => new MetadataRestated(),
            _ => throw new MetadataFormatException(
                $"metadata record type {type} is of a newer version; this broker knows 1 to {(byte)Enum.GetValues<RecordType>()[^1]}"),
        };
        reader.End();
        return record;
    }

    private readonly ref struct FieldWriter(ArrayBufferWriter<byte> buffer)
    {
        public void Header(RecordType type) => buffer.Write([(byte)type, VersionOf(type)]);

        public void Number(long value)
        {
            ulong rest = (ulong)((value << 1) ^ (value >> 63));
            Span<byte> bytes = buffer.GetSpan(10);
            int length = 0;
            while (rest >= 0x80)
            {
                bytes[length++] = (byte)(rest | 0x80);
                rest >>= 7;
            }

            bytes[length++] = (byte)rest;
            buffer.Advance(length);
        }

        public void String(string? value)
        {
            if (value is null)
            {
                Number(-1);
                return;
            }

            Number(Encoding.UTF8.GetByteCount(value));
            Encoding.UTF8.GetBytes(value, buffer);
        }

        public void Guid(Guid value)
        {
            value.TryWriteBytes(buffer.GetSpan(16), bigEndian: true, out _);
            buffer.Advance(16);
        }

        public void Nodes(ImmutableArray<NodeId> nodes)
        {
            Number(nodes.Length);
            foreach (NodeId node in nodes) Number(node.Value);
        }

        public void Partitions(ImmutableArray<PartitionImage> partitions)
        {
            Number(partitions.Length);
            foreach (PartitionImage partition in partitions)
            {
                Nodes(partition.Replicas);
                Invariant.Require(partition.Directories.Length == partition.Replicas.Length);
                foreach (Guid directory in partition.Directories) Guid(directory);
            }
        }
    }

    private ref struct FieldReader(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;

        public byte Byte() => Take(1)[0];

        public Guid Guid() => new(Take(16), bigEndian: true);

        public long Number()
        {
            ulong value = 0;
            for (int shift = 0; shift < 70; shift += 7)
            {
                byte next = Byte();
                value |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80) return (long)(value >> 1) ^ -(long)(value & 1);
            }

            throw new MetadataFormatException("metadata record holds a number of more than ten bytes");
        }

        public int Int()
        {
            long value = Number();
            return value is >= int.MinValue and <= int.MaxValue
                ? (int)value
                : throw new MetadataFormatException($"metadata record holds {value} where 32 bits are expected");
        }

        public string? NullableString()
        {
            int length = Int();
            return length == -1 ? null : Encoding.UTF8.GetString(Take(length));
        }

        public string String() => NullableString() ?? throw new MetadataFormatException("metadata record lacks a text");

        public ImmutableArray<NodeId> Nodes()
        {
            ImmutableArray<NodeId>.Builder nodes = ImmutableArray.CreateBuilder<NodeId>(Count());
            for (int i = nodes.Capacity; i > 0; i--) nodes.Add(new NodeId(Int()));
            return nodes.MoveToImmutable();
        }

        public ImmutableArray<PartitionImage> Partitions(byte version)
        {
            ImmutableArray<PartitionImage>.Builder partitions = ImmutableArray.CreateBuilder<PartitionImage>(Count());
            for (int i = partitions.Capacity; i > 0; i--)
            {
                ImmutableArray<NodeId> replicas = Nodes();
                partitions.Add(version >= 1 ? new PartitionImage(replicas, Guids(replicas.Length)) : new PartitionImage(replicas));
            }

            return partitions.MoveToImmutable();
        }

        public ReassignmentChanged Reassignment()
        {
            TopicId id = new(Guid());
            int partition = Int();
            ImmutableArray<NodeId> replicas = Nodes();
            return new ReassignmentChanged(id, partition, replicas, Guids(replicas.Length), Nodes(), Nodes());
        }

        public ImmutableSortedDictionary<string, string> Configs()
        {
            ImmutableSortedDictionary<string, string>.Builder configs = MetadataImage.NoConfigs.ToBuilder();
            for (int i = Count(); i > 0; i--) configs[String()] = String();
            return configs.ToImmutable();
        }

        public ImmutableArray<BrokerEndpoint> Endpoints()
        {
            ImmutableArray<BrokerEndpoint>.Builder endpoints = ImmutableArray.CreateBuilder<BrokerEndpoint>(Count());
            for (int i = endpoints.Capacity; i > 0; i--) endpoints.Add(new BrokerEndpoint(String(), String(), Int()));
            return endpoints.MoveToImmutable();
        }

        public readonly void End()
        {
            if (!_rest.IsEmpty) throw new MetadataFormatException($"metadata record is followed by {_rest.Length} stray bytes");
        }

        /// <summary>
        /// A count; every item takes at least one byte, so more than what is left is damage, found before it is allocated.
        /// </summary>
        private int Count()
        {
            int count = Int();
            return count >= 0 && count <= _rest.Length
                ? count
                : throw new MetadataFormatException($"metadata record claims {count} items in {_rest.Length} bytes");
        }

        private ImmutableArray<Guid> Guids(int count)
        {
            ImmutableArray<Guid>.Builder guids = ImmutableArray.CreateBuilder<Guid>(count);
            for (int i = 0; i < count; i++) guids.Add(Guid());
            return guids.MoveToImmutable();
        }

        private ReadOnlySpan<byte> Take(int length)
        {
            if (length < 0 || length > _rest.Length)
                throw new MetadataFormatException($"metadata record claims {length} bytes where {_rest.Length} are left");
            ReadOnlySpan<byte> taken = _rest[..length];
            _rest = _rest[length..];
            return taken;
        }
    }
}

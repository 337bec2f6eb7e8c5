using Akka.Actor;
using Akka.Serialization;
using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Writes the events and the snapshot of /partitions for the journal: little endian, the manifest names the type and its version.
/// </summary>
internal sealed class ReplicaEventSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string AssignedManifest = "assigned-2";
    private const string AssignedWithoutDirectoriesManifest = "assigned-1";
    private const string UnassignedManifest = "unassigned-1";
    private const string AllManifest = "all-2";
    private const string AllWithoutDirectoriesManifest = "all-1";

    /// <summary>Names this serializer in the journal; never changes.</summary>
    public override int Identifier => 9_201;

    public override string Manifest(object o) => o switch
    {
        ReplicaAssigned => AssignedManifest,
        ReplicaUnassigned => UnassignedManifest,
        ReplicaAssignments => AllManifest,
        _ => throw new ArgumentException($"{o.GetType()} is not an event of /partitions", nameof(o)),
    };

    public override byte[] ToBinary(object obj)
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        switch (obj)
        {
            case ReplicaAssigned assigned:
                Write(writer, assigned);
                break;
            case ReplicaUnassigned unassigned:
                Write(writer, unassigned.Group);
                break;
            case ReplicaAssignments all:
                writer.Write(all.All.Count);
                foreach (ReplicaAssigned assigned in all.All) Write(writer, assigned);
                break;
            default:
                throw new ArgumentException($"{obj.GetType()} is not an event of /partitions", nameof(obj));
        }

        writer.Flush();
        return bytes.ToArray();
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        using BinaryReader reader = new(new MemoryStream(bytes, writable: false));
        return manifest switch
        {
            AssignedManifest => ReadAssigned(reader, hasDirectories: true),
            AssignedWithoutDirectoriesManifest => ReadAssigned(reader, hasDirectories: false),
            UnassignedManifest => new ReplicaUnassigned(ReadGroup(reader)),
            AllManifest => ReadAll(reader, hasDirectories: true),
            AllWithoutDirectoriesManifest => ReadAll(reader, hasDirectories: false),
            _ => throw new ArgumentException(
                $"this version does not know events of the kind '{manifest}', but {AssignedManifest}, {UnassignedManifest} "
                + $"and {AllManifest}",
                nameof(manifest)),
        };
    }

    private static void Write(BinaryWriter writer, ReplicaAssigned assigned)
    {
        Write(writer, assigned.Group);
        writer.Write(assigned.Name.Topic);
        writer.Write(assigned.Voters.Count);
        foreach (NodeId voter in assigned.Voters) writer.Write(voter.Value);
        writer.Write(assigned.Directories.Count);
        foreach (Guid directory in assigned.Directories) writer.Write(directory.ToByteArray());
    }

    private static void Write(BinaryWriter writer, GroupId group)
    {
        writer.Write(group.Topic.Value.ToByteArray());
        writer.Write(group.Partition);
    }

    private static ReplicaAssignments ReadAll(BinaryReader reader, bool hasDirectories) =>
        new([.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => ReadAssigned(reader, hasDirectories))]);

    private static ReplicaAssigned ReadAssigned(BinaryReader reader, bool hasDirectories)
    {
        GroupId group = ReadGroup(reader);
        string topic = reader.ReadString();
        NodeId[] voters = new NodeId[reader.ReadInt32()];
        for (int i = 0; i < voters.Length; i++) voters[i] = new NodeId(reader.ReadInt32());
        Guid[] directories = new Guid[hasDirectories ? reader.ReadInt32() : 0];
        for (int i = 0; i < directories.Length; i++) directories[i] = new Guid(reader.ReadBytes(16));
        return new ReplicaAssigned(group, new TopicPartition(topic, group.Partition), voters) { Directories = directories };
    }

    private static GroupId ReadGroup(BinaryReader reader) => new(new TopicId(new Guid(reader.ReadBytes(16))), reader.ReadInt32());
}

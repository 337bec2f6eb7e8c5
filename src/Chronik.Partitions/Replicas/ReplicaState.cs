using System.Collections.Immutable;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// The part of a checkpoint that storage carries without looking into it: the members, where epochs begin, and the idempotent producers.
/// Little endian; the first byte is the format's version. Version 1 had no members.
/// </summary>
internal static class ReplicaState
{
    private const byte Version = 2;
    private const byte VersionWithoutMembers = 1;

    public static byte[] Write(Membership members, EpochHistory epochs, ProducerStates producers)
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write(Version);
        byte[] membership = members.ToBytes();
        writer.Write(membership.Length);
        writer.Write(membership);
        writer.Write(epochs.Starts.Length);
        foreach (EpochStart start in epochs.Starts)
        {
            writer.Write(start.Epoch.Value);
            writer.Write(start.Start.Value);
        }

        producers.WriteTo(writer);
        writer.Flush();
        return bytes.ToArray();
    }

    /// <summary>
    /// Fills <paramref name="producers"/> and gives the members (null when the checkpoint is older than they are) and the epochs. An
    /// unknown version is refused, never guessed at.
    /// </summary>
    /// <exception cref="InvalidDataException">The state is of another version, or damaged.</exception>
    public static (Membership? Members, EpochHistory Epochs) Read(ReadOnlyMemory<byte> state, ProducerStates producers)
    {
        if (state.IsEmpty) return (null, EpochHistory.Empty);
        using BinaryReader reader = new(new MemoryStream(state.ToArray(), writable: false));
        byte version = reader.ReadByte();
        if (version is not (Version or VersionWithoutMembers))
            throw new InvalidDataException($"the checkpoint's state has format {version}, this version reads up to {Version}");
        Membership? members = version == VersionWithoutMembers ? null : Membership.Read(reader.ReadBytes(reader.ReadInt32()));
        ImmutableArray<EpochStart>.Builder starts = ImmutableArray.CreateBuilder<EpochStart>();
        for (int left = reader.ReadInt32(); left > 0; left--)
            starts.Add(new EpochStart(new LeaderEpoch(reader.ReadInt32()), new KafkaOffset(reader.ReadInt64())));
        producers.ReadFrom(reader);
        return (members, new EpochHistory(starts.ToImmutable()));
    }
}

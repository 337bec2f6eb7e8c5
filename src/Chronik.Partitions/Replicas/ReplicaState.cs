using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// The part of a checkpoint that storage carries without looking into it: where epochs begin, and the idempotent producers. Little
/// endian; the first byte is the format's version.
/// </summary>
internal static class ReplicaState
{
    private const byte Version = 1;

    public static byte[] Write(EpochHistory epochs, ProducerStates producers, KafkaOffset applied)
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write(Version);
        writer.Write(epochs.Starts.Length);
        foreach (EpochStart start in epochs.Starts)
        {
            writer.Write(start.Epoch.Value);
            writer.Write(start.Start.Value);
        }

        producers.WriteTo(writer, applied);
        writer.Flush();
        return bytes.ToArray();
    }

    /// <summary>Fills <paramref name="producers"/> and gives the epochs. An unknown version is refused, never guessed at.</summary>
    public static EpochHistory Read(ReadOnlyMemory<byte> state, ProducerStates producers)
    {
        if (state.IsEmpty) return EpochHistory.Empty;
        using BinaryReader reader = new(new MemoryStream(state.ToArray(), writable: false));
        byte version = reader.ReadByte();
        if (version != Version)
            throw new InvalidDataException($"the checkpoint's state has format {version}, this version reads {Version}");
        ImmutableArray<EpochStart>.Builder starts = ImmutableArray.CreateBuilder<EpochStart>();
        for (int left = reader.ReadInt32(); left > 0; left--)
            starts.Add(new EpochStart(new LeaderEpoch(reader.ReadInt32()), new KafkaOffset(reader.ReadInt64())));
        producers.ReadFrom(reader);
        return new EpochHistory(starts.ToImmutable());
    }
}

using Chronik.Model;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// What a receiver is about to get: what lies past its own end, segment by segment. Group, term and index are in the message that brings
/// it. Little endian; the first byte is the format's version.
/// </summary>
/// <param name="ClusterId">The sender's cluster.</param>
/// <param name="From">Where it begins.</param>
/// <param name="Ranges">What there was when it was made; batches that are committed meanwhile come too.</param>
internal sealed record SnapshotManifest(string ClusterId, KafkaOffset From, IReadOnlyList<LogRange> Ranges)
{
    private const byte Version = 1;

    /// <summary>Bytes of all ranges.</summary>
    public long Bytes => Ranges.Sum(range => range.Bytes);

    public byte[] Write()
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write(Version);
        writer.Write(ClusterId);
        writer.Write(From.Value);
        writer.Write(Ranges.Count);
        foreach (LogRange range in Ranges)
        {
            writer.Write(range.From.Value);
            writer.Write(range.Bytes);
        }

        writer.Flush();
        return bytes.ToArray();
    }

    /// <exception cref="InvalidDataException">It is of another version, or damaged.</exception>
    public static SnapshotManifest Read(ReadOnlySpan<byte> bytes)
    {
        try
        {
            using BinaryReader reader = new(new MemoryStream(bytes.ToArray(), writable: false));
            byte version = reader.ReadByte();
            if (version != Version) throw new InvalidDataException($"the manifest has format {version}, this version reads {Version}");
            string cluster = reader.ReadString();
            KafkaOffset from = new(reader.ReadInt64());
            int count = reader.ReadInt32();
            List<LogRange> ranges = [];
            for (int i = 0; i < count; i++) ranges.Add(new LogRange(new KafkaOffset(reader.ReadInt64()), reader.ReadInt64()));
            return new SnapshotManifest(cluster, from, ranges);
        }
        catch (EndOfStreamException e)
        {
            throw new InvalidDataException("the manifest is cut off", e);
        }
    }
}

using Akka.Actor;
using Akka.Persistence;
using Akka.Serialization;
using AkkaSerialization = Akka.Serialization.Serialization;

namespace Chronik.Persistence;

/// <summary>Events and snapshots as bytes: what finds the serializer again, then the serializer's own bytes.</summary>
internal sealed class PayloadCodec(ActorSystem system)
{
    private const byte Version = 0;

    private readonly AkkaSerialization _serialization = system.Serialization;

    public byte[] Encode(IPersistentRepresentation persistent)
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write(Version);
        writer.Write(persistent.Manifest ?? "");
        writer.Write(persistent.WriterGuid ?? "");
        writer.Write(persistent.Timestamp > 0 ? persistent.Timestamp : DateTime.UtcNow.Ticks);
        WriteObject(writer, persistent.Payload);
        return bytes.ToArray();
    }

    public IPersistentRepresentation Decode(string persistenceId, long sequenceNr, byte[] bytes)
    {
        using BinaryReader reader = Open(bytes);
        string manifest = reader.ReadString();
        string writerGuid = reader.ReadString();
        long timestamp = reader.ReadInt64();
        object payload = ReadObject(reader);
        return new Persistent(payload, sequenceNr, persistenceId, manifest, false, ActorRefs.NoSender, writerGuid, timestamp);
    }

    public byte[] EncodeSnapshot(object snapshot)
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write(Version);
        WriteObject(writer, snapshot);
        return bytes.ToArray();
    }

    public object DecodeSnapshot(byte[] bytes)
    {
        using BinaryReader reader = Open(bytes);
        return ReadObject(reader);
    }

    private static BinaryReader Open(byte[] bytes)
    {
        BinaryReader reader = new(new MemoryStream(bytes));
        byte version = reader.ReadByte();
        if (version > Version)
            throw new InvalidDataException(
                $"an event or a snapshot of an actor is of version {version}; this broker reads up to {Version}");
        return reader;
    }

    private void WriteObject(BinaryWriter writer, object value)
    {
        Serializer serializer = _serialization.FindSerializerFor(value);
        writer.Write(serializer.Identifier);
        writer.Write(AkkaSerialization.ManifestFor(serializer, value) ?? "");
        writer.Write(serializer.ToBinary(value));
    }

    private object ReadObject(BinaryReader reader)
    {
        int identifier = reader.ReadInt32();
        string manifest = reader.ReadString();
        byte[] bytes = reader.ReadBytes((int)(reader.BaseStream.Length - reader.BaseStream.Position));
        return _serialization.Deserialize(bytes, identifier, manifest);
    }
}

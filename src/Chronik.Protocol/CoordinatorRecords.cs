using System.Buffers.Binary;

namespace Chronik.Protocol;

/// <summary>Keys and values of the records in __consumer_offsets and __transaction_state, in Kafka's own format.</summary>
public static class CoordinatorRecords
{
    /// <summary>A key as it is stored: its record type, then its body.</summary>
    public static byte[] EncodeKey<TKey>(TKey key)
        where TKey : ICoordinatorKey<TKey> => Encode(TKey.RecordType, key, 0);

    /// <summary>A value as it is stored: its version, then its body.</summary>
    public static byte[] EncodeValue<TValue>(TValue value, short version)
        where TValue : ICoordinatorValue<TValue> => Encode(version, value, version);

    /// <summary>The type of the record that a stored key belongs to.</summary>
    /// <exception cref="ProtocolException">The key is too short to have one.</exception>
    public static short TypeOf(ReadOnlySpan<byte> key)
    {
        if (key.Length < sizeof(short)) ProtocolException.Throw("a coordinator's key without a type");
        return BinaryPrimitives.ReadInt16BigEndian(key);
    }

    /// <summary>Reads a stored key whose type the caller has looked at.</summary>
    /// <exception cref="ProtocolException">The bytes are not such a key.</exception>
    public static TKey DecodeKey<TKey>(ReadOnlyMemory<byte> bytes)
        where TKey : ICoordinatorKey<TKey>
    {
        var reader = new KafkaReader(bytes);
        short type = reader.ReadInt16();
        if (type != TKey.RecordType) ProtocolException.Throw($"a coordinator's key has type {type}, not {TKey.RecordType}");
        return TKey.Read(ref reader, 0);
    }

    /// <summary>Reads a stored value, whatever its version.</summary>
    /// <exception cref="ProtocolException">The bytes are not such a value.</exception>
    public static TValue DecodeValue<TValue>(ReadOnlyMemory<byte> bytes)
        where TValue : ICoordinatorValue<TValue>
    {
        var reader = new KafkaReader(bytes);
        return TValue.Read(ref reader, reader.ReadInt16());
    }

    private static byte[] Encode(short prefix, IMessage message, short version)
    {
        using var writer = new KafkaWriter();
        writer.WriteInt16(prefix);
        message.Write(writer, version);
        return writer.ToArray();
    }
}

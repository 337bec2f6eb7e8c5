using System.Buffers.Binary;

namespace Chronik.Gateway.Network;

/// <summary>Recognises, by their first four bytes, the protocols that people point at a Kafka port by mistake.</summary>
internal static class ForeignProtocol
{
    private const int TlsHandshake = 0x16;
    private const int TlsMajorVersion = 0x03;

    /// <summary>What a person should be told about these bytes, or null when they are not known.</summary>
    /// <param name="firstBytes">The four bytes that Kafka would read as the size of the first request.</param>
    public static string? Describe(ReadOnlySpan<byte> firstBytes)
    {
        if (firstBytes[0] == TlsHandshake && firstBytes[1] == TlsMajorVersion)
        {
            return "that is TLS; this listener speaks plain Kafka (set security.protocol=PLAINTEXT in the client)";
        }

        // A size that reads as one of these words would be larger than 1 GiB, so no valid request is mistaken for them.
        return BinaryPrimitives.ReadUInt32BigEndian(firstBytes) switch
        {
            0x47455420 or 0x48454144 or 0x504F5354 or 0x50555420 or 0x4F505449 or 0x44454C45 or 0x50415443 or 0x434F4E4E =>
                "that is HTTP; this port speaks Kafka (the HTTP port is another one)",
            0x50524920 => "that is HTTP/2; this port speaks Kafka (the HTTP port is another one)",
            0x5353482D => "that is SSH; this port speaks Kafka",
            _ => null,
        };
    }
}

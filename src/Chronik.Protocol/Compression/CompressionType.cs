namespace Chronik.Protocol.Compression;

/// <summary>How the records of a batch are compressed: bits 0 to 2 of its attributes.</summary>
public enum CompressionType
{
    /// <summary>Not at all.</summary>
    None = 0,

    /// <summary>gzip.</summary>
    Gzip = 1,

    /// <summary>Snappy, raw or in the framing of Java's snappy library.</summary>
    Snappy = 2,

    /// <summary>The LZ4 frame format.</summary>
    Lz4 = 3,

    /// <summary>Zstandard; only from Produce 7 and Fetch 10 on (KIP-110).</summary>
    Zstd = 4,
}

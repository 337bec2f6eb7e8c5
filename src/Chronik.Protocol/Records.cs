namespace Chronik.Protocol;

/// <summary>
/// The content of a records field: zero or more record batches, byte for byte. A response carries it by reference up to the socket,
/// so that fetched data are never copied into the response.
/// </summary>
/// <remarks>
/// Whoever creates an instance owns what is behind it; writing it to a <see cref="KafkaWriter"/> hands it over, and the writer
/// disposes it.
/// </remarks>
public abstract class Records : IDisposable
{
    /// <summary>No batches.</summary>
    public static Records Empty { get; } = new MemoryRecords(ReadOnlyMemory<byte>.Empty);

    /// <summary>How many bytes there are.</summary>
    public abstract int Length { get; }

    /// <summary>Copies all bytes to the start of <paramref name="destination"/>, which is at least <see cref="Length"/> long.</summary>
    public abstract void CopyTo(Span<byte> destination);

    /// <summary>Gives up what is behind the bytes: a reference to a buffer or a file.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives up what is behind the bytes.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>Records in memory: the field of a decoded request, or batches made for an answer. Holds no reference to a buffer.</summary>
public sealed class MemoryRecords(ReadOnlyMemory<byte> memory) : Records
{
    /// <summary>The bytes; valid as long as the buffer that they were read from.</summary>
    public ReadOnlyMemory<byte> Memory { get; } = memory;

    /// <inheritdoc/>
    public override int Length => Memory.Length;

    /// <inheritdoc/>
    public override void CopyTo(Span<byte> destination) => Memory.Span.CopyTo(destination);
}

using Chronik.Protocol;
using Chronik.Storage;
using Microsoft.Win32.SafeHandles;

namespace Chronik.Gateway.Network;

/// <summary>Fetched batches that stay in their segment file until the socket takes them.</summary>
internal sealed class SegmentRecords(FileRecords records) : Records
{
    /// <inheritdoc/>
    public override int Length => records.Length;

    /// <summary>The file; null on a disk without files.</summary>
    public SafeFileHandle? File => records.Handle;

    /// <summary>Where in the file.</summary>
    public long Position => records.Position;

    /// <inheritdoc/>
    public override void CopyTo(Span<byte> destination) => records.CopyTo(destination);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => records.Dispose();
}

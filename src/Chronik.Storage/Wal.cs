using Chronik.Model;

namespace Chronik.Storage;

/// <summary>
/// The write-ahead log that all groups of a node share. One thread gathers whatever is queued into one write and one sync.
/// </summary>
public sealed class Wal
{
    /// <summary>Bytes queued and not yet written.</summary>
    public long QueueBytes => throw new NotImplementedException();

    /// <summary>Whether <see cref="StorageOptions.WalQueueBytes"/> are queued: nothing new should be accepted from clients.</summary>
    public bool IsFull => throw new NotImplementedException();

    /// <summary>Queues a write and returns at once. Writes complete in the order of their appends.</summary>
    public void Append(WalWrite write) => throw new NotImplementedException();

    /// <summary>Reads the payload of an entry whose write has completed and which no checkpoint covers, with one reference for the caller.</summary>
    /// <exception cref="StorageException">There is no such entry, or its bytes are damaged.</exception>
    public BufferSlice Read(GroupId group, LogIndex index) => throw new NotImplementedException();
}

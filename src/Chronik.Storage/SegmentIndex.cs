using System.Runtime.InteropServices;

namespace Chronik.Storage;

/// <summary>One entry of a segment's sparse index: a batch, and what came before it.</summary>
/// <param name="RelativeOffset">The batch's base offset less the segment's.</param>
/// <param name="Position">Where the batch starts in the segment.</param>
/// <param name="MaxTimestampBefore">The largest timestamp of the batches before it; -1 for the first.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct IndexEntry(int RelativeOffset, int Position, long MaxTimestampBefore)
{
    public const int Bytes = 16;
}

/// <summary>What to look for in an index. All three only grow from entry to entry.</summary>
internal enum IndexKey
{
    Offset,
    Position,
    Timestamp,
}

/// <summary>
/// A segment's index. Entries since the last checkpoint are in memory, older ones in the index file, where a lookup reads one entry per
/// halving from the page cache; so a segment at rest costs no memory. One writer; readers need no lock.
/// </summary>
/// <remarks>Not checksummed: an entry is only a place to start looking at batches from, believed when a batch begins there at the offset
/// that it says, and the file can be made anew from the segment.</remarks>
internal sealed class SegmentIndex(int fileEntries)
{
    private volatile Tail _tail = new(fileEntries, []);

    /// <summary>Entries, in the file and in memory.</summary>
    public int Count => _tail.FileEntries + _tail.Count;

    /// <summary>Entries in the file.</summary>
    public int FileEntries => _tail.FileEntries;

    public void Add(IndexEntry entry)
    {
        Tail tail = _tail;
        if (tail.Count == tail.Entries.Length)
        {
            IndexEntry[] larger = new IndexEntry[Math.Max(16, tail.Count * 2)];
            tail.Entries.AsSpan(0, tail.Count).CopyTo(larger);
            tail = new Tail(tail.FileEntries, larger) { Count = tail.Count };
            tail.Entries[tail.Count] = entry;
            tail.Count++;
            _tail = tail;
            return;
        }

        tail.Entries[tail.Count] = entry;
        tail.Count++;
    }

    /// <summary>Moves what is in memory to the file, unsynced.</summary>
    public void Flush(IDiskFile file)
    {
        Tail tail = _tail;
        if (tail.Count == 0) return;
        file.Write(MemoryMarshal.AsBytes<IndexEntry>(tail.Entries.AsSpan(0, tail.Count)), (long)tail.FileEntries * IndexEntry.Bytes);
        _tail = new Tail(tail.FileEntries + tail.Count, []);
    }

    /// <summary>
    /// The last entry whose offset or position is at most <paramref name="value"/>, or whose earlier timestamps are all below it; the
    /// segment's start when there is none. <paramref name="segment"/>, whose index it is, has the file; it is opened only when it is
    /// needed.
    /// </summary>
    public IndexEntry FindLast(IndexKey key, long value, Segment segment)
    {
        Tail tail = _tail;
        int low = 0;
        int high = tail.FileEntries + tail.Count;
        IndexEntry found = new(0, 0, -1);
        while (low < high)
        {
            int middle = (int)(((uint)low + (uint)high) / 2);
            IndexEntry entry = Get(tail, middle, segment);
            bool before = key switch
            {
                IndexKey.Offset => entry.RelativeOffset <= value,
                IndexKey.Position => entry.Position <= value,
                _ => entry.MaxTimestampBefore < value,
            };
            if (before)
            {
                found = entry;
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return found;
    }

    private static IndexEntry Get(Tail tail, int at, Segment segment)
    {
        if (at >= tail.FileEntries) return tail.Entries[at - tail.FileEntries];
        Span<byte> bytes = stackalloc byte[IndexEntry.Bytes];
        if (segment.IndexFile.Read(bytes, (long)at * IndexEntry.Bytes) != IndexEntry.Bytes)
            throw new StorageException($"{segment.IndexPath} ends before entry {at}") { IsDamage = true };
        return MemoryMarshal.Read<IndexEntry>(bytes);
    }

    private sealed class Tail(int fileEntries, IndexEntry[] entries)
    {
        private int _count;

        public int FileEntries { get; } = fileEntries;

        public IndexEntry[] Entries { get; } = entries;

        public int Count
        {
            get => Volatile.Read(ref _count);
            set => Volatile.Write(ref _count, value);
        }
    }
}

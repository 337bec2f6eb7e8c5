using System.Buffers.Binary;
using Chronik.Model;
using Chronik.Storage;
using Chronik.Storage.Testing;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>
/// What the checkpoints of a group say that a node writes while this watches, once they would survive a loss of power: a file that has got
/// its name is not safe before its folder is synced. Whatever fails on the disk fails as before.
/// </summary>
internal sealed class CheckpointWatch : IDisposable
{
    private const string Folder = "/data/checkpoints";
    private const int VersionAt = 4;
    private const int NextOffsetAt = 56;
    private const int LogEndAt = 96; // Behind the header, in the version that has it; in the other one it is the next offset.

    private readonly MemoryDisk _disk;
    private readonly string _path;
    private readonly Func<long, DiskOperation, string, Exception?>? _fault;
    private long _next = -1;
    private long _logEnd = -1;

    public CheckpointWatch(MemoryDisk disk, GroupId group)
    {
        _disk = disk;
        _path = $"{Folder}/{group}.checkpoint";
        _fault = disk.Fault;
        disk.Fault = OnOperation;
    }

    /// <summary>The offset behind what the replica had applied; -1 before the first checkpoint.</summary>
    public long Next => Volatile.Read(ref _next);

    /// <summary>The offset behind what its log held, which is more while it receives a snapshot; -1 before the first checkpoint.</summary>
    public long LogEnd => Volatile.Read(ref _logEnd);

    public void Dispose() => _disk.Fault = _fault;

    private Exception? OnOperation(long number, DiskOperation operation, string path)
    {
        Exception? failure = _fault?.Invoke(number, operation, path);
        if (failure is null && operation == DiskOperation.SyncDirectory && path == Folder && _disk.FileExists(_path)) Read();
        return failure;
    }

    private void Read()
    {
        byte[] bytes = new byte[LogEndAt + sizeof(long)];
        using IDiskFile file = _disk.Open(_path, DiskOpen.Read);
        file.Read(bytes, 0);
        int version = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(VersionAt));
        Volatile.Write(ref _logEnd, BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(version == 1 ? NextOffsetAt : LogEndAt)));
        Volatile.Write(ref _next, BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(NextOffsetAt)));
    }
}

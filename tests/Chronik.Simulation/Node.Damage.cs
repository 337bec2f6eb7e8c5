using System.Globalization;
using Chronik.Storage;

namespace Chronik.Simulation;

// Bits that flip.
internal sealed partial class Node
{
    private const string WalDirectory = DataDirectory + "/wal";

    private WalPosition _walBefore;

    /// <summary>
    /// Flips a bit somewhere in the files: WAL, checkpoints, segments, indexes. Not in the very last write of the WAL: at the end of a log
    /// a damaged write and one that power loss tore look the same, and the node would come back without something that it has
    /// acknowledged.
    /// </summary>
    public bool FlipBit()
    {
        List<(string Path, long Length)> files = [];
        Collect(DataDirectory, files);
        if (files.Count == 0) return false;
        (string path, long length) = _random.Pick(files);
        long position = _random.Between(0, length - 1);
        int bit = _random.Next(8);
        Disk.FlipBit(path, position, bit);
        IsSuspect = true;
        if (_sim.Trace.IsOn) Log($"bit {bit} of byte {position} of {path} flips");
        return true;
    }

    /// <summary>Reads every log, so that damage is found.</summary>
    public void Scrub()
    {
        foreach (Replica? replica in Replicas) replica?.ReadEverything();
    }

    private void Collect(string directory, List<(string Path, long Length)> files)
    {
        foreach (DiskEntry entry in Disk.List(directory).OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            string path = directory + "/" + entry.Name;
            if (entry.IsDirectory)
            {
                Collect(path, files);
                continue;
            }

            long length = entry.Name.EndsWith(".properties", StringComparison.Ordinal) ? 0 : entry.Length;
            if (directory == WalDirectory && entry.Name[0] != 's')
            {
                int digits = entry.Name.IndexOf('.', StringComparison.Ordinal);
                long generation = long.Parse(entry.Name[..digits], CultureInfo.InvariantCulture);
                if (generation == _walBefore.Generation) length = Math.Min(length, _walBefore.Position);
                else if (generation > _walBefore.Generation) length = 0;
            }

            if (length > 0) files.Add((path, length));
        }
    }

    /// <summary>
    /// Has storage do what is queued, and remembers how far the WAL reached before it was last written to: not before the disk was last
    /// busy, which may have been with a checkpoint alone, nor how long the file is, which is filled ahead of what is written.
    /// </summary>
    private void RunStorage()
    {
        WalPosition before = Storage!.Wal.End;
        Storage.RunQueued();
        if (Storage.Wal.End != before) _walBefore = before;
    }
}

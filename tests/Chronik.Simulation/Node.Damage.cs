using Chronik.Storage;

namespace Chronik.Simulation;

// Bits that flip.
internal sealed partial class Node
{
    private const string WalDirectory = DataDirectory + "/wal";

    private string _walFile = "";
    private long _walProtected;

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
            if (directory == WalDirectory && string.CompareOrdinal(entry.Name, _walFile) >= 0 && entry.Name[0] != 's')
                length = entry.Name == _walFile ? Math.Min(length, _walProtected) : 0;
            if (length > 0) files.Add((path, length));
        }
    }

    /// <summary>Remembers how far the WAL reached before what is written now.</summary>
    private void NoteWalEnd()
    {
        if (_sim.Parameters.BitFlipEvery == 0) return;
        DiskEntry newest = default;
        foreach (DiskEntry entry in Disk.List(WalDirectory))
        {
            if (entry.Name[0] != 's' && string.CompareOrdinal(entry.Name, newest.Name) > 0) newest = entry;
        }

        _walFile = newest.Name ?? "";
        _walProtected = newest.Length;
    }
}

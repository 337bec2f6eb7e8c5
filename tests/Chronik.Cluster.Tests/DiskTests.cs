using Chronik.Cluster.Tests.Processes;
using Chronik.Model;
using Xunit.Abstractions;

namespace Chronik.Cluster.Tests;

/// <summary>Disks that are lost, damaged, or full.</summary>
public sealed class DiskTests(ITestOutputHelper output)
{
    [Fact]
    public Task A_node_whose_folder_was_wiped_is_filled_again_and_counts_again() => Scenario.RunAsync(output, async scenario =>
    {
        NodeId victim = await scenario.LeaderAsync();
        await scenario.MeasureAsync("leader killed and wiped", victim, node =>
        {
            node.Kill();
            Directory.Delete(node.Data, recursive: true);
            return Task.CompletedTask;
        });
        await scenario.BringBackAsync(victim);

        // Its replicas count again once they have everything and all other members have answered in the leaders' present terms. From then
        // on there is a majority without one of the others.
        await scenario.RecoveredAsync(victim);
        NodeId other = scenario.Cluster.Nodes.First(node => node.Id != victim).Id;
        scenario.Cluster[other].Kill();
        await scenario.ProgressAsync();
        await scenario.BringBackAsync(other);
    });

    [Fact]
    public Task A_flipped_bit_in_the_log_of_a_node_is_noticed_and_repaired_by_the_others() => Scenario.RunAsync(output, async scenario =>
    {
        NodeId victim = await scenario.LeaderAsync();
        NodeProcess node = scenario.Cluster[victim];
        await scenario.MeasureAsync("leader killed and its log damaged", victim, _ =>
        {
            node.Kill();

            // In the middle of what was written, so that it cannot be the torn end of the last write, and not in what fills up a block.
            string file = Directory.GetFiles(Path.Combine(node.Data, "wal")).Order().First();
            using FileStream wal = new(file, FileMode.Open);
            wal.Position = LastWritten(wal) / 2;
            int value = 0;
            while (value == 0) value = wal.ReadByte();
            wal.Position--;
            wal.WriteByte((byte)(value ^ 0x10));
            return Task.CompletedTask;
        });
        await scenario.BringBackAsync(victim);
        Assert.Contains(node.Lines, line => line.Contains("this node's disk is damaged", StringComparison.Ordinal));
    });

    [MountFact]
    public async Task A_full_disk_holds_up_only_its_node_and_loses_nothing()
    {
        // Room for the write-ahead log and what a test writes. What is left free is less than what the broker keeps in reserve.
        const string Size = "1g";
        const long Left = 4 << 20;
        TestCluster cluster = new(3, null, [.. Scenario.Settings, "--set", "chronik.storage.reserve-bytes=64MiB"]);
        NodeProcess small = cluster.Nodes[1];
        await cluster.MountAsync(small, Size);
        await Scenario.RunAsync(output, async scenario =>
        {
            await scenario.MeasureAsync("disk filled for a while", small.Id, async node =>
            {
                string filler = Path.Combine(node.Data, "filler");
                await using (FileStream file = new(filler, FileMode.CreateNew))
                {
                    byte[] block = new byte[1 << 20];
                    for (long free = new DriveInfo(node.Data).AvailableFreeSpace - Left; free > block.Length; free -= block.Length)
                        await file.WriteAsync(block);
                }

                await Task.Delay(Requirements.Outage); // Nothing is waited for: so long the disk is full.
                File.Delete(filler);
            });
        }, cluster);
    }

    /// <summary>Where the zeros begin that are written ahead of the log.</summary>
    private static long LastWritten(FileStream file)
    {
        byte[] block = new byte[1 << 16];
        long end = 0;
        for (int read; (read = file.Read(block)) > 0;)
        {
            int last = block.AsSpan(0, read).LastIndexOfAnyExcept((byte)0);
            if (last < 0) break;
            end = file.Position - read + last + 1;
        }

        return end;
    }
}

using Chronik.Model;
using Chronik.Storage;
using Chronik.Storage.Testing;

namespace Chronik.Persistence.Tests;

/// <summary>Power is lost at any moment: what was acknowledged is there afterwards, what was not is there wholly or not at all.</summary>
public sealed class CrashTests
{
    [Fact]
    public async Task Acknowledged_events_survive_a_loss_of_power_at_any_operation_of_the_disk()
    {
        int completed = 0;
        for (int crashAt = 1; completed < 3; crashAt++)
        {
            try
            {
                if (await RunAsync(crashAt)) completed++;
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"crash at operation {crashAt}: {failure.Message}", failure);
            }
        }
    }

    /// <summary>Runs a script with a crash; returns whether the script came to its end before.</summary>
    private static async Task<bool> RunAsync(int crashAt)
    {
        MemoryDisk disk = new(crashAt);
        using NodeStorage? storage = TryOpen(disk);
        disk.Fault = (operation, _, _) => operation >= crashAt ? new IOException("power is lost") : null;
        EventLogs logs = new(storage!, new BufferPool());
        EventLog log = logs.Of("p");
        int acknowledged = 0;
        int attempted = 0;
        int deleted = 0;
        int deleting = 0;
        bool ended = false;
        try
        {
            for (int batch = 0; batch < 6; batch++)
            {
                attempted += 3;
                await log.WriteAsync(attempted - 2, [[(byte)(attempted - 2)], null, [(byte)attempted]]);
                acknowledged = attempted;
                if (batch == 2) await log.CheckpointAsync();
                if (batch is not (1 or 4)) continue;
                deleting = acknowledged - 4;
                await log.DeleteToAsync(deleting);
                deleted = deleting;
            }

            ended = true;
        }
        catch (IOException)
        {
            // The power is lost.
        }

        MemoryDisk after = disk.Crash();
        using NodeStorage recovered = TryOpen(after);
        EventLog found = new EventLogs(recovered, new BufferPool()).Of("p");
        long highest = await found.HighestAsync();
        Assert.True(highest == acknowledged || highest == attempted, $"{highest} is neither {acknowledged} nor {attempted}");
        List<long> numbers = [];
        await found.ReplayAsync(1, long.MaxValue, long.MaxValue, (number, bytes) =>
        {
            Assert.Equal([(byte)number], bytes);
            numbers.Add(number);
        });
        long first = numbers.Count == 0 ? highest + 1 : numbers[0];
        List<long> expected = [.. Enumerable.Range(1, (int)highest).Select(n => (long)n).Where(n => n % 3 != 2)];
        bool isOld = numbers.SequenceEqual(expected.Where(n => n > deleted));
        bool isNew = numbers.SequenceEqual(expected.Where(n => n > deleting));
        Assert.True(isOld || isNew, $"replay begins at {first} after deletions to {deleted} or {deleting}: [{string.Join(", ", numbers)}]");
        await found.WriteAsync(highest + 1, [[1]]);
        return ended;
    }

    private static NodeStorage TryOpen(MemoryDisk disk) =>
        NodeStorage.Open(Node.Options, new NodeId(1), "test", disk, new BufferPool(), TimeProvider.System);
}

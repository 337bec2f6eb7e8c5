using System.Buffers;
using System.Text;
using Chronik.Model;
using Chronik.Partitions.Watching;

namespace Chronik.Server.Tests.Metrics;

/// <summary>The series of single partitions stay few, and are those that somebody should look at.</summary>
public sealed class PartitionSeriesTests
{
    private const int Partitions = 10_000;
    private static readonly NodeId[] Replicas = [new(1), new(2), new(3)];
    private readonly TopicId _topic = new(Guid.NewGuid());
    private readonly PartitionSeries _series = new();

    [Fact]
    public void Ten_thousand_partitions_have_the_series_of_a_hundred()
    {
        var lines = Scrape(_ => 0, _ => 3);
        Assert.Equal(PartitionSeries.PartitionsMax, lines.Count(l => l.StartsWith("chronik_raft_isr_size{", StringComparison.Ordinal)));
        var lags = lines.Count(l => l.StartsWith("chronik_raft_follower_lag{", StringComparison.Ordinal));
        Assert.Equal(2 * PartitionSeries.PartitionsMax, lags);
        Assert.Equal(2, lines.Count(l => l.StartsWith("# HELP ", StringComparison.Ordinal)));
    }

    [Fact]
    public void Those_out_of_sync_come_first_and_then_those_far_behind()
    {
        var lines = Scrape(n => n == 7_777 ? 1_000_000 : 0, n => n is 5_000 or 5_001 ? 2 : 3);
        Assert.Contains("chronik_raft_isr_size{partition=\"t-5000\"} 2", lines);
        Assert.Contains("chronik_raft_isr_size{partition=\"t-5001\"} 2", lines);
        Assert.Contains("chronik_raft_follower_lag{partition=\"t-7777\",follower_id=\"3\"} 1000000", lines);
    }

    [Fact]
    public void The_choice_does_not_change_with_every_moment_and_gives_way_to_trouble()
    {
        var first = Chosen(Scrape(_ => 0, _ => 3));
        Assert.Equal(first, Chosen(Scrape(n => n * 7919 % 900, _ => 3)));
        var second = Chosen(Scrape(_ => 0, n => n == 9_999 ? 1 : 3));
        Assert.Contains("t-9999", second);
        Assert.Single(first.Except(second));
    }

    private static HashSet<string> Chosen(IEnumerable<string> lines) =>
        [.. lines.Where(l => l.StartsWith("chronik_raft_isr_size{", StringComparison.Ordinal)).Select(l => l.Split('"')[1])];

    private List<string> Scrape(Func<int, long> lag, Func<int, int> isr)
    {
        var all = Enumerable.Range(0, Partitions).Select(n => new RankedPartition(
            new GroupId(_topic, n), new TopicPartition("t", n), Replicas.Length - isr(n), lag(n), 0));
        var text = new ArrayBufferWriter<byte>();
        _series.Write(text, (most, shown) =>
        [
            .. PartitionRanking.Pick(all, most, PartitionOrder.Trouble, shown).Select(one => new LedPartition(
                one.Name, one.Group, Replicas, Replicas[..(Replicas.Length - one.OutOfSync)],
                [new FollowerLag(new NodeId(2), 0), new FollowerLag(new NodeId(3), one.LagMax)], KafkaOffset.Zero, KafkaOffset.Zero, 0)),
        ]);
        return [.. Encoding.UTF8.GetString(text.WrittenSpan).Split('\n', StringSplitOptions.RemoveEmptyEntries)];
    }
}

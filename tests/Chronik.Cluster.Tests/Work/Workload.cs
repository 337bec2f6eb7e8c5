using System.Diagnostics;
using Chronik.Cluster.Tests.Wire;

namespace Chronik.Cluster.Tests.Work;

/// <summary>
/// Everything that clients do while a fault happens: idempotent producers of twelve partitions, a consumer group of two members that
/// commits, questions for the latest offsets, topic after topic being created. Then the reckoning.
/// </summary>
internal sealed class Workload
{
    public const string Topic = "numbers";
    public const string Group = "readers";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    private readonly ClusterClient _client;
    private readonly Findings _findings = new();
    private readonly Ledger _ledger;
    private readonly List<Writer> _writers;
    private readonly List<GroupMember> _members;
    private readonly Prober _prober;
    private readonly TopicMaker _maker;
    private readonly List<Task> _running = [];
    private readonly short _replicas;
    private readonly int _partitions;

    public Workload(ClusterClient client, short replicas, int partitions = 12)
    {
        _partitions = partitions;
        _client = client;
        _replicas = replicas;
        _ledger = new Ledger(_findings);
        _writers = [.. Enumerable.Range(0, _partitions).Select(partition => new Writer(client, Topic, partition, _findings))];
        _members = [.. Enumerable.Range(0, 2).Select(_ => new GroupMember(client, Group, Topic, _ledger, NewReader, _findings))];
        _prober = new Prober(client, Topic, _partitions, AcknowledgedEnd, _findings);
        _maker = new TopicMaker(client, "made");
    }

    /// <summary>How many numbers are acknowledged, in all partitions.</summary>
    public long Acknowledged => _writers.Sum(writer => writer.AcknowledgedEnd);

    /// <summary>Creates the topic, starts everything, and waits until all of it gets on.</summary>
    public async Task StartAsync()
    {
        await _client.CreateTopicAsync(Topic, _partitions, _replicas);
        await _client.LeadersAsync(Topic);
        _running.AddRange(_writers.Select(writer => writer.RunAsync()));
        _running.AddRange(_members.Select(member => member.RunAsync()));
        _running.Add(_prober.RunAsync());
        _running.Add(_maker.RunAsync());
        await ProgressAsync();
    }

    /// <summary>
    /// Waits until every partition has acknowledged a hundred more, the group has committed past what was acknowledged now, and a topic was
    /// created.
    /// </summary>
    public async Task ProgressAsync()
    {
        long[] ends = [.. _writers.Select(writer => writer.AcknowledgedEnd)];
        int made = _maker.Made.Count;
        await UntilAsync(() => _writers.All(writer => writer.AcknowledgedEnd >= ends[writer.Partition] + 100), "each partition is written");
        await UntilAsync(() => _writers.All(writer => _ledger.Committed(writer.Partition) > ends[writer.Partition]), "the group commits");
        await UntilAsync(() => _maker.Made.Count > made, "a topic is created");
    }

    /// <summary>The longest times without an acknowledgement since a moment, of the partitions that a test picks.</summary>
    public Gap GapOf(IEnumerable<int> partitions, long since)
    {
        long now = Stopwatch.GetTimestamp();
        double[] gaps = [.. partitions.Select(partition => _writers[partition].LongestGap(since, now)).Order()];
        return gaps.Length == 0 ? new Gap(0, 0, 0) : new Gap(gaps.Length, gaps[gaps.Length / 2], gaps[^1]);
    }

    /// <summary>
    /// Stops everything and reads everything back: every acknowledged number is there once, in order and at its offset, the group's
    /// offsets are what was committed, every topic that was created is there and led.
    /// </summary>
    public async Task<string> CheckAsync()
    {
        Stop();
        await Task.WhenAll(_running).WaitAsync(Patience);
        _findings.AssertNone();

        Dictionary<int, long> positions = Enumerable.Range(0, _partitions).ToDictionary(partition => partition, _ => 0L);
        using (Reader reader = NewReader())
        {
            await Wait.UntilAsync(async () =>
            {
                await reader.ReadAsync(positions, 0);
                return positions.All(one => one.Value >= AcknowledgedEnd(one.Key));
            }, "everything is read back");
        }

        foreach ((int partition, long end) in positions)
            if (end != AcknowledgedEnd(partition))
                _findings.Add($"{Topic}-{partition}: {AcknowledgedEnd(partition)} are acknowledged, {end} are there");
        foreach (string topic in _maker.Made) await _client.LeadersAsync(topic);
        _findings.AssertNone();
        return $"{positions.Values.Sum()} records, {_members.Sum(member => member.Commits)} commits, {_prober.Answers} latest offsets, "
            + $"{_maker.Made.Count} topics";
    }

    /// <summary>Lets everything come to an end.</summary>
    public void Stop()
    {
        _members.ForEach(member => member.Stop());
        _writers.ForEach(writer => writer.Stop());
        _prober.Stop();
        _maker.Stop();
    }

    /// <summary>Ends everything, whatever becomes of it: the test has failed.</summary>
    public void Abandon()
    {
        Stop();
        _writers.ForEach(writer => writer.Abandon());
    }

    private Reader NewReader() => new(_client, Topic, AcknowledgedEnd, _findings);

    private long AcknowledgedEnd(int partition) => _writers[partition].AcknowledgedEnd;

    private async Task UntilAsync(Func<bool> condition, string what)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            // A part that has failed, not only waited, ends the test at once.
            if (_running.Find(part => part.IsFaulted) is { } failed) await failed;
            if (Stopwatch.GetElapsedTime(start) > Patience)
            {
                _findings.AssertNone();
                IEnumerable<string> state =
                    _writers.Select(writer => $"partition {writer.Partition}: {writer.AcknowledgedEnd} acknowledged, {writer.Trouble}");
                throw new TimeoutException($"waited {Patience.TotalSeconds} s in vain until {what}\n{string.Join('\n', state)}");
            }

            await Task.Delay(Look);
        }
    }
}

/// <summary>Longest times without an acknowledgement, in milliseconds, over some partitions.</summary>
/// <param name="Partitions">How many they are.</param>
/// <param name="Median">The median of their longest times.</param>
/// <param name="Longest">The longest of all.</param>
internal readonly record struct Gap(int Partitions, double Median, double Longest)
{
    public override string ToString() => $"{Longest:0} ms (median {Median:0} ms, {Partitions} partitions)";
}

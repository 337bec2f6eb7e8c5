using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Chronik.Load;

/// <summary>
/// Appends one record after the other to each partition, a thread each, while a command does something to the cluster: the longest time
/// without a successful append, of the partitions that the leader of partition 0 led then, and of the others. It counts from a partition's
/// first append on, or from the start where there is none.
/// </summary>
internal static class GapMode
{
    private const int IntervalMs = 5;
    private const int PatienceMs = 1_000;

    // How long a client retries before it tells its application that an append has failed: Kafka's request.timeout.ms.
    private const int GiveUpMs = 30_000;

    public static Report Run(LoadOptions options)
    {
        Leaders leaders;
        using (var admin = new Connection(options))
        {
            admin.EnsureTopic(options);
            leaders = new Leaders(options.Topic, admin.Locate(options.Topic));
        }

        var before = leaders.Now;
        var victim = before[0];
        var end = Stopwatch.GetTimestamp() + (long)(options.Duration.TotalSeconds * Stopwatch.Frequency);
        var writers = Enumerable.Range(0, before.Length).Select(partition => new Writer(options, leaders, partition, end)).ToList();
        var threads = writers.ConvertAll(writer => new Thread(writer.Run));
        threads.ForEach(thread => thread.Start());
        Thread.Sleep(options.Duration / 3);
        var commandAt = Stopwatch.GetTimestamp();
        if (options.Command.Length > 0)
        {
            var command = options.Command.Replace("{leader}", victim.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
            using var process = Process.Start("/bin/sh", ["-c", command]);
            process.WaitForExit();
        }

        threads.ForEach(thread => thread.Join());
        var led = writers.Where(writer => before[writer.Partition] == victim).Select(writer => writer.LongestMs).Order().ToList();
        var others = writers.Where(writer => before[writer.Partition] != victim).Select(writer => writer.LongestMs).Order().ToList();
        var all = led.Concat(others).Order().ToList();
        double AfterCommand(IEnumerable<Writer> some) =>
            some.MaxBy(writer => writer.LongestMs) is { } longest
                ? (double)(longest.LongestUntil - commandAt) / Stopwatch.Frequency
                : 0;

        return new Report
        {
            ["mode"] = "gap",
            ["all_median_ms"] = Math.Round(all[all.Count / 2], 1),
            ["refused"] = writers.Sum(writer => writer.Refused),
            ["failed"] = writers.Count(writer => writer.LongestMs > GiveUpMs) + writers.Sum(writer => writer.Fatal),
            ["victim"] = victim,
            ["victim_partitions"] = led.Count,
            ["victim_median_ms"] = Math.Round(led[led.Count / 2], 1),
            ["victim_ms"] = Math.Round(led[^1], 1),
            ["other_partitions"] = others.Count,
            ["other_median_ms"] = others.Count == 0 ? 0 : Math.Round(others[others.Count / 2], 1),
            ["other_ms"] = others.Count == 0 ? 0 : Math.Round(others[^1], 1),
            ["other_after_command_s"] = Math.Round(AfterCommand(writers.Where(writer => before[writer.Partition] != victim)), 2),
            ["appends"] = writers.Sum(writer => writer.Appends),
        };
    }

    /// <summary>
    /// Who leads, as the brokers that still answer say. Asked by one writer at a time, and not more often than it may change.
    /// </summary>
    private sealed class Leaders(string topic, (Dictionary<int, (string Host, int Port)> Brokers, int[] Leaders) first)
    {
        private const int FreshMs = 10;
        private readonly Lock _lock = new();
        private readonly Dictionary<int, (string Host, int Port)> _brokers = first.Brokers;
        private long _askedAt;

        public int[] Now { get; private set; } = first.Leaders;

        /// <summary>The leader's address; null while there is none.</summary>
        public (string Host, int Port)? Of(int partition) => Now[partition] is >= 0 and var leader ? _brokers[leader] : null;

        public void Ask()
        {
            lock (_lock)
            {
                if (Environment.TickCount64 - _askedAt < FreshMs)
                {
                    return;
                }

                foreach (var (host, port) in _brokers.Values)
                {
                    try
                    {
                        using var connection = new Connection(host, port, PatienceMs);
                        if (connection.Locate(topic).Leaders is { Length: > 0 } leaders)
                        {
                            // A leader that is not known any more, or not yet, counts as none.
                            Now = [.. leaders.Select(leader => _brokers.ContainsKey(leader) ? leader : -1)];
                            break;
                        }
                    }
                    catch (Exception e) when (e is SocketException or IOException)
                    {
                        // The next one.
                    }
                }

                _askedAt = Environment.TickCount64;
            }
        }
    }

    /// <summary>
    /// What a producer answers by trying again: UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER,
    /// REQUEST_TIMED_OUT, NETWORK_EXCEPTION, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND, KAFKA_STORAGE_ERROR,
    /// FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
    /// </summary>
    private static readonly HashSet<short> Retriable = [3, 5, 6, 7, 13, 19, 20, 56, 74, 75];

    private sealed class Writer(LoadOptions options, Leaders leaders, int partition, long end)
    {
        public int Partition => partition;

        public double LongestMs { get; private set; }

        /// <summary>When the longest time without an append ended, as <see cref="Stopwatch"/> counts.</summary>
        public long LongestUntil { get; private set; }

        public long Appends { get; private set; }

        /// <summary>How many answers sent the client elsewhere, or told it to try again.</summary>
        public long Refused { get; private set; }

        /// <summary>How many answers no client would have retried.</summary>
        public long Fatal { get; private set; }

        public void Run()
        {
            var batch = RecordBatches.Build(1, 100, -1, -1, out _);
            var request = new RequestWriter(Api.Produce, 8).String(null).Int16(-1).Int32(30_000).Int32(1).String(options.Topic);
            var frame = request.Int32(1).Int32(partition).Bytes(batch).Frame();
            var last = Stopwatch.GetTimestamp();
            while (Stopwatch.GetTimestamp() < end)
            {
                if (leaders.Of(partition) is not var (host, port))
                {
                    leaders.Ask();
                    Thread.Sleep(1);
                    continue;
                }

                try
                {
                    using var connection = new Connection(host, port, PatienceMs);
                    while (Stopwatch.GetTimestamp() < end)
                    {
                        connection.Send(frame);
                        var error = ErrorOf(connection.Receive());
                        if (error != 0)
                        {
                            if (Retriable.Contains(error)) Refused++;
                            else Fatal++;
                            break;
                        }

                        var now = Stopwatch.GetTimestamp();
                        if (Appends++ > 0) Count(last, now);
                        last = now;
                        Thread.Sleep(IntervalMs);
                    }
                }
                catch (Exception e) when (e is SocketException or IOException)
                {
                    // Asks who leads now.
                }

                leaders.Ask();
            }

            Count(last, end);
        }

        private void Count(long from, long to)
        {
            var ms = Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;
            if (ms <= LongestMs) return;
            LongestMs = ms;
            LongestUntil = to;
        }

        private static short ErrorOf(ReadOnlySpan<byte> body)
        {
            var response = new ResponseReader(body);
            response.Int32();
            response.String();
            response.Int32();
            response.Int32();
            return response.Int16();
        }
    }
}

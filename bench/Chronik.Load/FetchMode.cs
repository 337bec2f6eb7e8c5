using System.Diagnostics;

namespace Chronik.Load;

/// <summary>Reads the topic from its start to the end it had when the run began; each connection reads all of it.</summary>
internal static class FetchMode
{
    public static Report Run(LoadOptions options)
    {
        var readers = Enumerable.Range(0, options.Connections).Select(_ => new Reader(options)).ToArray();
        var start = Stopwatch.GetTimestamp();
        var threads = readers.Select(r => new Thread(r.Run)).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        var took = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var megabytes = readers.Sum(r => r.Bytes) / 1e6;
        var report = new Report
        {
            ["mode"] = "fetch",
            ["records"] = readers.Sum(r => r.Records),
            ["mb"] = Math.Round(megabytes, 3),
            ["mb_s"] = Math.Round(megabytes / took, 2),
            ["errors"] = readers.LongCount(r => r.Error is not null),
        };
        if (readers.FirstOrDefault(r => r.Error is not null)?.Error is { } error)
        {
            report["first_error"] = error;
        }

        Latencies.Into(report, string.Empty, readers.Select(r => r.Times));
        return report;
    }

    /// <summary>A Fetch request without a session for all partitions, or for those that are not yet read to the end.</summary>
    public static RequestWriter Request(
        string topic, IReadOnlyList<(int Partition, long Offset)> from, int maxWaitMs, int maxBytes, int partitionMaxBytes)
    {
        var request = new RequestWriter(Api.Fetch, 11).Int32(-1).Int32(maxWaitMs).Int32(1).Int32(maxBytes).Int8(0).Int32(0).Int32(-1);
        request.Int32(1).String(topic).Int32(from.Count);
        foreach (var (partition, offset) in from)
        {
            request.Int32(partition).Int32(-1).Int64(offset).Int64(-1).Int32(partitionMaxBytes);
        }

        return request.Int32(0).String(string.Empty);
    }

    public delegate void OnRecords(int partition, ReadOnlySpan<byte> records);

    public static void Read(ReadOnlySpan<byte> body, OnRecords onRecords)
    {
        var response = new ResponseReader(body);
        response.Int32();
        if (response.Int16() is not 0 and var failed)
        {
            throw new LoadException($"fetch: error {failed}");
        }

        response.Int32();
        for (var topics = response.Int32(); topics > 0; topics--)
        {
            response.String();
            for (var left = response.Int32(); left > 0; left--)
            {
                var partition = response.Int32();
                if (response.Int16() is not 0 and var error)
                {
                    throw new LoadException($"fetch from partition {partition}: error {error}");
                }

                // High watermark, last stable offset, log start offset; aborted transactions; preferred replica.
                response.Skip(24);
                response.Skip(16 * Math.Max(0, response.Int32()));
                response.Int32();
                onRecords(partition, response.Bytes());
            }
        }
    }

    private sealed class Reader(LoadOptions options)
    {
        public Latencies Times { get; } = new();

        public long Bytes { get; private set; }

        public long Records { get; private set; }

        public string? Error { get; private set; }

        public void Run()
        {
            try
            {
                ReadAll();
            }
            catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or LoadException)
            {
                Error = e.Message;
            }
        }

        private void ReadAll()
        {
            using var connection = new Connection(options);
            var partitions = connection.EnsureTopic(options);
            var end = connection.ListOffsets(options.Topic, partitions, -1);
            var at = connection.ListOffsets(options.Topic, partitions, -2);
            var deadline = Stopwatch.GetTimestamp() + (long)(options.Duration.TotalSeconds * Stopwatch.Frequency);
            while (Stopwatch.GetTimestamp() < deadline)
            {
                var open = Enumerable.Range(0, partitions).Where(p => at[p] < end[p]).Select(p => (p, at[p])).ToArray();
                if (open.Length == 0)
                {
                    return;
                }

                var asked = Stopwatch.GetTimestamp();
                var body = connection.Ask(Request(options.Topic, open, 500, options.MaxBytes, options.MaxBytes / 6));
                Times.Add(Stopwatch.GetTimestamp() - asked);
                Read(body, (partition, records) =>
                {
                    var next = RecordBatches.Walk(records, at[partition], out var whole);
                    Records += next - at[partition];
                    Bytes += whole;
                    at[partition] = next;
                });
            }
        }
    }
}

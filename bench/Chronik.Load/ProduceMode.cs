using System.Collections.Concurrent;
using System.Diagnostics;

namespace Chronik.Load;

/// <summary>
/// One batch to every partition of a leader in each request. Each connection, of which there are some to each leader, has a thread that
/// sends and one that receives.
/// </summary>
internal static class ProduceMode
{
    public static Report Run(LoadOptions options)
    {
        Lane[] lanes;
        using (var admin = new Connection(options))
        {
            admin.EnsureTopic(options);
            var (brokers, leaders) = admin.Locate(options.Topic);
            var led = Enumerable.Range(0, leaders.Length).GroupBy(partition => leaders[partition]).ToList();
            lanes =
            [
                .. from leader in led
                   from _ in Enumerable.Range(0, options.Connections)
                   select new Lane(options, brokers[leader.Key], [.. leader], leaders.Length),
            ];
        }

        var start = Stopwatch.GetTimestamp();
        foreach (var lane in lanes)
        {
            lane.Start();
        }

        foreach (var lane in lanes)
        {
            lane.Join();
        }

        var took = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var records = lanes.Sum(l => l.Records);
        var megabytes = lanes.Sum(l => l.Bytes) / 1e6;
        var report = new Report
        {
            ["mode"] = "produce",
            ["records"] = records,
            ["records_s"] = Math.Round(records / took),
            ["mb"] = Math.Round(megabytes, 3),
            ["mb_s"] = Math.Round(megabytes / took, 2),
            ["errors"] = lanes.Sum(l => l.Errors),
        };
        if (lanes.FirstOrDefault(l => l.FirstError is not null)?.FirstError is { } error)
        {
            report["first_error"] = error;
        }

        Latencies.Into(report, string.Empty, lanes.Select(l => l.Times));
        return report;
    }

    private sealed class Lane(LoadOptions options, (string Host, int Port) leader, int[] partitions, int ofAll)
    {
        private readonly Connection _connection = new(leader.Host, leader.Port);
        private readonly SemaphoreSlim _window = new(options.InFlight);
        private readonly BlockingCollection<long> _due = [];
        private readonly List<Thread> _threads = [];
        private (long Id, short Epoch) _producer = (-1, -1);
        private volatile bool _broken;
        private int _batchLength;

        public Latencies Times { get; } = new();

        public long Records { get; private set; }

        public long Bytes { get; private set; }

        public long Errors { get; private set; }

        public string? FirstError { get; private set; }

        public void Start()
        {
            if (options.Idempotent)
            {
                _producer = _connection.InitProducerId();
            }

            _threads.AddRange([new Thread(Send), new Thread(Receive)]);
            _threads.ForEach(t => t.Start());
        }

        public void Join()
        {
            _threads.ForEach(t => t.Join());
            _connection.Dispose();
        }

        private void Send()
        {
            var (id, epoch) = _producer;
            var batch = RecordBatches.Build(options.BatchRecords, options.RecordSize, id, epoch, out _);
            var frame = Request(batch, out var batchesAt);
            var pacer = options.Rate > 0 ? new Pacer(options.Rate / options.Connections / ofAll / options.BatchRecords) : null;
            var end = Stopwatch.GetTimestamp() + (long)(options.Duration.TotalSeconds * Stopwatch.Frequency);
            var sequence = 0;
            _batchLength = batch.Length;
            for (long sent = 0; sent < options.Requests && Stopwatch.GetTimestamp() < end && !_broken; sent++)
            {
                if (options.Idempotent)
                {
                    foreach (var at in batchesAt)
                    {
                        RecordBatches.StampSequence(frame.AsSpan(at, batch.Length), sequence);
                    }

                    // Sequences go on from 0 behind the largest.
                    sequence = (int)(((long)sequence + options.BatchRecords) & int.MaxValue);
                }

                var due = pacer?.Next();
                _window.Wait();
                try
                {
                    _connection.Send(frame);
                }
                catch (System.Net.Sockets.SocketException e)
                {
                    Fail(e.Message);
                    break;
                }

                _due.Add(due ?? Stopwatch.GetTimestamp());
            }

            _due.CompleteAdding();
        }

        private void Receive()
        {
            foreach (var due in _due.GetConsumingEnumerable())
            {
                if (options.Acks == 0)
                {
                    Count();
                }
                else if (!_broken)
                {
                    try
                    {
                        Read(_connection.Receive());
                        Times.Add(Stopwatch.GetTimestamp() - due);
                    }
                    catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
                    {
                        Fail(e.Message);
                    }
                }

                _window.Release();
            }
        }

        private void Read(ReadOnlySpan<byte> body)
        {
            var response = new ResponseReader(body);
            response.Int32();
            response.String();
            for (var left = response.Int32(); left > 0; left--)
            {
                var partition = response.Int32();
                var error = response.Int16();
                response.Skip(24);
                response.Skip(response.Int32() == 0 ? 0 : throw new LoadException($"partition {partition} refuses single records"));
                response.String();
                if (error == 0)
                {
                    Count();
                }
                else
                {
                    Errors++;
                    FirstError ??= $"partition {partition}: error {error}";
                }
            }
        }

        private void Count()
        {
            Records += options.BatchRecords;
            Bytes += _batchLength;
        }

        private void Fail(string error)
        {
            _broken = true;
            Errors++;
            FirstError ??= error;
        }

        private byte[] Request(byte[] batch, out int[] batchesAt)
        {
            var request = new RequestWriter(Api.Produce, 8).String(null).Int16(options.Acks).Int32(30_000).Int32(1);
            request.String(options.Topic).Int32(partitions.Length);
            batchesAt = new int[partitions.Length];
            for (var p = 0; p < partitions.Length; p++)
            {
                request.Int32(partitions[p]).Bytes(batch);
                batchesAt[p] = request.Position - batch.Length;
            }

            return request.Frame();
        }
    }
}

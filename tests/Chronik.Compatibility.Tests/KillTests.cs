using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using Chronik.Load;
using Xunit;

namespace Chronik.Compatibility.Tests;

/// <summary>
/// A process that is killed with SIGKILL while two writers write: what was acknowledged is read back once and in order. One writer is
/// idempotent and sends what was not acknowledged again, as it was; the other never sends anything twice.
/// </summary>
public sealed class KillTests
{
    private const int Partitions = 3;
    private const int AcknowledgedBetweenKills = 300;

    [Fact]
    public async Task Acknowledged_values_survive_kill_again_and_again()
    {
        var kills = int.Parse(Environment.GetEnvironmentVariable("CHRONIK_KILLS") ?? "5", CultureInfo.InvariantCulture);
        var seed = Environment.TickCount;
        var random = new Random(seed);
        await using var broker = new BrokerProcess();
        await broker.StartAsync();
        using (var admin = new Connection("127.0.0.1", broker.KafkaPort))
        {
            admin.CreateTopics(["idempotent", "plain"], Partitions, []);
            admin.AwaitLeaders("idempotent");
            admin.AwaitLeaders("plain");
        }

        using var up = new ManualResetEventSlim(true);
        var writers = Enumerable.Range(0, Partitions).SelectMany(p => new[]
        {
            new Writer(broker.KafkaPort, up, "idempotent", p, idempotent: true),
            new Writer(broker.KafkaPort, up, "plain", p, idempotent: false),
        }).ToList();
        var running = writers.Select(w => Task.Factory.StartNew(w.Run, TaskCreationOptions.LongRunning)).ToList();
        try
        {
            for (var kill = 0; kill < kills; kill++)
            {
                // A kill comes at a time of the writers' own, so that it falls anywhere in a write or a sync.
                var more = AcknowledgedBetweenKills + random.Next(AcknowledgedBetweenKills);
                await Task.WhenAll(writers.Select(w => w.AcknowledgedAsync(more)));
                up.Reset();
                broker.Kill();
                await broker.StartAsync();
                up.Set();
            }

            await Task.WhenAll(writers.Select(w => w.AcknowledgedAsync(AcknowledgedBetweenKills)));
        }
        finally
        {
            writers.ForEach(w => w.Stop());
            up.Set();
            await Task.WhenAll(running);
        }

        foreach (var writer in writers)
        {
            var found = ReadBack(broker.KafkaPort, writer.Topic, writer.Partition);
            var name = $"{writer.Topic}-{writer.Partition} (seed {seed})";
            Assert.True(found.SequenceEqual(found.Distinct().Order()), $"{name}: a value is there twice or out of order");
            var lost = writer.Acknowledged.Except(found).ToList();
            Assert.True(lost.Count == 0, $"{name}: {lost.Count} acknowledged values are lost, the first is {lost.FirstOrDefault()}");
            if (writer.Idempotent)
            {
                Assert.Equal(Enumerable.Range(0, found.Count).Select(i => (long)i), found);
            }
        }
    }

    /// <summary>The number in each value of a partition, by offset.</summary>
    private static List<long> ReadBack(int port, string topic, int partition)
    {
        var values = new List<long>();
        using var connection = new Connection("127.0.0.1", port);
        var end = connection.ListOffsets(topic, Partitions, -1)[partition];
        for (long at = 0; at < end;)
        {
            FetchMode.Read(connection.Ask(FetchMode.Request(topic, [(partition, at)], 500, 1 << 20, 1 << 20)), (_, records) =>
            {
                var batch = Writer.Batch(out var valueAt);
                for (at = RecordBatches.Walk(records, at, out var whole); whole > 0; whole -= batch.Length)
                {
                    values.Add(BinaryPrimitives.ReadInt64BigEndian(records[valueAt..]));
                    records = records[batch.Length..];
                }
            });
        }

        return values;
    }

    /// <summary>Writes numbered values to one partition, a batch each, a few in flight, whatever happens to the broker.</summary>
    private sealed class Writer(int port, ManualResetEventSlim up, string topic, int partition, bool idempotent)
    {
        private const int InFlight = 5;
        private const short DuplicateSequence = 46;
        private readonly ConcurrentQueue<long> _acknowledged = new();
        private readonly SemaphoreSlim _progress = new(0);
        private volatile bool _stopped;

        public string Topic => topic;

        public int Partition => partition;

        public bool Idempotent => idempotent;

        public IReadOnlyCollection<long> Acknowledged => _acknowledged;

        public static byte[] Batch(out int valueAt) => RecordBatches.Build(1, sizeof(long), -1, -1, out valueAt);

        public void Stop() => _stopped = true;

        public async Task AcknowledgedAsync(int more)
        {
            for (; more > 0; more--)
            {
                var acknowledged = await _progress.WaitAsync(TimeSpan.FromSeconds(60));
                Assert.True(acknowledged, $"{topic}-{partition}: nothing was acknowledged for a minute");
            }
        }

        public void Run()
        {
            (long Id, short Epoch)? producer = idempotent ? null : (-1, -1);
            var unacknowledged = new Queue<long>();
            for (long next = 0; !_stopped;)
            {
                try
                {
                    using var connection = new Connection("127.0.0.1", port);
                    producer ??= connection.InitProducerId();
                    if (idempotent)
                    {
                        // What the last connection left open is sent again under the same sequence numbers.
                        foreach (var value in unacknowledged)
                        {
                            Send(connection, producer.Value, value);
                        }
                    }
                    else
                    {
                        unacknowledged.Clear();
                    }

                    while (!_stopped || unacknowledged.Count > 0)
                    {
                        while (!_stopped && unacknowledged.Count < InFlight)
                        {
                            unacknowledged.Enqueue(next);
                            Send(connection, producer.Value, next++);
                        }

                        Settle(connection.Receive(), unacknowledged);
                    }
                }
                catch (Exception e) when (e is SocketException or IOException or LoadException)
                {
                    // The broker is down, or on its way.
                    up.Wait();
                }
            }
        }

        private void Send(Connection connection, (long Id, short Epoch) producer, long value)
        {
            var batch = RecordBatches.Build(1, sizeof(long), producer.Id, producer.Epoch, out var valueAt);
            BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(valueAt), value);
            RecordBatches.StampSequence(batch, idempotent ? (int)value : -1);
            var request = new RequestWriter(Api.Produce, 8).String(null).Int16(-1).Int32(30_000).Int32(1).String(topic);
            connection.Send(request.Int32(1).Int32(partition).Bytes(batch).Frame());
        }

        private void Settle(ReadOnlySpan<byte> body, Queue<long> unacknowledged)
        {
            var response = new ResponseReader(body);
            response.Int32();
            response.String();
            response.Int32();
            response.Int32();
            var error = response.Int16();
            if (error is not 0 && !(error == DuplicateSequence && idempotent))
            {
                throw new LoadException($"{topic}-{partition}: error {error}");
            }

            _acknowledged.Enqueue(unacknowledged.Dequeue());
            _progress.Release();
        }
    }
}

using BenchmarkDotNet.Attributes;
using Chronik.Load;
using Chronik.Server;
using Chronik.Server.Configuration;

namespace Chronik.Benchmarks;

/// <summary>A batch on its whole way through a broker: 16 records of 1 KiB, a batch to each of six partitions in a request.</summary>
public class PathBenchmarks
{
    private const string Topic = "bench";
    private const int Partitions = 6;
    private string _folder = string.Empty;
    private ChronikHost _host = null!;
    private Connection _connection = null!;
    private byte[] _produce = [];
    private byte[] _fetch = [];

    [GlobalSetup]
    public void Start()
    {
        _folder = Directory.CreateTempSubdirectory("chronik-bench-").FullName;
        var options = ChronikOptions.Load(
            ("chronik.data", _folder), ("chronik.kafka.listeners", "[\"127.0.0.1:0\"]"), ("chronik.http", "127.0.0.1:0"));
        _host = ChronikHost.StartAsync(options, TextWriter.Null).GetAwaiter().GetResult();
        _host.Ready.GetAwaiter().GetResult();
        _connection = new Connection("127.0.0.1", _host.KafkaEndpoints[0].Port);
        _connection.CreateTopics([Topic], Partitions, []);
        _connection.AwaitLeaders(Topic);

        var batch = RecordBatches.Build(16, 1024, -1, -1, out _);
        var produce = new RequestWriter(Api.Produce, 8).String(null).Int16(-1).Int32(30_000).Int32(1).String(Topic).Int32(Partitions);
        for (var p = 0; p < Partitions; p++)
        {
            produce.Int32(p).Bytes(batch);
        }

        _produce = produce.Frame();
        ProducedBatch();
        _fetch = FetchMode.Request(Topic, [.. Enumerable.Range(0, Partitions).Select(p => (p, 0L))], 500, 1 << 20, 17_000).Frame();
    }

    [GlobalCleanup]
    public void Stop()
    {
        _connection.Dispose();
        _host.StopAsync().GetAwaiter().GetResult();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Acknowledged after fsync; one request at a time, so that the time is mostly the disk's.</summary>
    [Benchmark(OperationsPerInvoke = Partitions)]
    public int ProducedBatch()
    {
        _connection.Send(_produce);
        return _connection.Receive().Length;
    }

    /// <summary>From the segments, one batch from each partition in a response.</summary>
    [Benchmark(OperationsPerInvoke = Partitions)]
    public int FetchedBatch()
    {
        _connection.Send(_fetch);
        return _connection.Receive().Length;
    }
}

using BenchmarkDotNet.Attributes;
using Chronik.Load;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Benchmarks;

/// <summary>The steps of a produced batch's way that are pure, one by one.</summary>
public class StepBenchmarks
{
    private static readonly RecordBatchRules Rules = new(1 << 20);
    private readonly byte[] _batch = RecordBatches.Build(16, 1024, -1, -1, out _);
    private readonly BufferPool _pool = new();
    private PooledBuffer _frame = null!;

    [GlobalSetup]
    public void Start()
    {
        var request = new RequestWriter(Api.Produce, 8).String(null).Int16(-1).Int32(30_000).Int32(1).String("bench").Int32(1);
        var frame = request.Int32(0).Bytes(_batch).Frame().AsSpan(sizeof(int));
        _frame = _pool.Rent(frame.Length);
        frame.CopyTo(_frame.Span);
    }

    [Benchmark]
    public object Decode()
    {
        var reader = new KafkaReader(_frame.Memory);
        var header = RequestDecoder.ReadHeader(ref reader);
        return RequestDecoder.Decode((ApiKey)header.RequestApiKey, header.RequestApiVersion, ref reader);
    }

    [Benchmark]
    public KafkaError Validate() => RecordBatchValidator.Validate(_batch, Rules, out _, out _);

    [Benchmark]
    public void Stamp() => RecordBatchStamp.Place(_batch, new KafkaOffset(12), new LeaderEpoch(3));
}

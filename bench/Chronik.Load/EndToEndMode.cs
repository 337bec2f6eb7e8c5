using System.Buffers.Binary;
using System.Diagnostics;

namespace Chronik.Load;

/// <summary>
/// One record at a time to partition 0, due at fixed times, and a reader that waits there. Each value begins with the time at which it
/// was due, so that the reader knows how long it was on its way.
/// </summary>
internal static class EndToEndMode
{
    public static Report Run(LoadOptions options)
    {
        using var producer = new Connection(options);
        using var consumer = new Connection(options);
        producer.EnsureTopic(options);
        var at = producer.ListOffsets(options.Topic, 1, -1)[0];
        var count = (long)(options.Duration.TotalSeconds * Math.Max(options.Rate, 1));
        var arrivals = new Latencies();
        var acknowledgements = new Latencies();
        var last = at + count;
        var batch = RecordBatches.Build(1, Math.Max(8, options.RecordSize), -1, -1, out var valueAt);

        var reader = new Thread(() =>
        {
            while (at < last)
            {
                FetchMode.Read(consumer.Ask(FetchMode.Request(options.Topic, [(0, at)], 500, 1 << 20, 1 << 20)), (_, records) =>
                {
                    var now = Stopwatch.GetTimestamp();
                    for (var next = at; records.Length > 0; at = next)
                    {
                        // Every batch holds one record, built like all the others.
                        next = RecordBatches.Walk(records[..batch.Length], at, out var whole);
                        arrivals.Add(now - BinaryPrimitives.ReadInt64BigEndian(records[valueAt..]));
                        records = records[whole..];
                    }
                });
            }
        });
        reader.Start();

        var pacer = new Pacer(Math.Max(options.Rate, 1));
        long errors = 0;
        for (long i = 0; i < count; i++)
        {
            var due = pacer.Next();
            BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(valueAt), due);
            RecordBatches.StampSequence(batch, -1);
            var request = new RequestWriter(Api.Produce, 8).String(null).Int16(-1).Int32(30_000).Int32(1).String(options.Topic);
            var response = new ResponseReader(producer.Ask(request.Int32(1).Int32(0).Bytes(batch)));
            acknowledgements.Add(Stopwatch.GetTimestamp() - due);
            response.Int32();
            response.String();
            response.Int32();
            response.Int32();
            errors += response.Int16() == 0 ? 0 : throw new LoadException("produce failed");
        }

        reader.Join();
        var report = new Report { ["mode"] = "e2e", ["records"] = count, ["errors"] = errors };
        Latencies.Into(report, "ack_", acknowledgements);
        Latencies.Into(report, "e2e_", arrivals);
        return report;
    }
}

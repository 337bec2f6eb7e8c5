using System.Diagnostics;
using System.Globalization;
using Chronik.Model;
using Chronik.Protocol.Compression;
using Chronik.Protocol.RecordBatches;
using Xunit.Abstractions;

namespace Chronik.Protocol.Tests;

/// <summary>
/// Damaged and random input: nothing but a ProtocolException, or an error code, may come of it. Runs for two seconds, or for
/// CHRONIK_FUZZ_SECONDS; CHRONIK_FUZZ_SEED repeats a failure, whose seed is in its message.
/// </summary>
public class FuzzTests(ITestOutputHelper output)
{
    private static readonly List<ApiInfo> Apis = [.. ApiCatalog.All];
    private static readonly string[] Batches = ["none", "gzip", "snappy", "lz4", "zstd", "few", "commit"];

    [Fact]
    public void Requests() => Run(seed =>
    {
        var random = new Random(seed);
        ApiInfo api = Apis[random.Next(Apis.Count)];
        MessageType type = MessageType.Named(api.Name + "Request");
        short version = (short)random.Next(api.MinVersion, api.MaxVersion + 1);
        byte[] frame = RandomMessage.Make(type, version, random.Next()).Bytes;
        HostileFrameTests.Decode(api, version, random.Next(10) == 0 ? Noise(random, random.Next(200)) : Damage(random, frame));
    });

    [Fact]
    public void Every_message_reads_back_whatever_it_writes() => Run(seed =>
    {
        var random = new Random(seed);
        MessageType type = MessageType.All[random.Next(MessageType.All.Count)];
        short version = (short)random.Next(type.MinVersion, type.MaxVersion + 1);
        byte[] bytes = RandomMessage.Make(type, version, random.Next(), longestArray: 5).Bytes;
        Assert.Equal(bytes, type.Write(type.Read(bytes, version), version));
    });

    [Fact]
    public void Headers() => Run(seed =>
    {
        var random = new Random(seed);
        byte[] frame = Noise(random, random.Next(40));
        if (random.Next(2) == 0 && frame.Length > 2) (frame[0], frame[1]) = (0, (byte)random.Next(100));
        try
        {
            var reader = new KafkaReader(frame);
            RequestDecoder.ReadHeader(ref reader);
        }
        catch (ProtocolException)
        {
            // The usual end.
        }
    });

    [Fact]
    public void Record_batches() => Run(seed =>
    {
        var random = new Random(seed);
        byte[] batch = Damage(random, GoldenBatches.Get(Batches[random.Next(Batches.Length)]));
        if (batch.Length >= RecordBatchView.HeaderSize)
        {
            // Without these nearly everything would end at the checksum.
            if (random.Next(8) != 0) System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(8), batch.Length - 12);
            if (random.Next(8) != 0) RecordBatchStamp.Place(batch, KafkaOffset.Zero, LeaderEpoch.Unknown);
            if (new RecordBatchView(batch).Size == batch.Length) RecordBatchStamp.RenewCrc(batch);
        }

        var rules = new RecordBatchRules(1 << 20, AllowControl: random.Next(2) == 0, MaxDecompressedBytes: 1 << 20);
        long before = GC.GetAllocatedBytesForCurrentThread();
        KafkaError error = RecordBatchValidator.Validate(batch, rules, out RecordBatchInfo info, out string? message);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < 1 << 20, $"{allocated} bytes allocated for a batch of {batch.Length}");
        Assert.Equal(error == KafkaError.None, message is null);
        if (error != KafkaError.None) return;

        // What has passed can be read.
        int count = 0;
        foreach (RecordView record in new RecordBatchView(batch).Records())
        {
            foreach (RecordHeaderView header in record.Headers) _ = header.Key.Length;
            Assert.Equal(count++, record.Offset.Value);
        }

        Assert.Equal(new RecordBatchView(batch).RecordCount, count);
        Assert.Equal(-1, info.BadRecord);
    });

    [Fact]
    public void Compressed_blocks() => Run(seed =>
    {
        var random = new Random(seed);
        var type = (CompressionType)random.Next(1, 5);
        byte[] block = random.Next(4) == 0
            ? Noise(random, random.Next(300)) : Damage(random, CodecTests.Compress(type, Noise(random, 500)));
        try
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(Codecs.Decompress(type, block, 1 << 16, out _));
        }
        catch (InvalidDataException)
        {
            // The usual end.
        }
    });

    private static byte[] Noise(Random random, int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    private static byte[] Damage(Random random, byte[] bytes)
    {
        for (int times = random.Next(5); times > 0 && bytes.Length > 0; times--)
        {
            int at = random.Next(bytes.Length);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)(random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => 0x7F });
                    break;
                case 2:
                    bytes.AsSpan(at, Math.Min(4, bytes.Length - at)).Fill(0xFF);
                    break;
                case 3:
                    bytes = bytes[..at];
                    break;
                case 4:
                    bytes = [.. bytes[..at], .. Noise(random, random.Next(1, 9)), .. bytes[at..]];
                    break;
                default:
                    bytes = [.. bytes[..at], .. bytes[random.Next(at, bytes.Length)..]];
                    break;
            }
        }

        return bytes;
    }

    private void Run(Action<int> once)
    {
        string? repeat = Environment.GetEnvironmentVariable("CHRONIK_FUZZ_SEED");
        if (repeat is not null)
        {
            once(int.Parse(repeat, CultureInfo.InvariantCulture));
            return;
        }

        string seconds = Environment.GetEnvironmentVariable("CHRONIK_FUZZ_SECONDS") ?? "2";
        var limit = TimeSpan.FromSeconds(double.Parse(seconds, CultureInfo.InvariantCulture));
        int first = Environment.TickCount;
        int runs = 0;
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < limit; runs++)
        {
            int seed = unchecked(first + runs);
            try
            {
                once(seed);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"CHRONIK_FUZZ_SEED={seed}: {e.Message}", e);
            }
        }

        output.WriteLine($"{runs} runs from seed {first}");
    }
}

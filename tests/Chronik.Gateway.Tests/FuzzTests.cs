using System.Buffers.Binary;
using System.Globalization;
using Chronik.Gateway.Handlers;

namespace Chronik.Gateway.Tests;

/// <summary>
/// Throws damaged requests of every served API at a server. It must answer or close, serve the others, and give all memory back.
/// </summary>
[Trait("Category", "Fuzz")]
public sealed class FuzzTests
{
    private const int Connections = 8;
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromMilliseconds(20);

    [Fact]
    public async Task Damaged_requests_cost_only_who_sends_them()
    {
        int seconds = Setting("CHRONIK_FUZZ_SECONDS", 3);
        int seed = Setting("CHRONIK_FUZZ_SEED", Environment.TickCount);
        await using GatewayHost host = await GatewayHost.StartAsync(new GatewayLimits { MaxRequestBytes = 1 << 20 });
        host.Node.CreateTopic("t", partitions: 2);
        using KafkaClient innocent = await host.ConnectAsync();
        DateTime end = DateTime.UtcNow.AddSeconds(seconds);
        try
        {
            await Task.WhenAll(Enumerable.Range(0, Connections).Select(i => Task.Run(() => AttackAsync(host, new Random(seed + i), end))));
            await innocent.CallAsync(new Protocol.Messages.MetadataRequest { Topics = [] }, 9);
            await BadInputTests.AssertServesAsync(host);
            await GatewayHost.Until(() => host.Services.Metrics.Connections <= 2, "the attackers' connections are gone");
            await host.UntilMemoryIsFree();
            Assert.False(
                host.Log.Has("its connection failed"),
                    string.Join('\n', host.Log.All.Where(line => line.Contains("its connection failed"))));
            Assert.False(host.Log.Has(" failed "), string.Join('\n', host.Log.All.Where(line => line.Contains(" failed "))));
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"CHRONIK_FUZZ_SEED={seed} repeats this", e);
        }
    }

    private static async Task AttackAsync(GatewayHost host, Random random, DateTime end)
    {
        List<ApiHandler> apis = [.. host.Services.Apis.All];
        while (DateTime.UtcNow < end)
        {
            using KafkaClient client = await host.ConnectAsync();
            for (int i = random.Next(1, 20); i > 0; i--)
            {
                ApiHandler api = apis[random.Next(apis.Count)];
                short version = (short)random.Next(api.MinVersion, api.MaxVersion + 1);
                byte[] frame = KafkaClient.Frame(Sample(api, random), version, i);
                Damage(random, frame);
                try
                {
                    await client.SendRawAsync(frame);
                }
                catch (System.Net.Sockets.SocketException)
                {
                    break;
                }
            }

            await DrainAsync(client);
        }
    }

    private static Protocol.IRequestMessage Sample(ApiHandler api, Random random) => api.Key switch
    {
        Protocol.ApiKey.Produce =>
            KafkaClient.Produce("t", KafkaClient.Batch("some", "records"), (short)random.Next(-1, 2), random.Next(2)),
        Protocol.ApiKey.Fetch => KafkaClient.Fetch("t", 0, random.Next(50)),
        _ => RequestSamples.Fill(ApiVersionsTests.Empty(api.Key), random),
    };

    // Mostly small damage behind the header, so that it gets far; the size stays right unless it is what is damaged.
    private static void Damage(Random random, byte[] frame)
    {
        for (int i = random.Next(0, 4); i > 0; i--)
        {
            int at = random.Next(random.Next(20) == 0 ? 0 : Math.Min(8, frame.Length - 1), frame.Length);
            switch (random.Next(3))
            {
                case 0:
                    frame[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    frame[at] = (byte)random.Next(256);
                    break;
                default:
                    if (at + 4 <= frame.Length)
                        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(at), random.Next(2) == 0 ? int.MaxValue : -random.Next(3));
                    break;
            }
        }
    }

    private static async Task DrainAsync(KafkaClient client)
    {
        byte[] sink = new byte[64 << 10];
        using var patience = new CancellationTokenSource(AnswerPatience);
        try
        {
            while (await client.Socket.ReceiveAsync(sink, patience.Token) > 0)
            {
            }
        }
        catch (Exception e) when (e is OperationCanceledException or System.Net.Sockets.SocketException)
        {
            // It was closed, or there is no more to come.
        }
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;
}

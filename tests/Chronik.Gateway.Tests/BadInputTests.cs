using System.Buffers.Binary;
using System.Net.Sockets;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

/// <summary>
/// Whatever a client sends costs it its answer or its connection; another client on the same server goes on, and all memory comes back.
/// </summary>
public sealed class BadInputTests
{
    private const short Api = (short)ApiKey.Metadata;

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(int.MaxValue)]
    [InlineData((100 << 20) + 1)]
    public async Task A_size_out_of_bounds_closes_the_connection_and_is_logged_with_the_limit(int size)
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        await CostsOnlyItselfAsync(host, Int(size));
        await GatewayHost.Until(
            () => host.Log.Has($"{size} bytes is not between 8 and chronik.gateway.max-request-bytes = {100 << 20}"), "it was logged");
    }

    [Theory]
    [InlineData("16030100a5010000a10303", "TLS")]
    [InlineData("474554202f20485454502f312e310d0a0d0a", "HTTP")]
    [InlineData("504f5354202f20485454502f312e310d0a0d0a", "HTTP")]
    [InlineData("5353482d322e302d4f70656e5353480d0a", "SSH")]
    public async Task Another_protocol_is_recognised_and_closed(string hex, string name)
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        await CostsOnlyItselfAsync(host, Convert.FromHexString(hex));
        await GatewayHost.Until(() => host.Log.Has($"that is {name}"), "it was logged");
    }

    [Fact]
    public async Task An_announced_body_that_never_comes_costs_nothing()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient bad = await host.ConnectAsync();
        await bad.SendRawAsync(Int(100 << 20));
        await AssertServesAsync(host);
        Assert.True(
            host.Services.RequestBytesInUse <= 4096, $"{host.Services.RequestBytesInUse} bytes are held for a body of which nothing came");
        bad.Dispose();
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task Half_a_request_is_given_up_with_its_connection()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient bad = await host.ConnectAsync();
        await bad.SendRawAsync(Int(10 << 20));
        await bad.SendRawAsync(new byte[3 << 20]);
        await GatewayHost.Until(() => host.Services.RequestBytesInUse >= 3 << 20, "the half has arrived");
        await AssertServesAsync(host);
        Assert.True(host.Services.RequestBytesInUse <= 16 << 20);
        bad.Dispose();
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task A_request_larger_than_a_smaller_limit_is_refused_before_its_body()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(new GatewayLimits { MaxRequestBytes = 10_000 });
        await CostsOnlyItselfAsync(host, Int(10_001));
    }

    [Theory]
    [InlineData(999, 0)]
    [InlineData(-1, 0)]
    [InlineData((short)ApiKey.Metadata, 99)]
    [InlineData((short)ApiKey.Metadata, -1)]
    [InlineData((short)ApiKey.Produce, 2)]
    [InlineData((short)ApiKey.EndTxn, 0)]
    public async Task An_unknown_api_or_version_closes_the_connection(short api, short version)
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        await CostsOnlyItselfAsync(host, KafkaClient.Frame(api, version, 1, _ => { }));
        await GatewayHost.Until(() => host.Log.Has($"API {api} version {version} is not served"), "it was logged");
    }

    [Fact]
    public async Task A_lying_array_closes_the_connection_and_allocates_nothing_for_the_lie()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        foreach (int claim in new[] { int.MaxValue, 1_000_000_000, 1_000, -2, int.MinValue })
            await CostsOnlyItselfAsync(host, KafkaClient.Frame(Api, 1, 1, writer => writer.WriteInt32(claim)));
        await CostsOnlyItselfAsync(
            host, KafkaClient.Frame(Api, 9, 1, writer => writer.WriteUnsignedVarint(uint.MaxValue), headerVersion: 2));
    }

    [Fact]
    public async Task A_lying_string_or_tag_closes_the_connection()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        await CostsOnlyItselfAsync(
            host, KafkaClient.Frame(Api, 1, 1, writer => { writer.WriteInt32(1); writer.WriteInt16(short.MaxValue); }));
        await CostsOnlyItselfAsync(host, KafkaClient.Frame(Api, 1, 1, writer => { writer.WriteInt32(1); writer.WriteInt16(-7); }));
        await CostsOnlyItselfAsync(host, KafkaClient.Frame(Api, 1, 1, writer => { writer.WriteInt32(1); writer.WriteInt16(-1); }));
        await CostsOnlyItselfAsync(host, KafkaClient.Frame(Api, 9, 1, writer =>
        {
            writer.WriteUnsignedVarint(0);
            writer.WriteBool(true);
            writer.WriteBool(true);
            writer.WriteBool(true);
            writer.WriteUnsignedVarint(4_000_000);
        }, headerVersion: 2));
    }

    [Fact]
    public async Task Bytes_behind_a_request_close_the_connection()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        await CostsOnlyItselfAsync(host, KafkaClient.Frame(Api, 1, 1, writer => { writer.WriteInt32(0); writer.WriteInt64(42); }));
    }

    [Fact]
    public async Task A_batch_that_is_wrong_is_refused_alone()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t", partitions: 2);
        using KafkaClient client = await host.ConnectAsync();
        byte[] good = KafkaClient.Batch("a", "b");
        var cases = new (string What, byte[] Bytes, KafkaError Error)[]
        {
            ("wrong crc", With(good, 20, (byte)(good[20] ^ 1)), KafkaError.CorruptMessage),
            ("a flipped record byte", With(good, good.Length - 1, (byte)(good[^1] ^ 1)), KafkaError.CorruptMessage),
            ("magic 1", With(good, 16, 1), KafkaError.InvalidRecord),
            ("magic 9", With(good, 16, 9), KafkaError.InvalidRecord),
            ("a length that lies", WithInt(good, 8, int.MaxValue), KafkaError.CorruptMessage),
            ("a negative length", WithInt(good, 8, -5), KafkaError.CorruptMessage),
            ("two batches", [.. good, .. good], KafkaError.InvalidRecord),
            ("half a batch", good[..70], KafkaError.CorruptMessage),
            ("a count that lies", Resealed(WithInt(good, 57, 9)), KafkaError.InvalidRecord),
            ("a codec that does not exist", Resealed(With(good, 22, 7)), KafkaError.UnsupportedCompressionType),
            ("nothing", [], KafkaError.InvalidRecord),
        };
        foreach ((string what, byte[] bytes, KafkaError error) in cases)
        {
            ProduceRequest request = KafkaClient.Produce("t", bytes);
            request.TopicData[0].PartitionData.Add(new() { Index = 1, Records = new MemoryRecords(KafkaClient.Batch("fine")) });
            ProduceResponse response = await client.CallAsync(request, 9);
            Assert.Equal((what, error), (what, (KafkaError)response.Responses[0].PartitionResponses[0].ErrorCode));
            Assert.Equal(0, response.Responses[0].PartitionResponses[1].ErrorCode);
        }

        Assert.Equal(0, (await client.CallAsync(KafkaClient.Fetch("t", 0), 12)).Responses[0].Partitions[0].HighWatermark);
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task Null_records_are_refused_with_an_error()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        ProduceRequest request = KafkaClient.Produce("t", []);
        request.TopicData[0].PartitionData[0].Records = null;
        Assert.Equal((short)KafkaError.InvalidRecord, (await client.CallAsync(request, 9)).Responses[0].PartitionResponses[0].ErrorCode);
    }

    [Fact]
    public async Task A_client_that_never_reads_stalls_only_itself()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient producer = await host.ConnectAsync();
        byte[] large = KafkaClient.Batch(new string('x', 900_000));
        for (int i = 0; i < 30; i++)
            Assert.Equal(0, (await producer.CallAsync(KafkaClient.Produce("t", large), 9)).Responses[0].PartitionResponses[0].ErrorCode);

        using KafkaClient bad = await host.ConnectAsync();
        for (int i = 0; i < 500; i++)
        {
            FetchRequest fetch = KafkaClient.Fetch("t", 0, partitionMaxBytes: 30 << 20);
            await bad.SendAsync(fetch, 12);
        }

        await AssertServesAsync(host);
        Assert.True(host.Services.RequestBytesInUse < 4 << 20);
        bad.Dispose();
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task A_thousand_connections_more_than_allowed_harm_nobody()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(new GatewayLimits { MaxConnections = 50 });
        using KafkaClient early = await host.ConnectAsync();
        await early.CallAsync(new MetadataRequest { Topics = [] }, 9);
        var crowd = new List<KafkaClient>();
        for (int i = 0; i < 1_050; i++)
        {
            try
            {
                crowd.Add(await host.ConnectAsync());
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                // Closed so soon that even connecting failed.
            }
        }

        await early.CallAsync(new MetadataRequest { Topics = [] }, 9);
        await GatewayHost.Until(() => host.Services.Metrics.Connections <= 50, "the surplus was closed");
        Assert.True(host.Log.Has("chronik.gateway.max-connections = 50"));
        foreach (KafkaClient one in crowd) one.Dispose();
        await GatewayHost.Until(() => host.Services.Metrics.Connections == 1, "all but one are gone");
        await GatewayHost.Until(() => ServesAsync(host), "those of the crowd that were accepted late are gone, too");
    }

    [Fact]
    public async Task Requests_beyond_the_request_memory_wait_for_room()
    {
        await using GatewayHost host =
            await GatewayHost.StartAsync(new GatewayLimits { MaxRequestBytes = 1 << 20, MaxRequestMemory = 2 << 20 });
        host.Node.CreateTopic("t");
        host.Node.Hold("t");
        byte[] batch = KafkaClient.Batch(new string('x', 700_000));
        var clients = new List<KafkaClient>();
        var sends = new List<Task>();
        for (int i = 0; i < 5; i++)
        {
            KafkaClient client = await host.ConnectAsync();
            clients.Add(client);
            sends.Add(client.SendAsync(KafkaClient.Produce("t", batch), 9));
        }

        await GatewayHost.Until(() => host.Node.Appends > 0, "some have arrived");
        Assert.True(host.Services.RequestBytesInUse <= 2 << 20);
        host.Node.LetGo("t");
        await Task.WhenAll(sends);
        foreach (KafkaClient client in clients)
        {
            Assert.Equal(0, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].ErrorCode);
            client.Dispose();
        }

        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task Half_requests_that_fill_the_memory_are_closed_when_others_need_it()
    {
        // A request of up to 64 KiB takes one block at once, so nobody waits before the innocent does, and nobody but it ever does: how
        // long anything takes does not matter.
        const int Block = 64 << 10;
        await using GatewayHost host = await GatewayHost.StartAsync(
            new GatewayLimits { MaxRequestBytes = Block, MaxRequestMemory = 4 * Block, RequestMemoryPatience = TimeSpan.FromSeconds(1) });
        host.Node.CreateTopic("t");
        var attackers = new List<KafkaClient>();
        for (int i = 0; i < 4; i++)
        {
            KafkaClient attacker = await host.ConnectAsync();
            attackers.Add(attacker);
            await attacker.SendRawAsync(Int(50_000));
            await attacker.SendRawAsync(new byte[10_000]);
        }

        await GatewayHost.Until(() => host.Services.RequestBytesInUse == 4 * Block, "the memory is full");
        using KafkaClient innocent = await host.ConnectAsync();
        ProduceResponse response = await innocent.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch(new string('x', 40_000))), 9);
        Assert.Equal(0, response.Responses[0].PartitionResponses[0].ErrorCode);
        Assert.True(host.Log.Has("while others wait for memory"));
        foreach (KafkaClient attacker in attackers) attacker.Dispose();
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task A_request_of_very_many_elements_closes_the_connection()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(new GatewayLimits { MaxRequestElements = 1_000 });
        await CostsOnlyItselfAsync(host, KafkaClient.Frame(Api, 1, 1, writer =>
        {
            writer.WriteInt32(1_001);
            for (int i = 0; i < 1_001; i++) writer.WriteInt16(0);
        }));
        Assert.True(host.Log.Has("1001 elements"));
    }

    [Fact]
    public async Task Large_requests_and_answers_that_nobody_reads_are_bounded_over_all_connections()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(
            new GatewayLimits
            {
                MaxAnswerMemory = 4 << 20,
                AnswerMemoryGrace = TimeSpan.FromHours(1),
                RequestMemoryPatience = TimeSpan.FromSeconds(5),
            });
        host.Node.CreateTopic("t");
        var attackers = new List<KafkaClient>();
        for (int i = 0; i < 20; i++)
        {
            // A long poll of many partitions, which waits while its decoded request is held.
            FetchRequest poll = KafkaClient.Fetch("t", 0);
            poll.MaxWaitMs = 60_000;
            FetchRequest.FetchPartition partition = poll.Topics[0].Partitions[0];
            for (int more = 0; more < 4_000; more++) poll.Topics[0].Partitions.Add(partition);
            KafkaClient attacker = await host.ConnectAsync();
            attackers.Add(attacker);
            await attacker.SendAsync(poll, 12);
        }

        await GatewayHost.Until(() => host.Log.Has("no room for its request or answer"), "the memory for answers was full");
        Assert.True(host.Services.AnswerBytesInUse <= 4 << 20);
        await AssertServesAsync(host);
        await GatewayHost.Until(() => host.Services.AnswerBytesInUse <= 2 << 20, "those that hold much for long were closed");
        foreach (KafkaClient attacker in attackers) attacker.Dispose();
        await GatewayHost.Until(() => host.Services.AnswerBytesInUse == 0, "everything was given back");
    }

    [Fact]
    public async Task A_client_that_reads_its_large_answers_is_served_while_others_hold_the_memory()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(
            new GatewayLimits
            {
                MaxAnswerMemory = 8 << 20,
                AnswerMemoryGrace = TimeSpan.Zero,
                RequestMemoryPatience = TimeSpan.FromHours(1),
            });
        host.Node.CreateTopic("t");
        var attackers = new List<KafkaClient>();
        for (int i = 0; i < 6; i++)
        {
            KafkaClient attacker = await host.ConnectAsync();
            attackers.Add(attacker);
            await attacker.SendAsync(Large(60_000), 12);
            await GatewayHost.Until(() => host.Services.AnswerBytesInUse >= (i + 1) * 1_000_000, "the long poll holds its memory");
        }

        using KafkaClient innocent = await host.ConnectAsync();
        for (int i = 0; i < 10; i++)
        {
            Assert.NotEmpty((await innocent.CallAsync(Large(0), 12)).Responses);
            await GatewayHost.Until(() => host.Services.AnswerBytesInUse < 7_000_000, "those that were closed gave theirs back");
        }

        Assert.True(host.Log.Has("long held a large request or answer"));
        Assert.False(host.Log.Has("no room"));
        foreach (KafkaClient attacker in attackers) attacker.Dispose();

        static FetchRequest Large(int maxWaitMs)
        {
            FetchRequest fetch = KafkaClient.Fetch("t", 0, maxWaitMs);
            FetchRequest.FetchPartition partition = fetch.Topics[0].Partitions[0];
            for (int more = 0; more < 4_000; more++) fetch.Topics[0].Partitions.Add(partition);
            return fetch;
        }
    }

    [Fact]
    public async Task A_partition_that_a_fetch_names_many_times_is_asked_for_once()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        FetchRequest fetch = KafkaClient.Fetch("t", 0);
        FetchRequest.FetchPartition partition = fetch.Topics[0].Partitions[0];
        for (int more = 0; more < 1_000; more++) fetch.Topics[0].Partitions.Add(partition);
        Assert.Single((await client.CallAsync(fetch, 12)).Responses[0].Partitions);
    }

    [Fact]
    public async Task A_storm_of_connections_that_end_at_once_leaves_nothing()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        for (int i = 0; i < 300; i++)
        {
            using KafkaClient client = await host.ConnectAsync();
            client.Socket.LingerState = new LingerOption(true, 0);
        }

        await GatewayHost.Until(() => host.Services.Metrics.Connections == 0, "all are gone");
        await AssertServesAsync(host);
        Assert.False(host.Log.Has("Unhandled exception"));
        Assert.False(host.Log.Has("its connection failed"));
    }

    internal static async Task AssertServesAsync(GatewayHost host)
    {
        using KafkaClient client = await host.ConnectAsync();
        Assert.Equal(
            0, (await client.CallAsync(new ApiVersionsRequest { ClientSoftwareName = "t", ClientSoftwareVersion = "1" }, 3)).ErrorCode);
    }

    /// <summary>Whether a new connection is served; it may be closed before.</summary>
    internal static async Task<bool> ServesAsync(GatewayHost host)
    {
        try
        {
            await AssertServesAsync(host);
            return true;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return false;
        }
    }

    // An innocent client is connected before, is served while the bad one is closed, and afterwards.
    private static async Task CostsOnlyItselfAsync(GatewayHost host, byte[] bytes)
    {
        using KafkaClient innocent = await host.ConnectAsync();
        await innocent.CallAsync(new MetadataRequest { Topics = [] }, 9);
        using KafkaClient bad = await host.ConnectAsync();
        await bad.SendRawAsync(bytes);
        await bad.AssertClosedAsync();
        await innocent.CallAsync(new MetadataRequest { Topics = [] }, 9);
        await AssertServesAsync(host);
        await host.UntilMemoryIsFree();
    }

    private static byte[] Int(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] With(byte[] bytes, int at, byte value)
    {
        byte[] copy = [.. bytes];
        copy[at] = value;
        return copy;
    }

    private static byte[] WithInt(byte[] bytes, int at, int value)
    {
        byte[] copy = [.. bytes];
        BinaryPrimitives.WriteInt32BigEndian(copy.AsSpan(at), value);
        return copy;
    }

    private static byte[] Resealed(byte[] batch)
    {
        BinaryPrimitives.WriteUInt32BigEndian(batch.AsSpan(17), Crc32C.Compute(batch.AsSpan(21)));
        return batch;
    }
}

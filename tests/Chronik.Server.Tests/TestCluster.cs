using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Partitions.Controller;
using Chronik.Server.Configuration;

namespace Chronik.Server.Tests;

/// <summary>Several nodes in this process that reach each other over loopback, as processes would.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly string _folder = Directory.CreateTempSubdirectory("chronik-nodes-").FullName;
    private readonly List<(int Id, ChronikHost Host)> _hosts = [];

    public ChronikHost this[int id] => _hosts.Find(node => node.Id == id).Host;

    public IReadOnlyList<ChronikHost> Hosts => [.. _hosts.Select(node => node.Host)];

    /// <summary>Starts as many nodes, and waits until each serves and knows all of them.</summary>
    public static async Task<TestCluster> StartAsync(int nodes, params (string Key, string Value)[] more)
    {
        var cluster = new TestCluster();
        try
        {
            for (var id = 1; id <= nodes; id++) await cluster.BeginAsync(id, nodes, more: more);
            foreach (var host in cluster.Hosts) await host.Ready.WaitAsync(Patience);
            await UntilAsync(() => cluster.Hosts.All(host => host.Node!.Metadata.LiveCount == nodes && host.Node.Controller.IsSome));
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Starts a node, again if it was stopped; does not wait until it serves. It looks for the one that has been there for longest.
    /// </summary>
    public async Task<ChronikHost> BeginAsync(
        int id, int expect, TextWriter? progress = null, string? folder = null, params (string Key, string Value)[] more)
    {
        List<(string Key, string Value)> values =
        [
            ("chronik.node-id", $"{id}"),
            ("chronik.data", Path.Combine(_folder, folder ?? $"{id}")),
            ("chronik.kafka.listeners", "[\"127.0.0.1:0\"]"),
            ("chronik.http", "127.0.0.1:0"),
            ("chronik.storage.reserve-bytes", "1 MiB"),
            ("chronik.cluster.bootstrap-expect", $"{expect}"),
            ("chronik.broker.offsets.topic.num.partitions", "4"),
            ("akka.remote.dot-netty.tcp.hostname", "127.0.0.1"),
            ("akka.remote.dot-netty.tcp.port", "0"),
            .. more,
        ];
        if (_hosts is [var seed, ..]) values.Add(("akka.cluster.seed-nodes", $"[\"akka.tcp://chronik@127.0.0.1:{seed.Host.AkkaPort}\"]"));
        var host = await ChronikHost.StartAsync(ChronikOptions.Load(values), progress ?? TextWriter.Null);
        _hosts.Add((id, host));
        return host;
    }

    /// <summary>
    /// Creates a topic. Where a controller is lost on the way, that is said, and the topic is asked for again, as clients do; it may be
    /// there by then.
    /// </summary>
    public static async Task CreateTopicAsync(
        IBrokerNode node, string name, int partitions, short replicas, params IReadOnlyList<KeyValuePair<string, string?>> configs)
    {
        var topic = new NewTopic { Name = name, PartitionCount = partitions, ReplicationFactor = replicas, Configs = configs };
        var isAgain = false;
        await UntilAsync(async () =>
        {
            if (await SubmitAsync(node, new CreateTopics([topic])) is not { } results)
            {
                isAgain = true;
                return false;
            }

            var created = Assert.Single(results);
            if (isAgain && created.Error == KafkaError.TopicAlreadyExists) return node.Metadata.Topics.ContainsKey(name);
            Assert.Equal((KafkaError.None, null), (created.Error, created.Message));
            return true;
        });
    }

    /// <summary>What became of a command; null where clients are told to try again.</summary>
    public static async Task<IReadOnlyList<ItemResult>?> SubmitAsync(IBrokerNode node, MetadataCommand command)
    {
        try
        {
            return await node.SubmitAsync(command, Patience);
        }
        catch (Exception e) when (e is TimeoutException or MetadataAppendException)
        {
            return null;
        }
    }

    /// <summary>Stops a node; what it has on its disk stays.</summary>
    public async Task StopAsync(int id)
    {
        var host = this[id];
        _hosts.Remove((id, host));
        await host.StopAsync();
    }

    public string FolderOf(int id) => Path.Combine(_folder, $"{id}");

    public async ValueTask DisposeAsync()
    {
        foreach (var host in Hosts) await host.StopAsync();
        Directory.Delete(_folder, recursive: true);
    }

    public static Task UntilAsync(Func<bool> condition) => UntilAsync(() => Task.FromResult(condition()));

    /// <summary>Waits for what has no event of its own.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var started = TimeProvider.System.GetTimestamp(); !await condition(); await Task.Delay(20))
            if (TimeProvider.System.GetElapsedTime(started) > Patience) throw new TimeoutException("what was waited for did not come");
    }
}

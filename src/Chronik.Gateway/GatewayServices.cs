using System.Net;
using Akka.Actor;
using Chronik.Gateway.Forwarding;
using Chronik.Gateway.Handlers;
using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Microsoft.Extensions.Logging;

namespace Chronik.Gateway;

/// <summary>What all connections of a node share. Thread-safe.</summary>
public sealed class GatewayServices
{
    /// <summary>Makes the services of one node.</summary>
    /// <param name="node">The node that is served.</param>
    /// <param name="settings">What the operator has set.</param>
    /// <param name="buffers">Where request bodies live; the same pool as the node's, as batches go from the one to the other.</param>
    /// <param name="scheduler">Ends long polls.</param>
    /// <param name="metrics">What is measured.</param>
    /// <param name="log">Where connections say why they were closed.</param>
    /// <param name="time">The clock.</param>
    public GatewayServices(
        IBrokerNode node, GatewaySettings settings, BufferPool buffers, IScheduler scheduler, GatewayMetrics metrics, ILogger log,
        TimeProvider time)
    {
        Node = node;
        Settings = settings;
        Buffers = buffers;
        Scheduler = scheduler;
        Metrics = metrics;
        Log = log;
        Time = time;
        RequestMemory = new MemoryBudget(settings.Limits.EffectiveRequestMemory, BufferPool.BlockBytes(settings.Limits.MaxRequestBytes));
        Forwarding = new ForwardingShare((RequestMemory.Limit - BufferPool.BlockBytes(settings.Limits.MaxRequestBytes)) / 2);
        AnswerMemory = new AnswerMemory(
            settings.Limits.MaxAnswerMemory, settings.Limits.AnswerMemoryGrace, settings.Limits.RequestMemoryPatience, time);
        Sessions = new FetchSessions(settings.Limits, time);
        Apis = new ApiTable(this);
    }

    /// <summary>The node.</summary>
    public IBrokerNode Node { get; }

    /// <summary>What the operator has set.</summary>
    public GatewaySettings Settings { get; }

    /// <summary>The limits.</summary>
    public GatewayLimits Limits => Settings.Limits;

    /// <summary>What is measured.</summary>
    public GatewayMetrics Metrics { get; }

    /// <summary>Bytes of requests that are being received or answered.</summary>
    public long RequestBytesInUse => RequestMemory.InUse;

    /// <summary>How many they may be.</summary>
    public long RequestBytesLimit => RequestMemory.Limit;

    /// <summary>Bytes of large decoded requests and of large answers that have not been sent.</summary>
    public long AnswerBytesInUse => AnswerMemory.InUse;

    /// <summary>Where request bodies live.</summary>
    internal BufferPool Buffers { get; }

    /// <summary>Ends long polls.</summary>
    internal IScheduler Scheduler { get; }

    /// <summary>Where connections say why they were closed.</summary>
    internal ILogger Log { get; }

    /// <summary>The clock.</summary>
    internal TimeProvider Time { get; }

    /// <summary>The memory of all requests.</summary>
    internal MemoryBudget RequestMemory { get; }

    /// <summary>How much of it requests may hold that are passed on.</summary>
    internal ForwardingShare Forwarding { get; }

    /// <summary>The memory of all large decoded requests and large answers.</summary>
    internal AnswerMemory AnswerMemory { get; }

    /// <summary>The fetch sessions.</summary>
    internal FetchSessions Sessions { get; }

    /// <summary>The APIs that are served.</summary>
    internal ApiTable Apis { get; }

    /// <summary>
    /// The brokers of the cluster as a client of <paramref name="connection"/> should see them, this node always among them; those that
    /// serve nobody only if they are asked for.
    /// </summary>
    internal List<BrokerAddress> BrokersFor(KafkaConnection connection, bool includeFenced = false)
    {
        MetadataImage image = Node.Metadata;
        var brokers = new List<BrokerAddress>(Math.Max(1, image.Brokers.Count)) { SelfFor(connection) };
        foreach (BrokerImage broker in image.Brokers.Values)
        {
            if (broker.Id != Node.Id && (Serves(broker) || includeFenced)) brokers.Add(AddressOf(broker));
        }

        brokers.Sort((a, b) => a.Id.Value.CompareTo(b.Id.Value));
        return brokers;
    }

    /// <summary>
    /// Whether clients may be sent to a broker: it is this one, or registered and live, or at least heard of: it may lead. Others are as
    /// good as not there to them.
    /// </summary>
    internal bool IsServing(NodeId id) =>
        id == Node.Id || (Node.Metadata.Brokers.TryGetValue(id, out BrokerImage? broker) && Serves(broker));

    /// <summary>
    /// Where a client of <paramref name="connection"/> reaches a broker; null for a broker that is not known, or serves nobody.
    /// </summary>
    internal BrokerAddress? Find(NodeId id, KafkaConnection connection)
    {
        if (id == Node.Id) return SelfFor(connection);
        return Node.Metadata.Brokers.TryGetValue(id, out BrokerImage? broker) && Serves(broker) ? AddressOf(broker) : null;
    }

    private bool Serves(BrokerImage broker) => broker.IsLive || Node.IsReachable(broker.Id);

    private static BrokerAddress AddressOf(BrokerImage broker) =>
        new(broker.Id, broker.Endpoints[0].Host, broker.Endpoints[0].Port, broker.Rack) { IsFenced = !broker.IsLive };

    // Without a configured address the client is told the one that it reached: that one surely works for it.
    private BrokerAddress SelfFor(KafkaConnection connection)
    {
        var reached = connection.Local as IPEndPoint;
        IPAddress? address = reached?.Address is { IsIPv4MappedToIPv6: true } mapped ? mapped.MapToIPv4() : reached?.Address;
        return new BrokerAddress(
            Node.Id,
            Settings.AdvertisedHost ?? address?.ToString() ?? "localhost",
            Settings.AdvertisedPort ?? reached?.Port ?? 0,
            Settings.Rack);
    }
}

/// <summary>Where a client reaches a broker.</summary>
/// <param name="Id">The broker.</param>
/// <param name="Host">Its host.</param>
/// <param name="Port">Its port.</param>
/// <param name="Rack">Its rack, or null.</param>
internal readonly record struct BrokerAddress(NodeId Id, string Host, int Port, string? Rack)
{
    /// <summary>Whether it was not reachable when the controller last looked.</summary>
    public bool IsFenced { get; init; }
}

using System.Globalization;
using System.Net;
using Akka.Configuration;
using Chronik.Gateway;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Storage;

namespace Chronik.Server.Configuration;

/// <summary>Reads every key of the reference into its place, and refuses what does not fit there.</summary>
internal sealed class OptionsReader(ConfigurationLayers layers)
{
    private const int KiB = 1 << 10;
    private const int MiB = 1 << 20;

    // Kafka's names for what has a key of its own here; DescribeConfigs shows them with that key's value.
    private readonly Dictionary<string, string> _kafkaNames = new(StringComparer.Ordinal);

    public ChronikOptions Read()
    {
        var node = Int("chronik.node-id", 0, int.MaxValue, "node.id", "broker.id");
        var data = Text("chronik.data", "log.dirs");
        var rack = Text("chronik.rack", "broker.rack");
        var advertised = Advertised();
        var cluster = Cluster();
        var options = new ChronikOptions
        {
            NodeId = new NodeId(node),
            Data = data.Length > 0 ? data : throw Wrong("chronik.data", "is a folder"),
            Kafka = Listeners(),
            Http = Listener("chronik.http", layers.Get("chronik.http").Text),
            Gateway = new GatewaySettings
            {
                AdvertisedHost = advertised?.Host,
                AdvertisedPort = advertised?.Port,
                Rack = rack.Length > 0 ? rack : null,
                FollowerReads = FollowerReads(),
                Forward = Switch("chronik.gateway.forward"),
                Limits = Gateway(),
            },
            Storage = new StorageOptions
            {
                DataDirectory = Path.GetFullPath(data),
                AwaitsCluster = cluster is not null,
                ReserveBytes = Size("chronik.storage.reserve-bytes", 0),
                CheckpointBytes = Size("chronik.snapshot.threshold", MiB),
                WalQueueBytes = Size("chronik.storage.wal-queue-bytes", 64 * KiB),
                WalMaxBytes = Size("chronik.storage.wal-max-bytes", 2 * MiB),
            },
            Partitions = new PartitionLimits
            {
                PartitionInflightBytes = Size("chronik.limits.partition-inflight-bytes", MiB),
                PartitionProducers = Int("chronik.limits.partition-producers", 1, int.MaxValue),
                ReadIndexTimeout = Duration("chronik.follower-read.read-index-timeout"),
                ProducerExpiration = Duration("chronik.producer-expiration", "producer.id.expiration.ms"),
                RetentionCheckInterval = Duration("chronik.retention-check-interval"),
                SnapshotRate = Size("chronik.snapshot.rate", 0),
            },
            Groups = Groups(),
            Broker = Broker(),
            Cluster = cluster,
            Balances = Switch("chronik.balancer.enabled"),
            ElectionTimeout = Duration("chronik.raft.election-timeout"),
            Akka = layers.Akka,
        };
        return options with
        {
            Partitions = options.Partitions with
            {
                ReplicaLagMax = BrokerConfigs.OwnDuration(options.Broker, BrokerConfigs.ReplicaLagTimeMaxMs),
            },
        };
    }

    /// <summary>A node is alone unless it is told where others reach it, or whom to join.</summary>
    private ClusterSettings? Cluster()
    {
        const string ExpectKey = "chronik.cluster.bootstrap-expect";
        var akka = layers.Akka;
        var expect = Int(ExpectKey, 0, 1000);
        var host = akka.HasPath(ClusterSettings.HostKey) ? akka.GetString(ClusterSettings.HostKey) : string.Empty;
        IList<string> seeds = akka.HasPath(ClusterSettings.SeedsKey) ? akka.GetStringList(ClusterSettings.SeedsKey) : [];
        if (host.Length == 0)
        {
            return seeds.Count == 0 && expect <= 1
                ? null
                : throw new ChronikStartException(
                    $"{(seeds.Count > 0 ? ClusterSettings.SeedsKey : ExpectKey)} says that there are other nodes, "
                    + $"but not where they reach this one: --akka HOST:PORT, or {ClusterSettings.HostKey} and .port, is needed too");
        }

        var port = akka.HasPath(ClusterSettings.PortKey) ? akka.GetString(ClusterSettings.PortKey) : "2552";
        const string Key = "akka.remote.dot-netty.tcp";
        if (!ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            throw new ChronikStartException($"{Key} = {host}:{port}: is HOST:PORT with a port from 0 to 65535");
        }

        foreach (var seed in seeds)
        {
            if (!Akka.Actor.Address.TryParse(seed, out var address) || address.System != ClusterSettings.SystemName || address.Port is null)
            {
                throw new ChronikStartException(
                    $"{ClusterSettings.SeedsKey} names {seed}, which is not akka.tcp://{ClusterSettings.SystemName}@HOST:PORT");
            }
        }

        return new ClusterSettings
        {
            Listener = new Listener(new IPEndPoint(AddressOf(Key, $"{host}:{port}", host), number), Key, $"{host}:{port}"),
            Seeds = [.. seeds],
            BootstrapExpect = expect > 0 ? expect : Math.Max(1, seeds.Count),
        };
    }

    private GatewayLimits Gateway() => new()
    {
        MaxConnections = Int("chronik.gateway.max-connections", 1, int.MaxValue),
        MaxRequestBytes = (int)Size("chronik.gateway.max-request-bytes", KiB, int.MaxValue, "socket.request.max.bytes"),
        MaxRequestMemory = Size("chronik.gateway.max-request-memory", MiB),
        MaxInFlightBytesPerConnection = (int)Size("chronik.gateway.max-in-flight-bytes-per-connection", KiB, int.MaxValue),
        MaxInFlightRequestsPerConnection = Int("chronik.gateway.max-in-flight-requests-per-connection", 1, int.MaxValue),
        MaxIdle = Duration("chronik.gateway.max-idle", "connections.max.idle.ms"),
        MaxFetchBytes = (int)Size("chronik.gateway.max-fetch-bytes", KiB, int.MaxValue, "fetch.max.bytes"),
        FollowerFetchWait = Duration("chronik.follower-read.max-wait"),
        FetchSessions = Int("chronik.gateway.fetch-sessions", 0, int.MaxValue, "max.incremental.fetch.session.cache.slots"),
        AdminTimeout = Duration("chronik.gateway.admin-timeout"),
    };

    private FollowerReadPolicy FollowerReads()
    {
        const string Key = "chronik.follower-read.policy";
        FollowerReadPolicy policy = Text(Key) switch
        {
            "safe" => FollowerReadPolicy.Safe,
            "unsafe" => FollowerReadPolicy.Unsafe,
            "none" => FollowerReadPolicy.None,
            _ => throw Wrong(Key, "is safe, unsafe or none"),
        };
        return Switch("chronik.follower-read.enabled") ? policy : FollowerReadPolicy.None;
    }

    private GroupLimits Groups()
    {
        var limits = new GroupLimits
        {
            InitialRebalanceDelayMs = Milliseconds("chronik.groups.initial-rebalance-delay", "group.initial.rebalance.delay.ms"),
            SessionTimeoutMinMs = Milliseconds("chronik.groups.session-timeout-min", "group.min.session.timeout.ms"),
            SessionTimeoutMaxMs = Milliseconds("chronik.groups.session-timeout-max", "group.max.session.timeout.ms"),
            GroupSizeMax = Int("chronik.groups.max-size", 1, int.MaxValue, "group.max.size"),
            Memory = new GroupMemory(Size(GroupMemory.Key, MiB)),
            OffsetsRetentionMs = (long)Duration("chronik.groups.offsets-retention").TotalMilliseconds,
        };
        _kafkaNames["offsets.retention.minutes"] = Number(Math.Max(1, limits.OffsetsRetentionMs / 60_000));
        return limits.SessionTimeoutMinMs <= limits.SessionTimeoutMaxMs
            ? limits
            : throw Wrong("chronik.groups.session-timeout-min", "must not be above chronik.groups.session-timeout-max");
    }

    private BrokerSettings Broker()
    {
        var settings = new Dictionary<string, string>(_kafkaNames, StringComparer.Ordinal);
        foreach (var (name, entry) in layers.SaidBelow(ConfigurationLayers.BrokerSection))
        {
            var key = $"{ConfigurationLayers.BrokerSection}.{name}";
            if (_kafkaNames.ContainsKey(name) || name is "listeners" or "advertised.listeners")
            {
                throw new ChronikStartException($"{entry.Place}: {key} = {entry.Text}: has a key of its own, see reference.conf");
            }

            if (BrokerConfigs.Find(name) is null)
            {
                var nearest = Nearest.To(name, BrokerConfigs.Keys.Select(k => k.Name));
                throw new ChronikStartException(
                    $"{entry.Place}: there is no key {key} (= {entry.Text}); did you mean {ConfigurationLayers.BrokerSection}.{nearest}?");
            }

            try
            {
                _ = new BrokerSettings([new(name, entry.Text)]);
            }
            catch (ArgumentException e)
            {
                throw new ChronikStartException($"{entry.Place}: {key} = {entry.Text}: {e.Message.ReplaceLineEndings(" ")}", e);
            }

            settings[name] = entry.Text;
        }

        return new BrokerSettings(settings)
        {
            MaxPartitionsPerBroker = Int("chronik.limits.partitions-per-broker", 1, int.MaxValue),
        };
    }

    private IReadOnlyList<Listener> Listeners()
    {
        const string Key = "chronik.kafka.listeners";
        var entry = layers.Get(Key);
        if (!entry.Value.IsArray() || entry.Value.GetArray().Count == 0)
        {
            throw Wrong(Key, "is a list of HOST:PORT with at least one");
        }

        var listeners = entry.Value.GetArray().Select(v => Listener(Key, v.GetString())).ToList();
        _kafkaNames["listeners"] = string.Join(',', listeners.Select(l => "PLAINTEXT://" + l.Text));
        return listeners;
    }

    private Listener Listener(string key, string text)
    {
        var (host, port) = HostAndPort(key, text, 0);
        return new Listener(new IPEndPoint(AddressOf(key, text, host), port), key, text);
    }

    private static IPAddress AddressOf(string key, string text, string host) => host switch
    {
        "" or "*" => IPAddress.Any,
        "localhost" => IPAddress.Loopback,
        _ when IPAddress.TryParse(host, out var parsed) => parsed,
        _ => Resolve(key, text, host),
    };

    private (string Host, int Port)? Advertised()
    {
        const string Key = "chronik.kafka.advertise";
        var text = Text(Key);
        if (text.Length == 0)
        {
            return null;
        }

        _kafkaNames["advertised.listeners"] = "PLAINTEXT://" + text;
        var (host, port) = HostAndPort(Key, text, 1);
        return host.Length > 0 ? (host, port) : throw Wrong(Key, "is HOST:PORT");
    }

    private (string Host, int Port) HostAndPort(string key, string text, int portMin)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0
            || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port < portMin)
        {
            throw Wrong(key, $"{text} is not HOST:PORT with a port from {portMin} to 65535");
        }

        return (text[..colon].TrimStart('[').TrimEnd(']'), port);
    }

    private static IPAddress Resolve(string key, string text, string host)
    {
        try
        {
            return Dns.GetHostAddresses(host).FirstOrDefault()
                ?? throw new ChronikStartException($"{key} = {text}: the host has no address");
        }
        catch (System.Net.Sockets.SocketException e)
        {
            throw new ChronikStartException($"{key} = {text}: {e.Message}", e);
        }
    }

    private string Text(string key, string? kafkaName = null)
    {
        var text = layers.Get(key).Value.GetString() ?? throw Wrong(key, "is a text");
        if (kafkaName is not null)
        {
            _kafkaNames[kafkaName] = text;
        }

        return text;
    }

    private bool Switch(string key) => layers.Get(key).Text switch
    {
        "true" or "on" or "yes" => true,
        "false" or "off" or "no" => false,
        _ => throw Wrong(key, "is true or false"),
    };

    private int Int(string key, int min, int max, params string[] kafkaNames)
    {
        var text = layers.Get(key).Text;
        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) || value < min || value > max)
        {
            throw Wrong(key, max == int.MaxValue ? $"is a whole number from {min}" : $"is a whole number from {min} to {max}");
        }

        return Named(value, kafkaNames);
    }

    private long Size(string key, long min, long max = long.MaxValue, params string[] kafkaNames)
    {
        long? value = null;
        try
        {
            value = layers.Get(key).Value.GetByteSize();
        }
        catch (Exception e) when (e is FormatException or OverflowException or ConfigurationException)
        {
            // Said below, in the words of all keys.
        }

        var most = max == long.MaxValue ? string.Empty : $" and at most {max}";
        return value >= min && value <= max
            ? Named(value.Value, kafkaNames)
            : throw Wrong(key, $"is a size such as 64 MiB, at least {min}{most} bytes");
    }

    private TimeSpan Duration(string key, params string[] kafkaNames)
    {
        try
        {
            var value = layers.Get(key).Value.GetTimeSpan(allowInfinite: false);
            _ = value > TimeSpan.Zero && value.TotalMilliseconds <= int.MaxValue
                ? Named((long)value.TotalMilliseconds, kafkaNames)
                : throw new FormatException();
            return value;
        }
        catch (Exception e) when (e is FormatException or OverflowException or ConfigurationException)
        {
            throw Wrong(key, "is a duration such as 500 ms, 10 s or 5 m, longer than nothing and shorter than 24 days");
        }
    }

    private int Milliseconds(string key, string kafkaName) => layers.Get(key).Text.Trim() is "0" or "0s" or "0 s" or "0 ms"
        ? (int)Named(0L, [kafkaName])
        : (int)Duration(key, kafkaName).TotalMilliseconds;

    private T Named<T>(T value, string[] kafkaNames)
        where T : IFormattable
    {
        foreach (var name in kafkaNames)
        {
            _kafkaNames[name] = Number(value);
        }

        return value;
    }

    private static string Number<T>(T value)
        where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);

    private ChronikStartException Wrong(string key, string what)
    {
        var entry = layers.Get(key);
        return new ChronikStartException($"{entry.Place}: {key} = {entry.Text}: {what}");
    }
}

using Akka.Configuration;

namespace Akka.Remote;

/// <summary>What is read from akka.remote.</summary>
internal sealed class RemoteSettings
{
    public RemoteSettings(Config config)
    {
        Config remote = config.GetConfig("akka.remote");
        Config tcp = remote.GetConfig("dot-netty.tcp");
        string hostname = tcp.GetString("hostname", string.Empty);
        Hostname = string.IsNullOrWhiteSpace(hostname) ? "0.0.0.0" : hostname;
        Port = PortOf(tcp, "port");
        string publicHostname = tcp.GetString("public-hostname", string.Empty);
        PublicHostname = string.IsNullOrWhiteSpace(publicHostname) ? Hostname : publicHostname;
        PublicPort = PortOf(tcp, "public-port");
        MaximumFrameSize = checked((int)Bytes(tcp, "maximum-frame-size", 32000, int.MaxValue / 2));
        SendBufferSize = (int)Bytes(tcp, "send-buffer-size", 0, int.MaxValue);
        ReceiveBufferSize = (int)Bytes(tcp, "receive-buffer-size", 0, int.MaxValue);
        Backlog = tcp.GetInt("backlog", 4096);
        NoDelay = tcp.GetBoolean("tcp-nodelay", true);
        ConnectionTimeout = tcp.GetTimeSpan("connection-timeout", TimeSpan.FromSeconds(15));
        HandshakeTimeout = remote.GetTimeSpan("handshake-timeout", TimeSpan.FromSeconds(15));
        RetryGateClosedFor = remote.GetTimeSpan("retry-gate-closed-for", TimeSpan.FromSeconds(5));
        FlushWait = remote.GetTimeSpan("flush-wait-on-shutdown", TimeSpan.FromSeconds(2));
        LogLifecycleEvents = remote.GetBoolean("log-remote-lifecycle-events", true);
        Dispatcher = remote.GetString("use-dispatcher", string.Empty);
        SystemMessageBufferSize = remote.GetInt("system-message-buffer-size", 20000);
        SystemMessageTimeout = remote.GetTimeSpan("initial-system-message-delivery-timeout", TimeSpan.FromMinutes(3));
        SendQueueSize = Bytes(remote, "send-queue-size", 1, long.MaxValue);
        LargeMessageDestinations = new PathPatterns(remote.GetStringList("large-message-destinations"));
        Config transport = remote.GetConfig("transport-failure-detector");
        TransportHeartbeatInterval = transport.GetTimeSpan("heartbeat-interval", TimeSpan.FromSeconds(4));
        TransportAcceptablePause = transport.GetTimeSpan("acceptable-heartbeat-pause", TimeSpan.FromSeconds(120));
        WatchFailureDetectorConfig = remote.GetConfig("watch-failure-detector");
        WatchFailureDetectorClass = WatchFailureDetectorConfig.GetString("implementation-class", null);
        WatchHeartbeatInterval = WatchFailureDetectorConfig.GetTimeSpan("heartbeat-interval", TimeSpan.FromSeconds(1));
        WatchReaperInterval = WatchFailureDetectorConfig.GetTimeSpan("unreachable-nodes-reaper-interval", TimeSpan.FromSeconds(1));
        WatchExpectedResponseAfter = WatchFailureDetectorConfig.GetTimeSpan("expected-response-after", TimeSpan.FromSeconds(1));
    }

    public string Hostname { get; }

    public int Port { get; }

    public string PublicHostname { get; }

    /// <summary>0 for the port of the socket.</summary>
    public int PublicPort { get; }

    public int MaximumFrameSize { get; }

    public int SendBufferSize { get; }

    public int ReceiveBufferSize { get; }

    public int Backlog { get; }

    public bool NoDelay { get; }

    public TimeSpan ConnectionTimeout { get; }

    public TimeSpan HandshakeTimeout { get; }

    public TimeSpan RetryGateClosedFor { get; }

    public TimeSpan FlushWait { get; }

    public bool LogLifecycleEvents { get; }

    public string Dispatcher { get; }

    public int SystemMessageBufferSize { get; }

    public TimeSpan SystemMessageTimeout { get; }

    /// <summary>Bytes that may wait for one lane of one association.</summary>
    public long SendQueueSize { get; }

    public PathPatterns LargeMessageDestinations { get; }

    public TimeSpan TransportHeartbeatInterval { get; }

    public TimeSpan TransportAcceptablePause { get; }

    public Config WatchFailureDetectorConfig { get; }

    public string WatchFailureDetectorClass { get; }

    public TimeSpan WatchHeartbeatInterval { get; }

    public TimeSpan WatchReaperInterval { get; }

    public TimeSpan WatchExpectedResponseAfter { get; }

    private static int PortOf(Config tcp, string key)
    {
        int port = tcp.GetInt(key, 0);
        return port is >= 0 and <= 65535
            ? port : throw new ConfigurationException($"akka.remote.dot-netty.tcp.{key} = {port} is no port.");
    }

    private static long Bytes(Config config, string key, long least, long most)
    {
        long value = config.GetByteSize(key) ?? 0;
        return value >= least && value <= most
            ? value : throw new ConfigurationException($"{key} = {value} bytes is not between {least} and {most}.");
    }
}

/// <summary>Patterns of paths: * stands for any part of one element, a last element ** for one or more further ones.</summary>
internal sealed class PathPatterns
{
    private readonly string[][] _patterns;

    public PathPatterns(IEnumerable<string> patterns) =>
        _patterns = [.. patterns.Select(static p => p.Split('/', StringSplitOptions.RemoveEmptyEntries))];

    public bool IsEmpty => _patterns.Length == 0;

    public bool Match(IReadOnlyList<string> path)
    {
        foreach (string[] pattern in _patterns)
        {
            if (Match(pattern, path))
                return true;
        }

        return false;
    }

    private static bool Match(string[] pattern, IReadOnlyList<string> path)
    {
        bool open = pattern is [.., "**"];
        int fixedLength = open ? pattern.Length - 1 : pattern.Length;
        if (open ? path.Count <= fixedLength : path.Count != fixedLength)
            return false;
        for (int i = 0; i < fixedLength; i++)
        {
            if (!System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern[i], path[i], ignoreCase: false))
                return false;
        }

        return true;
    }
}

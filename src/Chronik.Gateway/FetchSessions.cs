using System.Security.Cryptography;
using Chronik.Model;

namespace Chronik.Gateway;

/// <summary>A partition in a fetch session: by name up to version 12 of Fetch, by topic id from 13 on.</summary>
/// <param name="Name">The topic's name; empty when it is named by its id.</param>
/// <param name="Id">The topic's id, or none.</param>
/// <param name="Partition">The partition's number.</param>
internal readonly record struct FetchKey(string Name, TopicId Id, int Partition);

/// <summary>What a client wants of one partition, and inside a session what it was told last.</summary>
internal sealed class FetchItem(FetchKey key)
{
    /// <summary>Which partition.</summary>
    public FetchKey Key { get; } = key;

    /// <summary>From where on.</summary>
    public KafkaOffset Offset { get; set; }

    /// <summary>How many bytes at most, unless one batch is larger.</summary>
    public int MaxBytes { get; set; }

    /// <summary>The leader epoch that the client believes in; -1 for none.</summary>
    public int CurrentLeaderEpoch { get; set; } = -1;

    /// <summary>The epoch of the last record that the client has; -1 for none.</summary>
    public int LastFetchedEpoch { get; set; } = -1;

    /// <summary>The high watermark in the session's last response that had one.</summary>
    public KafkaOffset ToldHighWatermark { get; set; } = KafkaOffset.Unknown;

    /// <summary>The log start in the session's last response that had one.</summary>
    public KafkaOffset ToldLogStart { get; set; } = KafkaOffset.Unknown;
}

/// <summary>A fetch session (KIP-227): the node remembers what a client fetches, the client sends only what changes.</summary>
/// <remarks>Whoever uses it holds its lock. A client that uses one session on two connections gets an error.</remarks>
internal sealed class FetchSession(int id, bool usesTopicIds)
{
    private readonly Dictionary<FetchKey, LinkedListNode<FetchItem>> _byKey = [];
    private readonly LinkedList<FetchItem> _order = new();

    /// <summary>Guards the session.</summary>
    public Lock Gate { get; } = new();

    /// <summary>The session's number; never 0.</summary>
    public int Id { get; } = id;

    /// <summary>Whether its partitions are named by topic id; a session never mixes the two.</summary>
    public bool UsesTopicIds { get; } = usesTopicIds;

    /// <summary>What the next request's epoch must be.</summary>
    public int NextEpoch { get; private set; } = 1;

    /// <summary>When it was last used, in milliseconds of the node's monotonic clock.</summary>
    public long LastUsedMs { get; set; }

    /// <summary>How many partitions it holds.</summary>
    public int Count => _order.Count;

    /// <summary>The partitions; those that had data last are at the end, so that none starves.</summary>
    public IEnumerable<FetchItem> Items => _order;

    /// <summary>Adds a partition, or finds it.</summary>
    public FetchItem Upsert(FetchKey key)
    {
        if (_byKey.TryGetValue(key, out LinkedListNode<FetchItem>? node)) return node.Value;
        var item = new FetchItem(key);
        _byKey.Add(key, _order.AddLast(item));
        return item;
    }

    /// <summary>Takes a partition out.</summary>
    public void Forget(FetchKey key)
    {
        if (_byKey.Remove(key, out LinkedListNode<FetchItem>? node)) _order.Remove(node);
    }

    /// <summary>Puts a partition that had data behind the others.</summary>
    public void MoveToEnd(FetchItem item)
    {
        if (!_byKey.TryGetValue(item.Key, out LinkedListNode<FetchItem>? node)) return;
        _order.Remove(node);
        _order.AddLast(node);
    }

    /// <summary>The epoch after the one that was used; wraps to 1, because 0 opens a session.</summary>
    public void Advance() => NextEpoch = NextEpoch == int.MaxValue ? 1 : NextEpoch + 1;
}

/// <summary>
/// The fetch sessions of the node, bounded in number; at the bound one that has not been used for long makes room. Thread-safe.
/// </summary>
internal sealed class FetchSessions(GatewayLimits limits, TimeProvider time)
{
    private static readonly TimeSpan EvictableAfter = TimeSpan.FromMinutes(2);

    private readonly Lock _lock = new();
    private readonly Dictionary<int, FetchSession> _sessions = [];

    /// <summary>How many there are.</summary>
    public int Count
    {
        get
        {
            lock (_lock) return _sessions.Count;
        }
    }

    /// <summary>Opens a session; null when there is no room, or too much for one session. Then the client is served without.</summary>
    public FetchSession? Open(int partitions, bool usesTopicIds)
    {
        if (partitions == 0 || partitions > limits.FetchSessionPartitions) return null;
        lock (_lock)
        {
            if (_sessions.Count >= limits.FetchSessions && !EvictOldest()) return null;
            int id;
            do id = RandomNumberGenerator.GetInt32(1, int.MaxValue);
            while (_sessions.ContainsKey(id));
            var session = new FetchSession(id, usesTopicIds) { LastUsedMs = NowMs };
            _sessions.Add(id, session);
            return session;
        }
    }

    /// <summary>Finds a session and notes that it is in use.</summary>
    public FetchSession? Use(int id)
    {
        lock (_lock)
        {
            if (!_sessions.TryGetValue(id, out FetchSession? session)) return null;
            session.LastUsedMs = NowMs;
            return session;
        }
    }

    /// <summary>Closes a session; nothing happens when it is not there.</summary>
    public void Close(int id)
    {
        lock (_lock) _sessions.Remove(id);
    }

    private long NowMs => time.GetTimestamp() / (time.TimestampFrequency / 1000);

    private bool EvictOldest()
    {
        FetchSession? oldest = null;
        foreach (FetchSession session in _sessions.Values)
            if (oldest is null || session.LastUsedMs < oldest.LastUsedMs) oldest = session;
        if (oldest is null || NowMs - oldest.LastUsedMs < EvictableAfter.TotalMilliseconds) return false;
        return _sessions.Remove(oldest.Id);
    }
}

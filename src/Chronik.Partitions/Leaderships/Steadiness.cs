using Chronik.Model;

namespace Chronik.Partitions.Leaderships;

/// <summary>
/// Which other nodes have been there for long enough to be given leaderships again. A node that comes and goes has to stay for longer each
/// time, so that clients are not sent after it. Not thread-safe.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="first">How long a node must have been there that is new, or was away once.</param>
/// <param name="longest">
/// The wait doubles with each time that a node is lost, up to this; whoever stays for so long has a clean record.
/// </param>
internal sealed class Steadiness(TimeProvider time, TimeSpan first, TimeSpan longest)
{
    private readonly Dictionary<NodeId, Record> _nodes = [];

    /// <summary>A node is heard of, or lost.</summary>
    public void Seen(NodeId node, bool isAlive)
    {
        Record before = _nodes.GetValueOrDefault(node);
        bool isClean = IsThere(before, longest);
        int losses = isClean ? 0 : before.Losses;
        _nodes[node] = isAlive ? new Record(time.GetTimestamp(), losses) : new Record(null, losses + 1);
    }

    /// <summary>A node is there now; when it was not known, its time begins.</summary>
    public void Meet(NodeId node)
    {
        if (!_nodes.ContainsKey(node)) Seen(node, isAlive: true);
    }

    /// <summary>Whether a node has been there for as long as its record asks for.</summary>
    public bool IsSteady(NodeId node) => _nodes.TryGetValue(node, out Record record) && IsThere(record, WaitAfter(record.Losses));

    /// <summary>How long a node must stay that was lost so many times.</summary>
    private TimeSpan WaitAfter(int losses)
    {
        TimeSpan wait = first;
        for (int i = 1; i < losses && wait < longest; i++) wait *= 2;
        return wait < longest ? wait : longest;
    }

    private bool IsThere(Record record, TimeSpan duration) => record.Since is { } since && time.GetElapsedTime(since) >= duration;

    private readonly record struct Record(long? Since, int Losses);
}

using System.Collections.Concurrent;

namespace Chronik.Cluster.Tests.Work;

/// <summary>What the members of a group must agree on. Thread-safe.</summary>
internal sealed class Ledger(Findings findings)
{
    private readonly ConcurrentDictionary<int, long> _committed = new();
    private readonly ConcurrentDictionary<(int Generation, int Partition), string> _owners = new();

    /// <summary>The highest commit of a partition that was acknowledged; -1 when none was.</summary>
    public long Committed(int partition) => _committed.GetValueOrDefault(partition, -1);

    /// <summary>A commit was acknowledged.</summary>
    public void NoteCommit(int partition, long offset) =>
        _committed.AddOrUpdate(partition, offset, (_, before) => Math.Max(before, offset));

    /// <summary>A member was assigned a partition in a generation.</summary>
    public void NoteOwner(int generation, int partition, string member)
    {
        string owner = _owners.GetOrAdd((generation, partition), member);
        if (owner != member) findings.Add($"partition {partition} has two owners in generation {generation}: {owner} and {member}");
    }
}

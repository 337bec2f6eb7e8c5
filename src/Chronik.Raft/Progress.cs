using Chronik.Model;

namespace Chronik.Raft;

/// <summary>What a member knows of another one: its vote while it stands, how far its log has come while it leads.</summary>
/// <remarks>
/// <code>
///            refused, lost, stalled                   entries below FirstIndex needed
///   Replicate -----------------------> Probe ------------------------------------------> Snapshot
///       ^                              |   ^                                                |
///       |--- acknowledged -------------|   |------ sent, failed, lost ---------------------|
/// </code>
/// Invariant: Match &lt; Next.
/// </remarks>
internal sealed class Progress(NodeId id)
{
    private Inflight[] _inflight = [];
    private int _head;
    private long _inflightBytes;

    public NodeId Id { get; } = id;

    /// <summary>Its answer in the present election: true, false, or none yet.</summary>
    public bool? Vote { get; set; }

    /// <summary>The last entry that it holds durably. Only ever grows within a term, unless the member lost what it held.</summary>
    public LogIndex Match { get; set; }

    /// <summary>The next entry to send.</summary>
    public LogIndex Next { get; set; } = LogIndex.Zero.Next;

    public ReplicationState State { get; private set; }

    /// <summary>A probe, or entries that had to be read from disk, are under way: nothing else is sent until they are answered.</summary>
    public bool AwaitsReply { get; private set; }

    /// <summary>Since when there was no progress although something is under way.</summary>
    public long WaitingSince { get; private set; }

    /// <summary>The latest round that it answered in this term.</summary>
    public ulong Round { get; set; }

    /// <summary>When it last answered in this term.</summary>
    public long HeardAt { get; set; }

    public KafkaOffset NextOffset { get; set; } = KafkaOffset.Unknown;

    /// <summary>How far it was told that entries are committed.</summary>
    public LogIndex SentCommit { get; set; }

    /// <summary>Whether its node cannot be reached, and since when.</summary>
    public bool IsLost { get; set; }

    public long LostAt { get; set; }

    /// <summary>Whether it lost its disk: its acknowledgements count for nothing.</summary>
    public bool IsRecovering { get; set; }

    /// <summary>Which of its lives recovers.</summary>
    public LogIndex Life { get; set; }

    /// <summary>The first round that the other voters must have answered before it may vote again.</summary>
    public ulong RecoveryRound { get; set; }

    /// <summary>
    /// The last entry that its earlier life may have acknowledged to this leader. What was committed with its help lies at or before it.
    /// </summary>
    public LogIndex RecoveryMark { get; set; }

    /// <summary>Every message tells it that it may vote.</summary>
    public bool IsInvited { get; set; }

    /// <summary>
    /// The round in which that began; 0 before. Whoever answers such a message has recovered, unless it lost its disk once more.
    /// </summary>
    public ulong InvitedRound { get; set; }

    public int InflightCount { get; private set; }

    public bool IsIdle => InflightCount == 0 && !AwaitsReply;

    /// <summary>A term of leadership begins, or this member joins one.</summary>
    public void Restart(LogIndex next, long now)
    {
        Match = LogIndex.Zero;
        Round = 0;
        HeardAt = now;
        SentCommit = LogIndex.Zero;
        NextOffset = KafkaOffset.Unknown;
        IsRecovering = false;
        RecoveryRound = 0;
        RecoveryMark = LogIndex.Zero;
        IsInvited = false;
        InvitedRound = 0;
        Probe(next);
    }

    public void Probe(LogIndex next)
    {
        State = ReplicationState.Probe;
        Next = next;
        Forget();
    }

    public void Replicate()
    {
        State = ReplicationState.Replicate;
        Next = Match.Next;
        Forget();
    }

    public void AwaitSnapshot()
    {
        State = ReplicationState.Snapshot;
        Forget();
    }

    public bool HasRoom(int messages, long bytes) => InflightCount < messages && (InflightCount == 0 || _inflightBytes < bytes);

    /// <summary>Entries up to <paramref name="last"/> leave, and others may follow them.</summary>
    public void Sent(LogIndex last, long bytes, long now)
    {
        if (InflightCount == _inflight.Length) Grow();
        if (InflightCount == 0) WaitingSince = now;
        _inflight[(_head + InflightCount++) & (_inflight.Length - 1)] = new Inflight(last, bytes);
        _inflightBytes += bytes;
        Next = last.Next;
    }

    /// <summary>A message leaves that must be answered before anything follows it.</summary>
    public void SentAlone(long now)
    {
        AwaitsReply = true;
        WaitingSince = now;
    }

    /// <summary>It holds everything up to <paramref name="match"/>.</summary>
    /// <returns>Whether that is news.</returns>
    public bool Acknowledge(LogIndex match, long now)
    {
        if (match <= Match) return false;
        Match = match;
        WaitingSince = now;
        if (match >= Next)
        {
            Next = match.Next;
            AwaitsReply = false;
        }

        while (InflightCount > 0 && _inflight[_head].Last <= match)
        {
            _inflightBytes -= _inflight[_head].Bytes;
            _head = (_head + 1) & (_inflight.Length - 1);
            InflightCount--;
        }

        return true;
    }

    private void Forget()
    {
        AwaitsReply = false;
        InflightCount = 0;
        _inflightBytes = 0;
    }

    private void Grow()
    {
        Inflight[] grown = new Inflight[Math.Max(4, _inflight.Length * 2)];
        for (int i = 0; i < InflightCount; i++) grown[i] = _inflight[(_head + i) & (_inflight.Length - 1)];
        _inflight = grown;
        _head = 0;
    }

    private readonly record struct Inflight(LogIndex Last, long Bytes);
}

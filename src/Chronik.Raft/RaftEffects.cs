using Chronik.Model;

namespace Chronik.Raft;

/// <summary>A linearizable read may go ahead once everything up to <paramref name="Index"/> is applied here.</summary>
/// <param name="Id">The number that <see cref="RaftInput.ReadIndex"/> gave it.</param>
/// <param name="Index">What must be applied first.</param>
public readonly record struct ReadGrant(ulong Id, LogIndex Index);

/// <summary>What the shell must do after a step. Owned and reused by the shell, which calls <see cref="Clear"/> before each step.</summary>
/// <remarks>
/// Of one step: hard state, truncation and entries form one disk write, in that order. <see cref="Messages"/> need not wait for it;
/// <see cref="AfterWrite"/> must. Disk writes become durable in the order of their numbers.
/// </remarks>
public sealed class RaftEffects
{
    private const int KeptEntries = 4096;

    /// <summary>The hard state to make durable in this step's disk write, ahead of everything else.</summary>
    public HardState? HardState { get; internal set; }

    /// <summary>
    /// The first entry that no longer holds: entries from there on are forgotten before those of <see cref="Append"/> are added. The
    /// shell drops what it holds for them; none of them was committed.
    /// </summary>
    public LogIndex? TruncateFrom { get; internal set; }

    /// <summary>The entries of this step's disk write, in order.</summary>
    public List<LogEntry> Append { get; } = [];

    /// <summary>Whether this step asks for a disk write.</summary>
    public bool HasWrite => HardState.HasValue || TruncateFrom.HasValue || Append.Count > 0;

    /// <summary>
    /// The number of this step's disk write; they count up from 1 without gaps. When the step has none, the number of the latest write
    /// before it.
    /// </summary>
    public ulong WriteNumber { get; internal set; }

    /// <summary>What may leave now.</summary>
    public List<RaftMessage> Messages { get; } = [];

    /// <summary>What may leave only once the write <see cref="WriteNumber"/> is durable.</summary>
    public List<RaftMessage> AfterWrite { get; } = [];

    /// <summary>
    /// The entries that this step committed, in order, to be applied and then reported by <see cref="RaftCore.Applied"/>. Each entry
    /// is handed out once in the life of a <see cref="RaftCore"/>. On a follower they need not be durable yet.
    /// </summary>
    public List<LogEntry> Committed { get; } = [];

    /// <summary>Reads that may go ahead once their index is applied.</summary>
    public List<ReadGrant> ReadsGranted { get; } = [];

    /// <summary>Reads that could not be confirmed; the reader may try again.</summary>
    public List<ulong> ReadsRefused { get; } = [];

    /// <summary>
    /// Peers that need entries from below <see cref="RaftCore.FirstIndex"/>: the shell sends each a snapshot and answers with
    /// <see cref="RaftInput.SnapshotSent"/>, whatever becomes of it.
    /// </summary>
    public List<NodeId> SnapshotsNeeded { get; } = [];

    /// <summary>Whether role, term or leader changed.</summary>
    public bool RoleChanged { get; internal set; }

    /// <summary>Whether <see cref="RaftCore.Membership"/> changed: by an entry, a truncated entry or a snapshot.</summary>
    public bool MembershipChanged { get; internal set; }

    /// <summary>
    /// Whether the proposal, transfer or membership change was refused: this member does not lead, leadership is being handed over, or
    /// another change is under way. Nothing of it was appended or kept.
    /// </summary>
    public bool ProposalRefused { get; internal set; }

    /// <summary>Whether this member may vote again. Once this step's write is durable it need not be told so after a restart.</summary>
    public bool Recovered { get; internal set; }

    /// <summary>Whether <see cref="RaftCore.IsAsleep"/> changed: ticks are needed from now on, or no longer.</summary>
    public bool AwakeChanged { get; internal set; }

    /// <summary>Forgets everything, for the next step.</summary>
    public void Clear()
    {
        HardState = null;
        TruncateFrom = null;
        WriteNumber = 0;
        Append.Clear();
        Messages.Clear();
        AfterWrite.Clear();
        Committed.Clear();
        if (Committed.Capacity > KeptEntries) Committed.Capacity = 0; // A restart made it as large as the log behind the checkpoint.
        ReadsGranted.Clear();
        ReadsRefused.Clear();
        SnapshotsNeeded.Clear();
        RoleChanged = false;
        MembershipChanged = false;
        ProposalRefused = false;
        Recovered = false;
        AwakeChanged = false;
    }
}

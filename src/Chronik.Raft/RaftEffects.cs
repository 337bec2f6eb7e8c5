using Chronik.Model;

namespace Chronik.Raft;

/// <summary>What the shell must do after a step. Owned and reused by the shell, which calls <see cref="Clear"/> before each step.</summary>
public sealed class RaftEffects
{
    private const int KeptEntries = 4096;

    /// <summary>The hard state to make durable in this step's disk write, ahead of its entries.</summary>
    public HardState? HardState { get; internal set; }

    /// <summary>The entries of this step's disk write, in order.</summary>
    public List<LogEntry> Append { get; } = [];

    /// <summary>Whether this step asks for a disk write.</summary>
    public bool HasWrite => HardState.HasValue || Append.Count > 0;

    /// <summary>
    /// The entries that this step committed, in order, to be applied and then reported by <see cref="RaftCore.Applied"/>. Each entry
    /// is handed out once in the life of a <see cref="RaftCore"/>.
    /// </summary>
    public List<LogEntry> Committed { get; } = [];

    /// <summary>Whether role, term or leader changed.</summary>
    public bool RoleChanged { get; internal set; }

    /// <summary>Whether the proposal was refused because this node does not lead. Nothing of it was appended or kept.</summary>
    public bool ProposalRefused { get; internal set; }

    /// <summary>Forgets everything, for the next step.</summary>
    public void Clear()
    {
        HardState = null;
        Append.Clear();
        Committed.Clear();
        if (Committed.Capacity > KeptEntries) Committed.Capacity = 0; // A restart made it as large as the log behind the checkpoint.
        RoleChanged = false;
        ProposalRefused = false;
    }
}

using Chronik.Model;

namespace Chronik.Raft;

/// <summary>An entry that the leader is asked to append. Its index and term are assigned by the core.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="NextOffset">The partition's log end offset after it: greater than before for a batch, otherwise as before.</param>
/// <param name="Payload">Its bytes; the shell holds the reference until the entry was applied or truncated.</param>
public readonly record struct ProposedEntry(EntryKind Kind, KafkaOffset NextOffset, BufferSlice Payload);

/// <summary>One thing that happened to a group.</summary>
public readonly struct RaftInput
{
    private RaftInput(InputKind kind) => Kind = kind;

    internal enum InputKind : byte
    {
        Tick,
        Propose,
        DiskDone,
        Receive,
        ReadIndex,
        TransferTo,
        ChangeMembership,
        SnapshotSent,
        Installing,
        Installed,
        PeerLost,
        PeerBack,
        Wake,
    }

    internal InputKind Kind { get; }

    internal IReadOnlyList<ProposedEntry>? Proposals { get; private init; }

    internal RaftMessage Message { get; private init; }

    internal Membership? Membership { get; private init; }

    internal NodeId Node { get; private init; }

    internal LogIndex Index { get; private init; }

    internal Term Term { get; private init; }

    internal KafkaOffset NextOffset { get; private init; }

    internal ulong Number { get; private init; }

    internal bool Ok { get; private init; }

    /// <summary>
    /// Time went on by one tick. The first one makes a group's only voter stand for election, so the shell gives it at once. A group
    /// that sleeps (<see cref="RaftCore.IsAsleep"/>) needs none.
    /// </summary>
    public static RaftInput Tick() => new(InputKind.Tick);

    /// <summary>Append these. All of them are appended, as one disk write, or none (<see cref="RaftEffects.ProposalRefused"/>).</summary>
    /// <param name="entries">At least one, none of them a membership change; read during the step only.</param>
    public static RaftInput Propose(IReadOnlyList<ProposedEntry> entries) => new(InputKind.Propose) { Proposals = entries };

    /// <summary>Every disk write up to this one is durable. Answers may be left out when a later one follows.</summary>
    /// <param name="writeNumber">The <see cref="RaftEffects.WriteNumber"/> of a step that had a write.</param>
    public static RaftInput DiskDone(ulong writeNumber) => new(InputKind.DiskDone) { Number = writeNumber };

    /// <summary>
    /// A message came. Of the payloads that it carries the core keeps those that it appends (<see cref="RaftEffects.Append"/>): for them
    /// the shell holds a reference until they are applied or truncated.
    /// </summary>
    public static RaftInput Receive(in RaftMessage message) => new(InputKind.Receive) { Message = message };

    /// <summary>
    /// Somebody here wants to read what every write that was acknowledged before has left. Answered, later maybe, in
    /// <see cref="RaftEffects.ReadsGranted"/> or <see cref="RaftEffects.ReadsRefused"/>; any member may ask.
    /// </summary>
    /// <param name="id">The shell's number for the read.</param>
    public static RaftInput ReadIndex(ulong id) => new(InputKind.ReadIndex) { Number = id };

    /// <summary>
    /// To a leader: hand leadership to that voter (thesis, 3.10). What was appended is committed first. Proposals are refused only once
    /// the voter has nearly everything (<see cref="RaftCore.IsHandingOver"/>), and for half an election timeout at most; a transfer that
    /// has not succeeded by then is given up. Refused (<see cref="RaftEffects.ProposalRefused"/>) unless this member leads, the other can,
    /// and none is as far already.
    /// </summary>
    /// <param name="target">The voter; <see cref="NodeId.None"/>: whichever voter holds most.</param>
    public static RaftInput TransferTo(NodeId target) => new(InputKind.TransferTo) { Node = target };

    /// <summary>
    /// To a leader: make these the members. The core goes through the joint state and leaves it by itself (thesis, 4.3); learners alone
    /// need none. Refused (<see cref="RaftEffects.ProposalRefused"/>) while another change is under way, before this leader has committed
    /// in its term, and at a member that does not lead. A new voter should have caught up as a learner first.
    /// </summary>
    /// <param name="target">The members to be; not joint.</param>
    public static RaftInput ChangeMembership(Membership target) => new(InputKind.ChangeMembership) { Membership = target };

    /// <summary>A snapshot that <see cref="RaftEffects.SnapshotsNeeded"/> asked for was installed by its receiver, or was not.</summary>
    public static RaftInput SnapshotSent(NodeId peer, bool ok) => new(InputKind.SnapshotSent) { Node = peer, Ok = ok };

    /// <summary>
    /// A snapshot is complete, and about to be made durable. What this log holds behind it and contradicts it gives way first: if the step
    /// has a write, the snapshot becomes durable only after that write. Otherwise a restart could find the snapshot, and behind it entries
    /// that never followed it.
    /// </summary>
    /// <param name="index">The last entry that the snapshot covers.</param>
    /// <param name="term">That entry's term.</param>
    public static RaftInput Installing(LogIndex index, Term term) => new(InputKind.Installing) { Index = index, Term = term };

    /// <summary>
    /// This node's state machine was replaced by a snapshot, durably: everything up to <paramref name="index"/> is applied. Ignored
    /// when <see cref="RaftCore.CommitIndex"/> has come as far meanwhile. Comes after <see cref="Installing"/>.
    /// </summary>
    /// <param name="index">The last entry that the snapshot covers.</param>
    /// <param name="term">That entry's term.</param>
    /// <param name="next">The log end offset after that entry.</param>
    /// <param name="membership">The members as of that entry.</param>
    public static RaftInput Installed(LogIndex index, Term term, KafkaOffset next, Membership membership) =>
        new(InputKind.Installed) { Index = index, Term = term, NextOffset = next, Membership = membership };

    /// <summary>
    /// A node cannot be reached any more. If it led this group, its followers stand soon, the preferred ones first; asked for a vote they
    /// no longer insist on it. A leader wakes and checks whether it still has its majority.
    /// </summary>
    public static RaftInput PeerLost(NodeId peer) => new(InputKind.PeerLost) { Node = peer };

    /// <summary>A node that was lost can be reached again.</summary>
    public static RaftInput PeerBack(NodeId peer) => new(InputKind.PeerBack) { Node = peer };

    /// <summary>Do not sleep any longer; a leader speaks to its followers at once.</summary>
    public static RaftInput Wake() => new(InputKind.Wake);
}

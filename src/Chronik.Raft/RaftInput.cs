using Chronik.Model;

namespace Chronik.Raft;

/// <summary>An entry that the leader is asked to append. Its index and term are assigned by the core.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="NextOffset">The partition's log end offset after it: greater than before for a batch, otherwise as before.</param>
/// <param name="Payload">Its bytes; the shell holds the reference until the entry was applied.</param>
public readonly record struct ProposedEntry(EntryKind Kind, KafkaOffset NextOffset, BufferSlice Payload);

/// <summary>One thing that happened to a group.</summary>
public readonly struct RaftInput
{
    internal enum InputKind : byte
    {
        Tick,
        Propose,
        DiskDone,
    }

    private RaftInput(InputKind kind, IReadOnlyList<ProposedEntry>? proposals, LogIndex index, Term term)
    {
        Kind = kind;
        Proposals = proposals;
        Index = index;
        Term = term;
    }

    internal InputKind Kind { get; }

    internal IReadOnlyList<ProposedEntry>? Proposals { get; }

    internal LogIndex Index { get; }

    internal Term Term { get; }

    /// <summary>
    /// Time went on by one tick. The first one makes a group's only voter stand for election, so the shell gives it at once.
    /// </summary>
    public static RaftInput Tick() => new(InputKind.Tick, null, LogIndex.Zero, Term.Zero);

    /// <summary>Append these. All of them are appended, as one disk write, or none (<see cref="RaftEffects.ProposalRefused"/>).</summary>
    /// <param name="entries">At least one; read during the step only.</param>
    public static RaftInput Propose(IReadOnlyList<ProposedEntry> entries) => new(InputKind.Propose, entries, LogIndex.Zero, Term.Zero);

    /// <summary>
    /// A disk write is durable. Writes are numbered by the last entry they carried and become durable in the order they were asked
    /// for; many may be under way. A write without entries needs no answer.
    /// </summary>
    /// <param name="lastIndex">The index of the last entry of that write.</param>
    /// <param name="term">The term of that entry.</param>
    public static RaftInput DiskDone(LogIndex lastIndex, Term term) => new(InputKind.DiskDone, null, lastIndex, term);
}

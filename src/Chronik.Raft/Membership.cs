using System.Buffers.Binary;
using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Raft;

/// <summary>
/// Who belongs to a group (Raft paper, section 6; thesis, chapter 4). In force from the moment its entry is appended, committed or not;
/// when the entry is truncated, the one before it is in force again. Immutable, compared by value.
/// </summary>
public sealed record Membership
{
    private const byte Version = 1;

    /// <summary>Nobody is known yet: a member with this one follows whoever leads, and never stands for election.</summary>
    public static readonly Membership Empty = new([]);

    /// <summary>Makes one.</summary>
    /// <param name="voters">Distinct nodes, the preferred leader first.</param>
    /// <param name="outgoing">The voters of before, while the group is in the joint state; otherwise none.</param>
    /// <param name="learners">Nodes that receive everything and count for nothing; none of them a voter.</param>
    /// <exception cref="ArgumentException">The lists contradict these rules.</exception>
    public Membership(ImmutableArray<NodeId> voters, ImmutableArray<NodeId> outgoing = default, ImmutableArray<NodeId> learners = default)
    {
        Voters = voters.IsDefault ? [] : voters;
        Outgoing = outgoing.IsDefault ? [] : outgoing;
        Learners = learners.IsDefault ? [] : learners;
        if (!AreDistinct(Voters) || !AreDistinct(Outgoing) || !AreDistinct(Learners))
            throw new ArgumentException($"members must be distinct nodes, not {this}");
        if (Voters.IsEmpty && !(Outgoing.IsEmpty && Learners.IsEmpty))
            throw new ArgumentException($"a membership with any member needs a voter, not {this}");
        foreach (NodeId learner in Learners)
            if (Voters.Contains(learner)) throw new ArgumentException($"a voter cannot be a learner too: {this}");
    }

    /// <summary>
    /// The nodes whose majority elects and commits. Their order is that of preference: the first one leads if it can.
    /// </summary>
    public ImmutableArray<NodeId> Voters { get; }

    /// <summary>
    /// In the joint state the voters of before, whose majority is needed as well (thesis, 4.3); otherwise empty. Some of them may be
    /// learners already.
    /// </summary>
    public ImmutableArray<NodeId> Outgoing { get; }

    /// <summary>Nodes that receive everything and count for nothing (thesis, 4.2.1).</summary>
    public ImmutableArray<NodeId> Learners { get; }

    /// <summary>Whether two majorities are needed.</summary>
    public bool IsJoint => !Outgoing.IsEmpty;

    /// <summary>Whether a node's vote counts, in either majority.</summary>
    public bool IsVoter(NodeId node) => Voters.Contains(node) || Outgoing.Contains(node);

    /// <summary>Whether a node belongs to the group in any way.</summary>
    public bool Contains(NodeId node) => IsVoter(node) || Learners.Contains(node);

    /// <summary>The payload of an entry of kind <see cref="EntryKind.Membership"/>: version, then three counted lists.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[1 + (4 * (3 + Voters.Length + Outgoing.Length + Learners.Length))];
        bytes[0] = Version;
        Span<byte> rest = bytes.AsSpan(1);
        Write(ref rest, Voters);
        Write(ref rest, Outgoing);
        Write(ref rest, Learners);
        return bytes;
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The bytes are of another version, or damaged.</exception>
    public static Membership Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) throw new InvalidDataException("a membership without a byte");
        if (bytes[0] != Version) throw new InvalidDataException($"a membership of version {bytes[0]}; this node reads {Version}");
        bytes = bytes[1..];
        ImmutableArray<NodeId> voters = ReadNodes(ref bytes);
        ImmutableArray<NodeId> outgoing = ReadNodes(ref bytes);
        ImmutableArray<NodeId> learners = ReadNodes(ref bytes);
        if (!bytes.IsEmpty) throw new InvalidDataException($"{bytes.Length} bytes too many behind a membership");
        try
        {
            return new Membership(voters, outgoing, learners);
        }
        catch (ArgumentException failure)
        {
            throw new InvalidDataException(failure.Message, failure);
        }
    }

    /// <summary>Whether both name the same members in the same order.</summary>
    public bool Equals(Membership? other) =>
        other is not null && Voters.AsSpan().SequenceEqual(other.Voters.AsSpan())
        && Outgoing.AsSpan().SequenceEqual(other.Outgoing.AsSpan()) && Learners.AsSpan().SequenceEqual(other.Learners.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        foreach (NodeId node in Voters) hash.Add(node);
        foreach (NodeId node in Outgoing) hash.Add(node);
        foreach (NodeId node in Learners) hash.Add(node);
        return hash.ToHashCode();
    }

    /// <summary>For logs and transcripts: <c>[1 2 3] outgoing [1 2] learners [4]</c>.</summary>
    public override string ToString() =>
        $"[{string.Join(' ', Voters)}]" + (Outgoing.IsEmpty ? "" : $" outgoing [{string.Join(' ', Outgoing)}]")
        + (Learners.IsEmpty ? "" : $" learners [{string.Join(' ', Learners)}]");

    private static bool AreDistinct(ImmutableArray<NodeId> nodes)
    {
        for (int i = 0; i < nodes.Length; i++)
            if (!nodes[i].IsSome || nodes.IndexOf(nodes[i]) != i) return false;
        return true;
    }

    private static void Write(ref Span<byte> to, ImmutableArray<NodeId> nodes)
    {
        BinaryPrimitives.WriteInt32LittleEndian(to, nodes.Length);
        to = to[4..];
        foreach (NodeId node in nodes)
        {
            BinaryPrimitives.WriteInt32LittleEndian(to, node.Value);
            to = to[4..];
        }
    }

    private static ImmutableArray<NodeId> ReadNodes(ref ReadOnlySpan<byte> from)
    {
        int count = from.Length < 4 ? -1 : BinaryPrimitives.ReadInt32LittleEndian(from);
        if (count < 0 || count > (from.Length - 4) / 4) throw new InvalidDataException("a membership that ends too early");
        ImmutableArray<NodeId>.Builder nodes = ImmutableArray.CreateBuilder<NodeId>(count);
        for (int i = 1; i <= count; i++) nodes.Add(new NodeId(BinaryPrimitives.ReadInt32LittleEndian(from[(4 * i)..])));
        from = from[(4 * (count + 1))..];
        return nodes.MoveToImmutable();
    }
}

using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Cluster;

/// <summary>
/// What the nodes agree on by telling each other: the members, who cannot reach whom, the version of it, and which nodes have seen this
/// very version. Every change counts in the version and empties the seen set; a version that everybody has seen is settled.
/// </summary>
internal sealed class Gossip
{
    public static readonly Gossip Empty = new([], [], Reachability.Empty, VectorClock.Empty);

    private readonly Dictionary<UniqueAddress, Member> _byNode;

    public Gossip(
        ImmutableSortedSet<Member> members, ImmutableHashSet<UniqueAddress> seen, Reachability reachability, VectorClock version)
    {
        Members = members;
        Seen = seen;
        Reachability = reachability;
        Version = version;
        _byNode = members.ToDictionary(static m => m.UniqueAddress);
    }

    public ImmutableSortedSet<Member> Members { get; }

    public ImmutableHashSet<UniqueAddress> Seen { get; }

    public Reachability Reachability { get; }

    public VectorClock Version { get; }

    public ImmutableHashSet<string> AllRoles => [.. Members.SelectMany(static m => m.Roles)];

    public bool IsEmpty => Members.IsEmpty;

    /// <summary>The number that makes the next member younger than all.</summary>
    public int NextUpNumber
    {
        get
        {
            int youngest = 0;
            foreach (Member member in Members)
            {
                if (member.UpNumber != Member.NeverUp && member.UpNumber > youngest)
                    youngest = member.UpNumber;
            }

            return youngest + 1;
        }
    }

    public bool HasMember(UniqueAddress node) => _byNode.ContainsKey(node);

    public Member MemberAt(Address address) => Members.FirstOrDefault(m => m.Address.Equals(address));

    /// <summary>The member, or one that says Removed.</summary>
    public Member GetMember(UniqueAddress node) => _byNode.GetValueOrDefault(node) ?? Member.Removed(node);

    public bool SeenBy(UniqueAddress node) => Seen.Contains(node);

    public Gossip With(
        ImmutableSortedSet<Member> members = null, ImmutableHashSet<UniqueAddress> seen = null, Reachability reachability = null,
        VectorClock version = null) =>
        new(members ?? Members, seen ?? Seen, reachability ?? Reachability, version ?? Version);

    /// <summary>These members in the place of their former selves.</summary>
    public Gossip Replace(IEnumerable<Member> changed) => With(members: Member.PickNextTransition(Members, changed));

    public Gossip AddSeen(UniqueAddress node) => SeenBy(node) ? this : With(seen: Seen.Add(node));

    public Gossip OnlySeenBy(UniqueAddress node) => With(seen: [node]);

    public Gossip SeenByNobody() => With(seen: []);

    public Gossip MergeSeen(Gossip that) => With(seen: Seen.Union(that.Seen));

    public Gossip Increment(UniqueAddress node) => With(version: Version.Increment(node));

    public Gossip Prune(UniqueAddress node) => With(version: Version.Prune(node));

    public Gossip MarkDown(Member member) => With(
        members: Members.Remove(member).Add(member.Copy(MemberStatus.Down)), seen: Seen.Remove(member.UniqueAddress));

    /// <summary>Without nodes that are gone: members, what they saw and observed, and their share of the version.</summary>
    public Gossip Remove(ImmutableHashSet<UniqueAddress> nodes)
    {
        VectorClock version = Version;
        foreach (UniqueAddress node in nodes)
            version = version.Prune(node);
        return new Gossip(
            [.. Members.Where(m => !nodes.Contains(m.UniqueAddress))], Seen.Except(nodes), Reachability.Remove(nodes), version);
    }

    /// <summary>Two versions that were changed independently as one, which nobody has seen.</summary>
    public Gossip Merge(Gossip that)
    {
        ImmutableHashSet<Member> members = Member.PickHighestPriority(Members, that.Members);
        HashSet<UniqueAddress> nodes = [.. members.Select(static m => m.UniqueAddress)];
        return new Gossip([.. members], [], Reachability.Merge(nodes, that.Reachability), Version.Merge(that.Version));
    }

    public override string ToString() =>
        $"Gossip(members = [{string.Join(", ", Members)}], seen = [{string.Join(", ", Seen.Select(static s => s.Address))}], "
        + $"{Reachability}, {Version})";
}

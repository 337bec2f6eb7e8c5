using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Cluster;

/// <summary>
/// How far a member is:
/// <code>
///   Joining ---> WeaklyUp ---> Up ---> Leaving ---> Exiting ---> Removed
///      |____________^           ^                                   ^
///      |________________________|        any of them ---> Down _____|
/// </code>
/// Joining, WeaklyUp and Up may all go on to Leaving.
/// </summary>
public enum MemberStatus
{
    Joining = 0,
    Up = 1,
    Leaving = 2,
    Exiting = 3,
    Down = 4,
    Removed = 5,
    WeaklyUp = 6,
}

/// <summary>A node of the cluster with its status. Equal are members of the same incarnation, whatever their status; they are ordered by
/// address.</summary>
public class Member : IComparable<Member>, IComparable
{
    /// <summary>By host and port.</summary>
    public static readonly IComparer<Address> AddressOrdering = Comparer<Address>.Create(CompareAddresses);

    /// <summary>Oldest first: by the order in which they became Up.</summary>
    public static readonly IComparer<Member> AgeOrdering = Comparer<Member>.Create(static (a, b) =>
        a.Equals(b) ? 0 : a.IsOlderThan(b) ? -1 : 1);

    /// <summary>Who leads as long as nobody is Up or Leaving: the one that is closest to it.</summary>
    internal static readonly IComparer<Member> LeaderOrdering = Comparer<Member>.Create(static (a, b) =>
    {
        int order = LeaderRank(a.Status).CompareTo(LeaderRank(b.Status));
        return order != 0 ? order : a.CompareTo(b);
    });

    /// <summary>Younger than every member that was ever Up.</summary>
    internal const int NeverUp = int.MaxValue;

    internal Member(UniqueAddress uniqueAddress, int upNumber, MemberStatus status, ImmutableHashSet<string> roles)
    {
        UniqueAddress = uniqueAddress;
        UpNumber = upNumber;
        Status = status;
        Roles = roles;
    }

    public Address Address => UniqueAddress.Address;

    public ImmutableHashSet<string> Roles { get; }

    public MemberStatus Status { get; }

    public UniqueAddress UniqueAddress { get; }

    /// <summary>The age of the member: larger is younger.</summary>
    internal int UpNumber { get; }

    public int CompareTo(Member other)
    {
        ArgumentNullException.ThrowIfNull(other);
        int order = CompareAddresses(Address, other.Address);
        return order != 0 ? order : UniqueAddress.Uid.CompareTo(other.UniqueAddress.Uid);
    }

    int IComparable.CompareTo(object obj) =>
        obj is Member other ? CompareTo(other) : throw new ArgumentException("A member compares only with a member.", nameof(obj));

    /// <summary>The member with another status.</summary>
    /// <exception cref="InvalidOperationException">The status cannot follow the present one.</exception>
    public Member Copy(MemberStatus status)
    {
        if (status == Status)
            return this;
        if (!CanFollow(Status, status))
            throw new InvalidOperationException($"A member that is {Status} cannot become {status}.");
        return new Member(UniqueAddress, UpNumber, status, Roles);
    }

    /// <summary>The member as Up, with its age.</summary>
    public Member CopyUp(int upNumber) => new Member(UniqueAddress, upNumber, Status, Roles).Copy(MemberStatus.Up);

    public override bool Equals(object obj) => obj is Member other && UniqueAddress.Equals(other.UniqueAddress);

    public override int GetHashCode() => UniqueAddress.GetHashCode();

    public bool HasRole(string role) => Roles.Contains(role);

    /// <summary>Whether it became Up before the other; among those that are not Up yet the addresses decide.</summary>
    public bool IsOlderThan(Member other) => UpNumber == other.UpNumber
        ? CompareAddresses(Address, other.Address) < 0
        : UpNumber < other.UpNumber;

    public override string ToString() =>
        $"Member(address = {Address}, Uid={UniqueAddress.Uid} status = {Status}, role=[{string.Join(",", Roles)}], upNumber={UpNumber})";

    /// <summary>Of two views of a member that were changed independently the one that prevails: leaving wins over staying.</summary>
    public static Member HighestPriorityOf(Member m1, Member m2)
    {
        if (m1.Status == m2.Status)
            return m1.IsOlderThan(m2) ? m1 : m2;
        return MergePriority(m1.Status) > MergePriority(m2.Status) ? m1 : m2;
    }

    /// <summary>Merges two views. A member that only one of them has, and that is on its way out there, was removed in the other.</summary>
    public static ImmutableHashSet<Member> PickHighestPriority(IEnumerable<Member> a, IEnumerable<Member> b)
    {
        var merged = new Dictionary<UniqueAddress, Member>();
        var inBoth = new HashSet<UniqueAddress>();
        foreach (Member member in a)
            merged[member.UniqueAddress] = member;
        foreach (Member member in b)
        {
            if (merged.TryGetValue(member.UniqueAddress, out Member other))
            {
                inBoth.Add(member.UniqueAddress);
                merged[member.UniqueAddress] = HighestPriorityOf(other, member);
            }
            else
            {
                merged[member.UniqueAddress] = member;
            }
        }

        return [.. merged.Values.Where(m => inBoth.Contains(m.UniqueAddress) || !IsOnItsWayOut(m.Status))];
    }

    /// <summary>Merges two views of which each changed some members: the later status of each.</summary>
    public static ImmutableSortedSet<Member> PickNextTransition(IEnumerable<Member> a, IEnumerable<Member> b)
    {
        var picked = new Dictionary<UniqueAddress, Member>();
        foreach (Member member in a.Concat(b))
        {
            Member next = picked.TryGetValue(member.UniqueAddress, out Member other) ? PickNextTransition(other, member) : member;
            if (next is not null)
                picked[member.UniqueAddress] = next;
        }

        return [.. picked.Values];
    }

    /// <summary>Of two views of a member the one that follows the other; null when neither can.</summary>
    public static Member PickNextTransition(Member a, Member b)
    {
        if (a is null || b is null || !a.Equals(b))
            return null;
        if (a.Status == b.Status || CanFollow(b.Status, a.Status))
            return a;
        return CanFollow(a.Status, b.Status) ? b : null;
    }

    internal static Member Create(UniqueAddress node, ImmutableHashSet<string> roles) => new(node, NeverUp, MemberStatus.Joining, roles);

    /// <summary>Stands for a node that is no member, not yet or not any more.</summary>
    internal static Member Removed(UniqueAddress node) => new(node, NeverUp, MemberStatus.Removed, []);

    /// <summary>Such members are removed as soon as everybody knows it, and are not waited for when they do not answer.</summary>
    internal static bool IsOnItsWayOut(MemberStatus status) => status is MemberStatus.Down or MemberStatus.Exiting;

    internal static bool CanFollow(MemberStatus from, MemberStatus to) => from switch
    {
        MemberStatus.Joining => to is MemberStatus.WeaklyUp or MemberStatus.Up or MemberStatus.Leaving or MemberStatus.Down
            or MemberStatus.Removed,
        MemberStatus.WeaklyUp => to is MemberStatus.Up or MemberStatus.Leaving or MemberStatus.Down or MemberStatus.Removed,
        MemberStatus.Up => to is MemberStatus.Leaving or MemberStatus.Down or MemberStatus.Removed,
        MemberStatus.Leaving => to is MemberStatus.Exiting or MemberStatus.Down or MemberStatus.Removed,
        MemberStatus.Exiting => to is MemberStatus.Removed or MemberStatus.Down,
        MemberStatus.Down => to is MemberStatus.Removed,
        _ => false,
    };

    private static int CompareAddresses(Address a, Address b)
    {
        if (ReferenceEquals(a, b))
            return 0;
        int order = string.CompareOrdinal(a.Host ?? string.Empty, b.Host ?? string.Empty);
        return order != 0 ? order : Nullable.Compare(a.Port, b.Port);
    }

    private static int LeaderRank(MemberStatus status) => status switch
    {
        MemberStatus.Down => 4,
        MemberStatus.Exiting => 3,
        MemberStatus.Joining => 2,
        MemberStatus.WeaklyUp => 1,
        _ => 0,
    };

    private static int MergePriority(MemberStatus status) => status switch
    {
        MemberStatus.Removed => 6,
        MemberStatus.Down => 5,
        MemberStatus.Exiting => 4,
        MemberStatus.Leaving => 3,
        MemberStatus.Up => 2,
        MemberStatus.WeaklyUp => 1,
        _ => 0,
    };
}

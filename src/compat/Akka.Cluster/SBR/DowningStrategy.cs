using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Cluster.SBR;

/// <summary>Which side has to go. Both sides of a partition decide for themselves, so the decisions have to fit together.</summary>
internal enum Decision
{
    DownUnreachable,
    DownReachable,
    DownAll,

    /// <summary>
    /// Some nodes cannot reach each other although there is a way through others. They are downed, as well as what the strategy says once
    /// their observations are disregarded.
    /// </summary>
    DownIndirectlyConnected,
}

/// <summary>What this node knows of the members, and a rule for whom to down. Pure: the actor around it keeps the time.</summary>
internal abstract class DowningStrategy(string role)
{
    private readonly Dictionary<UniqueAddress, Member> _members = [];
    private ImmutableHashSet<UniqueAddress> _unreachable = [];
    private ImmutableHashSet<Address> _seenBy = [];
    private Reachability _reachability = Reachability.Empty;

    public ImmutableHashSet<UniqueAddress> Unreachable => _unreachable;

    public Reachability Reachability => _reachability;

    /// <summary>All members that are known, in whatever status.</summary>
    public IEnumerable<Member> AllMembers => _members.Values;

    public bool IsAllUnreachableOnItsWayOut => _unreachable.All(node => Member.IsOnItsWayOut(_members[node].Status));

    /// <summary>Nodes that complain and are complained about; both ends of a complaint about a node that has seen the version.</summary>
    public ImmutableHashSet<UniqueAddress> IndirectlyConnected => ComplainingAndComplainedAbout.Union(ComplaintsAboutTheLiving);

    protected string Role { get; } = role;

    private ImmutableHashSet<UniqueAddress> ComplainingAndComplainedAbout =>
        _reachability.AllObservers.Intersect(_reachability.AllUnreachableOrTerminated);

    private ImmutableHashSet<UniqueAddress> ComplaintsAboutTheLiving =>
        [.. _reachability.Records.Where(r => _seenBy.Contains(r.Subject.Address)).SelectMany(static r => new[] { r.Observer, r.Subject })];

    public abstract Decision Decide();

    public void Add(Member member) => _members[member.UniqueAddress] = member;

    public void AddUnreachable(Member member)
    {
        Add(member);
        _unreachable = _unreachable.Add(member.UniqueAddress);
    }

    public void AddReachable(Member member)
    {
        Add(member);
        _unreachable = _unreachable.Remove(member.UniqueAddress);
    }

    public void Remove(Member member)
    {
        _members.Remove(member.UniqueAddress);
        _unreachable = _unreachable.Remove(member.UniqueAddress);
    }

    public void SetReachability(Reachability reachability) =>
        _reachability = reachability.Where(static r => r.Status != ReachabilityStatus.Reachable);

    public void SetSeenBy(ImmutableHashSet<Address> seenBy) => _seenBy = seenBy;

    /// <summary>Whom a decision downs: members that are neither down nor exiting already, new ones included.</summary>
    /// <exception cref="InvalidOperationException">The observations cannot be made sense of; everybody has to go.</exception>
    public ImmutableHashSet<UniqueAddress> NodesToDown(Decision decision)
    {
        ImmutableHashSet<UniqueAddress> downable =
            [.. _members.Values.Where(static m => !Member.IsOnItsWayOut(m.Status)).Select(static m => m.UniqueAddress)];
        return decision switch
        {
            Decision.DownUnreachable => downable.Intersect(_unreachable),
            Decision.DownReachable => downable.Except(_unreachable),
            Decision.DownAll => downable,
            _ => downable.Intersect(IndirectlyConnected.Union(BesidesIndirectlyConnected(downable))),
        };
    }

    protected bool IsUnreachable(Member member) => _unreachable.Contains(member.UniqueAddress);

    /// <summary>
    /// The members that count, in order. Joining and WeaklyUp ones count when they might be Up on the other side already, Leaving ones do
    /// not when they might be Exiting there.
    /// </summary>
    protected List<Member> Counting(bool includingPossiblyUp = false, bool excludingPossiblyExiting = false)
    {
        List<Member> counting =
        [
            .. _members.Values.Where(m => (Role is null || m.HasRole(Role)) && m.Status switch
            {
                MemberStatus.Joining or MemberStatus.WeaklyUp => includingPossiblyUp,
                MemberStatus.Leaving => !excludingPossiblyExiting,
                MemberStatus.Up => true,
                _ => false,
            }),
        ];
        counting.Sort(Compare);
        return counting;
    }

    /// <summary>Which of the members comes first when it matters.</summary>
    protected virtual int Compare(Member a, Member b) => a.CompareTo(b);

    /// <summary>What the strategy decides about the others once complaints among the indirectly connected are left out.</summary>
    private ImmutableHashSet<UniqueAddress> BesidesIndirectlyConnected(ImmutableHashSet<UniqueAddress> downable)
    {
        if (_unreachable.Except(IndirectlyConnected).IsEmpty)
            return [];
        ImmutableHashSet<UniqueAddress> unreachable = _unreachable;
        Reachability reachability = _reachability;
        ImmutableHashSet<UniqueAddress> circle = ComplainingAndComplainedAbout, living = ComplaintsAboutTheLiving;
        ImmutableHashSet<UniqueAddress> islands = Islands();
        try
        {
            _reachability = reachability.Where(r =>
                downable.Contains(r.Observer) && downable.Contains(r.Subject) && !islands.Contains(r.Observer)
                && !(circle.Contains(r.Observer) && circle.Contains(r.Subject))
                && !(living.Contains(r.Observer) && living.Contains(r.Subject)));
            _unreachable = _reachability.AllUnreachableOrTerminated;
            Decision decision = Decide();
            return decision != Decision.DownIndirectlyConnected
                ? NodesToDown(decision)
                : throw new InvalidOperationException(
                    $"Nodes stay indirectly connected when their complaints are left out: {reachability}, then {_reachability}.");
        }
        finally
        {
            _unreachable = unreachable;
            _reachability = reachability;
        }
    }

    /// <summary>Unreachable nodes that complain but whom every reachable node complains about: they are cut off cleanly.</summary>
    private ImmutableHashSet<UniqueAddress> Islands()
    {
        HashSet<UniqueAddress> reachable = [.. _members.Keys.Where(node => !_unreachable.Contains(node))];
        return
        [
            .. _reachability.AllObservers.Where(node => _unreachable.Contains(node) && reachable.SetEquals(
                _reachability.Records.Where(r => r.Subject.Equals(node) && reachable.Contains(r.Observer)).Select(static r => r.Observer))),
        ];
    }
}

/// <summary>The side with at least so many members stays. There must not be room for two such sides.</summary>
internal sealed class StaticQuorum(int quorumSize, string role) : DowningStrategy(role)
{
    public bool HasTooManyMembers => Counting().Count > (quorumSize * 2) - 1;

    public override Decision Decide()
    {
        if (HasTooManyMembers)
            return Decision.DownAll;
        if (!IndirectlyConnected.IsEmpty)
            return Decision.DownIndirectlyConnected;
        return Counting().Count(m => !IsUnreachable(m)) >= quorumSize ? Decision.DownUnreachable : Decision.DownReachable;
    }
}

/// <summary>The larger side stays; of two equal ones that of the lowest address.</summary>
internal sealed class KeepMajority(string role) : DowningStrategy(role)
{
    public override Decision Decide()
    {
        if (!IndirectlyConnected.IsEmpty)
            return Decision.DownIndirectlyConnected;
        List<Member> members = Counting();
        if (members.Count == 0)
            return Decision.DownAll;
        Decision decision = Majority(members, members);
        if (decision != Decision.DownUnreachable)
            return decision;

        // The other side may have seen members become Up, or go, that this side has not. Only what is a majority in any case stays.
        List<Member> least = Counting(excludingPossiblyExiting: true);
        return least.Count > 0 && Majority(least, Counting(includingPossiblyUp: true)) == Decision.DownUnreachable
            ? Decision.DownUnreachable
            : Decision.DownAll;
    }

    private Decision Majority(List<Member> here, List<Member> there)
    {
        int reachable = here.Count(m => !IsUnreachable(m)), unreachable = there.Count(IsUnreachable);
        bool stays = reachable == unreachable ? !IsUnreachable(here[0]) : reachable > unreachable;
        return stays ? Decision.DownUnreachable : Decision.DownReachable;
    }
}

/// <summary>The side of the oldest member stays, unless that member is alone and the others are more than one.</summary>
internal sealed class KeepOldest(bool downIfAlone, string role) : DowningStrategy(role)
{
    public override Decision Decide()
    {
        if (!IndirectlyConnected.IsEmpty)
            return Decision.DownIndirectlyConnected;
        List<Member> members = Counting();
        if (members.Count == 0)
            return Decision.DownAll;
        Decision decision = WithOldest(members[0], members);
        if (decision != Decision.DownUnreachable)
            return decision;
        List<Member> staying = Counting(excludingPossiblyExiting: true);
        List<Member> possible = Counting(includingPossiblyUp: downIfAlone, excludingPossiblyExiting: true);
        return staying.Count > 0 && WithOldest(staying[0], possible) == Decision.DownUnreachable
            ? Decision.DownUnreachable
            : Decision.DownAll;
    }

    protected override int Compare(Member a, Member b) => Member.AgeOrdering.Compare(a, b);

    private Decision WithOldest(Member oldest, List<Member> members)
    {
        int reachable = members.Count(m => !IsUnreachable(m)), unreachable = members.Count - reachable;
        bool stays = IsUnreachable(oldest)
            ? downIfAlone && unreachable == 1 && reachable >= 2
            : !(downIfAlone && reachable == 1 && unreachable >= 2);
        return stays ? Decision.DownUnreachable : Decision.DownReachable;
    }
}

/// <summary>Everybody goes; whatever starts the processes starts them again.</summary>
internal sealed class DownAllNodes() : DowningStrategy(null)
{
    public override Decision Decide() => Decision.DownAll;
}

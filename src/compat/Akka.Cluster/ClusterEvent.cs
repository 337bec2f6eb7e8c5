using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;

namespace Akka.Cluster;

/// <summary>What the cluster tells those who subscribe.</summary>
public class ClusterEvent
{
    public static readonly SubscriptionInitialStateMode InitialStateAsEvents = SubscriptionInitialStateMode.InitialStateAsEvents;

    public static readonly SubscriptionInitialStateMode InitialStateAsSnapshot = SubscriptionInitialStateMode.InitialStateAsSnapshot;

    /// <summary>What a subscriber gets first: the state as one message, or the events that would have led to it.</summary>
    public enum SubscriptionInitialStateMode
    {
        InitialStateAsSnapshot = 0,
        InitialStateAsEvents = 1,
    }

    public interface IClusterDomainEvent : IDeadLetterSuppression;

    public interface IMemberEvent : IClusterDomainEvent
    {
        Member Member { get; }
    }

    public interface IReachabilityEvent : IClusterDomainEvent;

    /// <summary>The state of the cluster as this node knows it.</summary>
    public sealed class CurrentClusterState : INoSerializationVerificationNeeded
    {
        private readonly ImmutableDictionary<string, Address> _roleLeaders;

        public CurrentClusterState()
            : this([], [], [], null, ImmutableDictionary<string, Address>.Empty)
        {
        }

        public CurrentClusterState(
            ImmutableSortedSet<Member> members, ImmutableHashSet<Member> unreachable, ImmutableHashSet<Address> seenBy, Address leader,
            ImmutableDictionary<string, Address> roleLeaderMap)
        {
            Members = members;
            Unreachable = unreachable;
            SeenBy = seenBy;
            Leader = leader;
            _roleLeaders = roleLeaderMap;
        }

        public ImmutableHashSet<string> AllRoles => [.. _roleLeaders.Keys];

        /// <summary>The member that decides who is Up; null when there is none.</summary>
        public Address Leader { get; }

        public ImmutableSortedSet<Member> Members { get; }

        /// <summary>The members that have seen the present version.</summary>
        public ImmutableHashSet<Address> SeenBy { get; }

        public ImmutableHashSet<Member> Unreachable { get; }

        /// <summary>The first member of a role; null when there is none.</summary>
        public Address RoleLeader(string role) => _roleLeaders.GetValueOrDefault(role);
    }

    public abstract class MemberStatusChange : IMemberEvent
    {
        protected readonly Member _member;

        protected MemberStatusChange(Member member, MemberStatus validStatus)
        {
            if (member.Status != validStatus)
                throw new ArgumentException($"The status is {member.Status}; it has to be {validStatus}.", nameof(member));
            _member = member;
        }

        public Member Member => _member;

        public override bool Equals(object obj) =>
            obj is MemberStatusChange other && other.GetType() == GetType() && _member.Equals(other._member);

        public override int GetHashCode() => HashCode.Combine(GetType(), _member);

        public override string ToString() => $"{GetType().Name}({_member})";
    }

    public sealed class MemberJoined : MemberStatusChange
    {
        public MemberJoined(Member member)
            : base(member, MemberStatus.Joining)
        {
        }
    }

    public sealed class MemberWeaklyUp : MemberStatusChange
    {
        public MemberWeaklyUp(Member member)
            : base(member, MemberStatus.WeaklyUp)
        {
        }
    }

    public sealed class MemberUp : MemberStatusChange
    {
        public MemberUp(Member member)
            : base(member, MemberStatus.Up)
        {
        }
    }

    public sealed class MemberLeft : MemberStatusChange
    {
        public MemberLeft(Member member)
            : base(member, MemberStatus.Leaving)
        {
        }
    }

    public sealed class MemberExited : MemberStatusChange
    {
        public MemberExited(Member member)
            : base(member, MemberStatus.Exiting)
        {
        }
    }

    public sealed class MemberDowned : MemberStatusChange
    {
        public MemberDowned(Member member)
            : base(member, MemberStatus.Down)
        {
        }
    }

    public sealed class MemberRemoved : MemberStatusChange
    {
        public MemberRemoved(Member member, MemberStatus previousStatus)
            : base(member, MemberStatus.Removed) => PreviousStatus = previousStatus;

        /// <summary>Down when it was downed, Exiting when it left.</summary>
        public MemberStatus PreviousStatus { get; }

        public override bool Equals(object obj) => base.Equals(obj) && ((MemberRemoved)obj).PreviousStatus == PreviousStatus;

        public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), PreviousStatus);
    }

    public abstract class ReachabilityEvent : IReachabilityEvent
    {
        protected ReachabilityEvent(Member member) => Member = member;

        public Member Member { get; }

        public override bool Equals(object obj) =>
            obj is ReachabilityEvent other && other.GetType() == GetType() && Member.Equals(other.Member);

        public override int GetHashCode() => HashCode.Combine(GetType(), Member);

        public override string ToString() => $"{GetType().Name}({Member})";
    }

    /// <summary>A member does not answer the heartbeats of some other member.</summary>
    public sealed class UnreachableMember : ReachabilityEvent
    {
        public UnreachableMember(Member member)
            : base(member)
        {
        }
    }

    /// <summary>A member that was unreachable answers everybody again.</summary>
    public sealed class ReachableMember : ReachabilityEvent
    {
        public ReachableMember(Member member)
            : base(member)
        {
        }
    }

    public sealed class LeaderChanged : IClusterDomainEvent
    {
        public LeaderChanged(Address leader) => Leader = leader;

        public Address Leader { get; }

        public override bool Equals(object obj) => obj is LeaderChanged other && Equals(Leader, other.Leader);

        public override int GetHashCode() => HashCode.Combine(Leader);

        public override string ToString() => $"LeaderChanged(NewLeader={Leader})";
    }

    public sealed class RoleLeaderChanged : IClusterDomainEvent
    {
        public RoleLeaderChanged(string role, Address leader)
        {
            Role = role;
            Leader = leader;
        }

        public Address Leader { get; }

        public string Role { get; }

        public override bool Equals(object obj) => obj is RoleLeaderChanged other && Role == other.Role && Equals(Leader, other.Leader);

        public override int GetHashCode() => HashCode.Combine(Role, Leader);

        public override string ToString() => $"RoleLeaderChanged(Leader={Leader}, Role={Role})";
    }

    /// <summary>This node is about to leave the cluster for good; MemberRemoved of all members follows.</summary>
    public sealed class ClusterShuttingDown : IClusterDomainEvent
    {
        public static readonly IClusterDomainEvent Instance = new ClusterShuttingDown();

        private ClusterShuttingDown()
        {
        }

        public override string ToString() => nameof(ClusterShuttingDown);
    }

    /// <summary>Other members have seen the version than before.</summary>
    internal sealed record SeenChanged(bool Convergence, ImmutableHashSet<Address> SeenBy) : IClusterDomainEvent;

    /// <summary>The whole table of who cannot reach whom.</summary>
    internal sealed record ReachabilityChanged(Reachability Reachability) : IClusterDomainEvent;
}

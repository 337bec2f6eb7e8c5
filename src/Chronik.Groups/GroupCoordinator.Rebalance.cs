using Chronik.Model;

namespace Chronik.Groups;

/// <content>Rebalances: collecting the joins, the next generation, and what happens to who does not come.</content>
public sealed partial class GroupCoordinator
{
    private void RebalanceOrComplete(Group group)
    {
        if (group.CanRebalance) PrepareRebalance(group);
        else MaybeCompleteJoin(group);
    }

    private void PrepareRebalance(Group group)
    {
        bool isFirst = group.State == GroupState.Empty;
        if (group.State == GroupState.CompletingRebalance)
        {
            foreach (GroupMember member in group.Members.Values)
            {
                group.Assign(member, []);
                ReplySync(member, new() { ErrorCode = (short)KafkaError.RebalanceInProgress });
            }
        }

        group.PendingSync.Clear();
        _timers.Cancel(SyncOf(group));
        group.MoveTo(GroupState.PreparingRebalance, _now);
        if (isFirst && _limits.InitialRebalanceDelayMs > 0)
        {
            // The members of a group that starts come one by one: wait for some more, at most for the rebalance timeout in all.
            group.NewMemberAdded = false;
            group.InitialDelayLeftMs = Math.Max(group.RebalanceTimeoutMs - _limits.InitialRebalanceDelayMs, 0);
            _timers.Set(JoinOf(group), _now + _limits.InitialRebalanceDelayMs);
        }
        else if (group.HasAllMembersJoined || isFirst)
        {
            CompleteJoin(group);
        }
        else
        {
            _timers.Set(JoinOf(group), _now + group.RebalanceTimeoutMs);
        }
    }

    /// <summary>Ends the wait for joins when nobody is missing; the initial delay is waited out in any case.</summary>
    private void MaybeCompleteJoin(Group group)
    {
        if (group.State != GroupState.PreparingRebalance || group.PreviousState == GroupState.Empty) return;
        if (group.HasAllMembersJoined) CompleteJoin(group);
    }

    private void ExpireJoin(Group group)
    {
        if (group.State != GroupState.PreparingRebalance) return;
        if (group.PreviousState == GroupState.Empty && group.NewMemberAdded && group.InitialDelayLeftMs > 0)
        {
            int delay = Math.Min(_limits.InitialRebalanceDelayMs, group.InitialDelayLeftMs);
            group.NewMemberAdded = false;
            group.InitialDelayLeftMs -= delay;
            _timers.Set(JoinOf(group), _now + delay);
            return;
        }

        CompleteJoin(group);
    }

    /// <summary>Starts the next generation with those who are here. Static members keep their place until their session ends.</summary>
    private void CompleteJoin(Group group)
    {
        _timers.Cancel(JoinOf(group));
        foreach (GroupMember member in group.Members.Values.Where(member => member.Join is null && member.InstanceId is null).ToList())
        {
            _timers.Cancel(SessionOf(group, member.Id));
            group.Remove(member.Id);
        }

        if (group.Members.Count == 0)
        {
            BecomeEmpty(group);
            return;
        }

        if (!group.Members[group.LeaderId!].Join.HasValue)
        {
            GroupMember? leader = group.Members.Values.FirstOrDefault(member => member.Join is not null);
            if (leader is null)
            {
                // Only static members are left and none of them came: wait for one, or for their sessions to end.
                _timers.Set(JoinOf(group), _now + Math.Max(group.RebalanceTimeoutMs, 1_000));
                return;
            }

            group.LeaderId = leader.Id;
        }

        group.Generation++;
        group.ProtocolName = group.SelectProtocol();
        group.LearnSubscriptions();
        group.MoveTo(GroupState.CompletingRebalance, _now);
        group.PendingSync.Clear();
        foreach (GroupMember member in group.Members.Values)
        {
            if (group.Park(member, null) is ParkedRequest join)
                Reply(join.Token, JoinResponse(group, member, join.Version, withMembers: group.IsLeader(member.Id)));
            member.IsNew = false;
            group.PendingSync.Add(member.Id);
            RestartSession(group, member);
        }

        _timers.Set(SyncOf(group), _now + group.RebalanceTimeoutMs);
    }

    private void BecomeEmpty(Group group)
    {
        group.Generation++;
        group.ProtocolName = null;
        group.LearnSubscriptions();
        group.MoveTo(GroupState.Empty, _now);
        group.PendingSync.Clear();

        // If this is lost, the generation before comes back after a restart and its members time out there.
        AppendMetadata(group, null, _ => { });
    }

    private void ExpireSync(Group group)
    {
        if (group.State is not (GroupState.CompletingRebalance or GroupState.Stable) || group.PendingSync.Count == 0) return;
        foreach (string memberId in group.PendingSync.ToList())
        {
            if (group.TryGetMember(memberId, out GroupMember? member)) Dismiss(group, member, KafkaError.UnknownMemberId);
            _timers.Cancel(SessionOf(group, memberId));
            group.Remove(memberId);
        }

        PrepareRebalance(group);
    }

    private void ExpireSession(Group group, string memberId)
    {
        if (group.PendingMembers.Contains(memberId))
        {
            group.Remove(memberId);
            MaybeCompleteJoin(group);
        }
        else if (group.TryGetMember(memberId, out GroupMember? member) && !member.IsExcusedFromHeartbeat)
        {
            RemoveMember(group, member);
            AfterDeparture(group);
        }
    }

    /// <summary>Takes a member out; a join or sync of it that still waits is told to start over.</summary>
    private void RemoveMember(Group group, GroupMember member)
    {
        Dismiss(group, member, KafkaError.UnknownMemberId);
        _timers.Cancel(SessionOf(group, member.Id));
        group.Remove(member.Id);
    }

    private void AfterDeparture(Group group)
    {
        if (group.State is GroupState.Stable or GroupState.CompletingRebalance) PrepareRebalance(group);
        else MaybeCompleteJoin(group);
    }

    private void RestartSession(Group group, GroupMember member) =>
        _timers.Set(SessionOf(group, member.Id), _now + member.SessionTimeoutMs);
}

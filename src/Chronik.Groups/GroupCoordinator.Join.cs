using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Groups;

/// <content>JoinGroup: who is let in, and whether that takes a rebalance.</content>
public sealed partial class GroupCoordinator
{
    /// <summary>From this version on a new dynamic member is given its id first and joins with it then (KIP-394).</summary>
    private const short MemberIdRequiredSince = 4;

    /// <summary>From this version on a static leader that comes back can be told not to assign anew (KIP-814).</summary>
    private const short SkipAssignmentSince = 9;

    private void Join(in GroupInput input, JoinGroupRequest request)
    {
        var join = new JoinAttempt(input, request, _limits);
        if (request.GroupId.Length == 0)
        {
            Refuse(join, request.MemberId, KafkaError.InvalidGroupId);
            return;
        }

        if (request.SessionTimeoutMs < _limits.SessionTimeoutMinMs || request.SessionTimeoutMs > _limits.SessionTimeoutMaxMs)
        {
            Refuse(join, request.MemberId, KafkaError.InvalidSessionTimeout,
                $"session timeout {request.SessionTimeoutMs} ms is not between "
                + $"group.min.session.timeout.ms = {_limits.SessionTimeoutMinMs} "
                + $"and group.max.session.timeout.ms = {_limits.SessionTimeoutMaxMs}");
            return;
        }

        if (!TryFind(request.GroupId, out Group? group))
        {
            if (request.MemberId.Length > 0)
            {
                Refuse(join, request.MemberId, KafkaError.UnknownMemberId);
                return;
            }

            group = Create(request.GroupId, out string? refusal);
            if (group is null)
            {
                Refuse(join, "", KafkaError.CoordinatorNotAvailable, refusal);
                return;
            }
        }

        Join(group, join);
        DropIfVestigial(group);
    }

    private void Join(Group group, JoinAttempt join)
    {
        string memberId = join.Request.MemberId;
        if (group.State == GroupState.Dead) Refuse(join, memberId, KafkaError.CoordinatorNotAvailable);
        else if (!HasRoom(group, memberId)) RefuseForSize(group, join);
        else if (RefuseForMemory(group, BytesNeeded(group, join), out string? refusal) is var error and not KafkaError.None)
            Refuse(join, memberId, error, refusal);
        else if (!group.Accepts(join.Request.ProtocolType, join.Protocols)) Refuse(join, memberId, KafkaError.InconsistentGroupProtocol);
        else if (memberId.Length == 0) JoinNew(group, join);
        else if (group.PendingMembers.Contains(memberId)) JoinPending(group, join);
        else Rejoin(group, join);
    }

    /// <summary>
    /// While a rebalance collects joins, only those that wait count, so that of a group that is too large the last to come are left out.
    /// </summary>
    private bool HasRoom(Group group, string memberId) => group.State switch
    {
        GroupState.Empty => true,
        GroupState.PreparingRebalance =>
            (group.TryGetMember(memberId, out GroupMember? member) && member.Join is not null) || group.WaitingJoins < _limits.GroupSizeMax,
        _ => group.Members.ContainsKey(memberId) || group.Members.Count < _limits.GroupSizeMax,
    };

    /// <summary>How much more the group would take with this join than without.</summary>
    private static long BytesNeeded(Group group, JoinAttempt join)
    {
        string id = join.Request.MemberId;
        string? instanceId = join.Request.GroupInstanceId;
        if (id.Length == 0 && instanceId is not null) group.TryGetStatic(instanceId, out id!);
        group.TryGetMember(id ?? "", out GroupMember? now);
        return GroupMember.BytesOf(id ?? "", instanceId, join.Origin.ClientId, join.Origin.ClientHost, join.Protocols)
            - (now is null ? 0 : now.Bytes - now.Assignment.Length);
    }

    /// <summary>Whether a group may take so many bytes more, and if not, what the client is told.</summary>
    private KafkaError RefuseForMemory(Group group, long bytes, out string? refusal)
    {
        GroupMemory memory = _limits.Memory;
        refusal = null;
        if (bytes <= 0) return KafkaError.None;
        if (group.Bytes + bytes > memory.MaxBytesPerGroup)
        {
            refusal = $"group {group.Id} has {group.Bytes} bytes of members, would have {bytes} more, and may have "
                + $"{memory.MaxBytesPerGroup}: a quarter of {GroupMemory.Key} = {memory.MaxBytes}";
            return KafkaError.GroupMaxSizeReached;
        }

        if (memory.Bytes + bytes <= memory.MaxBytes) return KafkaError.None;
        refusal = $"{bytes} bytes more for group {group.Id}: all groups have {memory.Bytes} of {GroupMemory.Key} = {memory.MaxBytes}";
        return KafkaError.CoordinatorNotAvailable;
    }

    private void RefuseForSize(Group group, JoinAttempt join)
    {
        string memberId = join.Request.MemberId;
        Refuse(join, "", KafkaError.GroupMaxSizeReached, $"group {group.Id} has group.max.size = {_limits.GroupSizeMax} members");
        if (memberId.Length == 0) return;
        _timers.Cancel(SessionOf(group, memberId));
        group.Remove(memberId);
        MaybeCompleteJoin(group);
    }

    private void JoinNew(Group group, JoinAttempt join)
    {
        string? instanceId = join.Request.GroupInstanceId;
        string memberId = $"{instanceId ?? join.Origin.ClientId}-{_newId():D}";
        if (instanceId is not null)
        {
            if (group.TryGetStatic(instanceId, out string? oldId)) ReplaceStatic(group, join, instanceId, oldId, memberId);
            else AddMember(group, join, memberId);
            return;
        }

        if (join.Parked.Version < MemberIdRequiredSince)
        {
            AddMember(group, join, memberId);
            return;
        }

        if (group.PendingMembers.Count >= _limits.PendingMembersMax)
        {
            Refuse(join, "", KafkaError.CoordinatorNotAvailable,
                $"group {group.Id} has groups.max-pending-members = {_limits.PendingMembersMax} ids handed out");
            return;
        }

        group.AddPending(memberId);
        _timers.Set(SessionOf(group, memberId), _now + join.Request.SessionTimeoutMs);
        Refuse(join, memberId, KafkaError.MemberIdRequired);
    }

    private void JoinPending(Group group, JoinAttempt join)
    {
        // Ids are handed out to dynamic members only; a static member that claims one is nobody we know.
        if (join.Request.GroupInstanceId is null) AddMember(group, join, join.Request.MemberId);
        else Refuse(join, join.Request.MemberId, KafkaError.UnknownMemberId);
    }

    private void Rejoin(Group group, JoinAttempt join)
    {
        string memberId = join.Request.MemberId;
        KafkaError error = group.Validate(memberId, join.Request.GroupInstanceId);
        if (error != KafkaError.None)
        {
            Refuse(join, memberId, error);
            return;
        }

        GroupMember member = group.Members[memberId];
        bool asBefore = member.Supports(join.Protocols);
        switch (group.State)
        {
            // It may have missed the answer to its join: tell it once more.
            case GroupState.CompletingRebalance when asBefore:
                Reply(join.Parked.Token, JoinResponse(group, member, join.Parked.Version, withMembers: group.IsLeader(memberId)));
                break;

            // A follower with nothing new fetches its assignment with SyncGroup; a leader that joins again wants to assign anew.
            case GroupState.Stable when asBefore && !group.IsLeader(memberId):
                Reply(join.Parked.Token, JoinResponse(group, member, join.Parked.Version, withMembers: false));
                break;

            default:
                UpdateMember(group, member, join);
                RebalanceOrComplete(group);
                break;
        }
    }

    private void AddMember(Group group, JoinAttempt join, string memberId)
    {
        var member = new GroupMember(memberId, join.Request.GroupInstanceId, join.Origin.ClientId, join.Origin.ClientHost)
        {
            SessionTimeoutMs = join.Request.SessionTimeoutMs,
            RebalanceTimeoutMs = join.RebalanceTimeoutMs,
            Protocols = join.Protocols,
            Join = join.Parked,
            IsNew = true,
        };
        if (group.Members.Count == 0) group.ProtocolType = join.Request.ProtocolType;
        if (group.State == GroupState.PreparingRebalance && group.PreviousState == GroupState.Empty) group.NewMemberAdded = true;
        group.Add(member);

        // It cannot heartbeat while it waits, and its client may be gone; if it is not, it comes again.
        _timers.Set(SessionOf(group, memberId), _now + _limits.NewMemberJoinTimeoutMs);
        RebalanceOrComplete(group);
    }

    private void UpdateMember(Group group, GroupMember member, JoinAttempt join)
    {
        group.Update(member, join.Protocols, join.Request.SessionTimeoutMs, join.RebalanceTimeoutMs);

        // The client has given up on an older request of the same member; the connection still waits for its turn.
        if (group.Park(member, join.Parked) is ParkedRequest displaced)
            Reply(displaced.Token, GroupResponses.JoinError(member.Id, displaced.Version, KafkaError.RebalanceInProgress));
    }

    /// <summary>A static member came back without its member id (KIP-345): it takes its own place, usually without a rebalance.</summary>
    private void ReplaceStatic(Group group, JoinAttempt join, string instanceId, string oldId, string newId)
    {
        GroupMember old = group.Members[oldId];
        string? leaderBefore = group.LeaderId;
        Dismiss(group, old, KafkaError.FencedInstanceId);
        _timers.Cancel(SessionOf(group, oldId));
        GroupMember member = group.ReplaceStatic(instanceId, oldId, newId, join.Origin.ClientId, join.Origin.ClientHost);
        UpdateMember(group, member, join);
        RestartSession(group, member);
        switch (group.State)
        {
            case GroupState.Stable when group.SelectProtocol() == group.ProtocolName:
                int generation = group.Generation;
                AppendMetadata(group, null, error => FinishReplacement(group, generation, old, member, leaderBefore, error));
                break;

            // The leader may already be assigning to the old id, which would leave the new one with nothing.
            case GroupState.CompletingRebalance:
                PrepareRebalance(group);
                break;

            default:
                RebalanceOrComplete(group);
                break;
        }
    }

    private void FinishReplacement(Group group, int generation, GroupMember old, GroupMember member, string? leaderBefore, KafkaError error)
    {
        // Whatever happened meanwhile took over: a member that left was answered, one that is in a rebalance will be.
        bool isCurrent = group.State == GroupState.Stable && group.Generation == generation
            && group.TryGetMember(member.Id, out GroupMember? now) && now == member;
        if (!isCurrent || member.Join is not ParkedRequest join) return;
        group.Park(member, null);
        if (error == KafkaError.None)
        {
            bool isLeader = group.IsLeader(member.Id);
            bool canSkip = join.Version >= SkipAssignmentSince;
            JoinGroupResponse response = JoinResponse(group, member, join.Version, withMembers: canSkip && isLeader);
            response.SkipAssignment = canSkip && isLeader;

            // An older client that reads its own id as the leader's would assign; it learns the id it had before instead.
            if (!canSkip) response.Leader = leaderBefore ?? "";
            RestartSession(group, member);
            Reply(join.Token, response);
            return;
        }

        _timers.Cancel(SessionOf(group, member.Id));
        GroupMember restored = group.ReplaceStatic(member.InstanceId!, member.Id, old.Id, old.ClientId, old.ClientHost);
        group.Update(restored, old.Protocols, old.SessionTimeoutMs, old.RebalanceTimeoutMs);
        RestartSession(group, restored);
        Reply(join.Token, GroupResponses.JoinError("", join.Version, error));
    }

    private void Refuse(JoinAttempt join, string memberId, KafkaError error, string? refusal = null) =>
        Reply(join.Parked.Token, GroupResponses.JoinError(memberId, join.Parked.Version, error), refusal);

    private static JoinGroupResponse JoinResponse(Group group, GroupMember member, short version, bool withMembers)
    {
        var response = new JoinGroupResponse
        {
            GenerationId = group.Generation,
            ProtocolType = group.ProtocolType,
            ProtocolName = group.ProtocolName ?? (version < 7 ? "" : null),
            Leader = group.LeaderId ?? "",
            MemberId = member.Id,
        };
        if (!withMembers) return response;
        foreach (GroupMember other in group.Members.Values)
        {
            response.Members.Add(new JoinGroupResponse.JoinGroupResponseMember
            {
                MemberId = other.Id,
                GroupInstanceId = other.InstanceId,
                Metadata = other.MetadataOf(group.ProtocolName),
            });
        }

        return response;
    }

    /// <summary>A JoinGroup, with what is kept of it copied out of the frame it came in.</summary>
    private sealed class JoinAttempt
    {
        public JoinAttempt(in GroupInput input, JoinGroupRequest request, GroupLimits limits)
        {
            Request = request;
            Origin = input.Origin;
            Parked = new ParkedRequest(input.Token!, input.Version);

            // Version 0 has no rebalance timeout; the session timeout served as both. Some clients of later versions leave it at zero,
            // which nobody could keep.
            RebalanceTimeoutMs = input.Version == 0 || request.RebalanceTimeoutMs <= 0
                ? request.SessionTimeoutMs
                : Math.Min(request.RebalanceTimeoutMs, limits.RebalanceTimeoutMaxMs);
            HashSet<string> names = [];
            foreach (JoinGroupRequest.JoinGroupRequestProtocol protocol in request.Protocols)
            {
                // A name that is listed twice counts once, or it would seem to have more supporters than it has.
                if (!names.Add(protocol.Name)) continue;
                Protocols.Add(new MemberProtocol(protocol.Name, protocol.Metadata.ToArray()));
            }
        }

        public JoinGroupRequest Request { get; }

        public RequestOrigin Origin { get; }

        public ParkedRequest Parked { get; }

        public int RebalanceTimeoutMs { get; }

        public List<MemberProtocol> Protocols { get; } = [];
    }
}

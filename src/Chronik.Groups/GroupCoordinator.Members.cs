using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Groups;

/// <content>SyncGroup, Heartbeat and LeaveGroup: the life of a member between two rebalances.</content>
public sealed partial class GroupCoordinator
{
    private void Sync(in GroupInput input, SyncGroupRequest request)
    {
        KafkaError error = request.GroupId.Length == 0 ? KafkaError.InvalidGroupId : KafkaError.UnknownMemberId;
        if (!TryFind(request.GroupId, out Group? group) || group.State == GroupState.Empty)
        {
            Reply(input.Token!, new SyncGroupResponse { ErrorCode = (short)error });
            return;
        }

        error = ValidateSync(group, request);
        if (error != KafkaError.None)
        {
            Reply(input.Token!, new SyncGroupResponse { ErrorCode = (short)error });
            return;
        }

        GroupMember member = group.Members[request.MemberId];
        MarkSynced(group, member);
        if (group.State == GroupState.Stable)
        {
            Reply(input.Token!, SyncResponse(group, member));
            return;
        }

        // The client has given up on an older request; the connection still waits for its turn.
        ReplySync(member, new SyncGroupResponse { ErrorCode = (short)KafkaError.RebalanceInProgress });
        member.Sync = new ParkedRequest(input.Token!, input.Version);
        if (group.IsLeader(member.Id)) StoreAssignments(group, request);
    }

    private static KafkaError ValidateSync(Group group, SyncGroupRequest request)
    {
        if (group.State == GroupState.Dead) return KafkaError.CoordinatorNotAvailable;
        KafkaError error = group.Validate(request.MemberId, request.GroupInstanceId);
        if (error != KafkaError.None) return error;
        if (request.GenerationId != group.Generation) return KafkaError.IllegalGeneration;
        if (IsOther(request.ProtocolType, group.ProtocolType) || IsOther(request.ProtocolName, group.ProtocolName))
            return KafkaError.InconsistentGroupProtocol;
        return group.State == GroupState.PreparingRebalance ? KafkaError.RebalanceInProgress : KafkaError.None;
    }

    private static bool IsOther(string? named, string? actual) => named is not null && actual is not null && named != actual;

    /// <summary>Everybody learns the assignment once it is in the log, so that no restart can give it to another generation.</summary>
    private void StoreAssignments(Group group, SyncGroupRequest request)
    {
        long bytes = 0;
        foreach (SyncGroupRequest.SyncGroupRequestAssignment assignment in request.Assignments) bytes += assignment.Assignment.Length;
        KafkaError refused = RefuseForMemory(group, bytes, out string? refusal);
        if (refused != KafkaError.None)
        {
            // As Kafka answers when the group's record is too large for its log.
            if (refused == KafkaError.GroupMaxSizeReached) refused = KafkaError.UnknownServerError;
            ReplySync(group.Members[request.MemberId], new SyncGroupResponse { ErrorCode = (short)refused }, refusal);
            FinishSync(group, group.Generation, [], refused);
            return;
        }

        var assignments = new Dictionary<string, byte[]>();
        foreach (SyncGroupRequest.SyncGroupRequestAssignment assignment in request.Assignments)
        {
            if (group.Members.ContainsKey(assignment.MemberId)) assignments[assignment.MemberId] = assignment.Assignment.ToArray();
        }

        int generation = group.Generation;
        AppendMetadata(group, assignments, error => FinishSync(group, generation, assignments, error));
    }

    private void FinishSync(Group group, int generation, Dictionary<string, byte[]> assignments, KafkaError error)
    {
        // Somebody came or went while the log was written, and those who waited have been told; or the leader asked twice.
        if (group.State != GroupState.CompletingRebalance || group.Generation != generation) return;
        if (error != KafkaError.None)
        {
            foreach (GroupMember member in group.Members.Values)
            {
                ReplySync(member, new SyncGroupResponse { ErrorCode = (short)error });
                RestartSession(group, member);
            }

            PrepareRebalance(group);
            return;
        }

        group.MoveTo(GroupState.Stable, _now);
        foreach (GroupMember member in group.Members.Values)
        {
            group.Assign(member, assignments.GetValueOrDefault(member.Id, []));
            if (member.Sync is null) continue;
            ReplySync(member, SyncResponse(group, member));

            // It was excused while it waited; from here on it heartbeats.
            RestartSession(group, member);
        }
    }

    private void MarkSynced(Group group, GroupMember member)
    {
        group.PendingSync.Remove(member.Id);
        if (group.PendingSync.Count == 0) _timers.Cancel(SyncOf(group));
    }

    private void ReplySync(GroupMember member, SyncGroupResponse response, string? refusal = null)
    {
        if (member.Sync is not ParkedRequest sync) return;
        member.Sync = null;
        Reply(sync.Token, response, refusal);
    }

    private static SyncGroupResponse SyncResponse(Group group, GroupMember member) =>
        new() { ProtocolType = group.ProtocolType, ProtocolName = group.ProtocolName, Assignment = member.Assignment };

    private void Heartbeat(in GroupInput input, HeartbeatRequest request) =>
        Reply(input.Token!, new HeartbeatResponse { ErrorCode = (short)Heartbeat(request) });

    private KafkaError Heartbeat(HeartbeatRequest request)
    {
        if (request.GroupId.Length == 0) return KafkaError.InvalidGroupId;
        if (!TryFind(request.GroupId, out Group? group)) return KafkaError.UnknownMemberId;
        if (group.State == GroupState.Dead) return KafkaError.CoordinatorNotAvailable;
        KafkaError error = group.Validate(request.MemberId, request.GroupInstanceId);
        if (error != KafkaError.None) return error;
        if (request.GenerationId != group.Generation) return KafkaError.IllegalGeneration;
        RestartSession(group, group.Members[request.MemberId]);
        return group.State == GroupState.PreparingRebalance ? KafkaError.RebalanceInProgress : KafkaError.None;
    }

    private void Leave(in GroupInput input, LeaveGroupRequest request)
    {
        object token = input.Token!;
        short version = input.Version;
        KafkaError error = request.GroupId.Length == 0 ? KafkaError.InvalidGroupId : KafkaError.None;
        TryFind(request.GroupId, out Group? group);
        if (group?.State == GroupState.Dead) error = KafkaError.CoordinatorNotAvailable;
        if (error != KafkaError.None)
        {
            Reply(token, new LeaveGroupResponse { ErrorCode = (short)error });
            return;
        }

        var response = new LeaveGroupResponse();
        bool anyoneLeft = false;
        foreach ((string memberId, string? instanceId) in Leaving(request, version))
        {
            error = group is null ? KafkaError.UnknownMemberId : Leave(group, memberId, instanceId);
            anyoneLeft |= error == KafkaError.None;

            // Before version 3 there is one member and one place for its error.
            if (version < 3) response.ErrorCode = (short)error;
            else response.Members.Add(new() { MemberId = memberId, GroupInstanceId = instanceId, ErrorCode = (short)error });
        }

        long before = _lastWrite;
        if (group is not null && anyoneLeft) AfterDeparture(group);
        if (_lastWrite == before)
        {
            Reply(token, response);
            if (group is not null) DropIfVestigial(group);
            return;
        }

        // That emptied the group. The client is told when the log knows it too.
        AfterWrite(new GroupWriteId(_lastWrite), failure =>
            Reply(token, failure == KafkaError.None ? response : new LeaveGroupResponse { ErrorCode = (short)failure }));
    }

    private static IEnumerable<(string MemberId, string? InstanceId)> Leaving(LeaveGroupRequest request, short version) =>
        version < 3 ? [(request.MemberId, null)] : request.Members.Select(member => (member.MemberId, member.GroupInstanceId));

    private KafkaError Leave(Group group, string memberId, string? instanceId)
    {
        if (memberId.Length == 0)
        {
            // An administrator takes a static member out by the name of its instance.
            if (instanceId is null || !group.TryGetStatic(instanceId, out string? current)) return KafkaError.UnknownMemberId;
            RemoveMember(group, group.Members[current]);
            return KafkaError.None;
        }

        if (group.PendingMembers.Contains(memberId))
        {
            _timers.Cancel(SessionOf(group, memberId));
            group.Remove(memberId);
            return KafkaError.None;
        }

        KafkaError error = group.Validate(memberId, instanceId);
        if (error == KafkaError.None) RemoveMember(group, group.Members[memberId]);
        return error;
    }
}

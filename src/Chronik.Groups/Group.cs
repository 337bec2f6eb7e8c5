using System.Diagnostics.CodeAnalysis;
using Chronik.Model;

namespace Chronik.Groups;

/// <summary>
/// One classic group: who is in it, in which state and generation, and its committed offsets. It keeps its own books in order (who waits,
/// which protocol everybody supports, which member id an instance has) and decides nothing.
/// </summary>
internal sealed class Group(string id, GroupMemory memory)
{
    private readonly Dictionary<string, GroupMember> _members = [];
    private readonly Dictionary<string, string> _staticMembers = [];
    private readonly Dictionary<string, int> _supporters = [];
    private readonly HashSet<string> _pendingMembers = [];

    public string Id { get; } = id;

    public GroupState State { get; private set; } = GroupState.Empty;

    /// <summary>The state before this one; Dead for a group that has been in one state only.</summary>
    public GroupState PreviousState { get; private set; } = GroupState.Dead;

    /// <summary>When it entered its state; -1 when an old record did not say.</summary>
    public long StateSinceMs { get; set; } = -1;

    /// <summary>Counts rebalances. Only ever grows, as far as the log has it.</summary>
    public int Generation { get; set; }

    /// <summary>"consumer", "connect" and so on; null for a group that never had members.</summary>
    public string? ProtocolType { get; set; }

    /// <summary>The assignor of the current generation.</summary>
    public string? ProtocolName { get; set; }

    public string? LeaderId { get; set; }

    public IReadOnlyDictionary<string, GroupMember> Members => _members;

    /// <summary>Member ids that were handed out (KIP-394) and have not joined yet.</summary>
    public IReadOnlySet<string> PendingMembers => _pendingMembers;

    /// <summary>What its members and pending members take of the memory for groups.</summary>
    public long Bytes { get; private set; }

    /// <summary>Members that have not sent their SyncGroup in this generation.</summary>
    public HashSet<string> PendingSync { get; } = [];

    /// <summary>How many members have a join parked.</summary>
    public int WaitingJoins { get; private set; }

    /// <summary>Someone came during the initial delay, so it may be extended.</summary>
    public bool NewMemberAdded { get; set; }

    /// <summary>How long the initial delay may still be extended in total.</summary>
    public int InitialDelayLeftMs { get; set; }

    /// <summary>The topics that its consumers read; null when that is not known.</summary>
    public HashSet<string>? SubscribedTopics { get; private set; }

    public GroupOffsets Offsets { get; } = new();

    /// <summary>The value of its last metadata record that is committed in the log; null when there is none.</summary>
    public byte[]? Persisted { get; set; }

    /// <summary>Writes about this group that are not reported yet, and the last of them.</summary>
    public int WritesInFlight { get; set; }

    public GroupWriteId LastWrite { get; set; }

    /// <summary>Nothing would be missed if it were forgotten: nothing is in the log, on its way there, or waiting.</summary>
    public bool IsVestigial => State == GroupState.Empty && _members.Count == 0 && PendingMembers.Count == 0 && Offsets.Count == 0
        && WritesInFlight == 0 && Persisted is null;

    public bool IsConsumerGroup => ProtocolType == ConsumerSubscription.ProtocolType;

    public bool HasAllMembersJoined => _members.Count == WaitingJoins && PendingMembers.Count == 0;

    public bool CanRebalance => State is GroupState.Empty or GroupState.CompletingRebalance or GroupState.Stable;

    /// <summary>The longest of its members, who all must have the time to join.</summary>
    public int RebalanceTimeoutMs
    {
        get
        {
            int longest = 0;
            foreach (GroupMember member in _members.Values) longest = Math.Max(longest, member.RebalanceTimeoutMs);
            return longest;
        }
    }

    public bool IsLeader(string memberId) => LeaderId == memberId;

    public bool TryGetMember(string memberId, [MaybeNullWhen(false)] out GroupMember member) => _members.TryGetValue(memberId, out member);

    public bool TryGetStatic(string instanceId, [MaybeNullWhen(false)] out string memberId) =>
        _staticMembers.TryGetValue(instanceId, out memberId);

    public void MoveTo(GroupState next, long nowMs)
    {
        Invariant.Require(IsStep(State, next));
        PreviousState = State;
        State = next;
        StateSinceMs = nowMs;
    }

    /// <summary>Takes the state that a record of the log describes.</summary>
    public void Restore(GroupState state, long sinceMs)
    {
        PreviousState = GroupState.Dead;
        State = state;
        StateSinceMs = sinceMs;
    }

    public void Add(GroupMember member)
    {
        if (member.InstanceId is not null)
        {
            bool added = _staticMembers.TryAdd(member.InstanceId, member.Id);
            Invariant.Require(added);
        }

        LeaderId ??= member.Id;
        _members.Add(member.Id, member);
        Count(member, 1);
        Charge(member.Bytes);
        if (member.Join is not null) WaitingJoins++;
        RemovePending(member.Id);
    }

    /// <summary>About how much memory a member id takes that was handed out.</summary>
    public static long BytesOfPending(string memberId) => 128 + (sizeof(char) * memberId.Length);

    public void AddPending(string memberId)
    {
        if (_pendingMembers.Add(memberId)) Charge(BytesOfPending(memberId));
    }

    public void ClearPending()
    {
        foreach (string memberId in _pendingMembers) Charge(-BytesOfPending(memberId));
        _pendingMembers.Clear();
    }

    public void Assign(GroupMember member, byte[] assignment)
    {
        Charge(assignment.Length - member.Assignment.Length);
        member.Assignment = assignment;
    }

    /// <summary>Gives back its part of the memory: the group is no longer kept.</summary>
    public void ReleaseMemory() => Charge(-Bytes);

    /// <summary>Forgets a member or a pending member; the leader's part goes to another one.</summary>
    public void Remove(string memberId)
    {
        if (_members.Remove(memberId, out GroupMember? member))
        {
            Count(member, -1);
            Charge(-member.Bytes);
            if (member.Join is not null) WaitingJoins--;
            if (member.InstanceId is not null) _staticMembers.Remove(member.InstanceId);
        }

        if (IsLeader(memberId)) LeaderId = _members.Count == 0 ? null : _members.First().Key;
        RemovePending(memberId);
        PendingSync.Remove(memberId);
    }

    /// <summary>Gives a static member's place, assignment included, to a new member id (KIP-345).</summary>
    public GroupMember ReplaceStatic(string instanceId, string oldId, string newId, string clientId, string clientHost)
    {
        GroupMember old = _members[oldId];
        Invariant.Require(old.Join is null && old.Sync is null && old.InstanceId == instanceId);
        _members.Remove(oldId);
        bool waitsForSync = PendingSync.Remove(oldId);
        var successor = new GroupMember(newId, instanceId, clientId, clientHost)
        {
            SessionTimeoutMs = old.SessionTimeoutMs,
            RebalanceTimeoutMs = old.RebalanceTimeoutMs,
            Protocols = old.Protocols,
            Assignment = old.Assignment,
        };
        _members.Add(newId, successor);
        Charge(successor.Bytes - old.Bytes);
        _staticMembers[instanceId] = newId;
        if (waitsForSync) PendingSync.Add(newId);
        if (IsLeader(oldId)) LeaderId = newId;
        return successor;
    }

    public void Update(GroupMember member, List<MemberProtocol> protocols, int sessionTimeoutMs, int rebalanceTimeoutMs)
    {
        Count(member, -1);
        Charge(-member.Bytes);
        member.Protocols = protocols;
        Charge(member.Bytes);
        Count(member, 1);
        member.SessionTimeoutMs = sessionTimeoutMs;
        member.RebalanceTimeoutMs = rebalanceTimeoutMs;
    }

    /// <summary>Sets or takes the parked join of a member and keeps the count.</summary>
    public ParkedRequest? Park(GroupMember member, ParkedRequest? join)
    {
        ParkedRequest? before = member.Join;
        WaitingJoins += (join is null ? 0 : 1) - (before is null ? 0 : 1);
        member.Join = join;
        return before;
    }

    /// <summary>Whether somebody with these protocols can be a member: the group is empty, or all members support one of them.</summary>
    public bool Accepts(string protocolType, List<MemberProtocol> protocols)
    {
        if (State == GroupState.Empty) return protocolType.Length > 0 && protocols.Count > 0;
        return protocolType == ProtocolType && protocols.Exists(protocol => IsSupportedByAll(protocol.Name));
    }

    /// <summary>Every member votes for its favourite among those that all support; on a tie the name that sorts first wins.</summary>
    public string SelectProtocol()
    {
        Invariant.Require(_members.Count > 0);
        var votes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (GroupMember member in _members.Values)
        {
            foreach (MemberProtocol protocol in member.Protocols)
            {
                if (!IsSupportedByAll(protocol.Name)) continue;
                votes[protocol.Name] = votes.GetValueOrDefault(protocol.Name) + 1;
                break;
            }
        }

        Invariant.Require(votes.Count > 0);
        return votes.MaxBy(vote => vote.Value).Key;
    }

    public void LearnSubscriptions()
    {
        if (!IsConsumerGroup)
        {
            SubscribedTopics = null;
            return;
        }

        var topics = new HashSet<string>();
        foreach (GroupMember member in _members.Values)
        {
            if (ConsumerSubscription.TryReadTopics(member.MetadataOf(ProtocolName), topics)) continue;
            SubscribedTopics = null;
            return;
        }

        SubscribedTopics = topics;
    }

    /// <summary>Whether its members read a topic; a consumer group that does not say counts as reading every one.</summary>
    public bool IsSubscribedTo(string topic) => SubscribedTopics?.Contains(topic) ?? IsConsumerGroup;

    /// <summary>Whether a request comes from a member, under the id that its instance has now.</summary>
    public KafkaError Validate(string memberId, string? instanceId)
    {
        if (instanceId is not null)
        {
            if (!_staticMembers.TryGetValue(instanceId, out string? current)) return KafkaError.UnknownMemberId;
            if (current != memberId) return KafkaError.FencedInstanceId;
        }

        return _members.ContainsKey(memberId) ? KafkaError.None : KafkaError.UnknownMemberId;
    }

    private bool IsSupportedByAll(string protocol) => _supporters.GetValueOrDefault(protocol) == _members.Count;

    private void RemovePending(string memberId)
    {
        if (_pendingMembers.Remove(memberId)) Charge(-BytesOfPending(memberId));
    }

    private void Charge(long bytes)
    {
        Bytes += bytes;
        memory.Add(bytes);
    }

    private void Count(GroupMember member, int by)
    {
        foreach (MemberProtocol protocol in member.Protocols)
        {
            int supporters = _supporters.GetValueOrDefault(protocol.Name) + by;
            if (supporters == 0) _supporters.Remove(protocol.Name);
            else _supporters[protocol.Name] = supporters;
        }
    }

    private static bool IsStep(GroupState from, GroupState to) => to switch
    {
        GroupState.Empty => from is GroupState.PreparingRebalance or GroupState.Dead,
        GroupState.PreparingRebalance => from is GroupState.Empty or GroupState.CompletingRebalance or GroupState.Stable,
        GroupState.CompletingRebalance => from == GroupState.PreparingRebalance,
        GroupState.Stable => from == GroupState.CompletingRebalance,
        _ => true,
    };
}

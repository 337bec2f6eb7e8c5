using System.Diagnostics.CodeAnalysis;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Groups;

/// <summary>
/// The groups and offsets that one partition of <c>__consumer_offsets</c> holds: Kafka's classic group protocol, with static members
/// (KIP-345), required member ids (KIP-394) and incremental rebalancing (KIP-429, which is between the clients). Pure: same inputs, same
/// outputs.
/// </summary>
/// <remarks>
/// It is a view of its log. Membership is decided in memory, but nothing is told to a client as done before the record of it is committed:
/// assignments, offsets, deletions and departures that empty a group are answered by the <see cref="GroupInputKind.Committed"/> that
/// covers their write. After a restart groups are back with their last committed generation, members and offsets; joins that were waiting
/// are not, their clients come again.
/// Invariants, checked as it goes: writes are reported in the order of their ids; a request is answered exactly once; a group moves only
/// along the arrows of its state diagram (README).
/// </remarks>
public sealed partial class GroupCoordinator
{
    private readonly GroupLimits _limits;
    private readonly Func<Guid> _newId;
    private readonly Dictionary<string, Group> _groups = [];
    private readonly GroupTimers _timers = new();
    private readonly Queue<PendingWrite> _pending = new();
    private GroupEffects _effects = new();
    private Phase _phase = Phase.Inactive;
    private long _now;
    private long _lastWrite;
    private int _offsetCount;

    /// <summary>Makes the coordinator of a partition that is not led here yet.</summary>
    /// <param name="limits">What it allows.</param>
    /// <param name="newId">Where the random part of member ids comes from.</param>
    public GroupCoordinator(GroupLimits limits, Func<Guid> newId)
    {
        _limits = limits;
        _newId = newId;
    }

    private enum Phase
    {
        Inactive,
        Loading,
        Active,
    }

    /// <summary>Whether it has been loaded and serves.</summary>
    public bool IsActive => _phase == Phase.Active;

    /// <summary>How many groups there are, empty ones included.</summary>
    public int GroupCount => _groups.Count;

    /// <summary>How many committed offsets there are, of all groups.</summary>
    public int OffsetCount => _offsetCount;

    /// <summary>How many writes have not been reported as committed or failed.</summary>
    public int WritesInFlight => _pending.Count;

    /// <summary>
    /// The partition of <c>__consumer_offsets</c> that holds a group: Kafka's choice. Clients ask for it, some tools compute it.
    /// </summary>
    /// <param name="groupId">The group.</param>
    /// <param name="partitionCount">How many partitions the topic has; at least 1.</param>
    public static int PartitionFor(string groupId, int partitionCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(partitionCount, 1);
        int hash = 0;
        foreach (char unit in groupId) hash = unchecked((31 * hash) + unit);
        return hash == int.MinValue ? 0 : Math.Abs(hash) % partitionCount;
    }

    /// <summary>Takes one input and says in <paramref name="effects"/> what is to be done. The caller has cleared it.</summary>
    /// <exception cref="InvariantViolationException">The coordinator cannot go on: drop it, and load another one from the log.</exception>
    /// <exception cref="ProtocolException">A record of the log cannot be read.</exception>
    public void Step(in GroupInput input, GroupEffects effects)
    {
        _effects = effects;
        _now = Math.Max(_now, input.NowMs);
        switch (input.Kind)
        {
            case GroupInputKind.Tick: break;
            case GroupInputKind.Request: Serve(input); break;
            case GroupInputKind.Committed: Settle(input.Through, KafkaError.None); break;
            case GroupInputKind.Failed: Settle(input.Through, ToClientError(input.Error)); break;
            case GroupInputKind.StartLoading: StartLoading(); break;
            case GroupInputKind.Load: LoadRecord(input.Key, input.Value); break;
            case GroupInputKind.Loaded: FinishLoading(); break;
            case GroupInputKind.Unload: Unload(); break;
            case GroupInputKind.TopicDeleted: DeleteTopicOffsets(input.Topic!, input.TopicId); break;
        }

        if (_phase == Phase.Active) FireTimers();
        effects.WakeAtMs = _timers.NextDueMs;
    }

    private void Serve(in GroupInput input)
    {
        IRequestMessage message = input.Message!;
        KafkaError refusal = _phase switch
        {
            Phase.Inactive => KafkaError.NotCoordinator,
            Phase.Loading => KafkaError.CoordinatorLoadInProgress,
            _ => KafkaError.None,
        };
        if (refusal != KafkaError.None)
        {
            // A member must not lose its session because its coordinator is loading, so its heartbeat is taken on trust.
            bool isTrusted = message is HeartbeatRequest && refusal == KafkaError.CoordinatorLoadInProgress;
            Reply(input.Token!, isTrusted ? new HeartbeatResponse() : GroupResponses.Error(message, input.Version, refusal));
            return;
        }

        switch (message)
        {
            case JoinGroupRequest join: Join(input, join); break;
            case SyncGroupRequest sync: Sync(input, sync); break;
            case HeartbeatRequest heartbeat: Heartbeat(input, heartbeat); break;
            case LeaveGroupRequest leave: Leave(input, leave); break;
            case OffsetCommitRequest commit: CommitOffsets(input, commit); break;
            case OffsetFetchRequest fetch: FetchOffsets(input, fetch); break;
            case OffsetDeleteRequest delete: DeleteOffsets(input, delete); break;
            case ListGroupsRequest list: ListGroups(input, list); break;
            case DescribeGroupsRequest describe: DescribeGroups(input, describe); break;
            case DeleteGroupsRequest delete: DeleteGroups(input, delete); break;
            default: throw new ArgumentException($"{message.ApiKey} is not served by a group coordinator", nameof(input));
        }
    }

    private void FireTimers()
    {
        while (_timers.TryTakeDue(_now, out GroupTimerKey key))
        {
            if (key.Kind == GroupTimerKind.Sweep)
            {
                Sweep();
                continue;
            }

            if (!_groups.TryGetValue(key.GroupId, out Group? group) || group.State == GroupState.Dead) continue;
            switch (key.Kind)
            {
                case GroupTimerKind.Session: ExpireSession(group, key.MemberId); break;
                case GroupTimerKind.Join: ExpireJoin(group); break;
                case GroupTimerKind.Sync: ExpireSync(group); break;
            }

            DropIfVestigial(group);
        }
    }

    private bool TryFind(string groupId, [MaybeNullWhen(false)] out Group group) => _groups.TryGetValue(groupId, out group);

    /// <summary>Makes a group; null, with the reason, when there are too many.</summary>
    private Group? Create(string groupId, out string? refusal)
    {
        refusal = null;
        if (_groups.Count >= _limits.GroupsMax)
        {
            refusal = $"the coordinator holds groups.max-groups = {_limits.GroupsMax} groups";
            return null;
        }

        var group = new Group(groupId, _limits.Memory) { StateSinceMs = _now };
        _groups.Add(groupId, group);
        return group;
    }

    private void DropIfVestigial(Group group)
    {
        if (group.IsVestigial && _groups.TryGetValue(group.Id, out Group? current) && current == group) _groups.Remove(group.Id);
    }

    private void Reply(object token, IResponseMessage response, string? refusal = null) =>
        _effects.Replies.Add(new GroupReply(token, response, refusal));

    private static GroupTimerKey SessionOf(Group group, string memberId) => new(GroupTimerKind.Session, group.Id, memberId);

    private static GroupTimerKey JoinOf(Group group) => new(GroupTimerKind.Join, group.Id, "");

    private static GroupTimerKey SyncOf(Group group) => new(GroupTimerKind.Sync, group.Id, "");
}

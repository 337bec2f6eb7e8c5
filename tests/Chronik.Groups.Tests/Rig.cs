using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Xunit;

namespace Chronik.Groups.Tests;

/// <summary>One coordinator with a log and a clock in memory. Commits writes at once unless <see cref="HoldWrites"/> is set.</summary>
internal sealed class Rig
{
    public const string GroupName = "g";

    private readonly Dictionary<int, IResponseMessage> _replies = [];
    private readonly Dictionary<int, string?> _refusals = [];
    private readonly List<GroupWrite> _held = [];
    private readonly HashSet<int> _open = [];
    private readonly GroupEffects _effects = new();
    private int _nextToken;
    private int _nextId;

    public Rig(GroupLimits? limits = null, bool load = true)
    {
        Limits = limits ?? new GroupLimits { InitialRebalanceDelayMs = 0 };
        Core = NewCore();
        if (load) Load();
    }

    public GroupLimits Limits { get; set; }

    public GroupCoordinator Core { get; private set; }

    public long Now { get; private set; } = 1_000_000;

    /// <summary>What is committed in the log, in order.</summary>
    public List<GroupRecord> Log { get; } = [];

    public bool HoldWrites { get; set; }

    public IReadOnlyList<GroupWrite> Held => _held;

    public long? WakeAt { get; private set; }

    /// <summary>Requests that have not been answered by the coordinator that took them.</summary>
    public IReadOnlySet<int> Open => _open;

    public int Ask(IRequestMessage request, short version, string clientId = "c", string host = "/127.0.0.1")
    {
        int token = _nextToken++;
        _open.Add(token);
        Step(GroupInput.Request(token, request, version, new RequestOrigin(clientId, host), Now));
        return token;
    }

    public T Get<T>(IRequestMessage request, short version) where T : IResponseMessage => Reply<T>(Ask(request, version));

    public T Reply<T>(int token) where T : IResponseMessage
    {
        Assert.True(_replies.ContainsKey(token), $"request {token} has not been answered");
        return Assert.IsType<T>(_replies[token]);
    }

    public bool IsAnswered(int token) => _replies.ContainsKey(token);

    public string? Refusal(int token) => _refusals[token];

    /// <summary>Lets time pass, waking the coordinator when it asked for it.</summary>
    public void Pass(long ms)
    {
        long until = Now + ms;
        while (WakeAt is long wake && wake <= until)
        {
            Now = Math.Max(Now, wake);
            Step(GroupInput.Tick(Now));
        }

        Now = until;
        Step(GroupInput.Tick(Now));
    }

    /// <summary>Commits what is held.</summary>
    public void Commit()
    {
        while (_held.Count > 0)
        {
            GroupWrite last = _held[^1];
            foreach (GroupWrite write in _held) Log.AddRange(write.Records);
            _held.Clear();
            Step(GroupInput.Committed(last.Id, Now));
        }
    }

    /// <summary>Commits the oldest of what is held.</summary>
    public void CommitSome(int count)
    {
        GroupWriteId last = _held[count - 1].Id;
        foreach (GroupWrite write in _held.Take(count)) Log.AddRange(write.Records);
        _held.RemoveRange(0, count);
        Step(GroupInput.Committed(last, Now));
    }

    /// <summary>Fails what is held.</summary>
    public void Fail(KafkaError error)
    {
        GroupWrite last = _held[^1];
        _held.Clear();
        Step(GroupInput.Failed(last.Id, error, Now));
    }

    public void Unload()
    {
        _held.Clear();
        Step(GroupInput.Unload(Now));
    }

    /// <summary>Forgets everything but the log and starts again; some writes may have reached the log without a report.</summary>
    public void Restart(int reached = 0)
    {
        foreach (GroupWrite write in _held.Take(reached)) Log.AddRange(write.Records);
        _held.Clear();
        _open.Clear();
        Core = NewCore();
        Load();
    }

    public void Step(GroupInput input)
    {
        _effects.Clear();
        Core.Step(input, _effects);
        Take();
    }

    /// <summary>Writes the live state and drops what was in the log before it, as the shell does.</summary>
    public void Compact()
    {
        int before = Log.Count;
        _effects.Clear();
        Core.WriteLiveState(_effects);
        Take();
        Commit();
        Log.RemoveRange(0, before);
    }

    public void Load()
    {
        Step(GroupInput.StartLoading(Now));
        foreach (GroupRecord record in Log) Step(GroupInput.Load(record.Key, record.Value, Now));
        Step(GroupInput.Loaded(Now));
    }

    private GroupCoordinator NewCore() => new(Limits, () => new Guid(++_nextId, 0, 0, new byte[8]));

    private void Take()
    {
        foreach (GroupReply reply in _effects.Replies)
        {
            Assert.True(_replies.TryAdd((int)reply.Token, reply.Response), $"request {reply.Token} was answered twice");
            Assert.True(_open.Remove((int)reply.Token), $"request {reply.Token} was answered after its coordinator was gone");
            _refusals[(int)reply.Token] = reply.Refusal;
        }

        WakeAt = _effects.WakeAtMs;
        _held.AddRange(_effects.Writes);
        if (!HoldWrites) Commit();
    }
}

/// <summary>Requests and conversations that tests need again and again.</summary>
internal static class Requests
{
    public const short JoinV = 9;
    public const short SyncV = 5;

    public static JoinGroupRequest JoinOf(
        string memberId = "", string? instance = null, int session = 10_000, int rebalance = 60_000, string type = "consumer",
        string group = Rig.GroupName, params (string Name, byte[] Metadata)[] protocols)
    {
        var request = new JoinGroupRequest
        {
            GroupId = group,
            MemberId = memberId,
            GroupInstanceId = instance,
            SessionTimeoutMs = session,
            RebalanceTimeoutMs = rebalance,
            ProtocolType = type,
        };
        if (protocols.Length == 0) protocols = [("range", Subscription("orders"))];
        foreach ((string name, byte[] metadata) in protocols) request.Protocols.Add(new() { Name = name, Metadata = metadata });
        return request;
    }

    public static byte[] Subscription(params string[] topics)
    {
        using var writer = new KafkaWriter();
        writer.WriteInt16(0);
        writer.WriteInt32(topics.Length);
        foreach (string topic in topics) writer.WriteString(topic, flexible: false);
        writer.WriteInt32(-1);
        return writer.ToArray();
    }

    public static SyncGroupRequest SyncOf(string memberId, int generation, params (string MemberId, byte[] Assignment)[] assignments)
    {
        var request = new SyncGroupRequest { GroupId = Rig.GroupName, MemberId = memberId, GenerationId = generation };
        foreach ((string to, byte[] assignment) in assignments) request.Assignments.Add(new() { MemberId = to, Assignment = assignment });
        return request;
    }

    public static HeartbeatRequest HeartbeatOf(string memberId, int generation, string? instance = null) =>
        new() { GroupId = Rig.GroupName, MemberId = memberId, GenerationId = generation, GroupInstanceId = instance };

    public static LeaveGroupRequest LeaveOf(params (string MemberId, string? Instance)[] members)
    {
        var request = new LeaveGroupRequest { GroupId = Rig.GroupName };
        foreach ((string id, string? instance) in members) request.Members.Add(new() { MemberId = id, GroupInstanceId = instance });
        return request;
    }

    public static OffsetCommitRequest CommitOf(
        long offset, string memberId = "", int generation = -1, string group = Rig.GroupName, string topic = "orders", int partition = 0,
        string? metadata = null, Guid topicId = default, string? instance = null)
    {
        var request = new OffsetCommitRequest
        {
            GroupId = group,
            MemberId = memberId,
            GenerationIdOrMemberEpoch = generation,
            GroupInstanceId = instance,
        };
        var named = new OffsetCommitRequest.OffsetCommitRequestTopic { Name = topic, TopicId = topicId };
        named.Partitions.Add(new() { PartitionIndex = partition, CommittedOffset = offset, CommittedMetadata = metadata });
        request.Topics.Add(named);
        return request;
    }

    public static OffsetFetchRequest FetchOf(
        string group = Rig.GroupName, string topic = "orders", int partition = 0, bool stable = false, Guid topicId = default)
    {
        var request = new OffsetFetchRequest { RequireStable = stable };
        var asked = new OffsetFetchRequest.OffsetFetchRequestGroup { GroupId = group, Topics = [] };
        asked.Topics.Add(new() { Name = topic, TopicId = topicId, PartitionIndexes = [partition] });
        request.Groups.Add(asked);
        return request;
    }

    public static KafkaError Join(this Rig rig, out JoinGroupResponse response, JoinGroupRequest request, short version = JoinV)
    {
        response = rig.Get<JoinGroupResponse>(request, version);
        return (KafkaError)response.ErrorCode;
    }

    /// <summary>Lets a dynamic member join under a new id; its join may stay parked.</summary>
    public static (string Id, int Token) Enter(
        this Rig rig, int session = 10_000, int rebalance = 60_000, params (string, byte[])[] protocols)
    {
        JoinGroupRequest request = JoinOf(session: session, rebalance: rebalance, protocols: protocols);
        var first = rig.Get<JoinGroupResponse>(request, JoinV);
        Assert.Equal(KafkaError.MemberIdRequired, (KafkaError)first.ErrorCode);
        request.MemberId = first.MemberId;
        return (first.MemberId, rig.Ask(request, JoinV));
    }

    /// <summary>Makes a stable group of this many members, led by the first. Each one's assignment is its number.</summary>
    public static (string[] Ids, int Generation) Stable(this Rig rig, int members, int rebalance = 60_000)
    {
        var ids = new List<string>();
        int generation = 0;
        for (int i = 0; i < members; i++)
        {
            (string id, int token) = rig.Enter(rebalance: rebalance);
            ids.Add(id);
            var tokens = new List<int> { token };
            if (i > 0)
            {
                for (int j = 0; j < i; j++) tokens.Add(rig.Ask(JoinOf(ids[j], rebalance: rebalance), JoinV));
            }

            generation = rig.Reply<JoinGroupResponse>(tokens[0]).GenerationId;
            (string, byte[])[] assignments = ids.Select((member, number) => (member, new[] { (byte)number })).ToArray();
            List<int> syncs = ids.Skip(1).Select(member => rig.Ask(SyncOf(member, generation), SyncV)).ToList();
            syncs.Add(rig.Ask(SyncOf(ids[0], generation, assignments), SyncV));
            if (!rig.HoldWrites) Assert.All(syncs, sync => Assert.Equal(0, rig.Reply<SyncGroupResponse>(sync).ErrorCode));
        }

        return (ids.ToArray(), generation);
    }

    public static string StateOf(this Rig rig, string group = Rig.GroupName) => rig.Describe(group).GroupState;

    public static DescribeGroupsResponse.DescribedGroup Describe(this Rig rig, string group = Rig.GroupName, short version = 5)
    {
        var request = new DescribeGroupsRequest();
        request.Groups.Add(group);
        return rig.Get<DescribeGroupsResponse>(request, version).Groups.Single();
    }

    public static KafkaError Beat(this Rig rig, string memberId, int generation, string? instance = null) =>
        (KafkaError)rig.Get<HeartbeatResponse>(HeartbeatOf(memberId, generation, instance), 4).ErrorCode;

    public static KafkaError Commit(this Rig rig, OffsetCommitRequest request, short version = 9) =>
        rig.Get<OffsetCommitResponse>(request, version).Code();

    public static KafkaError Code(this OffsetCommitResponse response) => (KafkaError)response.Topics[0].Partitions[0].ErrorCode;

    public static OffsetFetchResponse.OffsetFetchResponsePartitions Only(this OffsetFetchResponse response) =>
        response.Groups.Single().Topics.Single().Partitions.Single();

    public static long Fetch(this Rig rig, string group = Rig.GroupName, string topic = "orders", int partition = 0) =>
        rig.Get<OffsetFetchResponse>(FetchOf(group, topic, partition), 9).Only().CommittedOffset;
}

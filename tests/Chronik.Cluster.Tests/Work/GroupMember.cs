using Chronik.Cluster.Tests.Wire;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Cluster.Tests.Work;

/// <summary>
/// A member of a classic consumer group: joins, shares the partitions out when it is the leader, reads what it was given and commits, and
/// joins again whenever it is told to.
/// </summary>
internal sealed class GroupMember(ClusterClient client, string group, string topic, Ledger ledger, Func<Reader> reader, Findings findings)
{
    private const int SessionMs = 10_000;
    private const int FetchWaitMs = 100;

    private static readonly TimeSpan HeartbeatEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan JoinPatience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private string _id = "";
    private volatile bool _stopped;

    /// <summary>How many commits were acknowledged.</summary>
    public long Commits { get; private set; }

    public void Stop() => _stopped = true;

    public async Task RunAsync()
    {
        while (!_stopped)
        {
            try
            {
                if (await client.CoordinatorAsync(group) is not { } coordinator) throw new RetryException("nobody coordinates");
                using Connection connection = await Connection.OpenAsync(coordinator.Address);
                while (!_stopped) await TakePartAsync(connection);
            }
            catch (RetryException)
            {
                await Task.Delay(Pause);
            }
        }
    }

    /// <summary>One generation.</summary>
    private async Task TakePartAsync(Connection connection)
    {
        JoinGroupResponse joined = await connection.CallAsync(
            new JoinGroupRequest
            {
                GroupId = group,
                SessionTimeoutMs = SessionMs,
                RebalanceTimeoutMs = SessionMs,
                MemberId = _id,
                ProtocolType = "consumer",
                Protocols = [new() { Name = "shares", Metadata = Bytes(new ConsumerProtocolSubscription { Topics = [topic] }) }],
            },
            5, JoinPatience);
        if ((KafkaError)joined.ErrorCode == KafkaError.MemberIdRequired)
        {
            _id = joined.MemberId;
            return;
        }

        if (!MayGoOn((KafkaError)joined.ErrorCode, "join")) return;
        _id = joined.MemberId;
        SyncGroupResponse synced = await connection.CallAsync(
            new SyncGroupRequest
            {
                GroupId = group,
                GenerationId = joined.GenerationId,
                MemberId = _id,
                Assignments = joined.Leader == _id ? await ShareOutAsync(joined) : [],
            },
            3, JoinPatience);
        if (!MayGoOn((KafkaError)synced.ErrorCode, "sync")) return;
        Dictionary<int, long> positions = [];
        foreach (int partition in Partitions(synced.Assignment))
        {
            ledger.NoteOwner(joined.GenerationId, partition, _id);
            positions[partition] = 0;
        }

        if (await FindPositionsAsync(connection, positions)) await ReadAndCommitAsync(connection, joined.GenerationId, positions);
    }

    private async Task<List<SyncGroupRequest.SyncGroupRequestAssignment>> ShareOutAsync(JoinGroupResponse joined)
    {
        int count = (await client.MetadataAsync(topic)).Topics[0].Partitions.Count;
        List<string> members = [.. joined.Members.Select(member => member.MemberId).Order(StringComparer.Ordinal)];
        return
        [
            .. members.Select((member, place) => new SyncGroupRequest.SyncGroupRequestAssignment
            {
                MemberId = member,
                Assignment = Bytes(new ConsumerProtocolAssignment
                {
                    AssignedPartitions =
                        [new() { Topic = topic, Partitions = [.. Enumerable.Range(0, count).Where(n => n % members.Count == place)] }],
                }),
            }),
        ];
    }

    private async Task<bool> FindPositionsAsync(Connection connection, Dictionary<int, long> positions)
    {
        Dictionary<int, long> committed = positions.Keys.ToDictionary(partition => partition, ledger.Committed);
        OffsetFetchResponse answer = await connection.CallAsync(
            new OffsetFetchRequest { GroupId = group, Topics = [new() { Name = topic, PartitionIndexes = [.. positions.Keys] }] }, 7);
        if (!MayGoOn((KafkaError)answer.ErrorCode, "offset fetch")) return false;
        foreach (OffsetFetchResponse.OffsetFetchResponsePartition partition in answer.Topics.SelectMany(one => one.Partitions))
        {
            if (!MayGoOn((KafkaError)partition.ErrorCode, "offset fetch")) return false;
            if (partition.CommittedOffset < committed[partition.PartitionIndex])
            {
                findings.Add($"{group}, partition {partition.PartitionIndex}: {committed[partition.PartitionIndex]} was committed, "
                    + $"{partition.CommittedOffset} is told");
            }

            positions[partition.PartitionIndex] = Math.Max(0, partition.CommittedOffset);
        }

        return true;
    }

    private async Task ReadAndCommitAsync(Connection connection, int generation, Dictionary<int, long> positions)
    {
        using Reader records = reader();
        long heartbeatAt = Environment.TickCount64;
        while (!_stopped)
        {
            if (Environment.TickCount64 - heartbeatAt >= HeartbeatEvery.TotalMilliseconds)
            {
                HeartbeatResponse beat = await connection.CallAsync(
                    new HeartbeatRequest { GroupId = group, GenerationId = generation, MemberId = _id }, 3);
                if (!MayGoOn((KafkaError)beat.ErrorCode, "heartbeat")) return;
                heartbeatAt = Environment.TickCount64;
            }

            Dictionary<int, long> before = new(positions);
            await records.ReadAsync(positions, FetchWaitMs);
            List<int> moved = [.. positions.Keys.Where(partition => positions[partition] > before[partition])];
            if (moved.Count > 0 && !await CommitAsync(connection, generation, positions, moved)) return;
            if (moved.Count == 0) await Task.Delay(Pause);
        }
    }

    private async Task<bool> CommitAsync(Connection connection, int generation, Dictionary<int, long> positions, List<int> moved)
    {
        OffsetCommitResponse answer = await connection.CallAsync(
            new OffsetCommitRequest
            {
                GroupId = group,
                GenerationIdOrMemberEpoch = generation,
                MemberId = _id,
                Topics =
                [
                    new()
                    {
                        Name = topic,
                        Partitions = [.. moved.Select(partition => new OffsetCommitRequest.OffsetCommitRequestPartition
                        {
                            PartitionIndex = partition,
                            CommittedOffset = positions[partition],
                        })],
                    },
                ],
            },
            7);
        bool goesOn = true;
        foreach (OffsetCommitResponse.OffsetCommitResponsePartition partition in answer.Topics.SelectMany(one => one.Partitions))
        {
            int index = partition.PartitionIndex;
            if (MayGoOn((KafkaError)partition.ErrorCode, "commit")) ledger.NoteCommit(index, positions[index]);
            else goesOn = false;
        }

        if (goesOn) Commits++;
        return goesOn;
    }

    // False: the generation is over. An error that says that the coordinator is not here, or not now, ends the connection too.
    private bool MayGoOn(KafkaError error, string what)
    {
        switch (error)
        {
            case KafkaError.None:
                return true;
            case KafkaError.UnknownMemberId:
                _id = "";
                return false;
            case KafkaError.RebalanceInProgress or KafkaError.IllegalGeneration:
                return false;
            default:
                if (!Errors.IsRetriable(error)) findings.Add($"{group}: {what} is answered {error}");
                throw new RetryException($"{what}: {error}");
        }
    }

    // A member's part of the protocol: a version, then the message.
    private static byte[] Bytes(IMessage message)
    {
        using KafkaWriter writer = new();
        writer.WriteInt16(0);
        message.Write(writer, 0);
        return writer.ToArray();
    }

    private static IEnumerable<int> Partitions(ReadOnlyMemory<byte> assignment)
    {
        if (assignment.IsEmpty) return [];
        KafkaReader reader = new(assignment);
        short version = reader.ReadInt16();
        return [.. ConsumerProtocolAssignment.Read(ref reader, version).AssignedPartitions.SelectMany(one => one.Partitions)];
    }
}

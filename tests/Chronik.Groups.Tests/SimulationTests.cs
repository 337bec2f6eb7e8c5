using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

/// <summary>
/// Members that come, go, fall silent and come back, over a log that is slow, fails, and is cut short by restarts. Checked after every
/// action: a partition has one owner in a generation, generations in the log never go back, an offset that was acknowledged or read
/// is never lost, and a request is answered exactly once.
/// </summary>
public class SimulationTests
{
    private const int Actions = 1_500;

    [Fact]
    public void Whatever_happens_ownership_generations_offsets_and_answers_stay_right()
    {
        long assignments = 0;
        long acknowledged = 0;
        for (int seed = 1; seed <= 150; seed++)
        {
            var world = new World(seed);
            try
            {
                for (int i = 0; i < Actions; i++) world.Act();
                world.End();
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"seed {seed}, action {world.ActionCount}: {exception.Message}", exception);
            }

            assignments += world.AssignmentCount;
            acknowledged += world.AcknowledgedCount;
        }

        // The world must be wild, but not so wild that nothing ever works.
        Assert.True(assignments > 1_000 && acknowledged > 2_000, $"{assignments} assignments, {acknowledged} commits");
    }

    private sealed class World
    {
        private const int Partitions = 4;

        private readonly Random _random;
        private readonly Rig _rig;
        private readonly List<Member> _members = [];
        private readonly Dictionary<(int Generation, int Partition), string> _owners = [];
        private readonly Dictionary<int, (int Partition, long Offset)> _commits = [];
        private readonly long[] _acknowledged = [-1, -1, -1, -1];
        private readonly long[] _highest = [-1, -1, -1, -1];
        private readonly long[] _seen = [-1, -1, -1, -1];
        private long _nextOffset;
        private int _checkedLog;
        private int _lastGeneration;

        public World(int seed)
        {
            _random = new Random(seed);
            _rig = new Rig(new GroupLimits
            {
                InitialRebalanceDelayMs = _random.Next(2) * 3_000,
                NewMemberJoinTimeoutMs = 30_000,
                GroupSizeMax = _random.Next(3, 8),
            })
            { HoldWrites = true };
            string?[] instances = [null, null, null, "i1", "i1", "i2"];
            foreach (string? instance in instances) _members.Add(new Member(instance));
        }

        public int ActionCount { get; private set; }

        public int AssignmentCount => _owners.Count;

        public int AcknowledgedCount { get; private set; }

        public void Act()
        {
            ActionCount++;
            switch (_random.Next(100))
            {
                case < 60: Live(_members[_random.Next(_members.Count)]); break;
                case < 72: _rig.Pass(_random.Next(1, 2_000)); break;
                case < 92: if (_rig.Held.Count > 0) _rig.CommitSome(_random.Next(1, _rig.Held.Count + 1)); break;
                case < 93: if (_rig.Held.Count > 0 && _random.Next(3) == 0) _rig.Fail(KafkaError.NotEnoughReplicas); break;
                case < 94: if (_random.Next(3) == 0) _rig.Restart(_random.Next(_rig.Held.Count + 1)); break;
                case < 95: if (_random.Next(5) == 0) LoseLeadership(); break;
                case < 97: if (_rig.Held.Count == 0) _rig.Compact(); break;
                default: Read(stable: _random.Next(2) == 0); break;
            }

            Check();
        }

        public void End()
        {
            _rig.Commit();
            _rig.HoldWrites = false;
            _rig.Pass(3_600_000);
            Check();
            Assert.Empty(_rig.Open);
            _rig.Restart();
            Read(stable: false);
        }

        private void LoseLeadership()
        {
            _rig.Unload();
            Assert.Empty(_rig.Open);
            Check();
            _rig.Load();
        }

        private void Live(Member member)
        {
            if (member.Token is int token)
            {
                if (_rig.IsAnswered(token)) Hear(member, token);
                else if (_random.Next(20) == 0) member.Forget(_random);
                return;
            }

            switch (member.Step)
            {
                case Step.Out:
                    member.Token = _rig.Ask(JoinRequest(member), (short)_random.Next(5, JoinV + 1));
                    member.Step = Step.Joining;
                    break;
                case Step.Joined:
                    member.Token = _rig.Ask(SyncRequest(member), SyncV);
                    member.Step = Step.Syncing;
                    break;
                case Step.In:
                    BeMember(member);
                    break;
            }
        }

        private void BeMember(Member member)
        {
            switch (_random.Next(40))
            {
                case < 19:
                    member.Token = _rig.Ask(HeartbeatOf(member.Id, member.Generation, member.Instance), 4);
                    break;
                case < 38:
                    int partition = _random.Next(Partitions);
                    long offset = _nextOffset++;
                    member.Token = _rig.Ask(
                        CommitOf(offset, member.Id, member.Generation, partition: partition, instance: member.Instance), 9);
                    _commits.Add(member.Token.Value, (partition, offset));
                    _highest[partition] = offset;
                    break;
                case 38:
                    member.Step = Step.Out;
                    break;
                default:
                    member.Token = _rig.Ask(LeaveOf((member.Id, member.Instance)), 5);
                    member.Id = "";
                    member.Step = Step.Leaving;
                    break;
            }
        }

        private void Hear(Member member, int token)
        {
            member.Token = null;
            switch (member.Step)
            {
                case Step.Joining:
                    var joined = _rig.Reply<JoinGroupResponse>(token);
                    HearJoin(member, joined);
                    break;
                case Step.Syncing:
                    var synced = _rig.Reply<SyncGroupResponse>(token);
                    member.Step = synced.ErrorCode == 0 ? Step.In : Step.Out;
                    if (synced.ErrorCode == 0) Own(member, synced.Assignment.Span);
                    else HearError(member, (KafkaError)synced.ErrorCode);
                    break;
                case Step.Leaving:
                    member.Step = Step.Out;
                    break;
                case Step.In when _commits.TryGetValue(token, out (int Partition, long Offset) commit):
                    KafkaError error = _rig.Reply<OffsetCommitResponse>(token).Code();
                    if (error != KafkaError.None)
                    {
                        HearError(member, error);
                        break;
                    }

                    AcknowledgedCount++;
                    _acknowledged[commit.Partition] = Math.Max(_acknowledged[commit.Partition], commit.Offset);
                    break;
                case Step.In:
                    HearError(member, (KafkaError)_rig.Reply<HeartbeatResponse>(token).ErrorCode);
                    break;
            }
        }

        private static void HearJoin(Member member, JoinGroupResponse joined)
        {
            member.Step = Step.Out;
            switch ((KafkaError)joined.ErrorCode)
            {
                case KafkaError.MemberIdRequired:
                    member.Id = joined.MemberId;
                    break;
                case KafkaError.None:
                    member.Id = joined.MemberId;
                    member.Generation = joined.GenerationId;
                    member.Followers = joined.Leader == joined.MemberId && !joined.SkipAssignment
                        ? joined.Members.Select(follower => follower.MemberId).ToArray()
                        : [];
                    member.Step = Step.Joined;
                    break;
                default:
                    HearError(member, (KafkaError)joined.ErrorCode);
                    break;
            }
        }

        private static void HearError(Member member, KafkaError error)
        {
            if (error == KafkaError.None) return;
            if (error is KafkaError.UnknownMemberId or KafkaError.FencedInstanceId) member.Id = "";
            member.Step = Step.Out;
        }

        private void Own(Member member, ReadOnlySpan<byte> partitions)
        {
            string name = member.Instance ?? member.Id;
            foreach (byte partition in partitions)
            {
                if (_owners.TryAdd((member.Generation, partition), name)) continue;
                string owner = _owners[(member.Generation, partition)];
                Assert.True(owner == name, $"partition {partition} of generation {member.Generation} is {owner}'s and {name}'s");
            }
        }

        private void Read(bool stable)
        {
            int partition = _random.Next(Partitions);
            long atLeast = Math.Max(_acknowledged[partition], _seen[partition]);
            int token = _rig.Ask(FetchOf(partition: partition, stable: stable), 9);
            if (!_rig.IsAnswered(token)) return;
            long offset = _rig.Reply<OffsetFetchResponse>(token).Only().CommittedOffset;
            Assert.InRange(offset, atLeast, _highest[partition]);
            _seen[partition] = offset;
        }

        private void Check()
        {
            // Compaction shortens the log; what it wrote is checked from its start.
            if (_checkedLog > _rig.Log.Count) _checkedLog = 0;
            for (; _checkedLog < _rig.Log.Count; _checkedLog++)
            {
                GroupRecord record = _rig.Log[_checkedLog];
                if (record.Key[1] != GroupMetadataKey.RecordType || record.Value is null) continue;
                var reader = new KafkaReader(record.Value);
                int generation = GroupMetadataValue.Read(ref reader, reader.ReadInt16()).Generation;
                Assert.True(generation >= _lastGeneration, $"generation {generation} after {_lastGeneration}");
                _lastGeneration = generation;
            }
        }

        private static JoinGroupRequest JoinRequest(Member member)
        {
            JoinGroupRequest request = JoinOf(member.Id, member.Instance, session: 8_000, rebalance: 12_000);
            return request;
        }

        private static SyncGroupRequest SyncRequest(Member member)
        {
            var assignments = new Dictionary<string, List<byte>>();
            for (byte partition = 0; partition < Partitions && member.Followers.Length > 0; partition++)
            {
                string follower = member.Followers[partition % member.Followers.Length];
                if (!assignments.TryGetValue(follower, out List<byte>? list)) assignments.Add(follower, list = []);
                list.Add(partition);
            }

            return SyncOf(member.Id, member.Generation, assignments.Select(entry => (entry.Key, entry.Value.ToArray())).ToArray());
        }
    }

    private enum Step
    {
        Out,
        Joining,
        Joined,
        Syncing,
        In,
        Leaving,
    }

    private sealed class Member(string? instance)
    {
        public string? Instance { get; } = instance;

        public string Id { get; set; } = "";

        public int Generation { get; set; }

        public string[] Followers { get; set; } = [];

        public Step Step { get; set; }

        public int? Token { get; set; }

        /// <summary>Its client gives up on a request, or restarts and knows nothing any more.</summary>
        public void Forget(Random random)
        {
            Token = null;
            Step = Step.Out;
            if (random.Next(2) == 0) Id = "";
        }
    }
}

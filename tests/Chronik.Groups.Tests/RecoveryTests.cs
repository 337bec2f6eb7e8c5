using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class RecoveryTests
{
    [Fact]
    public void After_a_restart_members_go_on_in_their_generation()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        rig.Commit(CommitOf(5, ids[0], generation));
        rig.Restart();
        Assert.Equal("Stable", rig.StateOf());
        Assert.Equal(KafkaError.None, rig.Beat(ids[0], generation));
        Assert.Equal([1], rig.Get<SyncGroupResponse>(SyncOf(ids[1], generation), SyncV).Assignment.ToArray());
        Assert.Equal(KafkaError.None, rig.Commit(CommitOf(6, ids[1], generation)));
        Assert.Equal(6, rig.Fetch());
        rig.Pass(10_000);
        Assert.Equal("Empty", rig.StateOf());
    }

    [Fact]
    public void After_a_restart_the_group_leader_is_the_same()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(2);
        rig.Get<LeaveGroupResponse>(LeaveOf((ids[0], null)), 5);
        int joined = rig.Ask(JoinOf(ids[1]), JoinV);
        rig.Ask(SyncOf(ids[1], rig.Reply<JoinGroupResponse>(joined).GenerationId), SyncV);
        (string other, int token) = rig.Enter();
        rig.Ask(JoinOf(ids[1]), JoinV);
        rig.Ask(SyncOf(ids[1], rig.Reply<JoinGroupResponse>(token).GenerationId), SyncV);
        rig.Restart();
        rig.Join(out JoinGroupResponse follower, JoinOf(other));
        Assert.Equal(ids[1], follower.Leader);
    }

    [Fact]
    public void A_generation_that_was_not_written_is_not_there_after_a_restart()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(1);
        rig.Join(out JoinGroupResponse joined, JoinOf(ids[0]));
        Assert.Equal(generation + 1, joined.GenerationId);
        rig.Restart();
        Assert.Equal(KafkaError.IllegalGeneration, rig.Beat(ids[0], generation + 1));
        Assert.Equal(KafkaError.None, rig.Beat(ids[0], generation));
    }

    [Fact]
    public void While_loading_clients_wait_but_heartbeats_are_trusted()
    {
        var rig = new Rig(load: false);
        Assert.Equal(KafkaError.NotCoordinator, rig.Join(out _, JoinOf()));
        rig.Step(GroupInput.StartLoading(rig.Now));
        Assert.Equal(KafkaError.CoordinatorLoadInProgress, rig.Join(out _, JoinOf()));
        Assert.Equal(KafkaError.CoordinatorLoadInProgress, rig.Commit(CommitOf(1)));
        var fetched = rig.Get<OffsetFetchResponse>(FetchOf(), 9);
        Assert.Equal(KafkaError.CoordinatorLoadInProgress, (KafkaError)fetched.Groups.Single().ErrorCode);
        Assert.Equal(KafkaError.CoordinatorLoadInProgress, (KafkaError)rig.Describe().ErrorCode);
        Assert.Equal(KafkaError.None, rig.Beat("m", 1));
        Assert.False(rig.Core.IsActive);
    }

    [Fact]
    public void When_leadership_is_lost_everybody_who_waits_is_sent_away()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        int join = rig.Ask(JoinOf(ids[0]), JoinV);
        rig.HoldWrites = true;
        int commit = rig.Ask(CommitOf(1, ids[1], generation), 9);
        int fetch = rig.Ask(FetchOf(stable: true), 9);
        int delete = rig.Ask(CommitOf(1, group: "simple"), 9);
        rig.Unload();
        Assert.Equal(KafkaError.NotCoordinator, (KafkaError)rig.Reply<JoinGroupResponse>(join).ErrorCode);
        Assert.Equal(KafkaError.NotCoordinator, rig.Reply<OffsetCommitResponse>(commit).Code());
        Assert.Equal(KafkaError.NotCoordinator, (KafkaError)rig.Reply<OffsetFetchResponse>(fetch).Groups.Single().ErrorCode);
        Assert.Equal(KafkaError.NotCoordinator, rig.Reply<OffsetCommitResponse>(delete).Code());
        Assert.Equal(KafkaError.NotCoordinator, rig.Beat(ids[1], generation));
        Assert.Null(rig.WakeAt);
        Assert.Equal(0, rig.Core.GroupCount);
        rig.HoldWrites = false;
        rig.Load();
        Assert.Equal("Stable", rig.StateOf());
    }

    [Fact]
    public void A_late_report_of_a_write_after_leadership_was_lost_is_ignored()
    {
        var rig = new Rig { HoldWrites = true };
        int commit = rig.Ask(CommitOf(1), 9);
        GroupWriteId id = rig.Held[0].Id;
        rig.Unload();
        rig.Step(GroupInput.Committed(id, rig.Now));
        Assert.True(rig.IsAnswered(commit));
        Assert.Equal(0, rig.Core.OffsetCount);
    }

    [Fact]
    public void The_live_state_alone_restores_everything()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        for (int i = 0; i < 100; i++) rig.Commit(CommitOf(i, ids[0], generation, metadata: "m"));
        rig.Commit(CommitOf(7, group: "simple"));
        rig.Commit(CommitOf(8, group: "gone"));
        rig.Get<DeleteGroupsResponse>(new DeleteGroupsRequest { GroupsNames = ["gone"] }, 2);
        int before = rig.Log.Count;
        rig.Compact();
        Assert.True(rig.Log.Count < before);
        Assert.Equal(3, rig.Log.Count);
        rig.Restart();
        Assert.Equal(2, rig.Core.GroupCount);
        Assert.Equal(99, rig.Fetch());
        Assert.Equal(7, rig.Fetch("simple"));
        Assert.Equal(KafkaError.None, rig.Beat(ids[1], generation));
        Assert.Equal([1], rig.Get<SyncGroupResponse>(SyncOf(ids[1], generation), SyncV).Assignment.ToArray());
        Assert.InRange(rig.Core.EstimateLiveBytes(), rig.Log.Sum(record => record.Length) / 3, rig.Log.Sum(record => record.Length) * 3);
    }

    [Fact]
    public void Compacting_in_the_middle_of_a_rebalance_keeps_the_last_generation_of_the_log()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        int first = rig.Ask(JoinOf(ids[0]), JoinV);
        rig.Compact();
        rig.Ask(JoinOf(ids[1]), JoinV);
        Assert.Equal(generation + 1, rig.Reply<JoinGroupResponse>(first).GenerationId);
        rig.Restart();
        Assert.Equal(KafkaError.None, rig.Beat(ids[0], generation));
    }

    [Fact]
    public void A_group_that_is_larger_than_a_lowered_limit_rebalances_and_keeps_the_first_to_come()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(3);
        rig.Limits = rig.Limits with { GroupSizeMax = 2 };
        rig.Restart();
        Assert.Equal(KafkaError.RebalanceInProgress, rig.Beat(ids[0], generation));
        Assert.Equal(KafkaError.None, rig.Commit(CommitOf(5, ids[2], generation)));
        int first = rig.Ask(JoinOf(ids[0]), JoinV);
        int second = rig.Ask(JoinOf(ids[1]), JoinV);
        Assert.Equal(KafkaError.GroupMaxSizeReached, rig.Join(out _, JoinOf(ids[2])));
        Assert.Equal(2, rig.Reply<JoinGroupResponse>(first).Members.Count);
        Assert.True(rig.IsAnswered(second));
    }

    [Fact]
    public void Records_of_kinds_that_are_not_ours_are_skipped_and_old_offsets_are_read()
    {
        var rig = new Rig();
        rig.Log.Add(new GroupRecord([0, 3, 0, 1, (byte)'g'], [0, 0, 1, 2, 3]));
        using var key = new KafkaWriter();
        key.WriteInt16(0);
        new OffsetCommitKey { Group = "old", Topic = "orders", Partition = 0 }.Write(key, 0);
        using var value = new KafkaWriter();
        value.WriteInt16(0);
        new OffsetCommitValue { Offset = 11, Metadata = "x", CommitTimestamp = 5 }.Write(value, 0);
        rig.Log.Add(new GroupRecord(key.ToArray(), value.ToArray()));
        rig.Restart();
        Assert.Equal(11, rig.Fetch("old"));
        Assert.Equal(1, rig.Core.GroupCount);
    }

    [Fact]
    public void A_record_that_cannot_be_read_stops_the_load()
    {
        var rig = new Rig();
        rig.Log.Add(new GroupRecord([0, 2, 0, 1, (byte)'g'], [0, 99]));
        Assert.Throws<ProtocolException>(() => rig.Restart());
    }
}

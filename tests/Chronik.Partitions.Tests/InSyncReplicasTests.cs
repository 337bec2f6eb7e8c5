using System.Collections.Immutable;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>Who is in sync, by a clock that the test moves.</summary>
public sealed class InSyncReplicasTests
{
    private static readonly NodeId One = new(1);
    private static readonly NodeId Two = new(2);
    private static readonly NodeId Three = new(3);
    private static readonly ImmutableArray<NodeId> Voters = [One, Two, Three];

    private readonly InSyncReplicas _isr = new(One, TimeProvider.System, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(0.5));
    private double _now = 1_000;
    private long _end = 100;

    public InSyncReplicasTests() => _isr.Begin(Voters);

    [Fact]
    public void A_dead_follower_stays_for_the_time_allowed_and_not_longer()
    {
        Look(100, 100);
        _end = 200;
        for (int i = 0; i < 20; i++)
        {
            Pass(0.5);
            Look(200, 100);
            Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
        }

        Pass(0.5);
        Look(200, 100);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
    }

    [Fact]
    public void A_dead_follower_leaves_though_nothing_was_written_since()
    {
        Look(100, 100);
        for (int i = 0; i < 20; i++)
        {
            Pass(0.5);
            Look(100, 100, isThreeLost: true);
        }

        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
        Pass(0.5);
        Look(100, 100, isThreeLost: true);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
        Step(100, 100);
        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
    }

    [Fact]
    public void A_follower_that_is_dead_when_the_term_begins_has_the_time_allowed()
    {
        Look(0, 0);
        for (int i = 0; i < 20; i++) Step(100, 0);
        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
        Step(100, 0);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
    }

    [Fact]
    public void A_follower_that_is_always_a_little_behind_a_growing_log_is_in_sync()
    {
        Look(100, 100);
        for (int i = 0; i < 100; i++)
        {
            long before = _end;
            _end += 1_000;
            Step(before, before + 500);
        }

        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
    }

    [Fact]
    public void A_follower_that_falls_behind_further_and_further_leaves()
    {
        Look(100, 100);
        for (int i = 0; i < 100; i++)
        {
            _end += 1_000;
            Step(_end, (_end - 100) / 10);
        }

        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
    }

    [Fact]
    public void Who_left_is_back_once_it_holds_what_was_the_end_at_the_look_before()
    {
        LeaveThree();
        _end = 1_000;
        Step(1_000, 150); // Comes nearer.
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
        _end = 1_100;
        Step(1_100, 999);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
        _end = 1_200;
        Step(1_200, 1_100);
        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
    }

    [Fact]
    public void Who_holds_the_whole_log_is_back_at_once()
    {
        LeaveThree();
        Step(_end, _end);
        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
    }

    [Fact]
    public void A_member_that_lost_its_disk_leaves_at_once_and_is_back_only_when_it_votes()
    {
        Look(100, 100);
        Pass(0.5);
        Look(100, 100, isThreeRecovering: true);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
        Pass(0.5);
        Look(100, 100, isThreeRecovering: true);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
        Step(100, 100);
        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
    }

    [Fact]
    public void Time_in_which_the_group_slept_or_the_process_stood_still_is_held_against_nobody()
    {
        Look(100, 100);
        Pass(3_600);
        _end = 101; // An append wakes it.
        Look(100, 100);
        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
        for (int i = 0; i < 20; i++) Step(101, 100);
        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
        Step(101, 100);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
    }

    [Fact]
    public void Who_was_not_in_sync_when_the_term_began_must_catch_up_first()
    {
        _isr.Begin([One, Two]);
        Look(100, 50);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
        for (int i = 0; i < 5; i++) Step(100, 50);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
        Step(100, 100);
        Assert.Equal(Voters.AsEnumerable(), _isr.Current.AsEnumerable());
    }

    [Fact]
    public void The_leader_is_in_sync_whoever_says_what()
    {
        _isr.Begin([Two]);
        Assert.Contains(One, _isr.Current.AsEnumerable());
        Look(0, 0);
        for (int i = 0; i < 30; i++) Step(0, 0);
        Assert.Equal([One], _isr.Current.AsEnumerable());
    }

    [Fact]
    public void Who_is_no_voter_any_more_is_not_in_sync_and_a_new_voter_is_once_it_caught_up()
    {
        Look(100, 100);
        NodeId four = new(4);
        ImmutableArray<NodeId> moved = [One, Two, four];
        Pass(0.5);
        _isr.Look(At, new LogIndex(_end), moved, [Match(Two, 100), Match(four, 10)]);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
        Pass(0.5);
        _isr.Look(At, new LogIndex(_end), moved, [Match(Two, 100), Match(four, 100)]);
        Assert.Equal(moved.AsEnumerable(), _isr.Current.AsEnumerable());
    }

    [Fact]
    public void A_look_says_whether_the_set_changed()
    {
        Assert.False(Look(100, 100));
        Pass(0.5);
        Assert.True(Look(100, 100, isThreeRecovering: true));
        Pass(0.5);
        Assert.False(Look(100, 100, isThreeRecovering: true));
    }

    private long At => (long)(_now * TimeProvider.System.TimestampFrequency);

    private void LeaveThree()
    {
        Look(100, 100);
        _end = 200;
        for (int i = 0; i < 30; i++) Step(200, 100);
        Assert.Equal([One, Two], _isr.Current.AsEnumerable());
    }

    private void Step(long two, long three)
    {
        Pass(0.5);
        Look(two, three);
    }

    private void Pass(double seconds) => _now += seconds;

    private bool Look(long two, long three, bool isThreeRecovering = false, bool isThreeLost = false) => _isr.Look(
        At, new LogIndex(_end), Voters,
        [Match(Two, two), Match(Three, three) with { IsRecovering = isThreeRecovering, IsLost = isThreeLost }]);

    private static FollowerMatch Match(NodeId node, long match) => new(node, new LogIndex(match), false, false);
}

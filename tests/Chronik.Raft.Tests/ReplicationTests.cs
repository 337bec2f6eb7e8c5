using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>Replication and commit: Raft paper, 5.3, 5.4, 7; thesis, 10.2.1.</summary>
public sealed class ReplicationTests
{
    [Fact]
    public void A_leader_sends_before_its_own_write_is_durable_thesis_10_2_1()
    {
        Member leader = Leading();
        leader.Propose(1);
        Assert.Equal(1, leader.WritesUnderWay);
        Assert.Equal([2, 3], leader.Outbox.Where(m => m.Kind == MessageKind.Append).Select(m => m.To.Value));
    }

    [Fact]
    public void Two_followers_may_commit_before_the_leaders_own_disk_thesis_10_2_1()
    {
        Member leader = Leading();
        leader.Propose(1);
        LogIndex last = leader.Core.LastIndex;
        Acknowledge(leader, 2, last);
        Assert.True(leader.Core.CommitIndex < last);
        Acknowledge(leader, 3, last);
        Assert.Equal(last, leader.Core.CommitIndex);
        Assert.True(leader.Core.DurableIndex < last);
    }

    [Fact]
    public void A_leader_counts_itself_only_once_its_write_is_durable_thesis_10_2_1()
    {
        Member leader = Leading();
        leader.Propose(1);
        LogIndex last = leader.Core.LastIndex;
        Acknowledge(leader, 2, last);
        Assert.True(leader.Core.CommitIndex < last);
        leader.FinishAllWrites();
        Assert.Equal(last, leader.Core.CommitIndex);
    }

    [Fact]
    public void A_follower_acknowledges_only_what_is_durable_5_3()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1)));
        Assert.Empty(follower.Outbox);
        follower.FinishWrite();
        RaftMessage reply = Assert.Single(follower.Outbox);
        Assert.Equal((MessageKind.AppendReply, MessageFlags.None, new LogIndex(2)), (reply.Kind, reply.Flags, reply.Index));
    }

    [Fact]
    public void What_comes_twice_is_acknowledged_with_the_write_that_is_under_way()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1)));
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1)));
        Assert.Equal(1, follower.WritesUnderWay);
        Assert.Empty(follower.Outbox);
        follower.FinishWrite();
        Assert.Equal(2, follower.Outbox.Count);
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1)));
        Assert.Equal(3, follower.Outbox.Count); // Durable by now: at once.
    }

    [Fact]
    public void A_follower_refuses_what_does_not_follow_its_log_and_says_where_it_ends_5_3()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1)));
        follower.FinishAllWrites();
        follower.Outbox.Clear();
        follower.Step(RaftInput.Receive(Append(1, 7, 1, 1)));
        RaftMessage reply = Assert.Single(follower.Outbox);
        Assert.True(reply.Has(MessageFlags.Rejected));
        Assert.Equal((7, 2, 1), (reply.Index.Value, reply.Hint.Value, reply.LogTerm.Value));
        Assert.Equal(2, follower.Core.LastIndex.Value);
    }

    [Fact]
    public void The_hint_skips_a_whole_term_5_3()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(4, 0, 0, 1, 4, 4, 4)));
        follower.FinishAllWrites();
        follower.Outbox.Clear();
        follower.Step(RaftInput.Receive(Append(6, 4, 3)));
        follower.FinishAllWrites();
        RaftMessage reply = Assert.Single(follower.Outbox);
        Assert.Equal((4, 1, 1), (reply.Index.Value, reply.Hint.Value, reply.LogTerm.Value));
    }

    [Fact]
    public void A_conflicting_suffix_gives_way_and_only_that_5_3()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1, 1)));
        follower.FinishAllWrites();
        follower.Step(RaftInput.Receive(Append(2, 1, 1, 2)));
        Assert.Equal(new LogIndex(2), follower.Effects.TruncateFrom);
        Assert.Equal(new LogIndex(2), follower.Core.LastIndex);
        Assert.Equal(new LogIndex(1), follower.Core.DurableIndex);
        follower.FinishAllWrites();
        Assert.Equal([1L, 2], follower.Disk.Select(entry => entry.Term.Value));
        Assert.Equal(new LogIndex(2), follower.Core.DurableIndex);
    }

    [Fact]
    public void A_late_message_truncates_nothing_figure_2()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1, 1)));
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1)));
        Assert.Null(follower.Effects.TruncateFrom);
        Assert.Equal(new LogIndex(3), follower.Core.LastIndex);
    }

    [Fact]
    public void A_write_whose_entries_were_truncated_makes_nothing_of_them_durable()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1, 1)));
        follower.Step(RaftInput.Receive(Append(2, 1, 1, 2, 2)));
        Assert.Equal(2, follower.WritesUnderWay);
        follower.FinishWrite();
        Assert.Equal(new LogIndex(1), follower.Core.DurableIndex);
        follower.FinishWrite();
        Assert.Equal(new LogIndex(3), follower.Core.DurableIndex);
    }

    [Fact]
    public void A_follower_commits_what_the_leader_committed_and_it_holds_5_3()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1) with { Commit = new LogIndex(9) }));
        Assert.Equal([1L, 2], follower.Effects.Committed.Select(entry => entry.Index.Value));
        follower.Step(RaftInput.Receive(Append(1, 2, 1, 1) with { Commit = new LogIndex(2) }));
        Assert.Empty(follower.Effects.Committed);
    }

    [Fact]
    public void An_entry_of_an_older_term_is_not_committed_by_counting_figure_8()
    {
        Member leader = new(new RaftOptions { Self = new NodeId(3), Seed = 3 }, 1, 2, 3);
        leader.Step(RaftInput.Receive(Append(2, 0, 0, 2)));
        leader.FinishAllWrites();
        MakeLeader(leader);
        Assert.Equal(new Term(3), leader.Core.Term);
        Acknowledge(leader, 1, new LogIndex(1));
        Acknowledge(leader, 2, new LogIndex(1));
        Assert.Equal(LogIndex.Zero, leader.Core.CommitIndex);
        Acknowledge(leader, 1, new LogIndex(2));
        leader.FinishAllWrites();
        Assert.Equal(new LogIndex(2), leader.Core.CommitIndex);
    }

    [Fact]
    public void A_follower_whose_disk_lost_what_it_acknowledged_gets_it_again()
    {
        Member leader = Leading();
        leader.Propose(1, 1);
        leader.FinishAllWrites();
        LogIndex last = leader.Core.LastIndex;
        Acknowledge(leader, 2, last);
        LogIndex committed = leader.Core.CommitIndex;
        leader.Step(RaftInput.PeerLost(new NodeId(2)));
        leader.Outbox.Clear();
        leader.Step(RaftInput.PeerBack(new NodeId(2)));
        RaftMessage probe = Assert.Single(leader.Outbox, m => m.Kind == MessageKind.Append && m.To.Value == 2);
        Assert.Equal(last, probe.Index);
        leader.Outbox.Clear();
        leader.Step(RaftInput.Receive(new RaftMessage
        {
            Kind = MessageKind.AppendReply,
            Flags = MessageFlags.Rejected,
            From = new NodeId(2),
            To = leader.Id,
            Term = leader.Core.Term,
            Index = last,
            Hint = new LogIndex(1),
            LogTerm = leader.Core.Term,
        }));
        RaftMessage again = Assert.Single(leader.Outbox, m => m.Kind == MessageKind.Append && m.To.Value == 2);
        Assert.Equal([2L, 3], again.Entries!.Select(entry => entry.Index.Value));
        Assert.Equal(committed, leader.Core.CommitIndex);
    }

    [Fact]
    public void A_heartbeat_commits_nothing_of_a_log_that_never_agreed_with_its_leader()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1)));
        follower.FinishAllWrites();
        RaftMessage heartbeat = new()
        {
            Kind = MessageKind.Heartbeat,
            From = new NodeId(2),
            To = new NodeId(3),
            Term = new Term(2),
            Commit = new LogIndex(2),
            Round = 1,
        };
        follower.Step(RaftInput.Receive(heartbeat));
        Assert.Equal(LogIndex.Zero, follower.Core.CommitIndex);
        follower.Step(RaftInput.Receive(Append(2, 1, 1) with { From = new NodeId(2) }));
        follower.Step(RaftInput.Receive(heartbeat));
        Assert.Equal(new LogIndex(1), follower.Core.CommitIndex);
    }

    [Fact]
    public void A_follower_that_started_again_unnoticed_learns_what_is_committed()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Propose(1);
        network.Settle();
        network[3].Crash();
        Assert.True(network[3].Core.CommitIndex < leader.Core.CommitIndex);
        network.Tick(5);
        Assert.Equal(leader.Core.CommitIndex, network[3].Core.CommitIndex);
    }

    [Fact]
    public void Followers_hear_of_a_commit_without_waiting_for_the_next_entry()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Propose(1);
        network.Settle();
        foreach (Member member in network.Members.Values) Assert.Equal(leader.Core.LastIndex, member.Core.CommitIndex);
    }

    [Fact]
    public void Messages_follow_one_another_up_to_the_window()
    {
        Member leader = Leading(options => options with { InflightMessages = 3 });
        leader.Outbox.Clear();
        for (int i = 0; i < 5; i++) leader.Propose(1);
        LogIndex first = leader.Core.LastIndex + -4;
        Assert.Equal(3, leader.Outbox.Count(m => m.Kind == MessageKind.Append && m.To.Value == 2));
        leader.Outbox.Clear();
        Acknowledge(leader, 2, first);
        RaftMessage rest = Assert.Single(leader.Outbox, m => m.Kind == MessageKind.Append && m.To.Value == 2);
        Assert.Equal([first + 3, first + 4], rest.Entries!.Select(entry => entry.Index));
    }

    [Fact]
    public void The_window_counts_bytes_too_and_a_message_has_a_limit()
    {
        Member leader = Leading(options => options with { InflightBytes = 100, MessageBytes = 60 });
        leader.Outbox.Clear();
        PooledBuffer buffer = new BufferPool().Rent(200);
        KafkaOffset next = leader.Core.NextOffset;
        BufferSlice payload = buffer.Slice(0, 50);
        leader.Step(RaftInput.Propose([.. Enumerable.Range(1, 5).Select(i => new ProposedEntry(EntryKind.Batch, next + i, payload))]));
        Assert.Equal([1, 1], leader.Outbox.Where(m => m.Kind == MessageKind.Append && m.To.Value == 2).Select(m => m.Entries!.Count));
    }

    [Fact]
    public void A_lost_append_is_repaired_as_soon_as_the_next_one_is_refused()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Propose(1);
        leader.Outbox.RemoveAll(message => message.To.Value == 3);
        leader.Propose(1);
        network.Settle();
        Assert.Equal(leader.Core.LastIndex, network[3].Core.CommitIndex);
    }

    [Fact]
    public void A_last_append_that_was_lost_is_sent_again_after_an_election_timeout()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Propose(1);
        leader.Outbox.RemoveAll(message => message.To.Value == 3);
        network.Settle();
        Assert.True(network[3].Core.LastIndex < leader.Core.LastIndex);
        network.Tick(12);
        Assert.Equal(leader.Core.LastIndex, network[3].Core.CommitIndex);
    }

    [Fact]
    public void Applied_entries_are_read_from_disk_for_a_follower_that_was_away()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(3);
        for (int i = 0; i < 30; i++)
        {
            leader.Propose(1);
            network.Settle();
        }

        Assert.Equal(leader.Core.LastIndex, leader.Core.AppliedIndex);
        network.Heal();
        network.Tick(15);
        Assert.Equal(leader.Core.LastIndex, network[3].Core.CommitIndex);
        Assert.Equal(leader.Core.NextOffset, network[3].Core.NextOffset);
    }

    [Fact]
    public void A_follower_behind_the_first_entry_gets_a_snapshot_and_goes_on_from_there_7()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(3);
        for (int i = 0; i < 10; i++)
        {
            leader.Propose(1);
            network.Settle();
        }

        leader.Checkpoint();
        leader.Propose(2);
        network.Settle();
        network.Heal();
        network.Tick(15);
        Assert.Equal(leader.Core.LastIndex, network[3].Core.CommitIndex);
        Assert.Equal(leader.Core.NextOffset, network[3].Core.NextOffset);
        Assert.Equal(new LogIndex(12), network[3].Core.FirstIndex);
        network[3].Crash();
        network.Tick(15);
        Assert.Equal(leader.Core.LastIndex, network[3].Core.CommitIndex);
    }

    [Fact]
    public void A_snapshot_that_failed_is_asked_for_again_but_not_at_once()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(3);
        leader.Propose(1);
        network.Settle();
        leader.Checkpoint();
        network.Heal();
        network.SnapshotsFail = true;
        network.Tick(25);
        Assert.InRange(network.SnapshotsTried, 1, 3);
        network.SnapshotsFail = false;
        network.Tick(12);
        Assert.Equal(leader.Core.LastIndex, network[3].Core.CommitIndex);
    }

    [Fact]
    public void A_snapshot_keeps_what_the_log_holds_behind_it_7()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1, 1)));
        follower.FinishAllWrites();
        Membership members = new([new NodeId(1), new NodeId(2), new NodeId(3)]);
        follower.Step(RaftInput.Installed(new LogIndex(2), new Term(1), KafkaOffset.Zero, members));
        Assert.Equal((3, 3, 2, 2), Positions(follower.Core));
        Assert.Null(follower.Effects.TruncateFrom);
    }

    [Fact]
    public void A_snapshot_that_the_log_contradicts_replaces_all_of_it_7()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1, 1)));
        Membership members = new([new NodeId(1), new NodeId(2), new NodeId(3)]);
        follower.Step(RaftInput.Installed(new LogIndex(2), new Term(2), new KafkaOffset(5), members));
        Assert.Equal((3, 2, 2, 2), Positions(follower.Core));
        Assert.Equal(new LogIndex(3), follower.Effects.TruncateFrom);
        Assert.Equal(new KafkaOffset(5), follower.Core.NextOffset);
        Assert.Equal(new LogIndex(2), follower.Core.DurableIndex);
    }

    [Fact]
    public void What_contradicts_a_snapshot_gives_way_before_it_is_durable()
    {
        Member follower = Follower();
        follower.Step(RaftInput.Receive(Append(1, 0, 0, 1, 1, 1)));
        follower.FinishAllWrites();
        follower.Step(RaftInput.Installing(new LogIndex(2), new Term(1)));
        Assert.False(follower.Effects.HasWrite); // It follows from the snapshot.
        follower.Step(RaftInput.Installing(new LogIndex(2), new Term(2)));
        Assert.Equal(new LogIndex(3), follower.Effects.TruncateFrom);
        Assert.Equal(new LogIndex(2), follower.Core.LastIndex);
    }

    [Fact]
    public void A_message_of_many_entries_is_one_array_for_every_follower()
    {
        Member leader = Leading();
        leader.Outbox.Clear();
        leader.Propose(1, 1, 1);
        RaftMessage[] sent = [.. leader.Outbox.Where(m => m.Kind == MessageKind.Append)];
        Assert.Equal(2, sent.Length);
        Assert.Same(sent[0].Entries, sent[1].Entries);
    }

    private static (long First, long Last, long Commit, long Applied) Positions(RaftCore core) =>
        (core.FirstIndex.Value, core.LastIndex.Value, core.CommitIndex.Value, core.AppliedIndex.Value);

    private static Member Follower() => new(new RaftOptions { Self = new NodeId(3), Seed = 3 }, 1, 2, 3);

    /// <summary>Member 1 of three, leading, with its no-op committed and both followers at its end.</summary>
    private static Member Leading(Func<RaftOptions, RaftOptions>? configure = null)
    {
        RaftOptions options = new() { Self = new NodeId(1), Seed = 3 };
        Member member = new(configure?.Invoke(options) ?? options, 1, 2, 3);
        MakeLeader(member);
        member.FinishAllWrites();
        Acknowledge(member, 2, member.Core.LastIndex);
        Acknowledge(member, 3, member.Core.LastIndex);
        member.Outbox.Clear();
        return member;
    }

    private static void MakeLeader(Member member)
    {
        while (member.Core.Role != RaftRole.PreCandidate) member.Tick();
        int other = member.Id.Value == 2 ? 1 : 2;
        Answer(member, other, MessageKind.PreVoteReply, member.Core.Term.Next);
        member.FinishAllWrites();
        Answer(member, other, MessageKind.VoteReply, member.Core.Term);
        Assert.Equal(RaftRole.Leader, member.Core.Role);
    }

    private static void Answer(Member member, int from, MessageKind kind, Term term) =>
        member.Step(RaftInput.Receive(new RaftMessage { Kind = kind, From = new NodeId(from), To = member.Id, Term = term }));

    private static void Acknowledge(Member leader, int from, LogIndex match) => leader.Step(RaftInput.Receive(new RaftMessage
    {
        Kind = MessageKind.AppendReply,
        From = new NodeId(from),
        To = leader.Id,
        Term = leader.Core.Term,
        Index = match,
        Round = ulong.MaxValue >> 1,
    }));

    private static RaftMessage Append(long term, long previous, long previousTerm, params long[] terms) => new()
    {
        Kind = MessageKind.Append,
        From = new NodeId(1),
        To = new NodeId(3),
        Term = new Term(term),
        Index = new LogIndex(previous),
        LogTerm = new Term(previousTerm),
        Entries = [.. terms.Select((entryTerm, i) =>
            new LogEntry(new LogIndex(previous + i + 1), new Term(entryTerm), EntryKind.NoOp, KafkaOffset.Zero, BufferSlice.Empty))],
    };
}

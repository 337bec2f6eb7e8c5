using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>What a majority says, for any number of voters (Raft paper, 5.2 and 5.3), and in the joint state (section 6).</summary>
public sealed class QuorumTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 2)]
    [InlineData(4, 3)]
    [InlineData(5, 3)]
    [InlineData(7, 4)]
    public void A_majority_elects_and_no_fewer(int voters, int majority)
    {
        (Quorum quorum, Progress[] members) = Of(voters);
        for (int vote = 1; vote <= voters; vote++)
        {
            members[vote - 1].Vote = true;
            Assert.Equal(vote >= majority, quorum.IsElected);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(4, 2)]
    [InlineData(5, 3)]
    public void An_election_is_lost_when_the_others_are_too_few(int voters, int refusals)
    {
        (Quorum quorum, Progress[] members) = Of(voters);
        for (int vote = 1; vote <= voters; vote++)
        {
            members[vote - 1].Vote = false;
            Assert.Equal(vote >= refusals, quorum.CannotBeElected);
        }
    }

    [Fact]
    public void The_quorum_match_is_the_highest_index_that_a_majority_holds()
    {
        for (int seed = 0; seed < 500; seed++)
        {
            Random random = new(seed);
            (Quorum quorum, Progress[] members) = Of(random.Next(1, 10));
            foreach (Progress member in members) member.Match = new LogIndex(random.Next(0, 6));
            long expected = Held(members);
            Assert.True(quorum.Match == new LogIndex(expected), $"seed {seed}: {quorum.Match} instead of {expected}");
        }
    }

    [Fact]
    public void The_joint_state_needs_both_majorities_6()
    {
        for (int seed = 0; seed < 500; seed++)
        {
            Random random = new(seed);
            Progress[] members = Members(6);
            Membership membership = new(
                [.. members[..random.Next(1, 6)].Select(m => m.Id)], [.. members[random.Next(0, 5)..].Select(m => m.Id)]);
            Quorum quorum = new(membership, id => members[id.Value - 1]);
            foreach (Progress member in members)
            {
                member.Match = new LogIndex(random.Next(0, 6));
                member.Vote = random.Next(3) switch { 0 => true, 1 => false, _ => null };
            }

            Progress[] old = [.. members.Where(m => membership.Outgoing.Contains(m.Id))];
            Progress[] now = [.. members.Where(m => membership.Voters.Contains(m.Id))];
            Assert.Equal(Math.Min(Held(old), Held(now)), quorum.Match.Value);
            Assert.Equal(Wins(old) && Wins(now), quorum.IsElected);
        }
    }

    [Fact]
    public void A_recovering_member_counts_for_nothing()
    {
        (Quorum quorum, Progress[] members) = Of(3);
        foreach (Progress member in members)
        {
            member.Match = new LogIndex(5);
            member.Round = 7;
        }

        members[0].IsRecovering = true;
        Assert.Equal((5, 7UL), (quorum.Match.Value, quorum.Round));
        members[1].Match = new LogIndex(3);
        members[1].Round = 2;
        Assert.Equal((3, 2UL), (quorum.Match.Value, quorum.Round));
    }

    private static long Held(Progress[] members) =>
        Enumerable.Range(0, 6).Where(i => members.Count(m => m.Match.Value >= i) * 2 > members.Length).Max();

    private static bool Wins(Progress[] members) => members.Count(m => m.Vote == true) * 2 > members.Length;

    private static Progress[] Members(int count) => [.. Enumerable.Range(1, count).Select(id => new Progress(new NodeId(id)))];

    private static (Quorum Quorum, Progress[] Members) Of(int voters)
    {
        Progress[] members = Members(voters);
        return (new Quorum(new Membership([.. members.Select(m => m.Id)]), id => members[id.Value - 1]), members);
    }
}

using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>The vote and commit rules for any number of voters (Raft paper, 5.2 and 5.3).</summary>
public sealed class VoterSetTests
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
        VoterSet set = Of(voters);
        for (int vote = 1; vote <= voters; vote++)
        {
            set.Grant(new NodeId(vote));
            Assert.Equal(vote >= majority, set.IsElected());
        }
    }

    [Fact]
    public void A_second_vote_of_the_same_voter_counts_once()
    {
        VoterSet set = Of(3);
        set.Grant(new NodeId(1));
        set.Grant(new NodeId(1));
        Assert.False(set.IsElected());
    }

    [Fact]
    public void A_new_term_forgets_votes_and_matches()
    {
        VoterSet set = Of(1);
        set.Grant(new NodeId(1));
        set.Matched(new NodeId(1), new LogIndex(5));
        set.Reset();
        Assert.False(set.IsElected());
        Assert.Equal(LogIndex.Zero, set.QuorumMatch());
    }

    [Fact]
    public void What_a_voter_has_confirmed_never_shrinks()
    {
        VoterSet set = Of(1);
        set.Matched(new NodeId(1), new LogIndex(5));
        set.Matched(new NodeId(1), new LogIndex(3));
        Assert.Equal(new LogIndex(5), set.QuorumMatch());
    }

    [Fact]
    public void The_quorum_match_is_the_highest_index_that_a_majority_holds()
    {
        for (int seed = 0; seed < 500; seed++)
        {
            Random random = new(seed);
            int voters = random.Next(1, 10);
            VoterSet set = Of(voters);
            long[] matches = new long[voters];
            for (int i = 0; i < voters; i++)
            {
                matches[i] = random.Next(0, 6);
                set.Matched(new NodeId(i + 1), new LogIndex(matches[i]));
            }

            long expected = Enumerable.Range(0, 6).Where(index => matches.Count(match => match >= index) * 2 > voters).Max();
            LogIndex actual = set.QuorumMatch();
            Assert.True(actual == new LogIndex(expected), $"seed {seed}: [{string.Join(", ", matches)}] gave {actual}");
        }
    }

    private static VoterSet Of(int voters) => new([.. Enumerable.Range(1, voters).Select(id => new NodeId(id))]);
}

using System.Collections.Immutable;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Xunit;

namespace Chronik.Partitions.Tests;

public class DamageTurnTests
{
    private const long Lag = 10;
    private const long Round = 3 * 8 * Lag;

    private static readonly ImmutableArray<NodeId> Voters = [new(7), new(2), new(5)];

    [Fact]
    public void Every_voter_has_a_turn_and_nobody_else_within_six_times_the_lag_of_it()
    {
        const long start = 1_000_000_000_000;
        List<(long At, NodeId Voter)> turns = [];
        for (long now = start; now < start + (2 * Round); now++)
            foreach (NodeId voter in Voters)
                if (Wait(now, voter) == 0)
                    turns.Add((now, voter));
        foreach (NodeId voter in Voters) Assert.Equal(2 * 2 * Lag, turns.Count(turn => turn.Voter == voter));
        foreach (((long at, NodeId one), (long next, NodeId other)) in turns.Zip(turns.Skip(1)))
            Assert.True(one == other || next - at > 6 * Lag);
    }

    [Fact]
    public void Who_waits_as_long_as_it_is_told_has_its_turn()
    {
        for (long now = 1_000; now < 1_000 + Round; now++)
            foreach (NodeId voter in Voters)
                Assert.Equal(0, Wait(now + Wait(now, voter), voter));
        Assert.Equal(0, Wait(1_000, new NodeId(9))); // It has no vote.
    }

    private static long Wait(long now, NodeId voter) =>
        (long)DamageTurn.Wait(now, Voters, voter, TimeSpan.FromMilliseconds(Lag)).TotalMilliseconds;
}

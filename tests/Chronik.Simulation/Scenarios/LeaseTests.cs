using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>Reads under a lease, with clocks that run at different speeds, processes that stand still and leaders that change.</summary>
public sealed class LeaseTests
{
    [Fact]
    public void Reads_from_every_replica_are_linearizable_under_the_longest_lease_that_the_clocks_allow()
    {
        for (ulong seed = 1; seed <= 40; seed++)
        {
            Parameters drawn = Parameters.Draw(seed) with
            {
                Skew = 0.02 * (seed % 10),
                ElectionTicks = 10,
                ReadEvery = 5_000,
                PauseEvery = 1_500_000,
                PauseMax = 2_000_000,
                PartitionEvery = 2_000_000,
                TransferEvery = 3_000_000,
            };
            Outcome outcome = Runner.Run(drawn with { LeaseTicks = drawn.LongestLease });
            Assert.True(outcome.Failure is null, outcome.Describe(seed));
        }
    }
}

using Xunit;

namespace Chronik.Simulation.Scenarios;

public sealed class SeedTests
{
    [Fact]
    public void A_single_node_serves_and_recovers_whatever_its_disk_does()
    {
        for (ulong seed = 1; seed <= 20; seed++)
        {
            Parameters parameters = Parameters.Draw(seed) with
            {
                Nodes = 1,
                Replicas = 1,
                WipeEvery = 0,
                BitFlipEvery = 0,
                PowerLossEvery = 1_000_000,
                TornWriteEvery = 1_000_000,
                FailedSyncEvery = 4_000_000,
            };
            Outcome outcome = Runner.Run(parameters);
            Assert.True(outcome.Failure is null, outcome.Describe(seed));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_run_to_the_last_event()
    {
        foreach (ulong seed in (ulong[])[5, 17, 23])
        {
            StringWriter first = new();
            StringWriter second = new();
            Outcome one = Runner.Run(Parameters.Draw(seed), trace: first);
            Outcome two = Runner.Run(Parameters.Draw(seed), trace: second);
            Assert.Equal(one.Fingerprint, two.Fingerprint);
            Assert.Equal(first.ToString(), second.ToString());
        }
    }

    [Fact]
    public void Random_seeds_pass() => Scenario.Seeds(60, drawn => drawn);
}

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
                ReadEvery = 0,
                WipeEvery = 0,
                BitFlipEvery = 0,
                MembershipEvery = 0,
                TransferEvery = 0,
                PowerLossEvery = 1_000_000,
                TornWriteEvery = 1_000_000,
                FailedSyncEvery = 4_000_000,
            };
            Outcome outcome = Runner.Run(parameters);
            Assert.True(outcome.Failure is null, outcome.Describe(seed));
        }
    }
}

namespace Chronik.Raft.Tests;

/// <summary>
/// Random loss, delay, duplication, reordering, crashes that lose unsynced writes, wiped disks, membership changes, transfers and lost
/// peers, then peace. The properties of figure 3 of the Raft paper hold at every moment; in the end everybody agrees.
/// </summary>
public sealed class NetworkPropertyTests
{
    private const int Seeds = 100;

    [Theory]
    [InlineData(3, false)]
    [InlineData(5, false)]
    [InlineData(3, true)]
    [InlineData(5, true)]
    public void What_is_safe_stays_safe(int members, bool withWipes)
    {
        for (int seed = 0; seed < Seeds; seed++)
        {
            try
            {
                new Chaos(seed, members, withWipes, PlantedFault.None).Run();
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"seed {seed}, {members} members, wipes: {withWipes}: {failure.Message}", failure);
            }
        }
    }

    [Theory]
    [InlineData(PlantedFault.AcknowledgeBeforeFsync)]
    [InlineData(PlantedFault.ForgetVote)]
    [InlineData(PlantedFault.SkipTruncation)]
    [InlineData(PlantedFault.LeaderCountsUnsynced)]
    [InlineData(PlantedFault.VoteForAnyLog)]
    public void A_rule_that_is_switched_off_is_missed(object fault)
    {
        for (int seed = 0; seed < 2000; seed++)
        {
            try
            {
                new Chaos(seed, 3, withWipes: false, (PlantedFault)fault).Run();
            }
            catch (Exception)
            {
                return;
            }
        }

        Assert.Fail($"2000 seeds do not notice {fault}");
    }

    [Fact]
    public void The_same_seed_gives_the_same_history()
    {
        Chaos first = new(11, 5, true, PlantedFault.None);
        Chaos second = new(11, 5, true, PlantedFault.None);
        first.Run();
        second.Run();
        Assert.Equal(first.Chosen, second.Chosen);
    }
}

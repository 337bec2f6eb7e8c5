using Xunit.Abstractions;

namespace Chronik.Raft.Tests;

/// <summary>
/// Random loss, delay, duplication, reordering, crashes that lose unsynced writes, wiped disks, membership changes, transfers and lost
/// peers, then peace. The properties of figure 3 of the Raft paper hold at every moment; in the end everybody agrees.
/// </summary>
public sealed class NetworkPropertyTests(ITestOutputHelper output)
{
    /// <summary>CHRONIK_SEEDS runs more of them than usual.</summary>
    private static readonly int Seeds = int.Parse(Environment.GetEnvironmentVariable("CHRONIK_SEEDS") ?? "100");

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

    /// <summary>The two that are not here need a narrower schedule than this one draws: ElectionTests, ReadingTests have them.</summary>
    [Theory]
    [InlineData(PlantedFault.AcknowledgeBeforeFsync, 3)]
    [InlineData(PlantedFault.CommitOldTerms, 3)]
    [InlineData(PlantedFault.SkipTruncation, 3)]
    [InlineData(PlantedFault.LeaderCountsUnsynced, 3)]
    [InlineData(PlantedFault.VoteForAnyLog, 3)]
    [InlineData(PlantedFault.DirectMembership, 5)]
    [InlineData(PlantedFault.RecoveringVotes, 3)]
    [InlineData(PlantedFault.CountAnybody, 5)]
    public void A_rule_that_is_switched_off_is_missed(object fault, int members)
    {
        PlantedFault planted = (PlantedFault)fault;
        bool withWipes = (planted & (PlantedFault.RecoveringVotes | PlantedFault.CountAnybody)) != 0;
        for (int seed = 0; seed < 2000; seed++)
        {
            try
            {
                new Chaos(seed, members, withWipes, planted).Run();
            }
            catch (Exception failure)
            {
                output.WriteLine($"{planted}: seed {seed}: {failure.Message}");
                return;
            }
        }

        Assert.Fail($"2000 seeds do not notice {planted}");
    }

    [Theory]
    [InlineData(424, 3, false)]
    [InlineData(800, 3, true)]
    [InlineData(980, 3, false)]
    [InlineData(79, 5, true)]
    public void Histories_that_went_wrong_once(int seed, int members, bool withWipes) =>
        new Chaos(seed, members, withWipes, PlantedFault.None).Run();

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

using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>
/// The simulator finds what it is there to find: each rule that is switched off on purpose shows within a number of seeds well above
/// what it took when it was measured (docs/testing.md).
/// </summary>
public sealed class PlantTests
{
    /// <summary>Every planted fault with the seeds that it is given.</summary>
    public static TheoryData<string, int> Budgets => new()
    {
        { "AcknowledgeBeforeFsync", 200 },
        { "ForgetVote", 1_000 },
        { "CommitOldTerms", 1_000 },
        { "SkipTruncation", 100 },
        { "LeaderCountsUnsynced", 400 },
        { "VoteForAnyLog", 100 },
        { "ReadWithoutRound", 400 },
        { "DirectMembership", 400 },
        { "RecoveringVotes", 200 },
        { "CountAnybody", 400 },
        { "SkipSync", 100 },
        { "AnswerBeforeCommit", 100 },
        { "ForgetRecovering", 400 },
        { "ForgetMissedTicks", 1_000 },
        { "ReadBeforeApplied", 100 },
        { "ChangeUnconfirmed", 3_000 },
        { "AdmitUninformed", 1_000 },
    };

    [Theory]
    [MemberData(nameof(Budgets))]
    public void A_planted_fault_is_found(string name, int seeds)
    {
        Plant plant = Plant.Find(name)!;
        for (ulong seed = 1; seed <= (ulong)seeds; seed++)
        {
            if (Runner.Run(Parameters.Draw(seed), plant).Failure is not null) return;
        }

        Assert.Fail($"{name} is not found within {seeds} seeds");
    }

    [Fact]
    public void Every_planted_fault_has_a_budget() =>
        Assert.Equal(Plant.All.Select(plant => plant.Name).Order(), Budgets.Select(row => (string)row[0]).Order());
}

using Chronik.Cluster.Tests.Processes;
using Chronik.Model;
using Xunit.Abstractions;

namespace Chronik.Cluster.Tests;

/// <summary>Nodes that are stopped as an operator stops them (SIGTERM): what they lead is handed over first.</summary>
public sealed class RollingTests(ITestOutputHelper output)
{
    [Fact]
    public Task Nothing_fails_when_all_nodes_are_restarted_one_after_the_other() => Scenario.RunAsync(output, async scenario =>
    {
        foreach (NodeProcess victim in scenario.Cluster.Nodes)
        {
            NodeId id = victim.Id;
            await scenario.MeasureAsync("stopped", id, async node => Assert.Equal(0, await node.StopAsync()));
            string said = Assert.Single(victim.Lines, line => line.Contains("leaderships were handed over", StringComparison.Ordinal));
            scenario.Say(said);
            Assert.DoesNotContain(" not: ", said, StringComparison.Ordinal);
            await scenario.BringBackAsync(id);
            await scenario.RecoveredAsync(id);
        }
    });
}

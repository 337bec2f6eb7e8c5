using System.Globalization;

namespace Chronik.Simulation;

/// <summary>How a run ended.</summary>
/// <param name="Failure">What it found, or null.</param>
/// <param name="Events">How many things happened.</param>
/// <param name="Acknowledged">Records acknowledged to producers.</param>
/// <param name="VirtualSeconds">How much time passed inside.</param>
/// <param name="Fingerprint">Stands for everything that happened.</param>
internal sealed record Outcome(SimulationFailure? Failure, long Events, long Acknowledged, double VirtualSeconds, ulong Fingerprint)
{
    public string Describe(ulong seed) => string.Create(
        CultureInfo.InvariantCulture,
        $"seed {seed}: {(Failure is null ? "passed" : "FAILED: " + Failure.Message)}; {Events} events, {Acknowledged} records "
        + $"acknowledged, {VirtualSeconds:F1} virtual seconds, fingerprint {Fingerprint:x16}"
        + $"{(Failure?.InnerException is { } inner ? "\n" + inner : "")}");
}

/// <summary>Runs one seed.</summary>
internal static class Runner
{
    public static Outcome Run(Parameters parameters, Plant? plant = null, TextWriter? trace = null)
    {
        Simulation simulation = new(parameters, plant, trace);
        SimulationFailure? failure = null;
        try
        {
            simulation.Run();
        }
        catch (Exception found)
        {
            failure = found as SimulationFailure ?? new SimulationFailure($"{found.GetType().Name}: {found.Message}", found);
            if (simulation.Trace.IsOn) simulation.Trace.Line(simulation.Now, failure.Message);
        }
        finally
        {
            simulation.Close();
        }

        return new Outcome(failure, simulation.Events, simulation.Acknowledged, simulation.Now / 1e6, simulation.Trace.Fingerprint);
    }
}

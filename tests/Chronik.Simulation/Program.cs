using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace Chronik.Simulation;

/// <summary>The command line: many seeds in a row, or one with everything that happens.</summary>
internal static class Program
{
    private const int LineEvery = 100;

    private const string Usage = """
        usage: Chronik.Simulation [--seeds N | --seconds N | --seed N [--trace]] [--from N] [--plant NAME]
          --seeds N     runs N seeds, from --from on (default: 1000 from 1)
          --seconds N   runs fresh seeds for N seconds
          --seed N      runs one seed; --trace prints a line per state change
          --plant NAME  with a planted fault; stops at the first seed that finds it
        """;

    public static int Main(string[] arguments)
    {
        ulong? seed = null;
        ulong? from = null;
        ulong seeds = 1000;
        double seconds = 0;
        bool trace = false;
        Plant plant = Plant.None;
        try
        {
            for (int i = 0; i < arguments.Length; i++)
            {
                switch (arguments[i])
                {
                    case "--seed":
                        seed = ulong.Parse(arguments[++i], CultureInfo.InvariantCulture);
                        break;
                    case "--from":
                        from = ulong.Parse(arguments[++i], CultureInfo.InvariantCulture);
                        break;
                    case "--seeds":
                        seeds = ulong.Parse(arguments[++i], CultureInfo.InvariantCulture);
                        break;
                    case "--seconds":
                        seconds = double.Parse(arguments[++i], CultureInfo.InvariantCulture);
                        break;
                    case "--trace":
                        trace = true;
                        break;
                    case "--plant":
                        plant = Plant.Find(arguments[++i]) ?? throw new FormatException(
                            $"{arguments[i]} is none of {string.Join(", ", Plant.All.Select(known => known.Name))}");
                        break;
                    default:
                        throw new FormatException($"{arguments[i]} is no option");
                }
            }
        }
        catch (Exception e) when (e is FormatException or IndexOutOfRangeException or OverflowException)
        {
            Console.Error.WriteLine(e.Message);
            Console.Error.WriteLine(Usage);
            return 2;
        }

        if (seed is { } one) return RunOne(one, trace, plant);
        // Fresh seeds stay readable: nine digits.
        ulong first = from ?? (seconds > 0 ? (ulong)RandomNumberGenerator.GetInt32(1, 1_000_000) * 1_000 : 1);
        if (seconds > 0) Console.WriteLine($"fresh seeds from {first}, for {seconds} s");
        return RunMany(first, seconds > 0 ? ulong.MaxValue : seeds, seconds, plant);
    }

    private static int RunOne(ulong seed, bool trace, Plant plant)
    {
        if (trace) Console.WriteLine(Trace.Header);
        using StreamWriter output = new(Console.OpenStandardOutput());
        Outcome outcome = Runner.Run(Parameters.Draw(seed), plant, trace ? output : null);
        output.WriteLine(outcome.Describe(seed));
        return outcome.Failure is null ? 0 : 1;
    }

    private static int RunMany(ulong first, ulong seeds, double seconds, Plant plant)
    {
        Stopwatch watch = Stopwatch.StartNew();
        int failures = 0;
        ulong done = 0;
        long events = 0;
        long acknowledged = 0;
        double virtualSeconds = 0;
        for (; done < seeds && (seconds == 0 || watch.Elapsed.TotalSeconds < seconds); done++)
        {
            ulong seed = first + done;
            Outcome outcome = Runner.Run(Parameters.Draw(seed), plant);
            events += outcome.Events;
            acknowledged += outcome.Acknowledged;
            virtualSeconds += outcome.VirtualSeconds;
            if (outcome.Failure is { } failure)
            {
                failures++;
                Console.WriteLine($"seed {seed} FAILED: {failure.Message}");
                Console.WriteLine(
                    $"  replay: dotnet run -c Release --project tests/Chronik.Simulation -- --seed {seed} --trace"
                    + (plant == Plant.None ? "" : $" --plant {plant.Name}"));
                if (plant != Plant.None)
                {
                    Console.WriteLine($"{plant.Name}: found after {done + 1} seeds");
                    return 0;
                }
            }

            if ((done + 1) % LineEvery == 0) Report(done + 1);
        }

        if (done % LineEvery != 0) Report(done);
        return failures == 0 ? 0 : 1;

        void Report(ulong count) => Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{count} seeds, {failures} failed; {events} events, {acknowledged} records acknowledged, "
            + $"{virtualSeconds / 60:F0} virtual minutes in {watch.Elapsed.TotalSeconds:F1} s"));
    }
}

using System.Globalization;

namespace Chronik.Simulation;

/// <summary>
/// What happened, one line per state change, in fixed columns; and a number that stands for all of it, which two runs of a seed share.
/// </summary>
internal sealed class Trace(TextWriter? output)
{
    private const ulong Prime = 0x100000001B3;

    /// <summary>Whether lines are wanted: nobody makes a text that nobody reads.</summary>
    public bool IsOn => output is not null;

    /// <summary>Stands for everything so far.</summary>
    public ulong Fingerprint { get; private set; } = 0xCBF29CE484222325;

    public void Note(long a, long b)
    {
        ulong mixed = (Fingerprint ^ (ulong)a) * Prime;
        Fingerprint = (mixed ^ (mixed >> 29) ^ (ulong)b) * Prime;
    }

    public static string Header => "      time  node group  role  term   last commit applied  what";

    public void Line(long now, string node, string group, string state, string what) =>
        output?.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{now / 1e6,10:F6}  {node,4} {group,5}  {state,-32}  {what}"));

    public void Line(long now, string what) => Line(now, "-", "-", "", what);
}

/// <summary>Something that must always hold does not, or the cluster makes no progress.</summary>
internal sealed class SimulationFailure(string message, Exception? inner = null) : Exception(message, inner);

using System.Globalization;

namespace Chronik.Cluster.Tests.Processes;

/// <summary>Reads what a node shows to Prometheus.</summary>
internal static class Metrics
{
    /// <summary>The sum of all series of a name; null when there is none.</summary>
    public static double? Value(string text, string name)
    {
        double? sum = null;
        foreach (string line in text.Split('\n'))
        {
            if (!line.StartsWith(name, StringComparison.Ordinal) ||
                line.Length == name.Length || line[name.Length] is not (' ' or '{')) continue;
            string rest = line[(line.LastIndexOf('}') + 1)..];
            string value = rest.Split(' ', StringSplitOptions.RemoveEmptyEntries)[line.Contains('}', StringComparison.Ordinal) ? 0 : 1];
            sum = (sum ?? 0) + double.Parse(value, CultureInfo.InvariantCulture);
        }

        return sum;
    }
}

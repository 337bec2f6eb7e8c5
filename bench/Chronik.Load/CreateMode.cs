using System.Diagnostics;

namespace Chronik.Load;

/// <summary>Creates topics in one request and waits until every partition has a leader.</summary>
internal static class CreateMode
{
    public static Report Run(LoadOptions options)
    {
        using var connection = new Connection(options);
        var names = Enumerable.Range(0, options.Topics).Select(i => $"{options.Topic}-{i}").ToArray();
        var start = Stopwatch.GetTimestamp();
        connection.CreateTopics(names, options.Partitions, options.Configs, options.Replicas);
        foreach (var name in names)
        {
            connection.AwaitLeaders(name);
        }

        return new Report
        {
            ["mode"] = "create",
            ["partitions"] = options.Topics * options.Partitions,
            ["led_s"] = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3),
        };
    }
}

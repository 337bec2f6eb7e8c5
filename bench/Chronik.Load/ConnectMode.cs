using System.Diagnostics;

namespace Chronik.Load;

/// <summary>Opens connections and asks for the API versions on each, then holds them and looks at the broker's memory.</summary>
internal static class ConnectMode
{
    public static Report Run(LoadOptions options)
    {
        var before = options.Pids.Length == 0 ? 0 : options.Pids.Sum(ProcessUsage.ResidentMiB);
        var start = Stopwatch.GetTimestamp();
        var connections = new List<Connection>();
        for (var i = 0; i < options.Connections; i++)
        {
            var connection = new Connection(options);
            connection.Ask(new RequestWriter(Api.ApiVersions, 0));
            connections.Add(connection);
        }

        var report = new Report { ["mode"] = "connect", ["connections"] = options.Connections };
        report["connect_s"] = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3);
        Thread.Sleep(options.Duration);
        if (options.Pids.Length > 0)
        {
            var held = options.Pids.Sum(ProcessUsage.ResidentMiB);
            report["rss_before_mib"] = Math.Round(before, 1);
            report["rss_held_mib"] = Math.Round(held, 1);
            report["kib_each"] = Math.Round((held - before) * 1024 / options.Connections, 1);
        }

        connections.ForEach(c => c.Dispose());
        return report;
    }
}

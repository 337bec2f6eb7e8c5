using System.Diagnostics;
using System.Text.Json;
using Chronik.Load;

if (args.Length == 0 || args[0] is "--help" or "-h")
{
    Console.WriteLine(LoadOptions.Help);
    return 2;
}

LoadOptions options;
try
{
    options = LoadOptions.Parse(args);
}
catch (FormatException e)
{
    Console.Error.WriteLine($"load: {e.Message}");
    return 2;
}

Func<LoadOptions, Report>? mode = options.Mode switch
{
    "produce" => ProduceMode.Run,
    "fetch" => FetchMode.Run,
    "e2e" => EndToEndMode.Run,
    "connect" => ConnectMode.Run,
    "create" => CreateMode.Run,
    "gap" => GapMode.Run,
    _ => null,
};
if (mode is null)
{
    Console.Error.WriteLine($"load: unknown mode {options.Mode}");
    return 2;
}

try
{
    var broker = options.Pids.Sum(ProcessUsage.Cpu);
    var client = ProcessUsage.Cpu(Environment.ProcessId);
    var start = Stopwatch.GetTimestamp();
    var report = mode(options);
    report["wall_s"] = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3);
    report["client_cpu_s"] = Math.Round(ProcessUsage.Cpu(Environment.ProcessId) - client, 2);
    if (options.Pids.Length > 0 && options.Command.Length == 0)
    {
        var cpu = options.Pids.Sum(ProcessUsage.Cpu) - broker;
        report["broker_cpu_s"] = Math.Round(cpu, 2);
        report["broker_rss_mib"] = Math.Round(options.Pids.Sum(ProcessUsage.ResidentMiB), 1);
        if (report.TryGetValue("mb", out var mb) && mb is double megabytes and > 0)
        {
            report["broker_cpu_s_per_gb"] = Math.Round(cpu / (megabytes / 1000), 3);
        }
    }

    Console.WriteLine(JsonSerializer.Serialize(report));
    return report.TryGetValue("errors", out var errors) && errors is > 0L ? 1 : 0;
}
catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or LoadException)
{
    Console.Error.WriteLine($"load: {e.Message}");
    return 1;
}

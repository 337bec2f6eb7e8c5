using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Chronik.Cluster.Tests.Wire;
using Chronik.Model;

namespace Chronik.Cluster.Tests.Processes;

/// <summary>
/// One node: the executable as an operator starts it. It keeps its ports and its folder when it is started again. Only ever signals the
/// process that it started.
/// </summary>
internal sealed class NodeProcess(NodeId id, NodePlace place, string folder, Func<IReadOnlyList<string>> clusterArguments)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(2) };

    private static readonly string? OldBuild = Environment.GetEnvironmentVariable("CHRONIK_OLD_BUILD");

    private readonly ConcurrentQueue<string> _lines = new();
    private Process? _process;

    public NodeId Id => id;

    public Address Kafka { get; } = new(place.Host, place.KafkaPort);

    public string Akka { get; } = $"{place.Host}:{place.AkkaPort}";

    public Address AkkaAddress { get; } = new(place.Host, place.AkkaPort);

    /// <summary>Where the node keeps its data; may be a mount of its own.</summary>
    public string Data { get; } = Path.Combine(folder, "data");

    /// <summary>
    /// Whether the node is of the first level from its next start on: the program that CHRONIK_OLD_BUILD names, if it does, and otherwise
    /// this one, which is told to be like it.
    /// </summary>
    public bool IsOld { get; set; }

    public bool IsRunning => _process is { HasExited: false };

    /// <summary>What the process has said, over all its lives.</summary>
    public IReadOnlyCollection<string> Lines => _lines;

    /// <summary>Where operators ask it, as HOST:PORT.</summary>
    public string HttpAddress => $"{place.Host}:{place.HttpPort}";

    private string HttpBase => $"http://{place.Host}:{place.HttpPort}";

    public void Start()
    {
        Invariant.Require(!IsRunning);
        List<string> command =
        [
            .. place.Prefix, IsOld && OldBuild is not null ? OldBuild : Path.Combine(AppContext.BaseDirectory, "chronik"),
            "--node-id", id.ToString(), "--data", Data, "--rack", place.Rack, "--kafka", $"{place.Host}:{place.KafkaPort}",
            "--http", $"{place.Host}:{place.HttpPort}", "--akka", Akka,
            .. clusterArguments(),
        ];
        ProcessStartInfo start = new(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (IsOld) start.Environment["CHRONIK_TEST_MAX_LEVEL"] = $"{FeatureLevel.Oldest}";
        _lines.Enqueue("--- started");
        Process process = Process.Start(start) ?? throw new InvalidOperationException($"{command[0]} did not start");
        process.OutputDataReceived += Note;
        process.ErrorDataReceived += Note;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _process = process;
    }

    /// <summary>Waits until the node says that it serves.</summary>
    public Task ReadyAsync() => SaysAsync("ready", "serves");

    /// <summary>Waits until the process says that it runs, whether it serves or not.</summary>
    public Task LiveAsync() => SaysAsync("live", "runs");

    /// <summary>Waits for the process to end by itself; returns its exit code.</summary>
    public async Task<int> EndedAsync()
    {
        using CancellationTokenSource patience = new(Patience);
        await _process!.WaitForExitAsync(patience.Token);
        return _process.ExitCode;
    }

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        if (!IsRunning) return;
        _process!.Kill();
        _process.WaitForExit();
    }

    /// <summary>SIGSTOP.</summary>
    public Task PauseAsync() => SignalAsync("STOP");

    /// <summary>SIGCONT.</summary>
    public Task ResumeAsync() => SignalAsync("CONT");

    /// <summary>SIGTERM, and waits for the end.</summary>
    public async Task<int> StopAsync()
    {
        await SignalAsync("TERM");
        return await EndedAsync();
    }

    /// <summary>What the node shows to Prometheus; empty when it cannot be asked.</summary>
    public async Task<string> MetricsAsync()
    {
        try
        {
            return await Http.GetStringAsync(new Uri($"{HttpBase}/metrics"));
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return "";
        }
    }

    private Task SaysAsync(string health, string what) => Wait.UntilAsync(async () =>
    {
        if (!IsRunning) throw new InvalidOperationException($"node {id} has ended");
        try
        {
            using HttpResponseMessage answer = await Http.GetAsync(new Uri($"{HttpBase}/health/{health}"));
            return answer.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return false;
        }
    }, $"node {id} {what}");

    private Task SignalAsync(string signal) =>
        Command.RunAsync("/bin/kill", $"-{signal}", _process!.Id.ToString(CultureInfo.InvariantCulture));

    private void Note(object sender, DataReceivedEventArgs line)
    {
        if (line.Data is { } text) _lines.Enqueue(text);
    }
}

/// <summary>Where a node runs.</summary>
/// <param name="Host">Its address.</param>
/// <param name="KafkaPort">Where clients connect.</param>
/// <param name="AkkaPort">Where other nodes connect.</param>
/// <param name="HttpPort">Where health is asked for.</param>
/// <param name="Prefix">What comes before its command, such as the entry into a network namespace.</param>
internal sealed record NodePlace(string Host, int KafkaPort, int AkkaPort, int HttpPort, IReadOnlyList<string> Prefix)
{
    /// <summary>The rack that it says it stands in; empty: none.</summary>
    public string Rack { get; init; } = "";
}

/// <summary>Short commands of the system.</summary>
internal static class Command
{
    /// <summary>Runs a command to its end and returns what it said; fails with that when it fails.</summary>
    public static async Task<string> RunAsync(string file, params string[] arguments)
    {
        ProcessStartInfo start = new(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{file} did not start");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException($"{file} {string.Join(' ', arguments)}: {await output} {errors}");
    }
}

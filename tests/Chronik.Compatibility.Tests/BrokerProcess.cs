using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Chronik.Compatibility.Tests;

/// <summary>The executable as a user starts it. It keeps its ports and its folder when it is started again.</summary>
internal sealed partial class BrokerProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly ConcurrentBag<Socket> Holders = [];
    private Process? _process;

    public string Data { get; } = Path.Combine(Directory.CreateTempSubdirectory("chronik-test-").FullName, "data");

    public int KafkaPort { get; } = HeldPort();

    public int HttpPort { get; } = HeldPort();

    public string Bootstrap => $"127.0.0.1:{KafkaPort}";

    public static string Executable => Path.Combine(AppContext.BaseDirectory, "chronik");

    public List<string> Arguments { get; } = [];

    /// <summary>Starts the process and waits for its ready line; returns that line.</summary>
    public async Task<string> StartAsync()
    {
        _process = Launch(["--data", Data, "--kafka", Bootstrap, "--http", $"127.0.0.1:{HttpPort}", .. Arguments]);
        var errors = _process.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(Patience);
        while (await _process.StandardOutput.ReadLineAsync(patience.Token) is { } line)
        {
            if (Ready().IsMatch(line))
            {
                _ = _process.StandardOutput.ReadToEndAsync();
                return line;
            }
        }

        throw new InvalidOperationException($"chronik ended before it was ready: {await errors}");
    }

    /// <summary>Runs the executable to its end, for what it refuses.</summary>
    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Launch(arguments);
        using var patience = new CancellationTokenSource(Patience);
        var output = process.StandardOutput.ReadToEndAsync(patience.Token);
        var error = process.StandardError.ReadToEndAsync(patience.Token);
        try
        {
            await process.WaitForExitAsync(patience.Token);
            return (process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"chronik {string.Join(' ', arguments)} did not end");
        }
    }

    public void Kill()
    {
        _process!.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _process = null;
    }

    /// <summary>Sends a signal by its name and returns the exit code and how long it took to end.</summary>
    public async Task<(int ExitCode, TimeSpan Took)> SignalAsync(string signal)
    {
        var start = Stopwatch.GetTimestamp();
        await Shell.RunAsync("/bin/kill", [$"-{signal}", $"{_process!.Id}"]);
        using var patience = new CancellationTokenSource(Patience);
        await _process.WaitForExitAsync(patience.Token);
        var result = (_process.ExitCode, Stopwatch.GetElapsedTime(start));
        _process.Dispose();
        _process = null;
        return result;
    }

    public ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            Kill();
        }

        Directory.Delete(Path.GetDirectoryName(Data)!, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>
    /// A port that is held as long as this process runs: nobody gets it who asks for any port, or connects to somewhere. As its holder
    /// never listens, the operating system lets another socket that asks for this very port listen beside it.
    /// </summary>
    private static int HeldPort()
    {
        var holder = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        holder.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Holders.Add(holder);
        return ((IPEndPoint)holder.LocalEndPoint!).Port;
    }

    private static Process Launch(IEnumerable<string> arguments) =>
        Process.Start(new ProcessStartInfo(Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })
        ?? throw new InvalidOperationException($"{Executable} did not start");

    [GeneratedRegex(@"^chronik ready: kafka \S+, http http://\S+, data \S+ \(\d+\.\d s\)$")]
    private static partial Regex Ready();
}

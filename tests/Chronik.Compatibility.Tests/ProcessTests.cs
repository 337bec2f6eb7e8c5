using System.Net;
using System.Net.Sockets;
using Chronik.Load;
using Xunit;

namespace Chronik.Compatibility.Tests;

/// <summary>The executable as an operator sees it: one line when it is ready, one line when it refuses, exit codes, signals.</summary>
public sealed class ProcessTests
{
    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task A_signal_ends_it_cleanly_and_what_was_written_is_there_afterwards(string signal)
    {
        await using var broker = new BrokerProcess();
        var line = await broker.StartAsync();
        var expected = $"chronik ready: kafka {broker.Bootstrap}, http http://127.0.0.1:{broker.HttpPort}, data {broker.Data} (";
        Assert.StartsWith(expected, line, StringComparison.Ordinal);
        using (var client = new Connection("127.0.0.1", broker.KafkaPort))
        {
            client.CreateTopics(["kept"], 1, []);
            client.AwaitLeaders("kept");
            var batch = RecordBatches.Build(3, 10, -1, -1, out _);
            var request = new RequestWriter(Api.Produce, 8).String(null).Int16(-1).Int32(30_000).Int32(1).String("kept");
            client.Ask(request.Int32(1).Int32(0).Bytes(batch));

            // The client's connection stays open: an idle client must not hold up the end.
            var (exitCode, _) = await broker.SignalAsync(signal);
            Assert.Equal(0, exitCode);
        }

        await broker.StartAsync();
        using var again = new Connection("127.0.0.1", broker.KafkaPort);
        again.AwaitLeaders("kept");
        Assert.Equal([3], again.ListOffsets("kept", 1, -1));
    }

    [Fact]
    public async Task Help_and_version_are_printed()
    {
        var (exitCode, help, _) = await BrokerProcess.RunAsync("--help");
        Assert.Equal(0, exitCode);
        Assert.Contains("--kafka HOST:PORT", help, StringComparison.Ordinal);
        Assert.Matches(@"^chronik \d", (await BrokerProcess.RunAsync("--version")).Output);
    }

    [Fact]
    public async Task A_typo_is_one_line_and_nothing_is_made()
    {
        var folder = Directory.CreateTempSubdirectory("chronik-typo-").FullName;
        try
        {
            var (exitCode, output, error) = await BrokerProcess.RunAsync(
                "--data", Path.Combine(folder, "data"), "--set", "chronik.gatway.max-idle=5m");
            Assert.NotEqual(0, exitCode);
            Assert.Empty(output);
            Assert.Equal(
                "chronik: --set: there is no key chronik.gatway.max-idle (= 5m); did you mean chronik.gateway.max-idle?\n", error);
            Assert.Empty(Directory.GetFileSystemEntries(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_port_in_use_and_a_folder_in_use_are_one_line_each()
    {
        await using var broker = new BrokerProcess();
        await broker.StartAsync();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();

        var (exitCode, _, error) = await BrokerProcess.RunAsync("--data", broker.Data + "-other", "--kafka", $"{taken.LocalEndpoint}");
        Assert.NotEqual(0, exitCode);
        Assert.Equal($"chronik: chronik.kafka.listeners = {taken.LocalEndpoint}: Address already in use\n", error);
        Assert.False(Directory.Exists(broker.Data + "-other"));

        (exitCode, _, error) = await BrokerProcess.RunAsync("--data", broker.Data, "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0");
        Assert.NotEqual(0, exitCode);
        Assert.Contains(broker.Data, error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(c => c == '\n'));
    }
}

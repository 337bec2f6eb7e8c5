using System.Text.RegularExpressions;
using Xunit;

namespace Chronik.Compatibility.Tests;

/// <summary>Apache Kafka's own tools. Each run is a virtual machine of its own, so that a test does several things.</summary>
[Collection(BrokerCollection.Name)]
public sealed class JavaToolsTests(BrokerFixture broker)
{
    private const string Topics = "org.apache.kafka.tools.TopicCommand";
    private const string Groups = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    private const string Configs = "kafka.admin.ConfigCommand";
    private const string ConsoleProducer = "org.apache.kafka.tools.ConsoleProducer";
    private const string ConsoleConsumer = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    private readonly string _topic = BrokerFixture.NewName("java");

    [ClientFact(Client.Java)]
    public async Task Topics_are_created_described_grown_and_deleted()
    {
        await ToolAsync(Topics, "--create", "--topic", _topic, "--partitions", "3", "--config", "retention.ms=3600000");
        var described = await ToolAsync(Topics, "--describe", "--topic", _topic);
        Assert.Contains("PartitionCount: 3", described, StringComparison.Ordinal);
        Assert.Contains("retention.ms=3600000", described, StringComparison.Ordinal);
        await ToolAsync(Topics, "--alter", "--topic", _topic, "--partitions", "5");
        Assert.Contains("PartitionCount: 5", await ToolAsync(Topics, "--describe", "--topic", _topic), StringComparison.Ordinal);
        await ToolAsync(Topics, "--delete", "--topic", _topic);
        Assert.DoesNotContain(_topic, await ToolAsync(Topics, "--list"), StringComparison.Ordinal);
    }

    [ClientFact(Client.Java)]
    public async Task Values_are_produced_and_consumed_in_a_group_that_is_described_and_reset()
    {
        var group = BrokerFixture.NewName("group");
        await ToolAsync(Topics, "--create", "--topic", _topic, "--partitions", "1");
        await ToolAsync(ConsoleProducer, "one\ntwo\nthree\n", "--topic", _topic);
        string[] consume = ["--topic", _topic, "--group", group, "--from-beginning", "--max-messages", "3", "--timeout-ms", "30000"];
        Assert.Equal("one\ntwo\nthree\n", await ToolAsync(ConsoleConsumer, consume));
        var described = await ToolAsync(Groups, "--describe", "--group", group);
        Assert.Matches($@"{group}\s+{_topic}\s+0\s+3\s+3\s+0", described);
        await ToolAsync(Groups, "--reset-offsets", "--to-offset", "1", "--topic", _topic, "--group", group, "--execute");
        Assert.Matches($@"{group}\s+{_topic}\s+0\s+1\s+3\s+2", await ToolAsync(Groups, "--describe", "--group", group));
        Assert.Contains(group, await ToolAsync(Groups, "--list"), StringComparison.Ordinal);
        await ToolAsync(Groups, "--delete", "--group", group);
    }

    [ClientFact(Client.Java)]
    public async Task Settings_offsets_and_folders_are_described()
    {
        await ToolAsync(Topics, "--create", "--topic", _topic, "--partitions", "2");
        string[] entity = ["--entity-type", "topics", "--entity-name", _topic];
        await ToolAsync(Configs, ["--alter", .. entity, "--add-config", "max.message.bytes=123456"]);
        Assert.Contains("max.message.bytes=123456", await ToolAsync(Configs, ["--describe", .. entity]), StringComparison.Ordinal);
        var settings = await ToolAsync(Configs, "--describe", "--entity-type", "brokers", "--all");
        Assert.Contains("log.retention", settings, StringComparison.Ordinal);
        await ToolAsync(ConsoleProducer, "a\nb\n", "--topic", _topic);
        var offsets = await ToolAsync("org.apache.kafka.tools.GetOffsetShell", "--topic", _topic);
        Assert.Equal(2, Regex.Matches(offsets, @":(\d+)$", RegexOptions.Multiline).Sum(m => int.Parse(m.Groups[1].ValueSpan, null)));
        Assert.Contains(_topic, await ToolAsync("org.apache.kafka.tools.LogDirsCommand", "--describe"), StringComparison.Ordinal);
    }

    [ClientFact(Client.Java)]
    public async Task The_performance_tools_run()
    {
        await ToolAsync(Topics, "--create", "--topic", _topic, "--partitions", "3");
        var produced = await Java(
            "org.apache.kafka.tools.ProducerPerformance",
            ["--topic", _topic, "--num-records", "50000", "--record-size", "200", "--throughput", "-1",
                "--bootstrap-server", broker.Bootstrap, "--command-property", "acks=all"]);
        Assert.Contains("50000 records sent", produced, StringComparison.Ordinal);
        var consumed = await ToolAsync(
            "org.apache.kafka.tools.ConsumerPerformance", "--topic", _topic, "--num-records", "50000", "--timeout", "60000");
        Assert.Contains("50000", consumed, StringComparison.Ordinal);
    }

    private Task<string> ToolAsync(string tool, params string[] arguments) =>
        tool == ConsoleProducer
            ? Java(tool, [.. arguments[1..], "--bootstrap-server", broker.Bootstrap], arguments[0])
            : Java(tool, [.. arguments, "--bootstrap-server", broker.Bootstrap]);

    private static Task<string> Java(string tool, string[] arguments, string? input = null)
    {
        string[] machine = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", Path.Combine(Clients.KafkaHome!, "libs", "*")];
        return Shell.RunAsync("java", [.. machine, tool, .. arguments], input);
    }
}

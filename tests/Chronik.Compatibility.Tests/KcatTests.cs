using Xunit;

namespace Chronik.Compatibility.Tests;

[Collection(BrokerCollection.Name)]
public sealed class KcatTests(BrokerFixture broker)
{
    private readonly string _topic = BrokerFixture.NewName("kcat");

    [ClientTheory(Client.Kcat)]
    [InlineData("none")]
    [InlineData("gzip")]
    [InlineData("snappy")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    public async Task Values_come_back_in_order_with_every_codec(string codec)
    {
        var lines = string.Concat(Enumerable.Range(0, 1000).Select(i => $"key{i % 7}:value number {i} of many that compress well\n"));
        await KcatAsync(lines, "-P", "-t", _topic, "-K:", "-z", codec);
        Assert.Equal(lines, await KcatAsync(null, "-C", "-t", _topic, "-o", "beginning", "-e", "-q", "-K:"));
    }

    [ClientFact(Client.Kcat)]
    public async Task Headers_keys_null_values_and_offsets_come_back()
    {
        await KcatAsync("a:1\nb:\n", "-P", "-t", _topic, "-K:", "-Z", "-H", "colour=blue");
        Assert.Equal("0 a 1 colour=blue\n1 b -1 colour=blue\n",
            await KcatAsync(null, "-C", "-t", _topic, "-o", "beginning", "-e", "-q", "-f", "%o %k %S %h\n"));
    }

    [ClientFact(Client.Kcat)]
    public async Task An_idempotent_producer_produces()
    {
        await KcatAsync("one\ntwo\nthree\n", "-P", "-t", _topic, "-X", "enable.idempotence=true");
        Assert.Equal("one\ntwo\nthree\n", await KcatAsync(null, "-C", "-t", _topic, "-o", "beginning", "-e", "-q"));
    }

    [ClientFact(Client.Kcat)]
    public async Task Metadata_lists_the_broker_and_the_topic()
    {
        await KcatAsync("x\n", "-P", "-t", _topic);
        var listing = await KcatAsync(null, "-L", "-t", _topic);
        Assert.Contains($"topic \"{_topic}\"", listing, StringComparison.Ordinal);
        Assert.Contains($"at {broker.Bootstrap}", listing, StringComparison.Ordinal);
    }

    [ClientFact(Client.Kcat)]
    public async Task A_group_goes_on_where_it_was()
    {
        string[] read = ["-G", BrokerFixture.NewName("group"), "-X", "auto.offset.reset=earliest", "-e", "-q", _topic];
        await KcatAsync("1\n2\n3\n", "-P", "-t", _topic);
        Assert.Equal("1\n2\n3\n", await KcatAsync(null, read));
        await KcatAsync("4\n", "-P", "-t", _topic);
        Assert.Equal("4\n", await KcatAsync(null, read));
    }

    [ClientFact(Client.Kcat)]
    public async Task Offsets_are_found_by_timestamp()
    {
        await KcatAsync("1\n2\n", "-P", "-t", _topic);
        var far = DateTimeOffset.UtcNow.AddDays(1).ToUnixTimeMilliseconds();
        Assert.Contains("[0] offset 0", await KcatAsync(null, "-Q", "-t", $"{_topic}:0:1"), StringComparison.Ordinal);
        Assert.Contains("[0] offset -1", await KcatAsync(null, "-Q", "-t", $"{_topic}:0:{far}"), StringComparison.Ordinal);
    }

    private Task<string> KcatAsync(string? input, params string[] arguments) =>
        Shell.RunAsync("kcat", ["-b", broker.Bootstrap, .. arguments], input);
}

using System.Net;
using Chronik.Gateway;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Server.Configuration;
using Chronik.Storage;

namespace Chronik.Server.Tests;

public sealed class OptionsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("chronik-options-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Without_options_the_reference_holds()
    {
        var options = Parse();
        Assert.Equal(new NodeId(1), options.NodeId);
        Assert.Equal("./data", options.Data);
        Assert.Equal(Path.GetFullPath("data"), options.Storage.DataDirectory);
        Assert.Equal(IPEndPoint.Parse("127.0.0.1:9092"), Assert.Single(options.Kafka).Endpoint);
        Assert.Equal(IPEndPoint.Parse("127.0.0.1:9644"), options.Http.Endpoint);
        Assert.Null(options.Gateway.AdvertisedHost);
    }

    [Fact]
    public void The_reference_says_what_the_components_do_without_it()
    {
        var options = Parse();
        Assert.Equal(new GatewayLimits(), options.Gateway.Limits);
        Assert.Equal(new PartitionLimits(), options.Partitions);
        Assert.Equal(new GroupLimits { Memory = options.Groups.Memory }, options.Groups);
        Assert.Equal(new GroupMemory().MaxBytes, options.Groups.Memory.MaxBytes);
        var storage = options.Storage;
        Assert.Equal(new StorageOptions { DataDirectory = storage.DataDirectory, Meters = storage.Meters }, storage);
        Assert.Equal(new BrokerSettings().MaxPartitionsPerBroker, options.Broker.MaxPartitionsPerBroker);
        var layers = new ConfigurationLayers();
        foreach (var name in (string[])["auto.create.topics.enable", "num.partitions", "offsets.topic.num.partitions", "durability",
                     "log.retention.ms", "log.retention.bytes", "message.max.bytes"])
        {
            Assert.Equal(BrokerConfigs.Find(name)!.Default, layers.Get($"chronik.broker.{name}").Text);
        }
    }

    [Fact]
    public void What_followers_show_is_a_policy_that_can_be_switched_off()
    {
        Assert.Equal((FollowerReadPolicy.Safe, false), (Parse().Gateway.FollowerReads, Parse().Gateway.Forward));
        Assert.Equal(FollowerReadPolicy.Unsafe, Parse("--set", "chronik.follower-read.policy=unsafe").Gateway.FollowerReads);
        Assert.Equal(FollowerReadPolicy.None, Parse("--set", "chronik.follower-read.policy=none").Gateway.FollowerReads);
        Assert.Equal(FollowerReadPolicy.None, Parse("--set", "chronik.follower-read.enabled=false").Gateway.FollowerReads);
        Assert.True(Parse("--set", "chronik.gateway.forward=on").Gateway.Forward);
        Assert.Contains(
            "chronik.follower-read.policy = fast: is safe, unsafe or none", Refused("--set", "chronik.follower-read.policy=fast"));
        Assert.Contains(
            "chronik.follower-read.enabled = maybe: is true or false", Refused("--set", "chronik.follower-read.enabled=maybe"));
    }

    [Fact]
    public void The_environment_says_what_followers_show_unless_the_command_line_does()
    {
        Dictionary<string, string> variables = new()
        {
            ["CHRONIK_FOLLOWER_READ_POLICY"] = "unsafe",
            ["CHRONIK_FETCH_FROM_FOLLOWERS"] = "true",
            ["CHRONIK_FETCH_FOLLOWER_MAX_WAIT_MS"] = "1500",
            ["CHRONIK_READ_INDEX_TIMEOUT"] = "2s",
        };
        ChronikOptions In(params string[] args) => CommandLine.Parse(args, name => variables.GetValueOrDefault(name), out _)!;
        Assert.Equal(FollowerReadPolicy.Unsafe, In().Gateway.FollowerReads);
        Assert.Equal(TimeSpan.FromMilliseconds(1500), In().Gateway.Limits.FollowerFetchWait);
        Assert.Equal(TimeSpan.FromSeconds(2), In().Partitions.ReadIndexTimeout);
        Assert.Equal(FollowerReadPolicy.None, In("--set", "chronik.follower-read.policy=none").Gateway.FollowerReads);
        variables["CHRONIK_FOLLOWER_READ_POLICY"] = "fast";
        var message = Assert.Throws<ChronikStartException>(() => In()).Message;
        Assert.Contains("CHRONIK_FOLLOWER_READ_POLICY: chronik.follower-read.policy = fast: is safe, unsafe or none", message);
    }

    [Fact]
    public void A_broker_is_alone_unless_it_is_told_where_others_reach_it()
    {
        Assert.Null(Parse().Cluster);
        Assert.False(Parse().Storage.AwaitsCluster);
        var first = Parse("--akka", "127.0.0.1:7000").Cluster!;
        Assert.Equal((1, 7000, 0), (first.BootstrapExpect, first.Listener.Endpoint.Port, first.Seeds.Count));
        var options = Parse("--akka", "127.0.0.1:7001", "--seed", "a.example:1", "--seed", "akka.tcp://chronik@b.example:2");
        Assert.Equal(["akka.tcp://chronik@a.example:1", "akka.tcp://chronik@b.example:2"], options.Cluster!.Seeds);
        Assert.Equal(2, options.Cluster.BootstrapExpect);
        Assert.True(options.Storage.AwaitsCluster);
        Assert.Equal(3, Parse("--akka", "127.0.0.1:7001", "--bootstrap-expect", "3").Cluster!.BootstrapExpect);
        Assert.Contains("--akka", Refused("--seed", "127.0.0.1:7000"), StringComparison.Ordinal);
        Assert.Contains("--akka", Refused("--bootstrap-expect", "3"), StringComparison.Ordinal);
        Assert.Contains("akka.cluster.seed-nodes", Refused("--akka", "127.0.0.1:1", "--seed", "nowhere"), StringComparison.Ordinal);
        Assert.Contains("127.0.0.1:x", Refused("--akka", "127.0.0.1:x"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_example_of_three_nodes_is_one()
    {
        var file = FileWith(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "three-nodes.conf")));
        var options = Parse("--config", file, "--node-id", "2", "--akka", "127.0.0.1:9192");
        Assert.Equal((3, 3), (options.Cluster!.BootstrapExpect, options.Cluster.Seeds.Count));
    }

    [Fact]
    public void Every_option_is_a_key()
    {
        var options = Parse(
            "--data", "/tmp/d", "--kafka", "127.0.0.1:0", "--kafka", "[::1]:9192", "--advertise", "broker.example:19092",
            "--http=127.0.0.1:1", "--node-id", "7", "--rack", "here");
        Assert.Equal("/tmp/d", options.Data);
        Assert.Equal(["127.0.0.1:0", "[::1]:9192"], options.Kafka.Select(l => l.Endpoint.ToString()));
        Assert.Equal(("broker.example", 19092), (options.Gateway.AdvertisedHost, options.Gateway.AdvertisedPort));
        Assert.Equal("here", options.Gateway.Rack);
        Assert.Equal(1, options.Http.Endpoint.Port);
        Assert.Equal(7, options.NodeId.Value);
        Assert.Equal("7", options.Broker.Find("node.id"));
        Assert.Equal("PLAINTEXT://broker.example:19092", options.Broker.Find("advertised.listeners"));
    }

    [Fact]
    public void The_command_line_wins_over_the_file_whatever_the_order()
    {
        var file = FileWith("""chronik { rack = "file", node-id = 3, gateway.max-idle = 5m, broker { num.partitions = 4 } }""");
        var options = Parse("--rack", "line", "--set", "chronik.node-id=4", "--config", file);
        Assert.Equal("line", options.Gateway.Rack);
        Assert.Equal(4, options.NodeId.Value);
        Assert.Equal(TimeSpan.FromMinutes(5), options.Gateway.Limits.MaxIdle);
        Assert.Equal("4", options.Broker.Find("num.partitions"));
        Assert.Equal("300000", options.Broker.Find("connections.max.idle.ms"));
    }

    [Fact]
    public void Files_include_others_and_substitute()
    {
        File.WriteAllText(Path.Combine(_folder, "common.conf"), "where = here");
        var file = FileWith("chronik { include \"common.conf\"\n rack = ${chronik.where} }");
        // The key that was included for the substitution is none of the broker's.
        Assert.Contains("chronik.where", Refused("--config", file), StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(_folder, "common.conf"), "rack = there");
        Assert.Equal("there", Parse("--config", FileWith("chronik { include \"common.conf\" }")).Gateway.Rack);
    }

    [Fact]
    public void Keys_of_Akka_go_to_Akka()
    {
        var options = Parse("--config", FileWith("akka { loglevel = DEBUG, anything.goes = 1 }"));
        Assert.Equal("DEBUG", options.Akka.GetString("akka.loglevel"));
    }

    [Theory]
    [InlineData("chronik.gatway.max-idle=5m", "chronik.gatway.max-idle", "chronik.gateway.max-idle")]
    [InlineData("chronik.node_id=5", "chronik.node_id", "chronik.node-id")]
    [InlineData("cronik.rack=a", "cronik.rack", "chronik.rack")]
    [InlineData("chronik.broker.num.partition=5", "chronik.broker.num.partition", "chronik.broker.num.partitions")]
    public void A_key_that_does_not_exist_is_refused_with_the_nearest_that_does(string pair, string key, string nearest)
    {
        var message = Refused("--set", pair);
        Assert.Contains($"there is no key {key} (= ", message, StringComparison.Ordinal);
        Assert.Contains($"did you mean {nearest}?", message, StringComparison.Ordinal);
        Assert.StartsWith("--set:", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("chronik.node-id=-1")]
    [InlineData("chronik.node-id=one")]
    [InlineData("chronik.node-id=99999999999")]
    [InlineData("chronik.gateway.max-idle=soon")]
    [InlineData("chronik.gateway.max-idle=0s")]
    [InlineData("chronik.gateway.max-idle=-5s")]
    [InlineData("chronik.gateway.max-request-bytes=10 parsecs")]
    [InlineData("chronik.gateway.max-request-bytes=1")]
    [InlineData("chronik.gateway.max-request-bytes=4 GiB")]
    [InlineData("chronik.storage.reserve-bytes=-1")]
    [InlineData("chronik.kafka.listeners=[]")]
    [InlineData("chronik.kafka.listeners=[127.0.0.1]")]
    [InlineData("chronik.http=127.0.0.1:70000")]
    [InlineData("chronik.kafka.advertise=:1")]
    [InlineData("chronik.groups.session-timeout-min=1h")]
    [InlineData("chronik.broker.num.partitions=0")]
    [InlineData("chronik.broker.log.retention.ms=week")]
    [InlineData("chronik.broker.durability=maybe")]
    [InlineData("chronik.broker.node.id=4")]
    [InlineData("chronik.data=")]
    public void A_value_that_does_not_fit_is_named_with_its_key(string pair)
    {
        var message = Refused("--set", pair);
        var parts = pair.Split('=');
        Assert.Contains(parts[0], message, StringComparison.Ordinal);
        Assert.Contains(parts[1].Trim('[', ']'), message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("there is no option --dat; did you mean --data?", "--dat", "x")]
    [InlineData("--data needs a value", "--data")]
    [InlineData("--set rack: is KEY=VALUE", "--set", "rack")]
    public void Options_that_make_no_sense_are_refused(string expected, params string[] args) =>
        Assert.StartsWith(expected, Refused(args), StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_not_there_or_not_HOCON_is_named()
    {
        Assert.Contains("nowhere.conf", Refused("--config", Path.Combine(_folder, "nowhere.conf")), StringComparison.Ordinal);
        var file = FileWith("chronik {\n  rack = \"open\n");
        Assert.Contains(file, Refused("--config", file), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("broker.conf")]
    [InlineData("dev.conf")]
    public void The_examples_can_be_used(string name)
    {
        var root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Chronik.Akka.sln")))
        {
            root = Path.GetDirectoryName(root)!;
        }

        Parse("--config", Path.Combine(root, "hocon", name));
    }

    [Fact]
    public void Help_and_version_are_texts()
    {
        Assert.Null(CommandLine.Parse(["--help"], out var help));
        Assert.Contains("--data DIR", help, StringComparison.Ordinal);
        Assert.Null(CommandLine.Parse(["--version"], out var version));
        Assert.Matches(@"^chronik \d+\.\d+\.\d+$", version);
    }

    [Fact]
    public void An_application_sets_keys_by_name() =>
        Assert.Equal(9, ChronikOptions.Load(("chronik.node-id", "9"), ("chronik.rack", "a\"b")).NodeId.Value);

    private static ChronikOptions Parse(params string[] args) => CommandLine.Parse(args, out _)!;

    private static string Refused(params string[] args)
    {
        var message = Assert.Throws<ChronikStartException>(() => CommandLine.Parse(args, out _)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    private string FileWith(string text)
    {
        var path = Path.Combine(_folder, "broker.conf");
        File.WriteAllText(path, text);
        return path;
    }
}

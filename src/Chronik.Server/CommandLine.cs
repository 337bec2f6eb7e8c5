using Chronik.Server.Configuration;

namespace Chronik.Server;

/// <summary>The command line: each option is a short form of a key of reference.conf. So few need no library.</summary>
internal static class CommandLine
{
    public const string Help = """
        chronik: a broker that speaks Kafka's protocol

          --data DIR           folder for everything that is kept (./data)             chronik.data
          --kafka HOST:PORT    where clients connect; may be repeated (127.0.0.1:9092) chronik.kafka.listeners
          --advertise HOST:PORT  what clients are told to connect to                   chronik.kafka.advertise
          --http HOST:PORT     health and metrics (127.0.0.1:9644)                     chronik.http
          --node-id N          this broker's id (1)                                    chronik.node-id
          --rack NAME          the rack it stands in                                   chronik.rack
          --akka HOST:PORT     where other nodes reach this one                        akka.remote.dot-netty.tcp
          --seed HOST:PORT     a node to join; may be repeated, the same on every node akka.cluster.seed-nodes
          --bootstrap-expect N how many nodes form a cluster, once                     chronik.cluster.bootstrap-expect
          --config FILE        a HOCON file with any of the keys of reference.conf
          --set KEY=VALUE      one key; may be repeated
          --help               this text
          cluster ...          looks after a running cluster: chronik cluster --help
          --version            the version

        What is given here wins over the file, whatever the order. In between stand the environment variables of chronik.follower-read:
        CHRONIK_FOLLOWER_READ_POLICY, CHRONIK_FETCH_FROM_FOLLOWERS, CHRONIK_FETCH_FOLLOWER_MAX_WAIT_MS and CHRONIK_READ_INDEX_TIMEOUT.
        """;

    private static readonly Dictionary<string, string> Keys = new(StringComparer.Ordinal)
    {
        ["--data"] = "chronik.data",
        ["--advertise"] = "chronik.kafka.advertise",
        ["--http"] = "chronik.http",
        ["--node-id"] = "chronik.node-id",
        ["--rack"] = "chronik.rack",
        ["--bootstrap-expect"] = "chronik.cluster.bootstrap-expect",
    };

    private static readonly (string Variable, string Key)[] Variables =
    [
        ("CHRONIK_FOLLOWER_READ_POLICY", "chronik.follower-read.policy"),
        ("CHRONIK_FETCH_FROM_FOLLOWERS", "chronik.follower-read.enabled"),
        ("CHRONIK_FETCH_FOLLOWER_MAX_WAIT_MS", "chronik.follower-read.max-wait"),
        ("CHRONIK_READ_INDEX_TIMEOUT", "chronik.follower-read.read-index-timeout"),
    ];

    private static readonly string[] Others = ["--kafka", "--akka", "--seed", "--config", "--set"];

    /// <summary>Reads the options of a run; null when all that is asked for is a text, which is then returned.</summary>
    /// <exception cref="ChronikStartException">An option or a value is wrong.</exception>
    public static ChronikOptions? Parse(string[] args, out string text) => Parse(args, Environment.GetEnvironmentVariable, out text);

    /// <summary>The same with an environment of the caller's.</summary>
    public static ChronikOptions? Parse(string[] args, Func<string, string?> environment, out string text)
    {
        text = string.Empty;
        if (args.Contains("--help") || args.Contains("-h"))
        {
            text = Help;
            return null;
        }

        if (args.Contains("--version"))
        {
            text = $"chronik {typeof(CommandLine).Assembly.GetName().Version?.ToString(3)}";
            return null;
        }

        var given = Pairs(args).ToList();
        var layers = new ConfigurationLayers();
        foreach (var (_, file) in given.Where(g => g.Option == "--config"))
        {
            layers.AddFile(file);
        }

        AddEnvironment(layers, environment);
        foreach (var (_, pair) in given.Where(g => g.Option == "--set"))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new ChronikStartException($"--set {pair}: is KEY=VALUE");
            }

            layers.AddOption("--set", pair[..equals].Trim(), pair[(equals + 1)..].Trim());
        }

        foreach (var (option, value) in given.Where(g => Keys.ContainsKey(g.Option)))
        {
            layers.AddOption(option, Keys[option], value);
        }

        if (given.Where(g => g.Option == "--kafka").Select(g => g.Value).ToList() is { Count: > 0 } listeners)
        {
            layers.AddOption("--kafka", "chronik.kafka.listeners", listeners);
        }

        foreach (var (option, address) in given.Where(g => g.Option == "--akka"))
        {
            var colon = address.LastIndexOf(':');
            if (colon <= 0)
            {
                throw new ChronikStartException($"{option} {address}: is HOST:PORT");
            }

            layers.AddOption(option, ClusterSettings.HostKey, address[..colon]);
            layers.AddOption(option, ClusterSettings.PortKey, address[(colon + 1)..]);
        }

        if (given.Where(g => g.Option == "--seed").Select(g => g.Value).ToList() is { Count: > 0 } seeds)
        {
            layers.AddOption("--seed", ClusterSettings.SeedsKey, seeds.Select(ClusterSettings.AddressOf));
        }

        return new OptionsReader(layers).Read();
    }

    /// <summary>What the environment says wins over files and loses to the command line.</summary>
    private static void AddEnvironment(ConfigurationLayers layers, Func<string, string?> environment)
    {
        foreach (var (variable, key) in Variables)
        {
            if (environment(variable)?.Trim() is { Length: > 0 } value)
            {
                var isMilliseconds = variable.EndsWith("_MS", StringComparison.Ordinal) && value.All(char.IsAsciiDigit);
                layers.AddOption(variable, key, isMilliseconds ? value + " ms" : value);
            }
        }
    }

    private static IEnumerable<(string Option, string Value)> Pairs(string[] args)
    {
        for (var i = 0; i < args.Length; i++)
        {
            // --option value and --option=value.
            var equals = args[i].StartsWith("--", StringComparison.Ordinal) ? args[i].IndexOf('=', StringComparison.Ordinal) : -1;
            var option = equals > 0 ? args[i][..equals] : args[i];
            if (!Keys.ContainsKey(option) && !Others.Contains(option))
            {
                var nearest = Nearest.To(option, [.. Keys.Keys, .. Others, "--help", "--version"]);
                throw new ChronikStartException($"there is no option {option}; did you mean {nearest}? --help lists them");
            }

            var value = equals > 0 ? args[i][(equals + 1)..] : ++i < args.Length ? args[i] : null;
            yield return (option, value ?? throw new ChronikStartException($"{option} needs a value"));
        }
    }
}

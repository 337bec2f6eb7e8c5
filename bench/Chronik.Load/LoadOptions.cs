using System.Globalization;

namespace Chronik.Load;

/// <summary>What a run does. Every option has a default that suits a quick look at a local broker.</summary>
internal sealed class LoadOptions
{
    public const string Help = """
        usage: load MODE [options]
          produce   one batch to every partition in each request, several requests in flight
          fetch     reads the topic from its start to the end it had, checks that offsets follow each other
          e2e       one record at a time, due at fixed times: time to its acknowledgement and to its arrival at a reader
          connect   opens connections, asks one question on each, holds them
          create    creates topics and waits until every partition has a leader
          gap       small appends to each partition, a command in the middle: longest time without a successful append
        options
          -b HOST:PORT       broker (127.0.0.1:9092)
          --topic NAME       topic, created when missing (load); create: the beginning of the names
          --partitions N     partitions of a topic that is created (6)
          --replicas N       replicas of each (1)
          --topics N         create: how many (1)
          --config K=V       a setting for topics that are created; may be repeated
          --seconds S        how long (10)
          --requests N       produce: stop after N requests (no limit)
          --record-size N    bytes of a value (1024)
          --batch N          records in a batch (16)
          --inflight N       requests in flight on a connection (5)
          --conns N          connections (1)
          --rate N           produce, e2e: records a second, open loop; latency counts from when a request was due (as fast as acknowledged)
          --acks N           -1, 0 or 1 (-1)
          --idempotent       stamp producer id and sequences
          --max-bytes N      fetch: at most so much in a response, a sixth of it a partition (6 MiB)
          --pid N[,N]        the brokers' processes: adds their CPU seconds and memory, all together
          --exec COMMAND     gap: run with sh after a third of the time; {leader} stands for the leader of partition 0
        """;

    public string Mode { get; private init; } = string.Empty;

    public string Host { get; private set; } = "127.0.0.1";

    public int Port { get; private set; } = 9092;

    public string Topic { get; set; } = "load";

    public int Partitions { get; private set; } = 6;

    public short Replicas { get; private set; } = 1;

    public int Topics { get; private set; } = 1;

    public List<(string Key, string Value)> Configs { get; } = [];

    public TimeSpan Duration { get; private set; } = TimeSpan.FromSeconds(10);

    public long Requests { get; private set; } = long.MaxValue;

    public int RecordSize { get; private set; } = 1024;

    public int BatchRecords { get; private set; } = 16;

    public int InFlight { get; private set; } = 5;

    public int Connections { get; private set; } = 1;

    public double Rate { get; private set; }

    public short Acks { get; private set; } = -1;

    public bool Idempotent { get; private set; }

    public int MaxBytes { get; private set; } = 6 << 20;

    public int[] Pids { get; private set; } = [];

    public string Command { get; private set; } = string.Empty;

    public static LoadOptions Parse(string[] args)
    {
        var options = new LoadOptions { Mode = args[0] };
        for (var i = 1; i < args.Length; i++)
        {
            if (args[i] == "--idempotent")
            {
                options.Idempotent = true;
                continue;
            }

            var name = args[i];
            var value = ++i < args.Length ? args[i] : throw new FormatException($"{name} needs a value");
            options.Set(name, value);
        }

        return options;
    }

    private void Set(string name, string value)
    {
        switch (name)
        {
            case "-b":
                (Host, Port) = (value[..value.LastIndexOf(':')], Int(value[(value.LastIndexOf(':') + 1)..]));
                break;
            case "--config":
                var pair = value.Split('=', 2);
                Configs.Add((pair[0], pair.Length == 2 ? pair[1] : throw new FormatException($"--config {value}: KEY=VALUE")));
                break;
            case "--topic": Topic = value; break;
            case "--partitions": Partitions = Int(value); break;
            case "--replicas": Replicas = (short)Int(value); break;
            case "--topics": Topics = Int(value); break;
            case "--seconds": Duration = TimeSpan.FromSeconds(double.Parse(value, CultureInfo.InvariantCulture)); break;
            case "--requests": Requests = Int(value); break;
            case "--record-size": RecordSize = Int(value); break;
            case "--batch": BatchRecords = Int(value); break;
            case "--inflight": InFlight = Int(value); break;
            case "--conns": Connections = Int(value); break;
            case "--rate": Rate = double.Parse(value, CultureInfo.InvariantCulture); break;
            case "--acks": Acks = (short)Int(value); break;
            case "--max-bytes": MaxBytes = Int(value); break;
            case "--pid": Pids = [.. value.Split(',').Select(Int)]; break;
            case "--exec": Command = value; break;
            default: throw new FormatException($"unknown option {name}");
        }
    }

    private static int Int(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}

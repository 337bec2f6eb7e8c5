using System.Globalization;
using System.Text.Json;
using Chronik.Server.Configuration;

namespace Chronik.Server.Cluster;

/// <summary><c>chronik cluster ...</c>: looks after a running cluster by way of any of its nodes.</summary>
internal sealed class ClusterCommand
{
    public const string Name = "cluster";

    public const string Help = """
        chronik cluster: looks after a running cluster

          status               how the cluster stands
          add [N]              how a new node, with the id N, joins; with --wait it is followed until it has its share
          drain N              empties a broker: its leaders and replicas go to others, and nothing new is placed on it
          remove N             empties a broker and takes it off the list; one that runs stops then, one that is dead is replaced
          balance              evens out replicas and leaders, also when chronik.balancer.enabled is off

          --http HOST:PORT     any node of the cluster (127.0.0.1:9644)
          --dry-run            for balance: only says what would move
          --cancel             for drain and remove: the broker is used again; for balance: what is being moved goes back
          --no-wait            does not follow what was begun
          --wait               for add: waits for the node
          --timeout SECONDS    how long it is followed; 0: to the end (0)
          --json               one line of JSON for each line of text; status and --dry-run give one document
          --help               this text

        What was begun goes on in the cluster, whoever follows it: Ctrl-C only stops following. It ends with 0 when it is done, 1 when it
        was refused or nobody answered, 2 when the command was not understood, 3 when it was not done in time or cannot be done as things
        are, 130 after Ctrl-C.
        """;

    private readonly TextWriter _output;
    private readonly Arguments _arguments;
    private readonly ClusterClient _client;

    private ClusterCommand(Arguments arguments, TextWriter output)
    {
        _arguments = arguments;
        _output = output;
        _client = new ClusterClient(arguments.Http);
    }

    /// <summary>Runs a command line without its first word; the process ends with what is returned.</summary>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, CancellationToken stop = default)
    {
        if (args.Length == 0 || args.Contains("--help") || args.Contains("-h"))
        {
            await output.WriteLineAsync(Help).ConfigureAwait(false);
            return args.Length == 0 ? ExitCodes.Usage : ExitCodes.Done;
        }

        try
        {
            var arguments = Arguments.Parse(args);
            using var interrupt = CancellationTokenSource.CreateLinkedTokenSource(stop);
            void OnCancel(object? sender, ConsoleCancelEventArgs pressed)
            {
                pressed.Cancel = true;
                interrupt.Cancel();
            }

            Console.CancelKeyPress += OnCancel;
            try
            {
                return await new ClusterCommand(arguments, output).RunAsync(interrupt.Token).ConfigureAwait(false);
            }
            finally
            {
                Console.CancelKeyPress -= OnCancel;
            }
        }
        catch (ChronikStartException e)
        {
            await error.WriteLineAsync($"chronik: {e.Message}").ConfigureAwait(false);
            return ExitCodes.Usage;
        }
        catch (ClusterRequestException e)
        {
            await error.WriteLineAsync($"chronik: {e.Message}").ConfigureAwait(false);
            return ExitCodes.Refused;
        }
    }

    private async Task<int> RunAsync(CancellationToken stop)
    {
        using (_client)
        {
            var follow = new Following(_client, _arguments, _output);
            switch (_arguments.Verb)
            {
                case "status":
                    return await StatusAsync().ConfigureAwait(false);
                case "add":
                    return await AddAsync(follow, stop).ConfigureAwait(false);
                case "balance" when _arguments.IsDry:
                    return await PlanAsync().ConfigureAwait(false);
                case "balance" when _arguments.Cancels:
                    return await AskAsync(HttpMethod.Delete, "/cluster/moves").ConfigureAwait(false);
                case "balance":
                    await AskAsync(HttpMethod.Post, "/cluster/balance").ConfigureAwait(false);
                    return await follow.BalanceAsync(stop).ConfigureAwait(false);
                case var verb when _arguments.Cancels:
                    return await AskAsync(HttpMethod.Delete, $"/cluster/nodes/{_arguments.Node}/{verb}").ConfigureAwait(false);
                case var verb:
                    await AskAsync(HttpMethod.Post, $"/cluster/nodes/{_arguments.Node}/{verb}").ConfigureAwait(false);
                    return await follow.EmptyAsync(_arguments.Node!.Value, verb == "remove", stop).ConfigureAwait(false);
            }
        }
    }

    private async Task<int> StatusAsync()
    {
        var status = await _client.StatusAsync().ConfigureAwait(false);
        await _output.WriteLineAsync(_arguments.IsJson
            ? JsonSerializer.Serialize(status, ClusterJson.Default.ClusterStatus)
            : StatusText.Of(status)).ConfigureAwait(false);
        return ExitCodes.Done;
    }

    private async Task<int> AddAsync(Following follow, CancellationToken stop)
    {
        var status = await _client.StatusAsync(stop).ConfigureAwait(false);
        var node = _arguments.Node ?? status.Nodes.Max(known => known.Id.Value) + 1;
        if (!_arguments.Waits && status.Nodes.Any(known => known.Id.Value == node))
        {
            throw new ClusterRequestException($"broker {node} is in the cluster already");
        }

        var reachable = status.Nodes.Where(known => known.Akka is not null && known.IsReachable);
        var seeds = reachable.Select(known => $" --seed {known.Akka}").ToList();
        if (seeds.Count == 0)
        {
            throw new ClusterRequestException(
                "this node is alone and no other can join it: start it with --akka HOST:PORT, where others reach it, first");
        }

        var command = $"chronik --node-id {node} --data DIR --kafka HOST:9092 --akka HOST:2552{string.Concat(seeds)}";
        await SayAsync(_arguments.IsJson ? command : $"On the new machine, with a folder and addresses of its own:\n\n  {command}\n")
            .ConfigureAwait(false);
        return _arguments.Waits ? await follow.JoinAsync(node, stop).ConfigureAwait(false) : ExitCodes.Done;
    }

    private async Task<int> PlanAsync()
    {
        var plan = await _client.PlanAsync().ConfigureAwait(false);
        if (_arguments.IsJson)
        {
            await _output.WriteLineAsync(JsonSerializer.Serialize(plan, ClusterJson.Default.PlanAnswer)).ConfigureAwait(false);
            return ExitCodes.Done;
        }

        foreach (var move in plan.Moves)
        {
            await _output.WriteLineAsync(
                $"{move.Topic}-{move.Partition}: {string.Join(',', move.From)} -> {string.Join(',', move.To)}  ({move.Reason})")
                .ConfigureAwait(false);
        }

        var replicas = plan.Moves.Count(move => move.MovesReplica);
        await _output.WriteLineAsync(
            $"{replicas} partitions would move, and {plan.Moves.Count - replicas} only get another preferred leader"
            + (plan.Stuck.Count > 0 ? $"; {plan.Stuck.Count} replicas have nowhere to go" : string.Empty)
            + (plan.Reason is null ? string.Empty : $"; nothing moves now: {plan.Reason}")).ConfigureAwait(false);
        return ExitCodes.Done;
    }

    private async Task<int> AskAsync(HttpMethod method, string path)
    {
        var answer = await _client.AskAsync(method, path).ConfigureAwait(false);
        await SayAsync(answer.Message).ConfigureAwait(false);
        return ExitCodes.Done;
    }

    private Task SayAsync(string message) => _output.WriteLineAsync(_arguments.IsJson
        ? JsonSerializer.Serialize(new OperationAnswer(true, null, message), ClusterJson.Default.OperationAnswer)
        : message);

    /// <summary>What the process ends with.</summary>
    internal static class ExitCodes
    {
        public const int Done = 0;
        public const int Refused = 1;
        public const int Usage = 2;
        public const int NotDone = 3;
        public const int Interrupted = 130;
    }

    /// <summary>What stands on the command line.</summary>
    internal sealed record Arguments
    {
        private static readonly string[] Verbs = ["status", "add", "drain", "remove", "balance"];
        private static readonly string[] Options =
            ["--http", "--dry-run", "--cancel", "--no-wait", "--wait", "--timeout", "--json", "--help"];

        public required string Verb { get; init; }

        public int? Node { get; private init; }

        public string Http { get; private init; } = "127.0.0.1:9644";

        public bool IsDry { get; private init; }

        public bool Cancels { get; private init; }

        public bool Waits { get; private init; }

        public bool IsJson { get; private init; }

        public TimeSpan? Timeout { get; private init; }

        /// <summary>Reads them.</summary>
        /// <exception cref="ChronikStartException">They are not understood.</exception>
        public static Arguments Parse(string[] args)
        {
            var verb = Verbs.Contains(args[0])
                ? args[0]
                : throw new ChronikStartException($"there is no command cluster {args[0]}; did you mean {Nearest.To(args[0], Verbs)}?");
            var parsed = new Arguments { Verb = verb, Waits = verb != "add" };
            for (var i = 1; i < args.Length; i++)
            {
                var equals = args[i].StartsWith("--", StringComparison.Ordinal) ? args[i].IndexOf('=', StringComparison.Ordinal) : -1;
                var option = equals > 0 ? args[i][..equals] : args[i];
                string Value() => equals > 0 ? args[i][(equals + 1)..]
                    : ++i < args.Length ? args[i] : throw new ChronikStartException($"{option} needs a value");
                parsed = option switch
                {
                    "--http" => parsed with { Http = Value() },
                    "--dry-run" when verb == "balance" => parsed with { IsDry = true },
                    "--cancel" when verb is "drain" or "remove" or "balance" => parsed with { Cancels = true },
                    "--no-wait" => parsed with { Waits = false },
                    "--wait" => parsed with { Waits = true },
                    "--json" => parsed with { IsJson = true },
                    "--timeout" => parsed with { Timeout = Seconds(Value()) },
                    _ when parsed.Node is null && verb is "add" or "drain" or "remove" && Id(option) is { } node =>
                        parsed with { Node = node },
                    _ => throw new ChronikStartException(
                        Options.Contains(option) ? $"cluster {verb} has no {option}"
                        : option.StartsWith('-') ? $"there is no option {option}; did you mean {Nearest.To(option, Options)}?"
                        : $"cluster {verb} {option}: is not the id of a broker"),
                };
            }

            return parsed.Node is null && verb is "drain" or "remove"
                ? throw new ChronikStartException($"cluster {verb} needs the id of a broker")
                : parsed;
        }

        private static int? Id(string text) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;

        private static TimeSpan? Seconds(string text) =>
            double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds < 1e6
                ? seconds > 0 ? TimeSpan.FromSeconds(seconds) : null
                : throw new ChronikStartException($"--timeout {text}: is a number of seconds");
    }
}

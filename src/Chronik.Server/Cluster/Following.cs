using System.Globalization;
using System.Text.Json;
using Chronik.Partitions.Operating;
using static Chronik.Server.Cluster.ClusterCommand;

namespace Chronik.Server.Cluster;

/// <summary>Follows what was begun until it is done, with a line each second: how far it is, and how long it will take.</summary>
internal sealed class Following(ClusterClient client, Arguments arguments, TextWriter output)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30); // For a node that does not answer.

    /// <summary>Until a broker holds and leads nothing, or is removed.</summary>
    public Task<int> EmptyAsync(int node, bool removes, CancellationToken stop)
    {
        int? all = null;
        bool wasEmpty = false;
        return FollowAsync(removes ? "remove" : "drain", Step, stop, Unreachable);

        Step Step(ClusterStatus status)
        {
            if (status.Nodes.FirstOrDefault(known => known.Id.Value == node) is not { } broker)
            {
                return new(ExitCodes.Done, removes ? $"broker {node} is removed" : $"broker {node} is not in the cluster any more");
            }

            all ??= broker.Replicas;
            if (!broker.IsDraining || (removes && !broker.IsLeaving))
            {
                return new(ExitCodes.NotDone, $"somebody cancelled it: broker {node} is {broker.State}, with {broker.Replicas} replicas");
            }

            wasEmpty = broker is { Replicas: 0, Leaders: 0 };
            if (wasEmpty)
            {
                return removes
                    ? new(null, $"broker {node} is empty; it is taken off the list")
                    : new(ExitCodes.Done, $"broker {node} is empty: it holds nothing and leads nothing");
            }

            if (broker.Stuck > 0 && broker.Replicas == broker.Stuck && broker.Leaders == 0 && status.Moves.Count == 0)
            {
                return new(
                    ExitCodes.NotDone,
                    $"broker {node} leads nothing, but {broker.Stuck} replicas cannot leave it: there are not enough other brokers for so "
                    + "many replicas of a partition; add one");
            }

            var moving = status.Moves.Where(move => move.From.Any(from => from.Value == node)).ToList();
            var gone = Math.Max(0, all.Value - broker.Replicas);
            return new(
                null,
                $"broker {node}: {broker.Replicas} replicas and {broker.Leaders} leaders left, {gone} of {all} moved"
                + $"{Progress(moving)}{Estimate(status)}{Reason(status)}");
        }

        // Whoever removes a broker by way of that broker itself is left alone in the end.
        Step? Unreachable(ClusterStatus last) => removes && wasEmpty && last.AnsweredBy.Value == node
            ? new(ExitCodes.Done, $"broker {node} was empty and has stopped, as brokers do that are removed")
            : null;
    }

    /// <summary>Until replicas and leaders are even.</summary>
    public Task<int> BalanceAsync(CancellationToken stop) => FollowAsync("balance", BalanceStep, stop);

    /// <summary>Until a node is there and has its share.</summary>
    public Task<int> JoinAsync(int node, CancellationToken stop) => FollowAsync("add", status =>
    {
        var broker = status.Nodes.FirstOrDefault(known => known.Id.Value == node);
        if (broker is not { IsLive: true, IsReachable: true })
        {
            return new(null, $"waiting for broker {node}");
        }

        var step = BalanceStep(status);
        return step with { Text = $"broker {node} has {broker.Replicas} replicas and leads {broker.Leaders}; {step.Text}" };
    }, stop);

    private static Step BalanceStep(ClusterStatus status)
    {
        if (status.Balancer is not { } balancer)
        {
            return new(null, "there is no controller at the moment");
        }

        return balancer.State switch
        {
            "balanced" => new(ExitCodes.Done, "replicas and leaders are even"),
            "off" when status.Moves.Count == 0 => new(ExitCodes.NotDone, $"nothing is moved: {balancer.Reason}"),
            "stopped" when status.Moves.Count == 0 => new(ExitCodes.NotDone, $"nothing is moved: {balancer.Reason}"),
            var state => new(
                null, $"{state}: {balancer.MovesLeft} partitions left{Progress(status.Moves)}{Estimate(status)}{Reason(status)}"),
        };
    }

    private static string Progress(IReadOnlyList<MoveStatus> moves)
    {
        if (moves.Count == 0)
        {
            return string.Empty;
        }

        var named = moves.Take(3).Select(move => move.Fraction is { } part
            ? string.Create(CultureInfo.InvariantCulture, $"{move.Topic}-{move.Partition} {part:P0}")
            : $"{move.Topic}-{move.Partition}");
        return $", {moves.Count} under way ({string.Join(", ", named)}{(moves.Count > 3 ? ", ..." : string.Empty)})";
    }

    private static string Estimate(ClusterStatus status) => StatusText.Left(status.Balancer?.SecondsLeft);

    private static string Reason(ClusterStatus status) =>
        status.Balancer is { State: "paused" or "waiting" or "stopped", Reason: { } reason } ? $"; {reason}" : string.Empty;

    private async Task<int> FollowAsync(
        string verb, Func<ClusterStatus, Step> step, CancellationToken stop, Func<ClusterStatus, Step?>? unreachable = null)
    {
        if (!arguments.Waits)
        {
            return ExitCodes.Done;
        }

        var began = TimeProvider.System.GetTimestamp();
        var answered = began;
        ClusterStatus? last = null;
        try
        {
            while (true)
            {
                Step now;
                try
                {
                    last = await client.StatusAsync(stop).ConfigureAwait(false);
                    answered = TimeProvider.System.GetTimestamp();
                    now = step(last);
                }
                catch (ClusterRequestException e) when (e.IsUnreachable && TimeProvider.System.GetElapsedTime(answered) < Patience)
                {
                    now = (last is null ? null : unreachable?.Invoke(last)) ?? new(null, e.Message);
                }

                await SayAsync(now).ConfigureAwait(false);
                if (now.ExitCode is { } code)
                {
                    return code;
                }

                if (arguments.Timeout is { } timeout && TimeProvider.System.GetElapsedTime(began) >= timeout)
                {
                    await SayAsync(new(ExitCodes.NotDone, $"not done in {timeout.TotalSeconds} s; {GoesOn(verb)}")).ConfigureAwait(false);
                    return ExitCodes.NotDone;
                }

                await Task.Delay(Interval, stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            await SayAsync(new(ExitCodes.Interrupted, GoesOn(verb))).ConfigureAwait(false);
            return ExitCodes.Interrupted;
        }
    }

    private string GoesOn(string verb) => verb == "add"
        ? "whether the node joins does not depend on this"
        : $"it goes on; chronik cluster {verb}{(arguments.Node is { } node ? $" {node}" : string.Empty)} --cancel takes it back";

    private async Task SayAsync(Step step)
    {
        await output.WriteLineAsync(arguments.IsJson
            ? JsonSerializer.Serialize(new FollowLine(step.ExitCode is not null, step.ExitCode, step.Text), FollowJson.Default.FollowLine)
            : step.Text).ConfigureAwait(false);
        await output.FlushAsync().ConfigureAwait(false);
    }

    /// <summary>One look.</summary>
    /// <param name="ExitCode">What the process ends with; null while it goes on.</param>
    /// <param name="Text">One line.</param>
    private sealed record Step(int? ExitCode, string Text);
}

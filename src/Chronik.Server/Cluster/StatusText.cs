using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;
using Chronik.Partitions.Operating;

namespace Chronik.Server.Cluster;

/// <summary>One line of what is followed, for programs.</summary>
/// <param name="Ended">Whether it is the last.</param>
/// <param name="ExitCode">What the process ends with; null while it goes on.</param>
/// <param name="Message">The line.</param>
internal sealed record FollowLine(bool Ended, int? ExitCode, string Message);

/// <summary>Its form.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(FollowLine))]
internal sealed partial class FollowJson : JsonSerializerContext;

/// <summary>The status as a person reads it in a terminal.</summary>
internal static class StatusText
{
    private const int TroublesShown = 10;

    public static string Of(ClusterStatus status)
    {
        var text = new StringBuilder();
        var count = status.Partitions;
        var controller = Or(status.Controller.IsSome, status.Controller.ToString(), "none");
        text.AppendLine(CultureInfo.InvariantCulture, $"cluster {status.ClusterId}, level {status.Level}, controller {controller}");
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"{count.Topics} topics, {count.All} partitions: {count.UnderReplicated} under-replicated, "
            + $"{count.Leaderless} without a leader, {count.Moving} being moved");
        if (status.Quorum is { } quorum)
        {
            var members = quorum.Members.Select(member =>
                $"{member.Node}{Or(member.IsVoter, string.Empty, " (listens)")}{Or(member.Lag > 0, $" lacks {member.Lag}", string.Empty)}");
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"metadata: led by {quorum.Leader} in epoch {quorum.Epoch}, members {string.Join(", ", members)}");
        }

        if (status.Balancer is { } balancer)
        {
            var left = balancer.MovesLeft > 0 ? $", {balancer.MovesLeft} partitions left" : string.Empty;
            var why = balancer.Reason is { } reason ? $" ({reason})" : string.Empty;
            text.AppendLine(CultureInfo.InvariantCulture, $"balancer: {balancer.State}{left}{Left(balancer.SecondsLeft)}{why}");
        }

        text.AppendLine();
        string[] heads = ["node", "state", "rack", "leaders", "preferred", "replicas", "disk free", "version", "level", "kafka"];
        Table(text, heads, status.Nodes.Select(Row));
        foreach (var move in status.Moves)
        {
            var part = move.Fraction is { } fraction ? fraction.ToString("P0", CultureInfo.InvariantCulture) : "?";
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"moving {move.Topic}-{move.Partition}: {string.Join(',', move.From)} -> {string.Join(',', move.To)}, "
                + $"{part}{Left(move.SecondsLeft)}");
        }

        foreach (var transfer in status.Transfers)
        {
            var done = transfer.IsWaiting
                ? "waits for its turn"
                : $"{Size(transfer.BytesDone)} of {Size(transfer.BytesTotal)}{Left(transfer.SecondsLeft)}";
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"filling {transfer.Topic}-{transfer.Partition} on {transfer.To} from {transfer.From}: {done}");
        }

        foreach (var trouble in status.UnderReplicated.Take(TroublesShown))
        {
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"{trouble.Topic}-{trouble.Partition}: replicas {string.Join(',', trouble.Replicas)}, in sync "
                + $"{string.Join(',', trouble.Isr)}: {trouble.Reason}");
        }

        if (status.UnderReplicated.Count > TroublesShown)
        {
            text.AppendLine("... and more; --json names a hundred");
        }

        return text.ToString().TrimEnd();
    }

    /// <summary>The end of a line: the time that is left, not more exact than anybody can know it; nothing when nobody does.</summary>
    public static string Left(double? seconds) => seconds switch
    {
        null => string.Empty,
        < 1 => ", about 1 s",
        < 90 => string.Create(CultureInfo.InvariantCulture, $", about {seconds:0} s"),
        < 5400 => string.Create(CultureInfo.InvariantCulture, $", about {seconds / 60:0} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $", about {seconds / 3600:0.0} h"),
    };

    private static string[] Row(NodeStatus node) =>
    [
        node.Id.ToString(),
        node.State + (node.Stuck > 0 ? $" ({node.Stuck} stuck)" : string.Empty),
        node.Rack ?? "-",
        Number(node.Leaders),
        Number(node.PreferredLeaders),
        Number(node.Replicas),
        Disk(node.Disk),
        node.Version ?? "?",
        Number(node.NewestLevel),
        node.Kafka,
    ];

    private static string Or(bool condition, string yes, string no) => condition ? yes : no;

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Disk(DiskStatus? disk) => disk switch
    {
        null => "?",
        { Failure: not null } => "FAILED",
        { FreeBytes: < 0 } => "?",
        _ => $"{Size(disk.FreeBytes)} of {Size(disk.TotalBytes)}",
    };

    private static string Size(long bytes) => bytes switch
    {
        < 1 << 20 => $"{(bytes + 1023) >> 10} KiB",
        < 1L << 30 => $"{bytes >> 20} MiB",
        _ => $"{(bytes / (double)(1L << 30)).ToString("0.0", CultureInfo.InvariantCulture)} GiB",
    };

    private static void Table(StringBuilder text, string[] heads, IEnumerable<string[]> rows)
    {
        List<string[]> all = [heads, .. rows];
        var widths = heads.Select((_, column) => all.Max(row => row[column].Length)).ToArray();
        foreach (var row in all)
        {
            text.AppendLine(string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
        }
    }
}

using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace Chronik.Architecture.Tests;

/// <summary>
/// The dashboard and the alerts use metrics and labels that exist: those of docs/metrics.md, which another test makes from the code.
/// </summary>
public sealed partial class DashboardTests
{
    private const string Dashboard = "deploy/grafana/chronik.json";
    private const string Alerts = "deploy/prometheus/alerts.yaml";
    private const string Runbook = "docs/troubleshooting.md";

    /// <summary>Labels that Prometheus gives to every series.</summary>
    private static readonly string[] Given = ["instance", "job"];

    [Fact]
    public void The_dashboard_uses_only_metrics_that_exist()
    {
        using var document = JsonDocument.Parse(Repository.Read(Dashboard));
        var wrong = new List<string>();
        var targets = document.RootElement.GetProperty("panels").EnumerateArray()
            .Where(panel => panel.TryGetProperty("targets", out _))
            .SelectMany(panel => panel.GetProperty("targets").EnumerateArray(), (panel, target) => (
                Title: panel.GetProperty("title").GetString()!,
                Expression: target.GetProperty("expr").GetString()!,
                Legend: target.GetProperty("legendFormat").GetString()!)).ToList();
        Assert.True(targets.Count > 20);
        foreach (var (title, expression, legend) in targets)
        {
            var labels = Check(expression, $"{Dashboard}: {title}", wrong);
            wrong.AddRange(Braced().Matches(legend).Select(m => m.Groups[1].Value).Except(labels)
                .Select(label => $"{Dashboard}: {title}: its legend names {label}, which no metric of it has"));
        }

        Repository.Empty(wrong, "Not as docs/metrics.md says:");
    }

    [Fact]
    public void The_alerts_use_only_metrics_that_exist_and_say_what_to_do()
    {
        var anchors = Repository.Lines(Runbook).Where(l => l.StartsWith("## ", StringComparison.Ordinal))
            .Select(l => l[3..].ToLowerInvariant().Replace(",", "", StringComparison.Ordinal).Replace(' ', '-')).ToHashSet();
        var rules = Rules();
        var wrong = new List<string>();
        Assert.True(rules.Count >= 12);
        foreach (var (name, rule) in rules)
        {
            if (!rule.TryGetValue("expr", out var expression)) wrong.Add($"{name} has no expression");
            else Check(expression, $"{Alerts}: {name}", wrong);
            var runbook = rule.GetValueOrDefault("runbook", "");
            if (!runbook.StartsWith(Runbook + "#", StringComparison.Ordinal) || !anchors.Contains(runbook[(Runbook.Length + 1)..]))
                wrong.Add($"{name} does not say what to do: '{runbook}' is no part of {Runbook}");
            if (!rule.ContainsKey("summary") || !rule.ContainsKey("labels")) wrong.Add($"{name} lacks a summary or a severity");
        }

        Repository.Empty(wrong, "Not as docs/metrics.md says:");
    }

    [Fact]
    public void What_the_texts_say_of_metrics_is_so()
    {
        var known = Known();
        var wrong = from file in (string[])[Runbook, "README.md", "deploy/README.md"]
                    from match in MetricName().Matches(Repository.Read(file))
                    where !known.ContainsKey(match.Value)
                    select $"{file}: {match.Value}";
        Repository.Empty(wrong, "Metrics that do not exist:");
    }

    /// <summary>Looks at every metric in an expression; returns the labels that its result may have.</summary>
    private static HashSet<string> Check(string expression, string where, List<string> wrong)
    {
        var known = Known();
        var labels = new HashSet<string>(Given);
        foreach (Match match in Selector().Matches(expression))
        {
            var name = match.Groups[1].Value;
            string[] own = [];
            if (name != "up" && !name.StartsWith("dotnet_", StringComparison.Ordinal))
            {
                if (Find(known, name) is not { } found)
                {
                    wrong.Add($"{where}: there is no metric {name}");
                    continue;
                }

                own = found;
            }

            labels.UnionWith(own);
            wrong.AddRange(Matcher().Matches(match.Groups[2].Value).Select(m => m.Groups[1].Value).Except([.. own, .. Given])
                .Select(label => $"{where}: {name} has no label {label}"));
        }

        var grouped = By().Matches(expression).SelectMany(m => m.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries)).ToList();
        wrong.AddRange(grouped.Except([.. labels]).Select(label => $"{where}: no metric in it has the label {label}"));
        if (!Selector().IsMatch(expression)) wrong.Add($"{where}: no metric in '{expression}'");
        return labels;
    }

    /// <summary>The labels of a metric, or of a series of a histogram; null when there is none of that name.</summary>
    private static string[]? Find(IReadOnlyDictionary<string, (string Kind, string[] Labels)> known, string name)
    {
        if (known.TryGetValue(name, out var metric)) return metric.Kind == "histogram" ? null : metric.Labels;
        var series = HistogramSeries().Match(name);
        if (!series.Success || !known.TryGetValue(series.Groups[1].Value, out metric) || metric.Kind != "histogram") return null;
        return series.Groups[2].Value == "bucket" ? [.. metric.Labels, "le"] : metric.Labels;
    }

    private static Dictionary<string, (string Kind, string[] Labels)> Known() =>
        Repository.Lines("docs/metrics.md").Select(l => Row().Match(l)).Where(m => m.Success).ToDictionary(
            m => m.Groups[1].Value,
            m => (m.Groups[2].Value, Quoted().Matches(m.Groups[3].Value).Select(label => label.Groups[1].Value).ToArray()));

    /// <summary>The rules, in the plain way in which the file is written: a key and a value on each line.</summary>
    private static List<(string Name, Dictionary<string, string> Rule)> Rules()
    {
        var rules = new List<(string Name, Dictionary<string, string> Rule)>();
        foreach (var line in Repository.Lines(Alerts).Select(l => l.Trim()))
        {
            var match = KeyValue().Match(line);
            if (!match.Success || line.StartsWith('#')) continue;
            var (key, value) = (match.Groups[1].Value, match.Groups[2].Value.Trim('\''));
            if (key == "alert") rules.Add((value, []));
            else if (rules.Count > 0) Assert.True(rules[^1].Rule.TryAdd(key, value), $"{Alerts}: {rules[^1].Name} says {key} twice");
        }

        return rules;
    }

    [GeneratedRegex(@"^\| `(\w+)` \| (\w+) \| ([^|]*) \|")]
    private static partial Regex Row();

    [GeneratedRegex(@"`(\w+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"\b(chronik_\w+|dotnet_\w+|up)\b(\{[^}]*\})?")]
    private static partial Regex Selector();

    [GeneratedRegex(@"(\w+)\s*(?:=~|!~|!=|=)")]
    private static partial Regex Matcher();

    [GeneratedRegex(@"\b(?:by|without)\s*\(([^)]*)\)")]
    private static partial Regex By();

    [GeneratedRegex(@"\{\{(\w+)\}\}")]
    private static partial Regex Braced();

    [GeneratedRegex(@"^(\w+)_(bucket|sum|count)$")]
    private static partial Regex HistogramSeries();

    [GeneratedRegex(@"^(?:- )?(\w+): (.+)$")]
    private static partial Regex KeyValue();

    [GeneratedRegex(@"\bchronik_\w+")]
    private static partial Regex MetricName();
}

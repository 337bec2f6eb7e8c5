using System.Text.RegularExpressions;
using Xunit;

namespace Chronik.Architecture.Tests;

public sealed partial class LayeringTests
{
    /// <summary>What each project may name. References point up this list only; think hard before a line grows longer.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Chronik.Model"] = [],
        ["Chronik.Protocol.Generator"] = ["Microsoft.CodeAnalysis.CSharp"],
        ["Chronik.Protocol"] = ["Chronik.Model", "Chronik.Protocol.Generator", "ZstdSharp.Port", "IronSnappy"],
        ["Chronik.Raft"] = ["Chronik.Model"],
        ["Chronik.Metadata"] = ["Chronik.Model"],
        ["Chronik.Groups"] = ["Chronik.Model", "Chronik.Protocol"],
        ["Chronik.Storage"] = ["Chronik.Model", "Chronik.Protocol"],
        ["Chronik.Persistence"] = ["Chronik.Model", "Chronik.Storage", "Akka", "Akka.Persistence"],
        ["Chronik.Partitions"] =
        [
            "Chronik.Model", "Chronik.Protocol", "Chronik.Raft", "Chronik.Metadata", "Chronik.Groups", "Chronik.Storage",
            "Chronik.Persistence", "Akka", "Akka.Persistence", "Akka.Remote", "Akka.Cluster",
        ],
        ["Chronik.Gateway"] = ["Chronik.Model", "Chronik.Protocol", "Chronik.Partitions", "Akka"],
        ["Chronik.Server"] =
        [
            "Chronik.Model", "Chronik.Protocol", "Chronik.Raft", "Chronik.Metadata", "Chronik.Groups", "Chronik.Storage",
            "Chronik.Persistence", "Chronik.Partitions", "Chronik.Gateway", "Akka", "Akka.Hosting", "Akka.Persistence", "OpenTelemetry",
            "OpenTelemetry.Exporter.Prometheus.AspNetCore",
        ],
    };

    private static readonly string[] Pure = ["Chronik.Model", "Chronik.Protocol", "Chronik.Raft", "Chronik.Metadata", "Chronik.Groups"];

    [Fact]
    public void Projects_reference_only_what_their_layer_may()
    {
        var wrong = new List<string>();
        foreach (var project in Repository.Files("src", ".csproj").Where(p => !p.StartsWith("src/compat/", StringComparison.Ordinal)))
        {
            var name = Path.GetFileNameWithoutExtension(project);
            if (!Allowed.TryGetValue(name, out var allowed))
            {
                wrong.Add($"{name}: this test does not know its layer");
                continue;
            }

            var (projects, packages) = Repository.References(project);
            wrong.AddRange(projects.Concat(packages).Except(allowed).Select(reference => $"{name} -> {reference}"));
        }

        Repository.Empty(wrong, "References that the layers forbid:");
    }

    [Fact]
    public void Compat_references_only_other_packages()
    {
        var wrong = Repository.Files("src/compat", ".csproj")
            .SelectMany(p => Repository.References(p).Projects, (p, reference) => $"{Path.GetFileNameWithoutExtension(p)} -> {reference}");
        Repository.Empty(wrong, "Compat projects name packages, as the official ones do; project references:");
    }

    [Fact]
    public void Pure_layers_know_no_files_sockets_clocks_tasks_or_actors()
    {
        var wrong = new List<string>();
        foreach (var file in Pure.SelectMany(p => Repository.Files("src/" + p, ".cs")))
        {
            var code = Comment().Replace(Repository.Read(file), match => new string('\n', match.Value.Count(c => c == '\n')));
            wrong.AddRange(Impure().Matches(code).Select(m => $"{file}:{1 + code.AsSpan(0, m.Index).Count('\n')}: {m.Value}"));
        }

        Repository.Empty(wrong, "A pure layer is handed what it needs; it does not reach out for:");
    }

    [Fact]
    public void Compat_never_mentions_the_broker()
    {
        var wrong = from file in Repository.Files("src/compat")
                    from match in Broker().Matches(Repository.Read(file))
                    select $"{file}: {match.Value}";
        Repository.Empty(wrong, "Compat stands for packages that know nothing of:");
    }

    [Fact]
    public void The_package_swap_covers_every_compat_project()
    {
        var versions = Repository.Read("Directory.Packages.props");
        var wrong = Repository.Files("src/compat", ".csproj").Select(p => Path.GetFileNameWithoutExtension(p)!)
            .Where(name => !versions.Contains($"Include=\"{name}\"", StringComparison.Ordinal));
        Repository.Empty(wrong, "Without a version in Directory.Packages.props the official package cannot take over from:");
    }

    [GeneratedRegex("""//[^\n]*|/\*.*?\*/|@?"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'""", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex("""
        \bSystem\.(?:IO(?!\.Compression|\.Stream\b|;)|Net|Threading\.Tasks|Threading\.Thread)\b|\bAkka\b|\bKestrel\b
        |\b(?:File|FileStream|Directory|Socket|RandomAccess|Thread|Timer|Process|Stopwatch|Console)\b(?:\.|\(|\s+[a-z_])
        |\bTask\b|\bValueTask\b|\basync\b|\bDateTime(?:Offset)?\.(?:Utc)?Now\b|\bEnvironment\.Tick|\bRandom\.Shared\b|\bnew\s+Random\(\)
        |\bGuid\.NewGuid\b|\bIActorRef\b|\bTimeProvider\.System\b
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Impure();

    [GeneratedRegex("Chronik|Kafka|Raft", RegexOptions.IgnoreCase)]
    private static partial Regex Broker();
}

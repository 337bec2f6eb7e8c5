using System.Text.RegularExpressions;
using Xunit;

namespace Chronik.Architecture.Tests;

public sealed partial class TidinessTests
{
    private const int LineLengthMax = 140;

    private static readonly string[] Code = ["src", "tests", "bench"];

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        var solution = Repository.Read("Chronik.Akka.sln").Replace('\\', '/');
        var missing = Code.SelectMany(f => Repository.Files(f, ".csproj"))
            .Where(p => !solution.Contains($"\"{p}\"", StringComparison.Ordinal));
        Repository.Empty(missing, "Projects that `dotnet sln Chronik.Akka.sln add` should be told of:");
        var gone = SolutionProject().Matches(solution).Select(m => m.Groups[1].Value).Where(p => !Repository.Exists(p));
        Repository.Empty(gone, "The solution names projects that are not there:");
    }

    [Fact]
    public void Every_project_has_a_README()
    {
        var missing = Code.SelectMany(f => Repository.Files(f, ".csproj")).Select(p => Path.GetDirectoryName(p)!)
            .Where(folder => !Repository.Exists(Path.Combine(folder, "README.md")));
        Repository.Empty(missing, "Projects without a README.md:");
    }

    [Fact]
    public void Lines_are_no_longer_than_agreed()
    {
        var wrong = from file in Code.SelectMany(f => Repository.Files(f, ".cs"))
                    from line in Repository.Lines(file).Index()
                    where line.Item.Length > LineLengthMax
                    select $"{file}:{line.Index + 1}: {line.Item.Length}";
        Repository.Empty(wrong, $"Lines longer than {LineLengthMax} columns:");
    }

    [Fact]
    public void Nothing_is_left_unfinished()
    {
        var wrong = from file in Code.SelectMany(f => Repository.Files(f, ".cs", ".md", ".conf"))
                    from line in Repository.Lines(file).Index()
                    let match = Unfinished().Match(line.Item)
                    where match.Success
                    select $"{file}:{line.Index + 1}: {match.Value}";
        Repository.Empty(wrong, "Unfinished:");
    }

    [Fact]
    public void A_silenced_warning_has_a_reason_beside_it()
    {
        var wrong = from file in Code.SelectMany(f => Repository.Files(f, ".cs", ".csproj"))
                    let lines = Repository.Lines(file)
                    from line in lines.Index()
                    where Silenced().IsMatch(line.Item)
                    let above = line.Index == 0 ? string.Empty : lines[line.Index - 1]
                    where !Reason().IsMatch(line.Item) && !Reason().IsMatch(above) && !above.Contains("-->", StringComparison.Ordinal)
                    select $"{file}:{line.Index + 1}: {line.Item.Trim()}";
        Repository.Empty(wrong, "Silenced without a comment on the line or above it:");
    }

    [Fact]
    public void Links_in_the_documentation_lead_somewhere()
    {
        var wrong = new List<string>();
        foreach (var file in Repository.Files(string.Empty, ".md"))
        {
            var text = CodeBlock().Replace(Repository.Read(file), string.Empty);
            foreach (var target in Link().Matches(text).Select(m => m.Groups[1].Value))
            {
                if (target.Contains("://", StringComparison.Ordinal))
                {
                    continue;
                }

                var parts = target.Split('#', 2);
                var path = parts[0].Length == 0 ? file : Path.Combine(Path.GetDirectoryName(file)!, parts[0]);
                if (!Repository.Exists(path))
                {
                    wrong.Add($"{file}: {target}");
                }
                else if (parts.Length == 2 && path.EndsWith(".md", StringComparison.Ordinal) && !Anchors(path).Contains(parts[1]))
                {
                    wrong.Add($"{file}: {target} (no such heading)");
                }
            }
        }

        Repository.Empty(wrong, "Links to nowhere:");
    }

    private static HashSet<string> Anchors(string path) =>
    [
        .. Repository.Lines(path).Where(l => l.StartsWith('#'))
            .Select(l => NotInAnchor().Replace(l.TrimStart('#').Trim().ToLowerInvariant(), string.Empty).Replace(' ', '-')),
    ];

    [GeneratedRegex("""
        "([^"]+\.csproj)"
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex SolutionProject();

    // Spelt in two halves so that this file does not find itself.
    [GeneratedRegex(@"\b(?:TO" + @"DO|FIX" + @"ME|NotImplemented" + @"Exception)\b")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"^\s*#pragma warning " + @"disable|<No" + @"Warn|\[(?:assembly: ?)?Suppress" + @"Message")]
    private static partial Regex Silenced();

    [GeneratedRegex(@"//|<!--|Justification\s*=")]
    private static partial Regex Reason();

    [GeneratedRegex("^```.*?^```|`[^`\n]*`", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchor();
}

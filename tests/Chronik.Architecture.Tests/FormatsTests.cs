using System.Text.RegularExpressions;
using Xunit;

namespace Chronik.Architecture.Tests;

/// <summary>What is written to logs and said between nodes is listed in docs/formats.md, so that nobody adds to it in passing.</summary>
public sealed partial class FormatsTests
{
    private const string Page = "docs/formats.md";

    [Fact]
    public void Every_record_and_message_is_on_the_page_of_formats()
    {
        var page = Repository.Read(Page);
        var missing = new List<string>();
        Collect("src/Chronik.Metadata/MetadataRecordCodec.cs", Numbered(), m => $"| {m.Groups["number"]} | {m.Groups["name"]} |");
        Collect("src/Chronik.Partitions/Peers/FrameFormat.cs", Numbered(), m => $"| {m.Groups["number"]} | ");
        Collect("src/Chronik.Partitions/Controller/RpcSerializer.cs", Manifest(), m => $"`{m.Groups["manifest"]}`");
        Collect("src/Chronik.Partitions/Replicas/ReplicaEventSerializer.cs", EventManifest(), m => $"`{m.Groups["manifest"]}`");
        Repository.Empty(missing, $"{Page} lists every record and message, and the level that it belongs to");

        void Collect(string source, Regex pattern, Func<Match, string> expected)
        {
            var found = pattern.Matches(Repository.Read(source));
            Assert.True(found.Count > 0, $"{source} names no formats any more in the way that this test knows");
            missing.AddRange(found
                .Select(m => (Name: m.Value.Trim(), Text: expected(m)))
                .Where(m => !page.Contains(m.Text, StringComparison.Ordinal))
                .Select(m => $"{source}: {m.Name}: there is no '{m.Text}'"));
        }
    }

    [GeneratedRegex(@"^ {4,8}(?<name>[A-Z]\w+) = (?<number>\d+),", RegexOptions.Multiline)]
    private static partial Regex Numbered();

    [GeneratedRegex("\\[\"(?<manifest>[a-z-]+-\\d+)\"\\]")]
    private static partial Regex Manifest();

    [GeneratedRegex("Manifest = \"(?<manifest>[a-z-]+-\\d+)\";")]
    private static partial Regex EventManifest();
}

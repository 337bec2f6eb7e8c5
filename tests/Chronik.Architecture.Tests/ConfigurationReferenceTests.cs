using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Chronik.Architecture.Tests;

/// <summary>hocon/reference.conf is the one place where keys are explained; docs/configuration.md is made from it.</summary>
public sealed partial class ConfigurationReferenceTests
{
    private const int KeysMax = 40;

    // Its keys are Kafka's, known to whoever knows Kafka; they are shown where their defaults matter (docs/decisions).
    private const string KafkasOwn = "chronik.broker";

    private const string Reference = "hocon/reference.conf";
    private const string Page = "docs/configuration.md";

    [Fact]
    public void Every_key_has_a_comment()
    {
        Repository.Empty(Keys().Where(k => k.Comment.Length == 0).Select(k => k.Name), "Keys without a comment:");
    }

    [Fact]
    public void A_limit_says_what_goes_wrong_when_it_is_too_small_and_when_it_is_too_large()
    {
        var silent = Keys().Where(k => k.Default.Length > 0 && char.IsAsciiDigit(k.Default[0]) && k.Name != "chronik.node-id")
            .Where(k => !TooSmallAndTooLarge().IsMatch(k.Comment));
        Repository.Empty(silent.Select(k => k.Name), "Keys that do not say both:");
    }

    [Fact]
    public void There_are_fewer_keys_than_one_can_lose_sight_of() =>
        Assert.InRange(Keys().Count(key => key.Section != KafkasOwn), 1, KeysMax - 1);

    [Fact]
    public void The_examples_name_only_keys_of_the_reference()
    {
        // Some of Kafka's own keys are only named there, in the comment on chronik.broker.
        var known = Keys().Select(k => k.Name).ToHashSet();
        var reference = Repository.Read(Reference);
        bool IsNamed(string key) =>
            key.StartsWith("chronik.broker.", StringComparison.Ordinal) && reference.Contains(key["chronik.broker.".Length..]);
        var wrong = from file in Repository.Files("hocon", ".conf")
                    where file != Reference
                    from key in Parse(file)
                    where !known.Contains(key.Name) && !IsNamed(key.Name) && !key.Name.StartsWith("akka.", StringComparison.Ordinal)
                    select $"{file}: {key.Name}";
        Repository.Empty(wrong, "Keys that do not exist:");
    }

    [Fact]
    public void The_page_is_what_the_reference_says()
    {
        var made = MakePage();
        if (Environment.GetEnvironmentVariable("CHRONIK_UPDATE_DOCS") == "1")
        {
            File.WriteAllText(Path.Combine(Repository.Root, Page), made);
        }

        Assert.True(
            Repository.Exists(Page) && Repository.Read(Page) == made,
            $"{Page} is stale: CHRONIK_UPDATE_DOCS=1 dotnet test tests/Chronik.Architecture.Tests writes it anew");
    }

    private static string MakePage()
    {
        var page = new StringBuilder("""
            # Configuration

            Made from [hocon/reference.conf](../hocon/reference.conf); change it there.

            The broker takes its configuration from a [HOCON](https://github.com/lightbend/config/blob/main/HOCON.md) file
            (`--config FILE`), from single keys on the command line (`--set chronik.gateway.max-idle=5m`), and from short options
            (`--data DIR`, `--kafka HOST:PORT`; `--help` lists them). What is on the command line wins. A key that does not exist, or
            a value that does not fit, ends the start with one line that names it, before anything is changed on disk. Keys below
            `akka` go to the actor system.


            """);
        var section = string.Empty;
        foreach (var key in Keys())
        {
            if (key.Section != section)
            {
                section = key.Section;
                page.Append(null, $"## {section}\n\n");
                page.Append(key.SectionComment.Length > 0 ? key.SectionComment + "\n\n" : string.Empty);
            }

            page.Append(null, $"**`{key.Name}`** = `{key.Default}`  \n{key.Comment}\n\n");
        }

        return page.ToString().TrimEnd() + "\n";
    }

    private static List<Key> Keys() => Parse(Reference);

    /// <summary>Reads the plain way in which our own files are written: one key or section a line, comments above it.</summary>
    private static List<Key> Parse(string file)
    {
        var keys = new List<Key>();
        var sections = new Stack<(string Name, string Comment)>([(string.Empty, string.Empty)]);
        var comment = string.Empty;
        foreach (var line in Repository.Lines(file).Select(l => l.Trim()))
        {
            if (line.StartsWith('#'))
            {
                comment = $"{comment} {line.TrimStart('#').Trim()}".Trim();
            }
            else if (line.EndsWith('{'))
            {
                var name = line.TrimEnd('{').Trim();
                sections.Push((sections.Peek().Name.Length == 0 ? name : $"{sections.Peek().Name}.{name}", comment));
                comment = string.Empty;
            }
            else if (line == "}")
            {
                sections.Pop();
            }
            else if (Assignment().Match(line) is { Success: true } match)
            {
                var (section, about) = sections.Peek();
                keys.Add(new Key($"{section}.{match.Groups[1].Value}", match.Groups[2].Value, comment, section, about));
                comment = string.Empty;
            }
            else
            {
                Assert.Equal(string.Empty, line);
                // A comment with an empty line below it belongs to the file.
                comment = string.Empty;
            }
        }

        return keys;
    }

    [GeneratedRegex("Too small: .*Too large: ")]
    private static partial Regex TooSmallAndTooLarge();

    [GeneratedRegex(@"^([a-z][a-z0-9.\-]*) = (.+)$")]
    private static partial Regex Assignment();

    private sealed record Key(string Name, string Default, string Comment, string Section, string SectionComment);
}

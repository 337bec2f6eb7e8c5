using Akka.Configuration.Hocon;
using Xunit;

namespace Akka.Configuration.Tests;

/// <summary>
/// The parts of HOCON that the parser inside of Akka.NET 1.5.30 does not know, and errors that say where. Against the
/// official package leave this class out with <c>--filter Hocon!=full</c>.
/// </summary>
[Trait("Hocon", "full")]
public class HoconTests
{
    private static Config Parse(string text) => ConfigurationFactory.ParseString(text);

    [Fact]
    public void An_optional_substitution_without_a_value_leaves_no_key()
    {
        var config = Parse("a = ${?no.such}\nb = 1\nb = ${?no.such}\nc = [1, ${?no.such}, 2]\nd = x${?no.such}y");
        Assert.False(config.HasPath("a"));
        Assert.Equal(1, config.GetInt("b"));
        Assert.Equal([1, 2], config.GetIntList("c"));
        Assert.Equal("xy", config.GetString("d"));
    }

    [Fact]
    public void A_path_that_is_not_there_is_looked_up_in_the_environment()
    {
        Environment.SetEnvironmentVariable("HOCON_TEST_DIR", "/data");
        var config = Parse("dir = ./data\ndir = ${?HOCON_TEST_DIR}\nlog = ${HOCON_TEST_DIR}/log\n");
        Assert.Equal("/data", config.GetString("dir"));
        Assert.Equal("/data/log", config.GetString("log"));
    }

    [Fact]
    public void Plus_equals_appends_to_a_list()
    {
        var config = Parse("a = [1]\na += 2\na += 3\nb += x\nc = ${a} [4]");
        Assert.Equal([1, 2, 3], config.GetIntList("a"));
        Assert.Equal(["x"], config.GetStringList("b"));
        Assert.Equal([1, 2, 3, 4], config.GetIntList("c"));
    }

    [Fact]
    public void A_value_that_refers_to_itself_sees_what_it_was()
    {
        var config = Parse("""
            path = /bin
            path = ${path}":/usr/bin"
            o { x = 1 }
            o = ${o} { y = 2 }
            p.q = 1
            p.q = ${p.q}0
            """);
        Assert.Equal("/bin:/usr/bin", config.GetString("path"));
        Assert.Equal(1, config.GetInt("o.x"));
        Assert.Equal(2, config.GetInt("o.y"));
        Assert.Equal(10, config.GetInt("p.q"));
    }

    [Fact]
    public void An_object_can_extend_another_one()
    {
        var config = Parse("""
            base { a = 1, deep { x = 1 } }
            one = ${base} { b = 2, deep.y = 2 }
            two = ${base}
            two { a = 3 }
            two.deep.x = 4
            use = ${two.deep.x}
            """);
        Assert.Equal(1, config.GetInt("one.a"));
        Assert.Equal(2, config.GetInt("one.b"));
        Assert.Equal(1, config.GetInt("one.deep.x"));
        Assert.Equal(2, config.GetInt("one.deep.y"));
        Assert.Equal(3, config.GetInt("two.a"));
        Assert.Equal(4, config.GetInt("use"));
        Assert.Equal(1, config.GetInt("base.deep.x"));
        Assert.False(config.HasPath("base.deep.y"));
    }

    [Theory]
    [InlineData("a = ${b}\nb = ${a}")]
    [InlineData("a = ${a}")]
    [InlineData("a { b = ${a} }")]
    [InlineData("a = [${a}]")]
    public void A_circle_is_an_error(string text) =>
        Assert.Contains("itself", Assert.Throws<ConfigurationException>(() => Parse(text)).Message);

    [Theory]
    [InlineData("a = 1\nb { c = 2", "line 2, column 10: expected '}' to close the brace of line 2, column 3, found the end of the text")]
    [InlineData("a = 1\n}", "line 2, column 1: expected a key, found '}' without an opening brace")]
    [InlineData("a\nb = 1", "line 1, column 2: expected '=', ':', '+=' or '{' after the key a, found the end of the line")]
    [InlineData("a b.c\n", "line 1, column 6: expected '=', ':', '+=' or '{' after the key a b.c, found the end of the line")]
    [InlineData("x {\n  a = }", "line 2, column 7: expected a value for a, found '}'")]
    [InlineData("a = 1 = 2", "line 1, column 7: expected a new line or a comma after the value, found '='<hint>")]
    [InlineData("a = localhost:9092", "line 1, column 14: expected a new line or a comma after the value, found ':'<hint>")]
    [InlineData("a = *:9092", "line 1, column 5: expected a value for a, found '*'<hint>")]
    [InlineData("a = [1, 2\nb = 3", "line 2, column 3: expected a new line, a comma or ']' after the value, found '='<hint>")]
    [InlineData("a = [1, 2", "line 1, column 10: expected ']' to close the bracket of line 1, column 5, found the end of the text")]
    [InlineData("a = \"b\nc = 1", "line 1, column 5: expected a closing quote in the same line")]
    [InlineData("a = \"b\\q\"", "line 1, column 7: expected one of \\\" \\\\ \\/ \\n \\r \\t \\b \\f \\uXXXX after the backslash")]
    [InlineData("a = \"\"\"b", "line 1, column 5: expected three closing quotes")]
    [InlineData("a = ${b", "line 1, column 8: expected '}' to close the substitution, found the end of the text")]
    [InlineData("a = $b", "line 1, column 5: expected '{' after '$'; a literal '$' has to be quoted")]
    [InlineData("\n\n  a = ${b.c}", "line 3, column 7: ${b.c} is neither a path of this configuration nor an environment variable")]
    [InlineData("a. = 1", "line 1, column 4: expected a key after the dot, found '='")]
    [InlineData("a = 1,,b = 2", "line 1, column 7: expected a value after the comma, found another comma")]
    [InlineData("a = { b = 1 } c", "line 1, column 5: an object, a list and text cannot be joined in one value")]
    [InlineData("include \"x\"", "line 1, column 1: include \"x\" is not possible here: no include resolver was given")]
    [InlineData("a = 1\na += 2", "line 2, column 1: a is not a list, += is not possible")]
    public void A_syntax_error_says_where_and_what_was_expected(string text, string message) =>
        Assert.Equal(
            message.Replace("<hint>", "; if it belongs to the value, quote the value"),
            Assert.Throws<ConfigurationException>(() => Parse(text)).Message);

    [Fact]
    public void A_value_of_the_wrong_kind_is_named_with_its_path()
    {
        var config = Parse("a.port = many\na.wait = 3 parsecs\na.on = maybe\na.list = [1, x]\na.o { p = 1 }");
        Assert.StartsWith("a.port = many: ", Error(() => config.GetInt("a.port")));
        Assert.Equal(
            "a.wait = 3 parsecs: '3 parsecs' is not a duration such as 500 ms, 10s or 1 minute",
            Error(() => config.GetTimeSpan("a.wait")));
        Assert.StartsWith("a.wait = 3 parsecs: ", Error(() => config.GetByteSize("a.wait", null)));
        Assert.Equal("a.on = maybe: not one of true, false, on, off, yes, no", Error(() => config.GetBoolean("a.on")));
        Assert.StartsWith("a.list = [1, x]: ", Error(() => config.GetIntList("a.list")));
        Assert.EndsWith("an object, where one value is needed", Error(() => config.GetInt("a.o")));
        Assert.Contains("a.none", Error(() => config.GetIntList("a.none")));

        static string Error(Func<object> read) => Assert.Throws<ConfigurationException>(read).Message;
    }

    [Fact]
    public void An_error_in_an_included_text_names_both_places()
    {
        var e = Assert.Throws<ConfigurationException>(() =>
            ConfigurationFactory.ParseString("a = 1\ninclude \"more\"", _ => Parser.Parse("b =", null)));
        Assert.Equal("line 2, column 1: include \"more\": line 1, column 4: expected a value for b, found the end of the text", e.Message);
    }

    [Fact]
    public void An_included_object_is_not_changed_by_the_including_text()
    {
        var shared = Parser.Parse("o { x = 1 }", null);
        Assert.Equal(2, ConfigurationFactory.ParseString("include \"s\"\no.x = 2", _ => shared).GetInt("o.x"));
        Assert.Equal(1, ConfigurationFactory.ParseString("include \"s\"", _ => shared).GetInt("o.x"));
    }

    [Fact]
    public void Quoted_space_and_the_word_null_survive()
    {
        var config = Parse("a = \" x \"\nb = \"null\"\nc = 1.5 KiB\nd = 7 us");
        Assert.Equal(" x ", config.GetString("a"));
        Assert.Equal("null", config.GetString("b"));
        Assert.Equal(1536, config.GetByteSize("c", null));
        Assert.Equal(TimeSpan.FromMicroseconds(7), config.GetTimeSpan("d"));
        Assert.Equal("line\n\"q\" \\", Parse(Parse("k = \"line\\n\\\"q\\\" \\\\\"").ToString()).GetString("k"));
    }

    [Fact]
    public void Depth_is_limited() => Assert.Throws<ConfigurationException>(() => Parse(new string('[', 100_000)));

    /// <summary>Whatever stands in the text, the parser answers with a tree or with an error that names a line.</summary>
    [Fact]
    public void Random_text_never_breaks_the_parser()
    {
        const string alphabet = "ab.1 \n\n\"\"{}[]=:,+$?{}#/\\\t";
        for (var seed = 0; seed < 3000; seed++)
        {
            var random = new Random(seed);
            var text = new string([.. Enumerable.Range(0, random.Next(60)).Select(_ => alphabet[random.Next(alphabet.Length)])]);
            try
            {
                _ = Parse(Parse(text).ToString());
            }
            catch (ConfigurationException e)
            {
                Assert.True(e.Message.StartsWith("line ", StringComparison.Ordinal), $"seed {seed}: {e.Message}");
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e}");
            }
        }
    }
}

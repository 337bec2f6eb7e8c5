using Akka.Configuration.Hocon;
using Xunit;

namespace Akka.Configuration.Tests;

/// <summary>Reading values by path. These tests also pass against the official package.</summary>
public class ReadingTests
{
    [Fact]
    public void Braces_dots_and_quotes_all_lead_to_the_same_tree()
    {
        var config = ConfigurationFactory.ParseString("""
            a { b { c = 1 } }
            a.b.d = 2
            a.b."e.f" = 3 # a comment
            "a".b.g : 4 // another one
            a { b.h = 5 }
            """);
        Assert.Equal(1, config.GetInt("a.b.c"));
        Assert.Equal(2, config.GetInt("a.b.d"));
        Assert.Equal(3, config.GetInt("a.b.\"e.f\""));
        Assert.Equal(4, config.GetInt("a.b.g"));
        Assert.Equal(5, config.GetInt("a.b.h"));
        Assert.False(config.HasPath("a.b.e"));
    }

    [Fact]
    public void Scalars_are_read_in_their_own_types()
    {
        var config = ConfigurationFactory.ParseString(""""
            text = hello brave new world
            quoted = "with \"escapes\", \t tab and \u00e9"
            raw = "\""
            triple = """C:\dir\
            next "line" """
            int = -42
            long = 12345678901
            float = 1.5
            decimal = 0.1
            yes = on
            no = false
            nothing = null
            """");
        Assert.Equal("hello brave new world", config.GetString("text"));
        Assert.Equal("with \"escapes\", \t tab and é", config.GetString("quoted"));
        Assert.Equal("\"", config.GetString("raw"));
        Assert.Equal("C:\\dir\\\nnext \"line\"", config.GetString("triple").Trim());
        Assert.Equal(-42, config.GetInt("int"));
        Assert.Equal(12345678901, config.GetLong("long"));
        Assert.Equal(1.5f, config.GetFloat("float"));
        Assert.Equal(1.5, config.GetDouble("float"));
        Assert.Equal(0.1m, config.GetDecimal("decimal"));
        Assert.True(config.GetBoolean("yes"));
        Assert.False(config.GetBoolean("no", true));
        Assert.Null(config.GetString("nothing", "default"));
        Assert.True(config.HasPath("nothing"));
    }

    [Fact]
    public void A_missing_path_gives_the_default()
    {
        var config = ConfigurationFactory.ParseString("a = 1");
        Assert.Equal("x", config.GetString("b.c", "x"));
        Assert.Null(config.GetString("b"));
        Assert.Equal(7, config.GetInt("b", 7));
        Assert.Equal(8, config.GetLong("a.b", 8));
        Assert.True(config.GetBoolean("b", true));
        Assert.Equal(2.5, config.GetDouble("b", 2.5));
        Assert.Equal(TimeSpan.FromSeconds(3), config.GetTimeSpan("b", TimeSpan.FromSeconds(3)));
        Assert.Equal(TimeSpan.Zero, config.GetTimeSpan("b"));
        Assert.Null(config.GetByteSize("b"));
        Assert.Equal(9, config.GetByteSize("b", 9));
        Assert.Empty(config.GetStringList("b"));
        Assert.Null(config.GetConfig("b"));
        Assert.Null(config.GetValue("b"));
    }

    [Theory]
    [InlineData("10", 10)]
    [InlineData("10ms", 10)]
    [InlineData("10 millis", 10)]
    [InlineData("1.5s", 1500)]
    [InlineData("2 seconds", 2000)]
    [InlineData("1 m", 60_000)]
    [InlineData("3 minutes", 180_000)]
    [InlineData("1h", 3_600_000)]
    [InlineData("2 days", 172_800_000)]
    [InlineData("5000 micros", 5)]
    [InlineData("3000000 ns", 3)]
    [InlineData("infinite", -1)]
    public void Durations_have_units(string text, double milliseconds) =>
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), ConfigurationFactory.ParseString("t = " + text).GetTimeSpan("t"));

    [Theory]
    [InlineData("10", 10)]
    [InlineData("10b", 10)]
    [InlineData("64 KiB", 65536)]
    [InlineData("64k", 65536)]
    [InlineData("64K", 65536)]
    [InlineData("64 kB", 64000)]
    [InlineData("1m", 1 << 20)]
    [InlineData("1 MB", 1_000_000)]
    [InlineData("1 megabyte", 1_000_000)]
    [InlineData("2 GiB", 2L << 30)]
    [InlineData("3TB", 3_000_000_000_000)]
    public void Sizes_have_units(string text, long bytes) =>
        Assert.Equal(bytes, ConfigurationFactory.ParseString("s = " + text).GetByteSize("s", null));

    [Theory]
    [InlineData("t = 10 parsecs")]
    [InlineData("t = soon")]
    [InlineData("t = -1s")]
    public void A_wrong_duration_or_size_is_an_error(string text)
    {
        var config = ConfigurationFactory.ParseString(text);
        Assert.ThrowsAny<Exception>(() => config.GetTimeSpan("t"));
        Assert.ThrowsAny<Exception>(() => ConfigurationFactory.ParseString("t = 10 acres").GetByteSize("t", null));
    }

    [Fact]
    public void Lists_end_their_elements_with_commas_or_lines()
    {
        var config = ConfigurationFactory.ParseString("""
            ints = [1, 2, 3]
            strings = [ "a, b"
                        c d ]
            objects = [ { n = 1 }, { n = 2 } ]
            """);
        Assert.Equal([1, 2, 3], config.GetIntList("ints"));
        Assert.Equal([1L, 2L, 3L], config.GetLongList("ints"));
        Assert.Equal([1.0, 2.0, 3.0], config.GetDoubleList("ints"));
        Assert.Equal(["a, b", "c d"], config.GetStringList("strings"));
        Assert.Equal([1, 2], config.GetValue("objects").GetArray().Select(o => o.GetChildObject("n").GetInt()));
    }

    [Fact]
    public void The_last_assignment_wins_and_objects_merge()
    {
        var config = ConfigurationFactory.ParseString("""
            a = 1
            a = 2
            o { x = 1, y = 1 }
            o { y = 2 }
            p { x = 1 }
            p = 5
            q = [1]
            q = [2, 3]
            """);
        Assert.Equal(2, config.GetInt("a"));
        Assert.Equal(1, config.GetInt("o.x"));
        Assert.Equal(2, config.GetInt("o.y"));
        Assert.Equal(5, config.GetInt("p"));
        Assert.Equal([2, 3], config.GetIntList("q"));
    }

    [Fact]
    public void A_fallback_completes_and_never_overrides()
    {
        var config = ConfigurationFactory.ParseString("a { x = 1, list = [1] }");
        var fallback = ConfigurationFactory.ParseString("a { x = 2, y = 2, list = [2, 3] }, b = 2");
        var both = config.WithFallback(fallback);
        Assert.Equal(1, both.GetInt("a.x"));
        Assert.Equal(2, both.GetInt("a.y"));
        Assert.Equal(2, both.GetInt("b"));
        Assert.Equal([1], both.GetIntList("a.list"));
        Assert.Equal(2, both.GetConfig("a").GetInt("y"));
        Assert.Equal(1, both.WithFallback(ConfigurationFactory.ParseString("a.z = 3")).GetInt("a.x"));
        // Neither of the two was changed.
        Assert.False(config.HasPath("a.y"));
        Assert.Equal(2, fallback.GetInt("a.x"));
    }

    [Fact]
    public void Empty_is_empty()
    {
        Assert.True(Config.Empty.IsEmpty);
        Assert.True(ConfigurationFactory.ParseString("# nothing").IsEmpty);
        Assert.True(((Config)null).IsNullOrEmpty());
        var config = ConfigurationFactory.ParseString("a = 1");
        Assert.Same(config, config.WithFallback(null));
        Assert.Same(config, Config.Empty.WithFallback(config));
        Assert.Same(config, ((Config)null).SafeWithFallback(config));
        Assert.Throws<ArgumentException>(() => config.WithFallback(config));
    }

    [Fact]
    public void Text_and_configurations_mix()
    {
        Config config = "a = 1";
        Assert.Equal(2, (config + "b = 2").GetInt("b"));
        Assert.Equal(3, ("a = 3" + config).GetInt("a"));
        Assert.Equal(1, config.GetValue("a").AtKey("k").GetInt("k"));
        Assert.Equal(["a"], config.AsEnumerable().Select(pair => pair.Key));
    }

    [Fact]
    public void A_substitution_is_replaced_wherever_its_path_is_defined()
    {
        var config = ConfigurationFactory.ParseString("""
            base { host = here, port = 1 }
            a = ${base.host}
            b = ${later}
            later = 5
            url = ${base.host}"/"${later}
            copy = ${base}
            """);
        Assert.Equal("here", config.GetString("a"));
        Assert.Equal(5, config.GetInt("b"));
        Assert.Equal("here/5", config.GetString("url"));
        Assert.Equal(1, config.GetInt("copy.port"));
        Assert.ThrowsAny<Exception>(() => ConfigurationFactory.ParseString("a = ${no.such.path}"));
    }

    [Fact]
    public void Includes_come_from_the_callback()
    {
        var config = ConfigurationFactory.ParseString(
            """
            include "defaults"
            akka { include "defaults", name = mine }
            """,
            name => Parser.Parse($"name = {name}, other = 1", null));
        Assert.Equal("defaults", config.GetString("name"));
        Assert.Equal("mine", config.GetString("akka.name"));
        Assert.Equal(1, config.GetInt("akka.other"));
    }

    [Fact]
    public void What_ToString_writes_parses_back()
    {
        const string text = """
            a { b = "x y", c = [1, 2], "f g" { h = 1 } }
            i = 10s
            """;
        var again = ConfigurationFactory.ParseString(ConfigurationFactory.ParseString(text).ToString());
        Assert.Equal("x y", again.GetString("a.b"));
        Assert.Equal([1, 2], again.GetIntList("a.c"));
        Assert.Equal(1, again.GetInt("a.\"f g\".h"));
        Assert.Equal(TimeSpan.FromSeconds(10), again.GetTimeSpan("i"));
    }

    [Fact]
    public void The_defaults_of_the_actor_core_are_a_resource() =>
        Assert.True(ConfigurationFactory.Default().HasPath("akka.actor"));
}

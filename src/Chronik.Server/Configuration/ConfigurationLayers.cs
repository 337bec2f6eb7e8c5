using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Chronik.Server.Configuration;

/// <summary>What a user wrote is wrong, or cannot be had on this machine. The message is one line that names key and value.</summary>
public sealed class ChronikStartException : Exception
{
    /// <summary>Makes one.</summary>
    public ChronikStartException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>
/// Values by their full keys, from several places: what a later place says wins. Remembers where each value was said, so that a mistake
/// can be pointed at.
/// </summary>
internal sealed class ConfigurationLayers
{
    private const string ReferenceName = "reference.conf";

    /// <summary>Below this, keys are Kafka's and may hold dots.</summary>
    public const string BrokerSection = "chronik.broker";

    /// <summary>Below this, keys are Akka's and go to the actor system as they are.</summary>
    private const string AkkaSection = "akka";

    private readonly Dictionary<string, Entry> _values;
    private readonly HashSet<string> _known;

    /// <summary>Begins with the defaults of every key.</summary>
    public ConfigurationLayers()
    {
        _values = new(StringComparer.Ordinal);
        Flatten(ConfigurationFactory.FromResource(ReferenceName, typeof(ConfigurationLayers).Assembly).Root, string.Empty, ReferenceName);
        _known = [.. _values.Keys];
    }

    /// <summary>A value and the place that says it.</summary>
    public readonly record struct Entry(HoconValue Value, string Place)
    {
        /// <summary>Whether it is what the reference says.</summary>
        public bool IsDefault => Place == ReferenceName;

        /// <summary>The value as it was written, on one line.</summary>
        public string Text => Value.IsArray() ? $"[{string.Join(", ", Value.GetArray().Select(v => v.GetString()))}]" : Value.GetString();
    }

    /// <summary>What was said of Akka's own keys.</summary>
    public Config Akka { get; private set; } = Config.Empty;

    /// <summary>Adds a file, which may include others of its folder.</summary>
    public void AddFile(string path)
    {
        try
        {
            Add(ConfigurationFactory.ParseString(File.ReadAllText(path), name => Include(path, name)), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ConfigurationException or FormatException)
        {
            throw new ChronikStartException($"--config {path}: {OneLine(e)}", e);
        }
    }

    /// <summary>Adds one value of the command line: a list or a quoted text is read as in a file, anything else taken as it is.</summary>
    public void AddOption(string option, string key, string value)
    {
        var text = value.StartsWith('[') || value.StartsWith('"') ? value : Quote(value);
        try
        {
            Add(ConfigurationFactory.ParseString($"{key} = {text}"), option);
        }
        catch (Exception e) when (e is ConfigurationException or FormatException)
        {
            throw new ChronikStartException($"{option} {key}={value}: {OneLine(e)}", e);
        }
    }

    /// <summary>Adds a list of texts.</summary>
    public void AddOption(string option, string key, IEnumerable<string> values) =>
        AddOption(option, key, $"[{string.Join(", ", values.Select(Quote))}]");

    /// <summary>The value of a key of the reference.</summary>
    public Entry Get(string key) => _values[key];

    /// <summary>What was said below a section, without the defaults, by the rest of the key.</summary>
    public IEnumerable<(string Name, Entry Entry)> SaidBelow(string section) =>
        from pair in _values
        where pair.Key.StartsWith(section + ".", StringComparison.Ordinal) && !pair.Value.IsDefault
        select (pair.Key[(section.Length + 1)..], pair.Value);

    private static HoconRoot Include(string path, string name)
    {
        var included = Path.Combine(Path.GetDirectoryName(path) ?? string.Empty, name);
        return new HoconRoot(ConfigurationFactory.ParseString(File.ReadAllText(included), inner => Include(included, inner)).Root);
    }

    private static string Quote(string text) =>
        "\"" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";

    private static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ");

    private void Add(Config config, string place)
    {
        if (config.HasPath(AkkaSection))
        {
            Akka = config.GetConfig(AkkaSection).Root.AtKey(AkkaSection).WithFallback(Akka);
        }

        Flatten(config.Root, string.Empty, place);
        foreach (var (key, entry) in _values)
        {
            if (!_known.Contains(key) && !key.StartsWith(BrokerSection + ".", StringComparison.Ordinal))
            {
                throw new ChronikStartException(
                    $"{entry.Place}: there is no key {key} (= {entry.Text}); did you mean {Nearest.To(key, _known)}?");
            }
        }
    }

    private void Flatten(HoconValue value, string path, string place)
    {
        if (value.GetObject() is not { } node)
        {
            _values[path] = new Entry(value, place);
            return;
        }

        foreach (var (name, child) in node.Items.Where(item => path.Length > 0 || item.Key != AkkaSection))
        {
            Flatten(child, path.Length == 0 ? name : $"{path}.{name}", place);
        }
    }
}

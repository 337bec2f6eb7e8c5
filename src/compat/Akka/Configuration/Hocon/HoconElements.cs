using System.Text;

namespace Akka.Configuration.Hocon;

/// <summary>A piece of text, quoted or not.</summary>
public class HoconLiteral : IHoconElement
{
    public string Value { get; set; }

    /// <summary>Quoted text is kept as it is; unquoted text may be the null literal, and loses the space around it.</summary>
    internal bool Quoted { get; init; }

    internal bool IsBlank => !Quoted && string.IsNullOrWhiteSpace(Value);

    public bool IsString() => true;

    public string GetString() => Value;

    public bool IsArray() => false;

    public IList<HoconValue> GetArray() => throw new NotSupportedException("This element is a string, not an array.");

    public override string ToString() => Value;
}

/// <summary>A list of values.</summary>
public class HoconArray : List<HoconValue>, IHoconElement
{
    public bool IsString() => false;

    public string GetString() => throw new NotSupportedException("This element is an array, not a string.");

    public bool IsArray() => true;

    public IList<HoconValue> GetArray() => this;

    public override string ToString() => "[" + string.Join(",", this) + "]";
}

/// <summary>Keys with their values, in the order of their first appearance.</summary>
public class HoconObject : IHoconElement
{
    public HoconObject()
    {
        Items = [];
    }

    private HoconObject(Dictionary<string, HoconValue> items)
    {
        Items = items;
    }

    public Dictionary<string, HoconValue> Items { get; }

    /// <summary>The same tree in dictionaries: objects are unwrapped, other values stay <see cref="HoconValue"/>.</summary>
    public IDictionary<string, object> Unwrapped
    {
        get
        {
            var result = new Dictionary<string, object>(Items.Count);
            foreach (var (key, value) in Items) result.Add(key, value.GetObject() is { } child ? child.Unwrapped : value);
            return result;
        }
    }

    public bool IsString() => false;

    public string GetString() => throw new NotSupportedException("This element is an object, not a string.");

    public bool IsArray() => false;

    public IList<HoconValue> GetArray() => throw new NotSupportedException("This element is an object, not an array.");

    public HoconValue GetKey(string key) => Items.GetValueOrDefault(key);

    public HoconValue GetOrCreateKey(string key)
    {
        if (!Items.TryGetValue(key, out var value)) Items.Add(key, value = new HoconValue());
        return value;
    }

    /// <summary>Adds the other's keys; where both have one, objects merge and anything else is replaced.</summary>
    public void Merge(HoconObject other)
    {
        foreach (var (key, value) in other.Items) Items[key] = Merged(Items.GetValueOrDefault(key), value);
    }

    public override string ToString() => ToString(0);

    public string ToString(int indent)
    {
        var text = new StringBuilder();
        foreach (var (key, value) in Items)
            text.Append(' ', indent * 2).Append(HoconText.QuoteKey(key)).Append(" : ").Append(value.ToString(indent + 1)).Append('\n');
        return text.ToString();
    }

    /// <summary>A new object with the keys of both; neither of the two changes.</summary>
    internal HoconObject MergeImmutable(HoconObject other)
    {
        var result = new HoconObject(new Dictionary<string, HoconValue>(Items));
        result.Merge(other);
        return result;
    }

    private static HoconValue Merged(HoconValue older, HoconValue newer) =>
        older?.GetObject() is { } first && newer.GetObject() is { } second ? new HoconValue([first.MergeImmutable(second)]) : newer;
}

/// <summary>The result of parsing one text, with every substitution replaced.</summary>
public class HoconRoot
{
    protected HoconRoot()
    {
    }

    public HoconRoot(HoconValue value)
    {
        Value = value;
    }

    public HoconValue Value { get; }
}

/// <summary><c>${path}</c> or <c>${?path}</c>, between parsing and resolving.</summary>
internal sealed class HoconSubstitution(List<string> path, bool optional, int position) : IHoconElement
{
    public List<string> Path { get; } = path;

    /// <summary>The path in one text, which is also the name of the environment variable.</summary>
    public string Name => string.Join('.', Path);

    public bool Optional { get; } = optional;

    /// <summary>True when += made it: the value has to be a list.</summary>
    public bool AppendTarget { get; init; }

    /// <summary>Where the substitution stands in the text.</summary>
    public int Position { get; } = position;

    public bool IsString() => false;

    public string GetString() => throw new NotSupportedException($"${{{Name}}} is not resolved.");

    public bool IsArray() => false;

    public IList<HoconValue> GetArray() => throw new NotSupportedException($"${{{Name}}} is not resolved.");
}

using System.Globalization;

namespace Akka.Configuration.Hocon;

/// <summary>
/// What a key stands for: the concatenation of its pieces, which is a string, an array, or an object. Readers of scalars
/// throw a <see cref="FormatException"/> that says what is wrong with the text.
/// </summary>
public class HoconValue : IMightBeAHoconObject
{
    public HoconValue()
    {
        Values = [];
    }

    public HoconValue(List<IHoconElement> values, bool adoptedFromFallback = true)
    {
        Values = values;
    }

    public List<IHoconElement> Values { get; }

    /// <summary>True for no value at all and for an object without keys.</summary>
    public bool IsEmpty => Values.Count == 0 || Values[0] is HoconObject { Items.Count: 0 };

    /// <summary>What the key stood for before this value was assigned; needed as long as a substitution is unresolved.</summary>
    internal HoconValue Previous { get; set; }

    internal ResolveState State { get; set; }

    public void AppendValue(IHoconElement value) => Values.Add(value);

    public void Clear() => Values.Clear();

    public void NewValue(IHoconElement value)
    {
        Values.Clear();
        Values.Add(value);
    }

    /// <summary>This value as a configuration of its own.</summary>
    public Config ToConfig() => new(new HoconRoot(this));

    /// <summary>A configuration with this value as its only key.</summary>
    public Config AtKey(string key)
    {
        var parent = new HoconObject();
        parent.Items.Add(key, this);
        return new Config(new HoconRoot(new HoconValue([parent])));
    }

    public bool IsObject() => GetObject() != null;

    public HoconObject GetObject() => Values.Count == 0 ? null : Values[0] as HoconObject;

    public HoconValue GetChildObject(string key) => GetObject()?.GetKey(key);

    public bool IsArray()
    {
        foreach (var element in Values)
            if (element.IsArray()) return true;
        return false;
    }

    /// <summary>The elements of all arrays that make up this value.</summary>
    public IList<HoconValue> GetArray()
    {
        var all = new List<HoconValue>();
        foreach (var element in Values)
            if (element.IsArray()) all.AddRange(element.GetArray());
        return all;
    }

    public bool IsString()
    {
        foreach (var element in Values)
            if (!element.IsString()) return false;
        return Values.Count > 0;
    }

    /// <summary>The text; null for the null literal and for anything that is not a string.</summary>
    public string GetString()
    {
        if (!IsString()) return null;
        if (Values.Count == 1) return Values[0] is HoconLiteral { Quoted: false, Value: "null" } ? null : Values[0].GetString();
        var texts = new string[Values.Count];
        for (var i = 0; i < texts.Length; i++) texts[i] = Values[i].GetString();
        return string.Concat(texts);
    }

    public bool GetBoolean() => GetString() switch
    {
        "true" or "on" or "yes" => true,
        "false" or "off" or "no" => false,
        _ => throw new NotSupportedException("not one of true, false, on, off, yes, no"),
    };

    public byte GetByte() => byte.Parse(Scalar(), NumberFormatInfo.InvariantInfo);

    public int GetInt() => int.Parse(Scalar(), NumberFormatInfo.InvariantInfo);

    public long GetLong() => long.Parse(Scalar(), NumberFormatInfo.InvariantInfo);

    public float GetFloat() => float.Parse(Scalar(), NumberFormatInfo.InvariantInfo);

    public double GetDouble() => double.Parse(Scalar(), NumberFormatInfo.InvariantInfo);

    public decimal GetDecimal() => decimal.Parse(Scalar(), NumberFormatInfo.InvariantInfo);

    /// <summary>A size in bytes, null for an empty text.</summary>
    public long? GetByteSize()
    {
        var text = GetString();
        if (string.IsNullOrEmpty(text)) return null;
        var isNumber = HoconText.TrySplitNumber(text, out var number, out var unit);
        var factor = HoconText.BytesPerUnit(unit);
        if (!isNumber || factor == 0) throw new FormatException($"'{text}' is not a size such as 64 KiB, 1 MB or 1024");
        // A whole number keeps all its digits, which a double would not from 2^53 on.
        var digits = text.AsSpan().Trim()[..^unit.Length].TrimEnd();
        return long.TryParse(digits, NumberStyles.AllowLeadingSign, NumberFormatInfo.InvariantInfo, out var whole)
            ? checked(whole * factor)
            : checked((long)(number * factor));
    }

    public TimeSpan GetTimeSpan(bool allowInfinite = true)
    {
        var text = Scalar();
        if (allowInfinite && text.Equals("infinite", StringComparison.OrdinalIgnoreCase)) return Timeout.InfiniteTimeSpan;
        var isNumber = HoconText.TrySplitNumber(text, out var number, out var unit);
        var ticks = HoconText.TicksPerUnit(unit);
        if (!isNumber || ticks == 0) throw new FormatException($"'{text}' is not a duration such as 500 ms, 10s or 1 minute");
        if (number < 0) throw new FormatException($"'{text}' is negative, a duration must not be");
        var total = Math.Round(number * ticks);
        return total < long.MaxValue ? TimeSpan.FromTicks((long)total) : throw new FormatException($"'{text}' is too long for a duration");
    }

    public IList<bool> GetBooleanList() => List(static value => value.GetBoolean());

    public IList<byte> GetByteList() => List(static value => value.GetByte());

    public IList<int> GetIntList() => List(static value => value.GetInt());

    public IList<long> GetLongList() => List(static value => value.GetLong());

    public IList<float> GetFloatList() => List(static value => value.GetFloat());

    public IList<double> GetDoubleList() => List(static value => value.GetDouble());

    public IList<decimal> GetDecimalList() => List(static value => value.GetDecimal());

    public IList<string> GetStringList() => List(static value => value.GetString());

    public override string ToString() => ToString(0);

    public virtual string ToString(int indent)
    {
        if (GetObject() is { } child)
            return indent == 0 ? child.ToString(0) : $"{{\n{child.ToString(indent)}{new string(' ', (indent - 1) * 2)}}}";
        if (IsArray())
        {
            var items = GetArray();
            var texts = new string[items.Count];
            for (var i = 0; i < texts.Length; i++) texts[i] = items[i].ToString(indent + 1);
            return "[" + string.Join(", ", texts) + "]";
        }

        return GetString() is { } text ? HoconText.QuoteValue(text) : "null";
    }

    private string Scalar() => GetString() ?? throw new FormatException(
        IsObject() ? "an object, where one value is needed"
        : IsArray() ? "a list, where one value is needed" : "null, where a value is needed");

    private List<T> List<T>(Func<HoconValue, T> read)
    {
        var items = GetArray();
        var list = new List<T>(items.Count);
        foreach (var item in items) list.Add(read(item));
        return list;
    }
}

/// <summary>How far the substitutions of one value are resolved.</summary>
internal enum ResolveState : byte
{
    /// <summary>Parsed, no substitution of its own.</summary>
    Plain,

    /// <summary>Holds a substitution, or stands on a previous value that does.</summary>
    Deferred,

    /// <summary>Being resolved: who meets this state again went round in a circle.</summary>
    Resolving,

    /// <summary>An optional substitution without a value: the key is not there.</summary>
    Undefined,
}

using Akka.Configuration.Hocon;

namespace Akka.Configuration;

/// <summary>
/// An immutable tree of settings, read by dotted paths (<c>akka.actor."my.key"</c>). A missing path gives the caller's
/// default; a value of the wrong kind throws a <see cref="ConfigurationException"/> that names the path and the value.
/// </summary>
public class Config
{
    public static readonly Config Empty = ConfigurationFactory.Empty;

    public Config()
    {
    }

    public Config(HoconRoot root)
    {
        ArgumentNullException.ThrowIfNull(root);
        Root = root.Value ?? throw new ArgumentNullException(nameof(root), "The root has no value.");
    }

    public Config(Config source, Config fallback)
    {
        ArgumentNullException.ThrowIfNull(source);
        Root = source.WithFallback(fallback).Root;
    }

    public virtual bool IsEmpty => Root == null || Root.IsEmpty;

    /// <summary>The whole tree, fallbacks merged in.</summary>
    public HoconValue Root { get; }

    public virtual bool HasPath(string path) => GetNode(path) != null;

    /// <summary>The raw value at a path, or null.</summary>
    public HoconValue GetValue(string path) => GetNode(path);

    /// <summary>The subtree at a path, or null.</summary>
    public virtual Config GetConfig(string path) => GetNode(path)?.ToConfig();

    public virtual string GetString(string path, string @default = null) => GetNode(path) is { } value ? value.GetString() : @default;

    public virtual bool GetBoolean(string path, bool @default = false) => Read(path, static value => value.GetBoolean(), @default);

    public virtual int GetInt(string path, int @default = 0) => Read(path, static value => value.GetInt(), @default);

    public virtual long GetLong(string path, long @default = 0) => Read(path, static value => value.GetLong(), @default);

    public virtual float GetFloat(string path, float @default = 0) => Read(path, static value => value.GetFloat(), @default);

    public virtual double GetDouble(string path, double @default = 0) => Read(path, static value => value.GetDouble(), @default);

    public virtual decimal GetDecimal(string path, decimal @default = 0) => Read(path, static value => value.GetDecimal(), @default);

    /// <summary>A size in bytes: a number with a unit of 1024 (<c>64 KiB</c>, <c>1m</c>) or of 1000 (<c>64 kB</c>), or with none.</summary>
    public virtual long? GetByteSize(string path) => GetByteSize(path, null);

    public virtual long? GetByteSize(string path, long? def = null) => Read(path, static value => value.GetByteSize(), def);

    /// <summary>A duration: a number with a unit (<c>10s</c>, <c>1.5 minutes</c>), milliseconds without one, or <c>infinite</c>.</summary>
    public virtual TimeSpan GetTimeSpan(string path, TimeSpan? @default = null, bool allowInfinite = true) =>
        Read(path, value => value.GetTimeSpan(allowInfinite), @default.GetValueOrDefault());

    /// <summary>The strings at a path; an empty list when the path is missing.</summary>
    public virtual IList<string> GetStringList(string path) => Read<IList<string>>(path, static value => value.GetStringList(), null) ?? [];

    public virtual IList<string> GetStringList(string path, string[] defaultPaths) =>
        Read<IList<string>>(path, static value => value.GetStringList(), defaultPaths);

    public virtual IList<bool> GetBooleanList(string path) => ReadList(path, static value => value.GetBooleanList());

    public virtual IList<byte> GetByteList(string path) => ReadList(path, static value => value.GetByteList());

    public virtual IList<int> GetIntList(string path) => ReadList(path, static value => value.GetIntList());

    public virtual IList<long> GetLongList(string path) => ReadList(path, static value => value.GetLongList());

    public virtual IList<float> GetFloatList(string path) => ReadList(path, static value => value.GetFloatList());

    public virtual IList<double> GetDoubleList(string path) => ReadList(path, static value => value.GetDoubleList());

    public virtual IList<decimal> GetDecimalList(string path) => ReadList(path, static value => value.GetDecimalList());

    /// <summary>This one completed by <paramref name="fallback"/>: objects merge, for anything else this one's value wins.</summary>
    public virtual Config WithFallback(Config fallback)
    {
        if (ReferenceEquals(fallback, this)) throw new ArgumentException("Config can not have itself as fallback", nameof(fallback));
        if (fallback == null || fallback.IsEmpty) return this;
        if (IsEmpty) return fallback;
        if (Root.GetObject() is not { } mine || fallback.Root.GetObject() is not { } theirs) return this;
        return new Config(new HoconRoot(new HoconValue([theirs.MergeImmutable(mine)])));
    }

    /// <summary>The keys of the top level with their values.</summary>
    public virtual IEnumerable<KeyValuePair<string, HoconValue>> AsEnumerable() => Root?.GetObject() is { } root ? root.Items : [];

    /// <summary>The tree as HOCON that parses back to an equal tree.</summary>
    public override string ToString() => Root == null ? "" : Root.ToString();

    public string ToString(bool includeFallback) => ToString();

    public static Config operator +(Config config, string fallback) => config.WithFallback(ConfigurationFactory.ParseString(fallback));

    public static Config operator +(string configHocon, Config fallbackConfig) =>
        ConfigurationFactory.ParseString(configHocon).WithFallback(fallbackConfig);

    public static implicit operator Config(string str) => ConfigurationFactory.ParseString(str);

    private HoconValue GetNode(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var node = Root;
        var position = 0;
        while (node != null && position <= path.Length) node = node.GetChildObject(HoconPath.Next(path, ref position));
        return node;
    }

    private T Read<T>(string path, Func<HoconValue, T> read, T @default)
    {
        if (GetNode(path) is not { } value) return @default;
        try
        {
            return read(value);
        }
        catch (Exception e) when (e is FormatException or OverflowException or NotSupportedException)
        {
            throw new ConfigurationException($"{path} = {value.ToString(1)}: {e.Message}", e);
        }
    }

    private IList<T> ReadList<T>(string path, Func<HoconValue, IList<T>> read) =>
        Read(path, read, null) ?? throw new ConfigurationException($"{path} is missing, a list is needed");
}

public static class ConfigExtensions
{
    /// <summary><see cref="Config.WithFallback"/> that accepts null, or the same object, on either side.</summary>
    public static Config SafeWithFallback(this Config config, Config fallback) =>
        config == null ? fallback : ReferenceEquals(config, fallback) ? config : config.WithFallback(fallback);

    public static bool IsNullOrEmpty(this Config config) => config == null || config.IsEmpty;
}

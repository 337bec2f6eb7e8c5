using System.Globalization;

namespace Chronik.Metadata;

/// <summary>Values of configs: whether they fit their key, and what they say.</summary>
internal static class ConfigValues
{
    /// <summary>Why a value cannot be had for a key, naming both; null when it can.</summary>
    public static string? Refusal(ConfigKey key, string value)
    {
        bool fits = key.Type switch
        {
            ConfigType.Boolean => value.Trim().ToLowerInvariant() is "true" or "false",
            ConfigType.Int => int.TryParse(value.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _),
            ConfigType.Long => long.TryParse(value.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _),
            ConfigType.Double => double.TryParse(value.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                                 && double.IsFinite(number),
            _ => true,
        };
        string? reason = fits ? key.Check(value.Trim()) : $"expected a value of type {key.Type.ToString().ToUpperInvariant()}";
        return reason is null ? null : $"Invalid value '{value}' for configuration {key.Name}: {reason}";
    }

    public static bool Boolean(string value) => bool.Parse(value.Trim());

    public static int Int(string value) => int.Parse(value.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    public static long Long(string value) => long.Parse(value.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    public static double Double(string value) => double.Parse(value.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture);

    /// <summary>The items of a list, without the blanks around them and without empty ones.</summary>
    public static string[] List(string value) =>
        value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>A check that a whole number is not below <paramref name="min"/>, nor above <paramref name="max"/>.</summary>
    public static Func<string, string?> Range(long min, long max = long.MaxValue) => value =>
    {
        long number = Long(value);
        if (number < min) return $"must be at least {min}";
        return number > max ? $"must be at most {max}" : null;
    };

    /// <summary>A check that text is one of <paramref name="allowed"/>.</summary>
    public static Func<string, string?> OneOf(params string[] allowed) =>
        value => allowed.Contains(value) ? null : $"must be one of {string.Join(", ", allowed)}";
}

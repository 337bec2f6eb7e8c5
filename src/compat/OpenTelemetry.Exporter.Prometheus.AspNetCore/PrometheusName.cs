using System.Text;
using OpenTelemetry.Metrics;

namespace OpenTelemetry.Exporter.Prometheus;

/// <summary>How an instrument's name and unit become a Prometheus name, after the OpenTelemetry compatibility specification.</summary>
internal static class PrometheusName
{
    /// <summary>The metric's name, with its unit and, for a counter, the suffix "_total".</summary>
    public static string Of(Metric metric, bool totalSuffix)
    {
        var name = Sanitise(metric.Name);
        var counter = IsCounter(metric.MetricType);
        if (counter && totalSuffix && name.EndsWith("_total", StringComparison.Ordinal))
        {
            name = name[..^"_total".Length];
        }

        var unit = Unit(metric.Unit ?? string.Empty, metric.MetricType.IsGauge());
        if (unit.Length > 0 && name != unit && !name.EndsWith("_" + unit, StringComparison.Ordinal))
        {
            name = $"{name}_{unit}";
        }

        return counter && totalSuffix ? name + "_total" : name;
    }

    public static bool IsCounter(MetricType type) => type is MetricType.LongSum or MetricType.DoubleSum;

    /// <summary>Letters, digits, colons and underscores; what else there is becomes one underscore, also several in a row.</summary>
    public static string Sanitise(string name)
    {
        var text = new StringBuilder(name.Length + 1);
        foreach (var c in name)
        {
            if (char.IsAsciiLetterOrDigit(c) || c == ':')
            {
                if (text.Length == 0 && char.IsAsciiDigit(c))
                {
                    text.Append('_');
                }

                text.Append(c);
            }
            else if (text.Length == 0 || text[^1] != '_')
            {
                text.Append('_');
            }
        }

        return text.ToString();
    }

    /// <summary>A label's name: as a metric's, but a colon is not allowed and underscores in a row are kept.</summary>
    public static string SanitiseLabel(string name)
    {
        var text = new StringBuilder(name.Length + 1);
        if (name.Length == 0 || char.IsAsciiDigit(name[0]))
        {
            text.Append('_');
        }

        foreach (var c in name)
        {
            text.Append(char.IsAsciiLetterOrDigit(c) ? c : '_');
        }

        return text.ToString();
    }

    /// <summary>The word for a UCUM unit: "By/s" is bytes_per_second; annotations in braces are left out.</summary>
    private static string Unit(string unit, bool gauge)
    {
        var bare = StripAnnotations(unit);
        if (bare == "1")
        {
            return gauge ? "ratio" : string.Empty;
        }

        var slash = bare.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
        {
            return Sanitise(Word(bare)).Trim('_');
        }

        var numerator = Sanitise(Word(bare[..slash])).Trim('_');
        var denominator = Sanitise(PerWord(bare[(slash + 1)..])).Trim('_');
        return denominator.Length == 0 ? numerator : numerator.Length == 0 ? "per_" + denominator : $"{numerator}_per_{denominator}";
    }

    private static string StripAnnotations(string unit)
    {
        for (var open = unit.IndexOf('{', StringComparison.Ordinal); open >= 0; open = unit.IndexOf('{', StringComparison.Ordinal))
        {
            var close = unit.IndexOf('}', open);
            if (close < 0)
            {
                break;
            }

            unit = unit.Remove(open, close - open + 1);
        }

        return unit;
    }

    private static string Word(string unit) => unit switch
    {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        _ => unit,
    };

    private static string PerWord(string unit) => unit switch
    {
        "s" => "second",
        "min" => "minute",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => Word(unit),
    };
}

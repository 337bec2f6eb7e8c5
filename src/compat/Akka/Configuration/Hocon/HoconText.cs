using System.Globalization;
using System.Text;

namespace Akka.Configuration.Hocon;

/// <summary>Splits dotted paths; a quoted segment may contain dots.</summary>
internal static class HoconPath
{
    /// <summary>The segment at <paramref name="position"/>, which moves behind the next dot; past the end after the last one.</summary>
    public static string Next(string path, ref int position)
    {
        var start = position;
        var quotes = 0;
        while (position < path.Length && (path[position] != '.' || quotes % 2 == 1))
        {
            if (path[position] == '"') quotes++;
            position++;
        }

        var segment = path[start..position];
        position++;
        return quotes == 0 ? segment : segment.Replace("\"", "");
    }
}

/// <summary>How keys, strings, durations and sizes are written.</summary>
internal static class HoconText
{
    /// <summary>Whether a character ends an unquoted key or value; a key also ends at a dot.</summary>
    public static bool IsReserved(char c) => c is '$' or '"' or '{' or '}' or '[' or ']' or ':' or '=' or ',' or '#'
        or '`' or '^' or '?' or '!' or '@' or '*' or '&' or '\\';

    public static string QuoteKey(string key) => IsPlain(key, isKey: true) ? key : Quote(key);

    public static string QuoteValue(string value) =>
        value is not ("null" or "include") && IsPlain(value, isKey: false) ? value : Quote(value);

    /// <summary>Splits "10 seconds" into 10 and its unit; false when it does not begin with a number.</summary>
    public static bool TrySplitNumber(string text, out double number, out ReadOnlySpan<char> unit)
    {
        var span = text.AsSpan().Trim();
        var end = 0;
        while (end < span.Length && (char.IsAsciiDigit(span[end]) || span[end] is '.' or '-' or '+')) end++;
        unit = span[end..].TrimStart();
        return double.TryParse(span[..end], NumberStyles.Float, NumberFormatInfo.InvariantInfo, out number);
    }

    /// <summary>The number of ticks (100 ns) in a unit of time, or 0 for an unknown unit.</summary>
    public static double TicksPerUnit(ReadOnlySpan<char> unit) => unit switch
    {
        "ns" or "nano" or "nanos" or "nanosecond" or "nanoseconds" => 0.01,
        "us" or "micro" or "micros" or "microsecond" or "microseconds" => 10,
        "" or "ms" or "milli" or "millis" or "millisecond" or "milliseconds" => TimeSpan.TicksPerMillisecond,
        "s" or "second" or "seconds" => TimeSpan.TicksPerSecond,
        "m" or "minute" or "minutes" => TimeSpan.TicksPerMinute,
        "h" or "hour" or "hours" => TimeSpan.TicksPerHour,
        "d" or "day" or "days" => TimeSpan.TicksPerDay,
        _ => 0,
    };

    /// <summary>The number of bytes in a unit of size, or 0 for an unknown unit.</summary>
    public static long BytesPerUnit(ReadOnlySpan<char> unit) => unit switch
    {
        "" or "b" or "B" or "byte" or "bytes" => 1,
        "kB" or "kilobyte" or "kilobytes" => 1000,
        "MB" or "megabyte" or "megabytes" => 1000_000,
        "GB" or "gigabyte" or "gigabytes" => 1000_000_000,
        "TB" or "terabyte" or "terabytes" => 1000_000_000_000,
        "PB" or "petabyte" or "petabytes" => 1000_000_000_000_000,
        "EB" or "exabyte" or "exabytes" => 1000_000_000_000_000_000,
        "k" or "K" or "Ki" or "KiB" or "kibibyte" or "kibibytes" => 1L << 10,
        "m" or "M" or "Mi" or "MiB" or "mebibyte" or "mebibytes" => 1L << 20,
        "g" or "G" or "Gi" or "GiB" or "gibibyte" or "gibibytes" => 1L << 30,
        "t" or "T" or "Ti" or "TiB" or "tebibyte" or "tebibytes" => 1L << 40,
        "p" or "P" or "Pi" or "PiB" or "pebibyte" or "pebibytes" => 1L << 50,
        "e" or "E" or "Ei" or "EiB" or "exbibyte" or "exbibytes" => 1L << 60,
        _ => 0,
    };

    private static bool IsPlain(string text, bool isKey)
    {
        if (text.Length == 0 || char.IsWhiteSpace(text[0]) || char.IsWhiteSpace(text[^1]) || text.Contains("//")) return false;
        foreach (var c in text)
        {
            if (char.IsControl(c) || IsReserved(c) || c == '+' || (isKey && (c == '.' || char.IsWhiteSpace(c)))) return false;
        }

        return true;
    }

    private static string Quote(string text)
    {
        var quoted = new StringBuilder("\"", text.Length + 2);
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                < ' ' => quoted.Append($"\\u{(int)c:x4}"),
                _ => quoted.Append(c),
            };
        }

        return quoted.Append('"').ToString();
    }
}

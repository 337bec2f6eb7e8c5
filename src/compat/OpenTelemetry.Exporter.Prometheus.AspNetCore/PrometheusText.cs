using System.Buffers;
using System.Globalization;
using System.Text;
using OpenTelemetry.Metrics;

namespace OpenTelemetry.Exporter.Prometheus;

/// <summary>
/// Writes metrics in the Prometheus text format 0.0.4. All samples of one name stand together under one HELP and TYPE,
/// whichever meters they come from, as the format demands; a second type for a name that has one is left out.
/// </summary>
internal sealed class PrometheusText(bool totalSuffix)
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly Dictionary<Metric, Family> _families = new(ReferenceEqualityComparer.Instance);
    private readonly List<(Family Family, Metric Metric)> _metrics = [];

    /// <summary>What is written before a metric's samples. Names are worked out once, not at every scrape.</summary>
    private sealed record Family(string Name, string Type, string Help, string ScopeLabels);

    public void Write(in Batch<Metric> batch, IBufferWriter<byte> target)
    {
        _metrics.Clear();
        foreach (var metric in batch)
        {
            if (!_families.TryGetValue(metric, out var family))
            {
                _families[metric] = family = Describe(metric);
            }

            _metrics.Add((family, metric));
        }

        foreach (var group in _metrics.GroupBy(m => m.Family.Name, StringComparer.Ordinal))
        {
            var type = group.First().Family.Type;
            var headed = false;
            foreach (var (family, metric) in group)
            {
                if (type.Length == 0 || family.Type != type)
                {
                    continue;
                }

                if (!headed)
                {
                    headed = true;
                    WriteHead(target, family);
                }

                foreach (ref readonly var point in metric.GetMetricPoints())
                {
                    WritePoint(target, family, metric.MetricType, in point);
                }
            }
        }
    }

    private Family Describe(Metric metric)
    {
        var type = metric.MetricType switch
        {
            MetricType.LongSum or MetricType.DoubleSum => "counter",
            MetricType.Histogram => "histogram",
            // The text format has no exponential buckets.
            MetricType.ExponentialHistogram => string.Empty,
            _ => "gauge",
        };
        var scope = new StringBuilder();
        AppendLabel(scope, "otel_scope_name", metric.MeterName);
        if (!string.IsNullOrEmpty(metric.MeterVersion))
        {
            AppendLabel(scope, "otel_scope_version", metric.MeterVersion);
        }

        foreach (var tag in metric.MeterTags ?? [])
        {
            AppendLabel(scope, "otel_scope_" + PrometheusName.SanitiseLabel(tag.Key), Text(tag.Value));
        }

        var help = (metric.Description ?? string.Empty)
            .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return new Family(PrometheusName.Of(metric, totalSuffix), type, help, scope.ToString());
    }

    private static void WriteHead(IBufferWriter<byte> target, Family family)
    {
        if (family.Help.Length > 0)
        {
            Put(target, $"# HELP {family.Name} {family.Help}\n");
        }

        Put(target, $"# TYPE {family.Name} {family.Type}\n");
    }

    private static void WritePoint(IBufferWriter<byte> target, Family family, MetricType type, in MetricPoint point)
    {
        var labels = Labels(family, in point);
        switch (type)
        {
            case MetricType.LongSum or MetricType.LongSumNonMonotonic:
                Put(target, $"{family.Name}{{{labels}}} {point.GetSumLong()}\n");
                break;
            case MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic:
                Put(target, $"{family.Name}{{{labels}}} {Text(point.GetSumDouble())}\n");
                break;
            case MetricType.LongGauge:
                Put(target, $"{family.Name}{{{labels}}} {point.GetGaugeLastValueLong()}\n");
                break;
            case MetricType.DoubleGauge:
                Put(target, $"{family.Name}{{{labels}}} {Text(point.GetGaugeLastValueDouble())}\n");
                break;
            case MetricType.Histogram:
                long count = 0;
                foreach (var bucket in point.GetHistogramBuckets())
                {
                    count += bucket.BucketCount;
                    Put(target, $"{family.Name}_bucket{{{labels},le=\"{Text(bucket.ExplicitBound)}\"}} {count}\n");
                }

                Put(target, $"{family.Name}_sum{{{labels}}} {Text(point.GetHistogramSum())}\n");
                Put(target, $"{family.Name}_count{{{labels}}} {point.GetHistogramCount()}\n");
                break;
        }
    }

    private static string Labels(Family family, in MetricPoint point)
    {
        var text = new StringBuilder(family.ScopeLabels);
        foreach (var tag in point.Tags)
        {
            AppendLabel(text, PrometheusName.SanitiseLabel(tag.Key), Text(tag.Value));
        }

        return text.ToString();
    }

    private static void AppendLabel(StringBuilder text, string name, string value)
    {
        text.Append(text.Length == 0 ? string.Empty : ",").Append(name).Append("=\"");
        foreach (var c in value)
        {
            _ = c switch
            {
                '\\' => text.Append("\\\\"),
                '"' => text.Append("\\\""),
                '\n' => text.Append("\\n"),
                _ => text.Append(c),
            };
        }

        text.Append('"');
    }

    private static string Text(object? value) => value switch
    {
        null => string.Empty,
        bool flag => flag ? "true" : "false",
        double number => Text(number),
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? string.Empty,
    };

    private static string Text(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ when double.IsNaN(value) => "NaN",
        _ => value.ToString(CultureInfo.InvariantCulture),
    };

    private static void Put(IBufferWriter<byte> target, FormattableString text) =>
        Encoding.UTF8.GetBytes(FormattableString.Invariant(text), target);
}

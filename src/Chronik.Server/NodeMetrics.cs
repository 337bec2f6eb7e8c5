using System.Diagnostics.Metrics;
using Chronik.Model;
using Chronik.Partitions;

namespace Chronik.Server;

/// <summary>What the node as a whole measures, under the meter <c>Chronik.Node</c>. Observed only when somebody scrapes.</summary>
internal sealed class NodeMetrics : IDisposable
{
    private readonly Meter _meter = new("Chronik.Node");

    public NodeMetrics(Func<ChronikNode?> node, BufferPool buffers)
    {
        _meter.CreateObservableGauge(
            "chronik.partitions", () => node()?.Progress.All ?? 0, "{partition}", "Replicas that live on this node.");
        _meter.CreateObservableGauge(
            "chronik.partitions.leading", () => node()?.Progress.Leading ?? 0, "{partition}", "Replicas of this node that lead.");
        _meter.CreateObservableGauge(
            "chronik.buffers.lent", () => buffers.LentBytes, "By", "Pooled buffers that are in use.");
        _meter.CreateObservableGauge(
            "chronik.buffers.kept", () => buffers.KeptBytes, "By", "Pooled buffers that wait for the next use.");
    }

    public void Dispose() => _meter.Dispose();
}

using System.Diagnostics.Metrics;

namespace Chronik.Model;

/// <summary>
/// The meters of one node. A process may host several nodes, whose meters have the same names: who collects for one of them asks here which
/// instruments are its own. Otherwise their figures would be added up, and those of all would end with the first node that stops.
/// </summary>
public sealed class NodeMeters
{
    /// <summary>Makes a meter of this node. Whoever asks for it disposes it.</summary>
    /// <param name="name">Its name, the same on every node.</param>
    public Meter Create(string name) => new(new MeterOptions(name) { Scope = this });

    /// <summary>Whether an instrument belongs to a meter of this node.</summary>
    public bool Owns(Instrument instrument) => ReferenceEquals(instrument.Meter.Scope, this);
}

using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// When a damaged replica may be given up: each voter of a group has turns of its own, by the clock on the wall. Two nodes that both hold
/// damage, and both see everybody else in sync, do not go at once. After a turn comes a pause of six times the time that a replica may
/// lag, within which whoever leads has noticed that one is gone, and the others have heard so. Holds while clocks differ by less than
/// about two thirds of that pause.
/// </summary>
internal static class DamageTurn
{
    private const int Parts = 4; // Of a voter's time: one for its turn, the others for the pause.

    /// <summary>How long a turn lasts: long enough for a leader to hand over in it, and the next one to know who is in sync.</summary>
    public static TimeSpan Length(TimeSpan lagMax) => TimeSpan.FromMilliseconds(2 * Math.Max(1, (long)lagMax.TotalMilliseconds));

    /// <summary>How long until a voter's turn; zero during it, and for whoever has no vote.</summary>
    /// <param name="nowMs">Milliseconds since 1970.</param>
    /// <param name="voters">The voters of the group, in any order.</param>
    /// <param name="self">Who asks.</param>
    /// <param name="lagMax">How long a replica may be without the whole log before it is not in sync.</param>
    public static TimeSpan Wait(long nowMs, ImmutableArray<NodeId> voters, NodeId self, TimeSpan lagMax)
    {
        if (!voters.Contains(self)) return TimeSpan.Zero;
        long turn = (long)Length(lagMax).TotalMilliseconds;
        long begins = voters.Count(node => node.Value < self.Value) * Parts * turn;
        long round = voters.Length * Parts * turn;
        long into = (nowMs - begins) % round;
        return into < turn ? TimeSpan.Zero : TimeSpan.FromMilliseconds(round - into);
    }
}

using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>Chooses who votes on the metadata's own log.</summary>
public static class MetadataVoters
{
    private const int Few = 3;
    private const int Many = 5; // Of a cluster that was formed of so many, or more.

    /// <summary>The voters to be: the same, in the same order, unless something has to change.</summary>
    /// <param name="image">The metadata.</param>
    /// <param name="voters">The present voters, at least one.</param>
    /// <param name="formedOf">How many nodes formed the cluster.</param>
    /// <param name="isReachable">Whether a broker can be reached at this moment.</param>
    /// <returns>
    /// At least one. Never fewer than before but for those that are forgotten, or leave while nobody can take their place.
    /// </returns>
    public static ImmutableArray<NodeId> Choose(
        MetadataImage image, ImmutableArray<NodeId> voters, int formedOf, Func<NodeId, bool> isReachable)
    {
        Queue<NodeId> spare = new(image.Brokers.Values
            .Where(broker => broker.IsOpen && !voters.Contains(broker.Id) && isReachable(broker.Id))
            .Select(broker => broker.Id)
            .OrderBy(id => id.Value));
        List<NodeId> chosen = [];
        List<NodeId> irreplaceable = [];
        foreach (NodeId voter in voters)
        {
            bool isForgotten = image.Unregistered.Contains(voter);
            bool leaves = isForgotten || image.Brokers.GetValueOrDefault(voter) is { IsLeaving: true };
            if (leaves && spare.TryDequeue(out NodeId other)) chosen.Add(other);
            else if (!leaves) chosen.Add(voter);
            else if (!isForgotten) irreplaceable.Add(voter);
        }

        if (chosen.Count == 0) chosen = irreplaceable; // Somebody has to vote, and waits for another to come.
        if (chosen.Count == 0) return voters;
        int live = image.Brokers.Values.Count(broker => broker.IsLive);
        int size = Math.Min(formedOf >= Many ? Many : Few, live % 2 == 0 ? live - 1 : live);
        int added = Math.Min(size - chosen.Count, spare.Count);
        if ((chosen.Count + added) % 2 == 0) added--; // An even number survives no more than one fewer.
        for (int i = 0; i < added; i++) chosen.Add(spare.Dequeue());
        return [.. chosen];
    }
}

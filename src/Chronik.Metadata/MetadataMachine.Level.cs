using Chronik.Model;

namespace Chronik.Metadata;

/// <content>The level of the cluster.</content>
public static partial class MetadataMachine
{
    /// <summary>
    /// Every broker that ever registered counts, whether it is live or not: one that comes back must be able to read what was written.
    /// </summary>
    private static ItemResult Raise(Draft draft, ChangeLevel change)
    {
        int current = draft.Image.Level;
        if (change.Level < FeatureLevel.Oldest || change.Level > FeatureLevel.Newest)
            return Invalid($"The controller speaks {ProtocolVersions.Current}.");
        if (change.Level < current)
            return Invalid($"The cluster is at {current}, and what was written since only brokers that speak {current} can read.");
        List<string> lacking =
        [
            .. draft.Image.Brokers.Values
                .Where(broker => !broker.Protocol.Includes(change.Level))
                .OrderBy(broker => broker.Id.Value)
                .Select(broker => $"broker {broker.Id} speaks {broker.Protocol}"),
        ];
        if (lacking.Count > 0) return Invalid($"It is not spoken by every registered broker: {string.Join(", ", lacking)}.");
        if (change.Level > current) draft.Add(new LevelChanged(change.Level));
        return new ItemResult(KafkaError.None, null);

        ItemResult Invalid(string reason) => new(
            KafkaError.InvalidUpdateVersion, $"Invalid update version {change.Level} for feature {FeatureLevel.Name}. {reason}");
    }
}

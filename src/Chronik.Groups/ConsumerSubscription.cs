using System.Buffers.Binary;
using System.Text;

namespace Chronik.Groups;

/// <summary>
/// Looks into what a consumer tells its leader, as far as the coordinator must: which topics it reads. Every version of the subscription
/// begins with an int16 version and an array of topic names, so newer versions need no change here.
/// </summary>
internal static class ConsumerSubscription
{
    public const string ProtocolType = "consumer";

    /// <summary>Adds the topics of a subscription; false when it is not one.</summary>
    public static bool TryReadTopics(ReadOnlySpan<byte> subscription, HashSet<string> topics)
    {
        if (subscription.Length < 6 || BinaryPrimitives.ReadInt16BigEndian(subscription) < 0) return false;
        int count = BinaryPrimitives.ReadInt32BigEndian(subscription[2..]);
        ReadOnlySpan<byte> rest = subscription[6..];
        for (int i = 0; i < count; i++)
        {
            if (rest.Length < 2) return false;
            int length = BinaryPrimitives.ReadInt16BigEndian(rest);
            if (length < 0 || length > rest.Length - 2) return false;
            topics.Add(Encoding.UTF8.GetString(rest.Slice(2, length)));
            rest = rest[(2 + length)..];
        }

        return count >= 0;
    }
}

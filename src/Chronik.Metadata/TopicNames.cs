namespace Chronik.Metadata;

/// <summary>What a topic may be called.</summary>
public static class TopicNames
{
    /// <summary>Where group offsets live.</summary>
    public const string ConsumerOffsets = "__consumer_offsets";

    /// <summary>Where transactions live.</summary>
    public const string TransactionState = "__transaction_state";

    /// <summary>Where the cluster's metadata lives. Not in the image: every node knows it.</summary>
    public const string ClusterMetadata = "__cluster_metadata";

    /// <summary>How long a name may be.</summary>
    public const int MaxLength = 249;

    /// <summary>Whether a topic belongs to the broker.</summary>
    public static bool IsInternal(string name) => name is ConsumerOffsets or TransactionState or ClusterMetadata;

    /// <summary>Why a topic cannot have this name; null when it can.</summary>
    public static string? Refusal(string? name)
    {
        if (string.IsNullOrEmpty(name)) return "Topic name is invalid: the empty string is not allowed";
        if (name is "." or "..") return "Topic name is invalid: '.' and '..' are not allowed";
        if (name.Length > MaxLength) return $"Topic name is invalid: {name.Length} characters are more than the {MaxLength} allowed";
        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-'))
                return $"Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
        }

        return null;
    }
}

using Chronik.Model;

namespace Chronik.Raft;

/// <summary>How a leader sends to a peer.</summary>
public enum ReplicationState : byte
{
    /// <summary>One message at a time, to find where the logs agree.</summary>
    Probe = 0,

    /// <summary>Messages follow one another without waiting for replies, within the window.</summary>
    Replicate = 1,

    /// <summary>The peer needs a snapshot; nothing else is sent.</summary>
    Snapshot = 2,
}

/// <summary>What a leader knows of another member at this moment.</summary>
/// <param name="Match">The last entry that it is known to hold durably.</param>
/// <param name="NextOffset">The log end offset that it last reported.</param>
/// <param name="State">How it is sent to.</param>
/// <param name="IsLost">Whether its node cannot be reached.</param>
/// <param name="IsRecovering">Whether it lost its disk and counts for nothing yet.</param>
/// <param name="SilentTicks">How many ticks ago the latest round of contact began that it answered.</param>
public readonly record struct PeerProgress(
    LogIndex Match, KafkaOffset NextOffset, ReplicationState State, bool IsLost, bool IsRecovering, long SilentTicks);

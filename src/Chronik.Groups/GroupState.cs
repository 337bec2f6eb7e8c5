namespace Chronik.Groups;

/// <summary>The states of a classic group, as Kafka names them.</summary>
public enum GroupState
{
    /// <summary>No members; at most offsets.</summary>
    Empty,

    /// <summary>Waiting for the members to join again.</summary>
    PreparingRebalance,

    /// <summary>All have joined; waiting for the leader's assignment to be in the log.</summary>
    CompletingRebalance,

    /// <summary>Every member has its assignment.</summary>
    Stable,

    /// <summary>About to be deleted; gone once its tombstone is in the log.</summary>
    Dead,
}

namespace Chronik.Partitions;

/// <summary>What a replica that does not lead shows to consumers (KIP-392 lets them ask it).</summary>
public enum FollowerReadPolicy
{
    /// <summary>
    /// Linearizable: it asks the leader how far the log is committed, waits until it has applied that, and answers then. What was
    /// acknowledged before the read began is seen. Where nobody can confirm it the answer is empty, never old.
    /// </summary>
    Safe,

    /// <summary>What it knows to be committed, without asking: never wrong, maybe old.</summary>
    Unsafe,

    /// <summary>Nothing: consumers are sent to the leader.</summary>
    None,
}

/// <summary>Waits until a replica may be read.</summary>
public interface IReadSink
{
    /// <summary>
    /// The answer to <see cref="Partition.ConfirmRead"/>; given once at most, and never when the node stops. Any thread: it must only
    /// hand over.
    /// </summary>
    /// <param name="isCurrent">
    /// Whether the view published by now holds everything that was committed when the question was asked; false when nobody could
    /// confirm that in time, or the replica is gone.
    /// </param>
    void Confirmed(bool isCurrent);
}

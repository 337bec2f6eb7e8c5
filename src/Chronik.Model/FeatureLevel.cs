namespace Chronik.Model;

/// <summary>
/// The levels of what nodes say to each other and write down. A cluster is at one of them (the feature <see cref="Name"/> of KIP-584): what
/// its metadata and files hold, every node of that level reads. Two nodes speak the highest level that both know.
/// </summary>
/// <remarks>
/// A new record, message or file format belongs to the newest level. Below that level nobody writes it, everybody goes on writing what the
/// level before has, and a reader takes every level from <see cref="Oldest"/> on. docs/formats.md lists what belongs to which.
/// </remarks>
public static class FeatureLevel
{
    /// <summary>The name of the feature, as clients and operators see it.</summary>
    public const string Name = "chronik.level";

    /// <summary>The oldest level that this version reads and can write: topics, replication, groups, forming.</summary>
    public const int Oldest = 1;

    /// <summary>
    /// Level 2, a cluster that can be operated: in-sync replicas, reassignments, draining and the level itself are records of the metadata,
    /// brokers can be unregistered, replicas answer for their leaders, and the transfer of snapshots resumes.
    /// </summary>
    public const int Operable = 2;

    /// <summary>The newest level that this version speaks.</summary>
    public const int Newest = Operable;
}

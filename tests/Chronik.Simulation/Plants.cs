using Chronik.Raft;

namespace Chronik.Simulation;

/// <summary>Mistakes of a shell that a test makes on purpose, as <see cref="PlantedFault"/> holds those of the core.</summary>
internal enum ShellFault
{
    /// <summary>None.</summary>
    None,

    /// <summary>What the core wants durable is written and not synced, and reported as durable.</summary>
    SkipSync,

    /// <summary>Producers are answered when their records were appended, not when they are committed.</summary>
    AnswerBeforeCommit,

    /// <summary>A node that was wiped forgets, when it restarts, that it has not been repaired yet.</summary>
    ForgetRecovering,

    /// <summary>A process that stood still does not count the ticks that it missed, so its leases seem to go on.</summary>
    ForgetMissedTicks,

    /// <summary>Reads are answered before everything up to their index is applied.</summary>
    ReadBeforeApplied,

    /// <summary>A leader changes its members, and says that they are those that are wanted, before its term is recorded.</summary>
    ChangeUnconfirmed,

    /// <summary>A leader lets nodes vote that have not heard of the move yet.</summary>
    AdmitUninformed,
}

/// <summary>A planted fault by the name that the command line and the documentation know it by.</summary>
internal sealed record Plant(string Name, PlantedFault Core, ShellFault Shell)
{
    public static readonly Plant None = new("none", PlantedFault.None, ShellFault.None);

    public static readonly IReadOnlyList<Plant> All =
    [
        .. Enum.GetValues<PlantedFault>().Where(fault => fault != PlantedFault.None)
            .Select(fault => new Plant(fault.ToString(), fault, ShellFault.None)),
        .. Enum.GetValues<ShellFault>().Where(fault => fault != ShellFault.None)
            .Select(fault => new Plant(fault.ToString(), PlantedFault.None, fault)),
    ];

    public static Plant? Find(string name) => All.FirstOrDefault(plant => plant.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}

using Chronik.Model;

namespace Chronik.Simulation;

/// <summary>
/// Everything that makes one run different from another, drawn from its seed. Times are in microseconds of virtual time; a fault whose
/// interval is 0 does not happen.
/// </summary>
internal sealed record Parameters
{
    public required ulong Seed { get; init; }

    public int Nodes { get; init; } = 3;

    /// <summary>Partitions beside the metadata group, which every run has.</summary>
    public int Partitions { get; init; } = 2;

    /// <summary>How many nodes vote in each partition's group at first; the metadata group has all of them.</summary>
    public int Replicas { get; init; } = 3;

    public long TickMicros { get; init; } = 50_000;

    public int ElectionTicks { get; init; } = 10;

    public int HeartbeatTicks { get; init; } = 2;

    public int MessageBytes { get; init; } = 64 << 10;

    public int InflightMessages { get; init; } = 32;

    /// <summary>Clocks run up to this much slower or faster than real time.</summary>
    public double Skew { get; init; }

    /// <summary>For how long leaders grant reads without asking; 0: they always ask. See <see cref="LongestLease"/>.</summary>
    public int LeaseTicks { get; init; }

    /// <summary>
    /// The longest lease that is safe with these clocks: it must end, by the slowest clock, before the fastest one lets its voter vote for
    /// somebody else, which it may do a tick early as it hears from the leader between two ticks.
    /// </summary>
    public int LongestLease => (int)((ElectionTicks - 1) * (1 - Skew) / (1 + Skew));

    /// <summary>How long faults and clients go on.</summary>
    public long Duration { get; init; } = 20_000_000;

    // The network.
    public long DelayMin { get; init; } = 200;

    public long DelayMax { get; init; } = 1_000;

    public double Loss { get; init; }

    public double Duplication { get; init; }

    /// <summary>Whether messages between two nodes overtake each other.</summary>
    public bool Reorders { get; init; }

    /// <summary>Whether the peers of a process that died learn of it at once, as they do when its connections are closed.</summary>
    public bool NoticesDeath { get; init; }

    // Disks.
    public long DiskMin { get; init; } = 100;

    public long DiskMax { get; init; } = 1_000;

    public int WalFileBytes { get; init; } = 64 << 10;

    public int WalFillAheadBytes { get; init; }

    public int CheckpointBytes { get; init; } = 4 << 10;

    public int SegmentBytes { get; init; } = 16 << 10;

    /// <summary>The batches of one message of a snapshot.</summary>
    public int ChunkBytes { get; init; } = 16 << 10;

    /// <summary>How many such messages may be on their way.</summary>
    public int ChunksUnderWay { get; init; } = 2;

    /// <summary>How long a follower may be without its leader's log and count as in sync.</summary>
    public long InSyncMicros { get; init; } = 3_000_000;

    // Metadata.

    /// <summary>The level that the cluster is formed at, and the newest that its nodes speak at first.</summary>
    public int Level { get; init; } = FeatureLevel.Newest;

    /// <summary>
    /// Whether a node has the replicas that the metadata place on it and no others, as in production. Otherwise each node has one of every
    /// group, and the members of every group change at will.
    /// </summary>
    public bool IsPlaced { get; init; }

    /// <summary>How often a node begins to follow the metadata later than it has them, and by how much at most.</summary>
    public long LagEvery { get; init; }

    public long LagMax { get; init; } = 5_000_000;

    // Clients.
    public long ProduceEvery { get; init; } = 20_000;

    /// <summary>How often an idempotent producer sends something, again or for the first time; each partition has one of them.</summary>
    public long IdempotentEvery { get; init; }

    public int RecordsMax { get; init; } = 4;

    public int ValueBytesMax { get; init; } = 100;

    public long ReadEvery { get; init; } = 50_000;

    public long CommandEvery { get; init; } = 500_000;

    /// <summary>How long clients rest between bursts, so that groups may fall asleep; 0: never.</summary>
    public long RestMax { get; init; }

    // Faults, by the mean time between two of a kind.
    public long PowerLossEvery { get; init; }

    public long KillEvery { get; init; }

    public long TornWriteEvery { get; init; }

    public long FailedSyncEvery { get; init; }

    public long BitFlipEvery { get; init; }

    public long WipeEvery { get; init; }

    public long CrashAllEvery { get; init; }

    public long PartitionEvery { get; init; }

    public long PauseEvery { get; init; }

    public long MembershipEvery { get; init; }

    public long TransferEvery { get; init; }

    public long CheckpointEvery { get; init; }

    /// <summary>How often a node hands over what it leads, and stops.</summary>
    public long HandOverEvery { get; init; }

    /// <summary>How often an operator moves a partition to other nodes, or takes a move back.</summary>
    public long MoveEvery { get; init; }

    /// <summary>How likely a node crashes right after it has voted, and is back before the election is over.</summary>
    public double VoterCrashes { get; init; }

    public long DownMax { get; init; } = 3_000_000;

    public long PartitionMax { get; init; } = 4_000_000;

    public long PauseMax { get; init; } = 3_000_000;

    /// <summary>A node's storage is given up after this long without progress when everything is well; a bound of virtual time.</summary>
    public long ProgressWithin { get; init; } = 120_000_000;

    /// <summary>A cluster with nothing wrong and no clients, for scenarios that bring their own.</summary>
    public static Parameters Calm(ulong seed, int nodes = 3, int partitions = 1) => new()
    {
        Seed = seed,
        Nodes = nodes,
        Partitions = partitions,
        Replicas = nodes,
        ProduceEvery = 0,
        ReadEvery = 0,
        CommandEvery = 0,
    };

    /// <summary>Draws a run. Each kind of fault is absent from some runs, so that no kind hides what another would show.</summary>
    public static Parameters Draw(ulong seed)
    {
        SimRandom random = new(seed);
        int nodes = random.Chance(0.6) ? 3 : 5;
        long delayMin = random.Logarithmic(50, 5_000);
        long diskMin = random.Logarithmic(50, 2_000);
        bool quiet = random.Chance(0.25);
        var drawn = new Parameters
        {
            Seed = seed,
            Nodes = nodes,
            Partitions = (int)random.Between(1, 3),
            Replicas = 3,
            ElectionTicks = (int)random.Between(5, 15),
            HeartbeatTicks = (int)random.Between(1, 3),
            MessageBytes = (int)random.Logarithmic(200, 64 << 10),
            InflightMessages = (int)random.Between(1, 32),
            Skew = random.Chance(0.5) ? random.Unit() * 0.4 : 0,
            Duration = random.Between(5_000_000, 30_000_000),
            DelayMin = delayMin,
            DelayMax = delayMin + random.Logarithmic(100, 60_000),
            Loss = random.Chance(0.6) ? random.Unit() * 0.1 : 0,
            Duplication = random.Chance(0.5) ? random.Unit() * 0.05 : 0,
            Reorders = random.Chance(0.5),
            NoticesDeath = random.Chance(0.5),
            DiskMin = diskMin,
            DiskMax = diskMin + random.Logarithmic(100, 30_000),
            WalFileBytes = random.Chance(0.7) ? 64 << 10 : 24 << 10,
            WalFillAheadBytes = random.Chance(0.3) ? 16 << 10 : 0,
            CheckpointBytes = (int)random.Logarithmic(2 << 10, 64 << 10),
            SegmentBytes = (int)random.Logarithmic(1 << 10, 64 << 10),
            ProduceEvery = random.Logarithmic(5_000, 200_000),
            IdempotentEvery = Maybe(0.5, 10_000, 300_000),
            RecordsMax = (int)random.Between(1, 6),
            ValueBytesMax = (int)random.Logarithmic(16, 1_000),
            ReadEvery = random.Logarithmic(20_000, 400_000),
            CommandEvery = random.Logarithmic(200_000, 2_000_000),
            RestMax = quiet ? random.Between(5_000_000, 20_000_000) : 0,
            PowerLossEvery = Maybe(0.5, 2_000_000, 15_000_000),
            KillEvery = Maybe(0.4, 2_000_000, 15_000_000),
            TornWriteEvery = Maybe(0.4, 2_000_000, 15_000_000),
            FailedSyncEvery = Maybe(0.15, 5_000_000, 20_000_000),
            BitFlipEvery = Maybe(0.25, 4_000_000, 20_000_000),
            WipeEvery = Maybe(0.25, 4_000_000, 20_000_000),
            CrashAllEvery = Maybe(0.25, 5_000_000, 20_000_000),
            PartitionEvery = Maybe(0.6, 1_000_000, 10_000_000),
            PauseEvery = Maybe(0.4, 1_000_000, 10_000_000),
            MembershipEvery = Maybe(0.35, 1_000_000, 8_000_000),
            TransferEvery = Maybe(0.35, 1_000_000, 8_000_000),
            CheckpointEvery = Maybe(0.5, 200_000, 4_000_000),
            VoterCrashes = random.Chance(0.3) ? 0.2 : 0,
            DownMax = random.Logarithmic(200_000, 8_000_000),
            PartitionMax = random.Logarithmic(500_000, 8_000_000),
            PauseMax = random.Logarithmic(200_000, 5_000_000),
        };
        if (random.Chance(0.4)) drawn = drawn with { LeaseTicks = drawn.LongestLease };
        return drawn with
        {
            ChunkBytes = (int)random.Logarithmic(2 << 10, 16 << 10),
            ChunksUnderWay = (int)random.Between(1, 8),
            InSyncMicros = random.Logarithmic(500_000, 5_000_000),
            HandOverEvery = Maybe(0.35, 2_000_000, 10_000_000),
            IsPlaced = random.Chance(0.5),
            MoveEvery = Maybe(0.7, 1_000_000, 8_000_000),
            LagEvery = Maybe(0.5, 500_000, 8_000_000),
            LagMax = random.Logarithmic(200_000, 20_000_000),
        };

        long Maybe(double chance, long low, long high) => random.Chance(chance) ? random.Logarithmic(low, high) : 0;
    }
}

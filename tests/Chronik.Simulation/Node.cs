using System.Globalization;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Raft;
using Chronik.Storage;
using Chronik.Storage.Testing;

namespace Chronik.Simulation;

/// <summary>How a node goes down.</summary>
internal enum CrashKind
{
    /// <summary>The process ends; what it wrote stays, synced or not.</summary>
    Kill,

    /// <summary>The machine loses power: of what was not synced, anything may be lost.</summary>
    PowerLoss,
}

/// <summary>
/// A machine: a disk, the production storage on it, a replica of every group, a clock that may run wrong. Everything that its one thread
/// does comes through <see cref="Handle"/>.
/// </summary>
internal sealed partial class Node
{
    private const string DataDirectory = "/data";

    private readonly Simulation _sim;
    private readonly SimRandom _random;
    private readonly long _tickMicros;
    private readonly List<Event> _deferred = [];
    private readonly List<Completion> _completions = [];
    private readonly List<Completion> _completing = [];
    private readonly bool[] _recovering;
    private readonly Membership?[] _lastMembers; // Of each group, as this node knew them when it went down.
    private bool _diskPlanned;
    private long _failAt; // Counts operations of the disk down to the one at which power fails.
    private bool _failSync;
    private bool _powerLost;
    private long _pausedAt;

    public Node(Simulation sim, int id, SimRandom random)
    {
        _sim = sim;
        _random = random;
        Id = id;
        Disk = new MemoryDisk(random.Next(int.MaxValue));
        double rate = 1 + ((random.Unit() - 0.5) * 2 * sim.Parameters.Skew);
        _tickMicros = (long)(sim.Parameters.TickMicros * rate);
        Replicas = new Replica?[sim.Groups.Count];
        _recovering = new bool[sim.Groups.Count];
        _lastMembers = new Membership?[sim.Groups.Count];
        _dropping = new bool[sim.Groups.Count];
        _first = [.. sim.Groups.Select(group => group.First)];
        Speaks = new ProtocolVersions(FeatureLevel.Oldest, sim.Parameters.Level);
        _placed = [.. sim.Groups.Select(group => !sim.Parameters.IsPlaced || group.First.Contains(new NodeId(id)))];
        _heard = new long[sim.Parameters.Nodes];
        _lost = new bool[sim.Parameters.Nodes];
        _followedBy = new KafkaOffset[sim.Parameters.Nodes];
        _pings = [.. Enumerable.Range(0, sim.Parameters.Nodes).Select(to => new Envelope { From = id, To = to })];
        _ends = [.. Enumerable.Range(0, sim.Parameters.Nodes).Select(to => new Envelope { From = id, To = to, IsEnd = true })];
    }

    public int Id { get; }

    public MemoryDisk Disk { get; private set; }

    public NodeStorage? Storage { get; private set; }

    public Replica?[] Replicas { get; }

    public bool IsUp => Storage is not null;

    public bool IsPaused { get; private set; }

    /// <summary>Which life of the node it is; what was planned in another one is void.</summary>
    public int Incarnation { get; private set; }

    /// <summary>Whether bits of its files were flipped and nobody has found out, or never will.</summary>
    public bool IsSuspect { get; private set; }

    public bool IsRecovering(int group) => _placed[group] && _recovering[group];

    /// <summary>Opens the data directory and starts every replica.</summary>
    public void Start()
    {
        if (IsUp) return;
        Incarnation++;
        _powerLost = false;
        Disk.Fault = OnOperation;
        try
        {
            Storage = NodeStorage.Open(_sim.StorageOptions, new NodeId(Id), "simulated", Disk, _sim.Buffers, _sim.Time);
            Storage.CheckpointWanted += WantCheckpoint;
            Array.Fill(_heard, _sim.Now);
            Array.Clear(_lost);
            Array.Clear(_followedBy);
            StartReplicas();
            _sim.Trace.Note(Id, Incarnation);
            if (_sim.Trace.IsOn) Log($"started, incarnation {Incarnation}");
            PlanTick(_random.Between(0, _tickMicros));
        }
        catch (Exception failure)
        {
            Fail(failure);
        }
    }

    /// <summary>Does what an event asks for, or keeps it until the node is no longer paused.</summary>
    public void Handle(in Event what)
    {
        if (IsPaused && what.Kind != EventKind.Disk)
        {
            if (IsUp) _deferred.Add(what);
            return;
        }

        if (!IsUp) return;
        if (what.Kind != EventKind.Message && what.Incarnation != Incarnation) return;
        try
        {
            switch (what.Kind)
            {
                case EventKind.Tick:
                    Tick();
                    break;
                case EventKind.Disk:
                    RunDisk();
                    break;
                case EventKind.Message:
                    Receive((Envelope)what.What!);
                    break;
                default:
                    ((Action)what.What!)();
                    break;
            }

            RequireDisk();
        }
        catch (Exception failure)
        {
            Fail(failure);
        }
    }

    /// <summary>
    /// Does something on the node's thread now, unless it is down. What is asked of a paused node waits, like messages, until it goes on.
    /// </summary>
    public void Do(Action action)
    {
        if (IsPaused) _deferred.Add(new Event(EventKind.OnNode, Id, Incarnation, action));
        if (!IsUp || IsPaused) return;
        try
        {
            action();
            RequireDisk();
        }
        catch (Exception failure)
        {
            Fail(failure);
        }
    }

    /// <summary>A group's latest members as this node knows them, or did when it went down; null when it knows none.</summary>
    public Membership? MembersOf(int group) => Replicas[group]?.Core.Membership ?? _lastMembers[group];

    /// <summary>The node goes down. What was in memory is gone; what the disk still holds depends on how.</summary>
    public void Crash(CrashKind kind)
    {
        if (_sim.Trace.IsOn && IsUp) Log($"down: {kind}");
        if (IsUp && _sim.Plant.Shell == ShellFault.ForgetRecovering) Array.Clear(_recovering);
        Incarnation++;
        MemoryDisk before = Disk;
        Disk = kind == CrashKind.Kill ? before.Kill() : before.Crash();
        Storage?.Dispose(); // Frees what it holds; its disk refuses everything by now.
        Storage = null;
        for (int group = 0; group < Replicas.Length; group++) _lastMembers[group] = MembersOf(group);
        Array.Clear(Replicas);
        IsPaused = false;
        _deferred.Clear();
        _completions.Clear();
        _diskPlanned = false;
        _failAt = 0;
        _failSync = false;
        _powerLost = false;
        _stop = null;
        if (_sim.Parameters.NoticesDeath && kind == CrashKind.Kill) SendEnds();
    }

    /// <summary>The disk is replaced by an empty one; what the node had promised it may have forgotten.</summary>
    public void Wipe(string why)
    {
        if (_sim.Trace.IsOn) Log($"wiped: {why}");
        if (IsUp) Crash(CrashKind.Kill);
        Disk = new MemoryDisk(_random.Next(int.MaxValue));
        Array.Clear(_lastMembers);
        IsSuspect = false;
        _level = FeatureLevel.Oldest;
        for (int group = 0; group < _recovering.Length; group++)
        {
            _recovering[group] = true;
            _sim.Groups[group].Check.Damaged(Id);
        }
    }

    public void Pause()
    {
        if (!IsUp || IsPaused) return;
        IsPaused = true;
        _pausedAt = _sim.Now;
        if (_sim.Trace.IsOn) Log("paused");
    }

    public void Resume()
    {
        if (!IsPaused) return;
        IsPaused = false;
        if (_sim.Trace.IsOn) Log("resumed");
        if (_sim.Plant.Shell != ShellFault.ForgetMissedTicks)
            _sim.Queue.Plan(_sim.Now, new Event(EventKind.OnNode, Id, Incarnation, (Action)CountMissedTicks));
        foreach (Event waiting in _deferred) _sim.Queue.Plan(_sim.Now, waiting);
        _deferred.Clear();
        PlanDisk();
    }

    /// <summary>
    /// A lease is counted in ticks: before anything else is done with it, those that passed while the process stood still must be counted.
    /// More than an election takes make no difference.
    /// </summary>
    private void CountMissedTicks()
    {
        if (_sim.Parameters.LeaseTicks == 0) return;
        long missed = Math.Min((_sim.Now - _pausedAt) / _tickMicros, 2 * _sim.Parameters.ElectionTicks);
        for (; missed > 0; missed--)
            foreach (Replica? replica in Replicas) replica?.Tick();
    }

    /// <summary>Power fails at one of the next operations of the disk, in the middle of whatever is written.</summary>
    public void TearWrite(long operations) => _failAt = operations;

    /// <summary>The next sync fails, once, as after a lost write to the device.</summary>
    public void FailSync() => _failSync = true;

    /// <summary>Nothing more goes wrong with the disk.</summary>
    public void SpareDisk()
    {
        _failAt = 0;
        _failSync = false;
    }

    /// <summary>A replica was told that it may vote again, and knows it durably.</summary>
    public void HasRecovered(int group) => _recovering[group] = false;

    /// <summary>Work was queued for the disk, which will get to it.</summary>
    public void PlanDisk()
    {
        if (_diskPlanned) return;
        _diskPlanned = true;
        long delay = _random.Between(_sim.Parameters.DiskMin, _sim.Parameters.DiskMax);
        _sim.Queue.Plan(_sim.Now + delay, new Event(EventKind.Disk, Id, Incarnation, null));
    }

    /// <summary>Plans something that happens on this node, unless it is down by then.</summary>
    public void Plan(long delay, Action action) =>
        _sim.Queue.Plan(_sim.Now + delay, new Event(EventKind.OnNode, Id, Incarnation, action));

    /// <summary>Storage's answers come while it runs; they are handed over, as to a mailbox.</summary>
    public void Complete(Replica? replica, Exception? failure, Action? then) => _completions.Add(new Completion(replica, failure, then));

    public void Log(string what) => _sim.Trace.Line(_sim.Now, Id.ToString(CultureInfo.InvariantCulture), "-", "", what);

    private void RequireDisk()
    {
        if (_powerLost || Storage?.Failure is not null) throw new IOException("the disk has failed");
    }

    private void RunDisk()
    {
        _diskPlanned = false;
        RunStorage();
        if (IsPaused) return; // The kernel writes on; the process learns of it later.
        // A node that loses power in between may or may not have come to act on what was durable already.
        if (_powerLost && _random.Chance(0.5)) return;
        // Copied: what is done now may queue more.
        _completing.Clear();
        _completing.AddRange(_completions);
        _completions.Clear();
        foreach (Completion done in _completing)
        {
            if (done.Failure is not null || done.Replica is { HasEnded: true }) continue;
            if (done.Then is { } then) then();
            else done.Replica!.WriteDone();
        }
    }

    private void WantCheckpoint(GroupId id)
    {
        int group = _sim.IndexOf(id);
        Plan(0, () => Replicas[group]?.StartCheckpoint());
    }

    private Exception? OnOperation(long number, DiskOperation operation, string path)
    {
        if (_powerLost) return new IOException("power is lost");
        if (_failAt > 0 && --_failAt == 0)
        {
            _powerLost = true;
            return new IOException("power is lost");
        }

        if (!_failSync || operation != DiskOperation.Sync) return null;
        _failSync = false;
        return new IOException($"sync of {path} failed");
    }

    /// <summary>What a node does about a failure, if it is one that it has to expect; otherwise the run has found something.</summary>
    private void Fail(Exception failure)
    {
        if (failure is SimulationFailure) throw failure;
        if (_powerLost)
        {
            Crash(CrashKind.PowerLoss);
        }
        else if (Storage?.Failure is not null)
        {
            // Nobody knows what the disk holds; the process ends and starts again.
            Crash(_random.Chance(0.5) ? CrashKind.Kill : CrashKind.PowerLoss);
        }
        else if (IsSuspect && failure is StorageException)
        {
            Wipe(failure.Message);
        }
        else
        {
            throw new SimulationFailure($"node {Id}: {failure.GetType().Name}: {failure.Message}", failure);
        }

        _sim.RestartLater(this);
    }

    private readonly record struct Completion(Replica? Replica, Exception? Failure, Action? Then);
}

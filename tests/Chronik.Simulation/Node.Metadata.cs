using Chronik.Metadata;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Simulation;

// What a node and the metadata have to do with each other: it registers, hosts what they place on it, and reports what it leads.
internal sealed partial class Node
{
    private const int TicksPerReport = 10;

    private readonly bool[] _placed; // The replicas that live here; a node remembers that, whatever becomes of its disk.
    private readonly bool[] _dropping; // Their files are being deleted.
    private readonly Membership[] _first;
    private bool _isLoaded; // Whether the image holds everything that this node knew when it was up before.
    private bool _isRegistered;
    private bool _followPlanned;
    private long _lag; // By how much it follows the metadata later than it has them, at present.
    private KafkaOffset _followedTo; // The first record that it has not followed.
    private long _followsAt; // When it is to have followed everything that it has.
    private int _level = FeatureLevel.Oldest;
    private long _ticks;

    /// <summary>What its version speaks with others; changed while it is down.</summary>
    public ProtocolVersions Speaks { get; set; }

    /// <summary>The cluster's level, as it was noted in its directory.</summary>
    public int Level => _level;

    /// <summary>The metadata as far as they have come to those parts of the node that go by them, which may be late.</summary>
    public MetadataImage Followed { get; private set; } = MetadataImage.Empty;

    public NodeId Self => new(Id);

    /// <summary>Whether a replica of the group lives here, or is about to.</summary>
    public bool Hosts(int group) => _placed[group];

    /// <summary>The members that a replica begins with that finds nothing on its disk.</summary>
    public Membership First(int group) => _first[group];

    /// <summary>This process, which is not the one before.</summary>
    private Guid Process => new(Incarnation, (short)Id, 1, [0, 0, 0, 0, 0, 0, 0, 1]);

    /// <summary>The image of the metadata became another one, or this node leads them: looked at when what is under way is done.</summary>
    public void MetadataChanged()
    {
        if (_followPlanned) return;
        _followPlanned = true;
        Plan(0, () =>
        {
            _followPlanned = false;
            Replica metadata = Replicas[0]!;
            MetadataImage image = metadata.Metadata!.Image;
            KafkaOffset next = metadata.Metadata.Next;
            bool isLeading = metadata.IsLeading;
            _level = Math.Max(_level, image.Level);
            _followsAt = Math.Max(_followsAt, _sim.Now + _lag);
            if (_followsAt == _sim.Now) Follow(image, next, isLeading);
            else Plan(_followsAt - _sim.Now, () => Follow(image, next, isLeading));
        });
    }

    /// <summary>From now on the node follows the metadata late by that much.</summary>
    public void Lag(long micros)
    {
        if (_sim.Trace.IsOn) Log($"follows the metadata {micros / 1000} ms late");
        _lag = micros;
    }

    /// <summary>Has the controller decide on a command, wherever that is; nobody knows what becomes of it.</summary>
    public void Submit(MetadataCommand command)
    {
        if (Replicas[0] is not { } metadata) return;
        if (metadata.IsLeading) Plan(0, () => metadata.Command(command));
        else if (metadata.Core.Leader is { IsSome: true } leader && leader != Self)
            _sim.Network.Send(new Envelope { From = Id, To = leader.Value, Command = command });
    }

    private void Follow(MetadataImage image, KafkaOffset next, bool isLeading)
    {
        Followed = image;
        _isRegistered |= image.Brokers.GetValueOrDefault(Self)?.Incarnation == Process;
        _isLoaded |= isLeading || _isRegistered;
        if (!_isLoaded || !_sim.Parameters.IsPlaced) return;
        for (int group = 1; group < Replicas.Length; group++)
        {
            if (image.Find(_sim.Groups[group].Id) is not { } partition) continue;
            bool isHere = partition.Replicas.Contains(Self);
            if (isHere && !_placed[group]) Place(group, partition);
            if (!isHere && _placed[group]) Remove(group);
            if (!isHere) continue;
            if (!partition.IsMoving) _first[group] = new Membership(partition.Replicas);
            Replicas[group]?.Want(partition);
        }

        _followedTo = next;
    }

    /// <summary>It may have been here before, and have forgotten what it promised then.</summary>
    private void Place(int group, PartitionImage partition)
    {
        if (!partition.Adding.Contains(Self))
            throw new SimulationFailure($"group {_sim.Groups[group].Check.Name}: node {Id} is to have a replica, and nobody fills it");
        _placed[group] = true;
        _recovering[group] = true;
        _first[group] = Membership.Empty;
        _sim.Groups[group].Check.Damaged(Id);
        if (_sim.Trace.IsOn) Log($"gets a replica of {_sim.Groups[group].Check.Name}");
        if (!_dropping[group]) Replicas[group] = new Replica(_sim, this, group, recovering: true);
    }

    /// <summary>What was here before is gone: a replica that is to be here begins.</summary>
    private void HasDropped(int group)
    {
        _dropping[group] = false;
        if (!_placed[group]) return;
        Replicas[group] = new Replica(_sim, this, group, recovering: true);
        if (Followed.Find(_sim.Groups[group].Id) is { } partition) Replicas[group]!.Want(partition);
    }

    private void Remove(int group)
    {
        _placed[group] = false;
        _sim.Groups[group].Check.Deletes(Id);
        _sim.Groups[group].Check.Damaged(Id);
        if (_sim.Trace.IsOn) Log($"loses its replica of {_sim.Groups[group].Check.Name}");
        Replicas[group]?.End();
        Replicas[group] = null;
        if (!_dropping[group]) Drop(group);
    }

    private void Drop(int group)
    {
        _dropping[group] = true;
        Storage!.DeleteGroup(_sim.Groups[group].Id, failure => Complete(null, failure, () => HasDropped(group)));
        PlanDisk();
    }

    /// <summary>What is to be here is begun; what was left behind is deleted.</summary>
    private void StartReplicas()
    {
        if (!Speaks.Includes(_level)) throw new SimulationFailure($"node {Id} speaks {Speaks}, and its directory is of level {_level}");
        Array.Clear(_dropping);
        _isLoaded = false;
        _isRegistered = false;
        _followPlanned = false;
        _followsAt = 0;
        _followedTo = KafkaOffset.Zero;
        Followed = MetadataImage.Empty;
        for (int group = 0; group < Replicas.Length; group++)
        {
            if (_placed[group]) Replicas[group] = new Replica(_sim, this, group, _recovering[group]);
            else if (Storage!.Recovered.ContainsKey(_sim.Groups[group].Id)) Drop(group);
        }
    }

    private RegisterBroker Registration() => new(Self, [new BrokerEndpoint("PLAINTEXT", "localhost", 9092)], null)
    {
        Incarnation = Process,
        Protocol = Speaks,
    };

    /// <summary>Says again and again what the metadata do not say yet: that this process is here, and what its leaders found.</summary>
    private void Report()
    {
        if (++_ticks % TicksPerReport != 0) return;
        if (!_isRegistered) Submit(Registration());
        List<PartitionIsr> inSync = [];
        for (int group = 1; group < Replicas.Length; group++)
        {
            if (Replicas[group] is not { IsLeading: true } replica) continue;
            if (replica.InSyncNews(Followed) is { } news) inSync.Add(news);
            if (replica.Completion is { } completion) Submit(completion);
        }

        if (inSync.Count > 0) Submit(new ChangeIsr(Self, inSync));
    }
}

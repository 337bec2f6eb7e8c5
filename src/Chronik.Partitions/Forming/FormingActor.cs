using System.Net;
using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Storage;

namespace Chronik.Partitions.Forming;

/// <summary>/user/chronik/forming: nodes that find each other, found a cluster once, or join the one that is there.</summary>
/// <remarks>
/// <code>
///   members of the actor systems' cluster - MemberSeen, MemberGone -->|         |
///   forming of another node ------ Hello -->                          | forming |-- Welcome, Unwelcome --> who said hello
///   the one with the lowest id --- Propose, Formed ------------------>|         |-- Accepted, Withdrawn -> who proposed
///                                                                     |         |-- Connect --> hub, PeerBook
///                                                                     |         |-- AssignReplicas(__cluster_metadata) --> /partitions
/// </code>
/// A cluster is founded once: when every node that is there has greeted every other, none belongs to a cluster, and they are as many as
/// expected and more than half of the seed nodes, the one with the lowest id proposes; each node writes down what it accepts, and only
/// when all have accepted does the proposer write the cluster into its directory and tell the others, who do the same. Whoever meets a
/// node of a cluster joins it. Survives a restart: the cluster that the directory belongs to, and what was accepted until then.
/// </remarks>
internal sealed partial class FormingActor : ReceiveActor, IWithTimers
{
    public const string Name = "forming";

    private readonly FormingSetup _setup;
    private readonly IActorRef _partitions;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly Dictionary<Address, Member> _members = [];
    private readonly HashSet<Address> _resolving = [];
    private readonly Dictionary<Address, string> _unresolved = []; // Seed nodes whose names have no address, and what the resolver said.
    private readonly long _began;
    private long _progressAt;
    private bool _isMember; // Whether everybody who was there before this node is known.
    private bool _isRefused;

    public FormingActor(FormingSetup setup, IActorRef partitions)
    {
        _setup = setup;
        _partitions = partitions;
        _began = setup.Node.Time.GetTimestamp();
        _progressAt = _began;
        Receive<object>(message => _isRefused || IsGarbled(message), _ => { });
        Receive<MemberSeen>(seen => Greet(seen.Address));
        Receive<MemberUnreachable>(lost => Miss(lost.Address));
        Receive<MemberGone>(gone =>
        {
            Disconnect(gone.Address);
            Forget(gone.Address);
        });
        Receive<AssociationLost>(lost => Disconnect(lost.Address));
        Receive<Hello>(hello =>
        {
            if (Meet(hello.From)) Sender.Tell(new Welcome(Facts()));
        });
        Receive<Welcome>(welcome => Meet(welcome.From));
        Receive<Unwelcome>(Heed);
        Receive<Propose>(Consider);
        Receive<Accepted>(Count);
        Receive<Withdrawn>(Withdraw);
        Receive<Formed>(formed =>
        {
            if (!Identity.IsFormed && MayJoin(formed.ClusterId, formed.MetadataVoters))
                Join(formed.ClusterId, formed.MetadataVoters, formed.Level);
        });
        Receive<GreetAgain>(_ => GreetAll());
        Receive<Resolved>(resolved =>
        {
            _resolving.Remove(resolved.Seed);
            if (resolved.Problem is { } problem) _unresolved[resolved.Seed] = problem;
            else _unresolved.Remove(resolved.Seed);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private NodeIdentity Identity => _setup.Node.Storage.Identity;

    private long AgeMs => (long)_setup.Node.Time.GetElapsedTime(_began).TotalMilliseconds;

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(GreetAgain), GreetAgain.Instance, _setup.GreetInterval);
        if (Identity.IsFormed) Begin();
        else Recall();
    }

    /// <summary>Made anew after a failure it knows nobody: who is there is told once more.</summary>
    protected override void PostRestart(Exception reason)
    {
        base.PostRestart(reason);
        Context.ActorSelection($"../{MembershipActor.Name}").Tell(TellMembers.Instance);
    }

    /// <summary>Whether a node says too little of itself, whatever it is.</summary>
    private static bool IsGarbled(object message) => message switch
    {
        Hello hello => hello.From is not { IsWhole: true },
        Welcome welcome => welcome.From is not { IsWhole: true },
        Unwelcome unwelcome => unwelcome is not { From.IsWhole: true, Reason: not null },
        Propose propose => propose is not { From.IsWhole: true, ClusterId.Length: > 0, MetadataVoters.Count: > 0 },
        Accepted accepted => accepted is not { Address: not null, ClusterId.Length: > 0 },
        Withdrawn withdrawn => withdrawn is not { Address: not null, ClusterId.Length: > 0 },
        Formed formed => formed is not { ClusterId.Length: > 0, MetadataVoters.Count: > 0 },
        _ => false,
    };

    /// <summary>
    /// A node that speaks less than the level of the cluster is thereby told so, by every version there ever was.
    /// </summary>
    private ProtocolVersions Spoken =>
        Identity.IsFormed ? _setup.Protocol with { Min = Math.Max(_setup.Protocol.Min, Identity.Level) } : _setup.Protocol;

    private NodeFacts Facts() => new(
        Identity.NodeId, Identity.DirectoryId, _setup.Incarnation, _setup.Self.ToString(), Spoken, _setup.Expect, AgeMs,
        Identity.ClusterId, Identity.MetadataVoters)
    {
        Seeds = [.. _setup.Seeds.Select(seed => $"{seed}")],
    };

    private void Greet(Address address)
    {
        if (address.Equals(_setup.Self))
        {
            _isMember = true;
            Found();
            return;
        }

        _members.TryAdd(address, NewMember());
        Reach(address).Tell(new Hello(Facts()), Self);
    }

    private ICanTell Reach(Address address) => _setup.Reach(address, "chronik/" + Name);

    /// <summary>
    /// Greets whoever has not answered, or is not what this node is: everybody until the cluster is formed, and then whoever is silent,
    /// because it may have taken word of an earlier process for word of this one and cut itself off. The seed nodes too, whether they
    /// are members or not: should the actor systems have become two clusters, the nodes still meet.
    /// </summary>
    private void GreetAll()
    {
        foreach ((Address address, Member member) in _members)
            if (!member.IsConnected || !IsAlive(member)) Reach(address).Tell(new Hello(Facts()), Self);
        foreach (Address seed in _setup.Seeds)
            if (!seed.Equals(_setup.Self) && !_members.ContainsKey(seed)) Reach(seed).Tell(new Hello(Facts()), Self);
        if (Identity.IsFormed)
        {
            LeaveIfElsewhere();
            return;
        }

        MissTheSilent();
        SayPromises();
        _wasTurnedDown = false;
        Found();
        if (Identity.IsFormed || _isRefused) return;
        SayProgress();
        foreach (Address seed in _setup.Seeds)
            if (!_members.ContainsKey(seed)) Resolve(seed);
    }

    /// <summary>Only to say why a seed node is not heard of: whoever connects asks for its address again.</summary>
    private void Resolve(Address seed)
    {
        if (IPAddress.TryParse(seed.Host, out _) || !_resolving.Add(seed)) return;
        Dns.GetHostAddressesAsync(seed.Host!).ContinueWith(
            asked => new Resolved(seed, asked.Exception?.InnerException?.Message), TaskScheduler.Default).PipeTo(Self);
    }

    private bool IsAlive(Member member) => member.Facts is { } facts && _setup.Node.Peers.IsAlive(facts.Id);

    private void SayProgress()
    {
        if (_setup.Node.Time.GetElapsedTime(_progressAt) < TimeSpan.FromSeconds(1)) return;
        _progressAt = _setup.Node.Time.GetTimestamp();
        List<NodeFacts> met = [.. _members.Values.Select(member => member.Facts).OfType<NodeFacts>().OrderBy(facts => facts.Id.Value)];
        string seen = met.Count == 0
            ? "nobody was met yet"
            : $"met {string.Join(", ", met.Select(facts => $"{facts.Id} at {HostPort(facts)}"))}";
        IEnumerable<Address> silent = _members.Where(member => member.Value is { Facts: null, OtherCluster: null })
            .Select(member => member.Key)
            .Concat(_setup.Seeds.Where(seed => !seed.Equals(_setup.Self) && !_members.ContainsKey(seed)));
        string unheard = string.Concat(silent.Select(address => $"; nothing is heard of {address.Host}:{address.Port}"
            + (_unresolved.TryGetValue(address, out string? why) ? $" ({why})" : "")));
        string differing = met.Where(facts => facts.Expect != _setup.Expect).Aggregate("", (said, facts) =>
            $"{said}; node {facts.Id} was told to wait for {facts.Expect}");
        int missing = Math.Max(0, _setup.Expect - met.Count - 1);
        NodeFacts? formed = met.Find(facts => facts.IsFormed);
        string what = formed is not null && StandsAgainst(formed.ClusterId, formed.MetadataVoters) is { } standing
            ? $"{WaitingFor(standing)}, before cluster {formed.ClusterId} is joined"
            : missing > 0 ? $"waiting for {missing} of {_setup.Expect} nodes"
            : KnowsWhoIsThere ? WhyNotYet(There(Facts())) ?? $"forming a cluster of {_setup.Expect} nodes"
            : "waiting for a seed node to answer";
        _setup.Progress($"{what}; {seen}{unheard}{differing}");
    }

    private static string HostPort(NodeFacts facts) => facts.Address[(facts.Address.IndexOf('@') + 1)..];

    /// <summary>Another node says who it is. False, and it was told why, when the two cannot be in one cluster.</summary>
    private bool Meet(NodeFacts facts)
    {
        if (!Address.TryParse(facts.Address, out Address address) || address.Equals(_setup.Self)) return false;
        if (IsTooOldFor(facts))
        {
            Refuse(TooOld(Identity.NodeId, _setup.Protocol, facts.Protocol.Min));
            return false;
        }

        Member member = _members.TryGetValue(address, out Member? known) ? known : _members[address] = NewMember();
        if (WhyNot(facts) is { } reason)
        {
            member.Facts = null;
            member.OtherCluster = reason.IsOtherCluster ? facts.ClusterId : null;
            member.NamesThis = NamesThis(facts);
            if (member.Refused != facts.Incarnation) _logger.Warning("the node at {0} is not let in: {1}", HostPort(facts), reason.Text);
            member.Refused = facts.Incarnation;
            Reach(address).Tell(new Unwelcome(Facts(), reason.Text, reason.IsOtherCluster), Self);
            return false;
        }

        member.Facts = facts;
        member.HeardAt = _setup.Node.Time.GetTimestamp();
        member.OtherCluster = null;
        if (_proposed?.Message.Participants!.Any(voter => voter.Id == facts.Id && voter.Directory != facts.Directory) == true) CallOff();
        if (facts.IsFormed && !Identity.IsFormed && MayJoin(facts.ClusterId, facts.MetadataVoters))
            Join(facts.ClusterId, facts.MetadataVoters, facts.Protocol.Min);
        if (_isRefused) return false;
        if (facts.IsFormed && Identity.IsFormed) Connect(address, member);
        else Found();
        return true;
    }

    private (string Text, bool IsOtherCluster)? WhyNot(NodeFacts facts)
    {
        if (!facts.Protocol.Overlaps(Spoken))
        {
            return Identity.IsFormed && facts.Protocol.Max < Identity.Level
                ? (TooOld(facts.Id, facts.Protocol, Identity.Level), false)
                : ($"node {facts.Id} speaks {FeatureLevel.Name} {facts.Protocol}, node {Identity.NodeId} {Spoken}", false);
        }

        if (facts.Id == Identity.NodeId)
            return ($"node id {facts.Id} is taken by the node at {HostPort(Facts())}", false);
        foreach (Member member in _members.Values)
        {
            if (member.Facts is not { } other || other.Id != facts.Id || other.Address == facts.Address) continue;
            if (_setup.Node.Peers.IsAlive(other.Id) || !Identity.IsFormed)
                return ($"node id {facts.Id} is taken by the node at {HostPort(other)}", false);
        }

        return facts.IsFormed && Identity.IsFormed && facts.ClusterId != Identity.ClusterId
            ? ($"the data directory of node {facts.Id} belongs to cluster {facts.ClusterId}, this is cluster {Identity.ClusterId}", true)
            : null;
    }

    /// <summary>
    /// Another node cannot be in one cluster with this one. It was told the same, so that one of the two goes: the one without a cluster,
    /// or the younger one, or of different clusters the one that meets fewer of its own.
    /// </summary>
    private void Heed(Unwelcome unwelcome)
    {
        if (unwelcome.IsOtherCluster)
        {
            if (Address.TryParse(unwelcome.From.Address, out Address address) && _members.TryGetValue(address, out Member? member))
                (member.OtherCluster, member.NamesThis) = (unwelcome.From.ClusterId, NamesThis(unwelcome.From));
            LeaveIfElsewhere();
            return;
        }

        NodeFacts self = Facts();
        if (IsTooOldFor(unwelcome.From))
        {
            Refuse(unwelcome.Reason);
            return;
        }

        // Of two nodes of one cluster the one that is too old for it goes.
        if (self.IsFormed && self.ClusterId == unwelcome.From.ClusterId && unwelcome.From.Protocol.Max < Identity.Level) return;

        int order = (self.IsFormed, self.AgeMs).CompareTo((unwelcome.From.IsFormed, unwelcome.From.AgeMs));
        if (order < 0 || (order == 0 && string.CompareOrdinal(self.Address, unwelcome.From.Address) > 0)) Refuse(unwelcome.Reason);
    }

    /// <summary>
    /// Whether this node cannot be in the cluster that another one is in, because that is at a level that this one does not speak. Then
    /// this one goes, whichever of the two has been there for longer: a cluster's level only rises.
    /// </summary>
    private bool IsTooOldFor(NodeFacts facts) =>
        facts.IsFormed && facts.Protocol.Min > _setup.Protocol.Max && (!Identity.IsFormed || Identity.ClusterId == facts.ClusterId);

    private static string TooOld(NodeId node, ProtocolVersions speaks, int level) =>
        $"the cluster is at {FeatureLevel.Name} {level}, node {node} speaks {speaks}: it needs a newer version";

    private bool NamesThis(NodeFacts facts) => facts.Seeds.Contains($"{_setup.Self}", StringComparer.Ordinal);

    /// <summary>
    /// A node that was told to look for its cluster where another one is goes, and never one that others were told of by mistake: that is
    /// whichever does not name the other as a seed node. Nobody goes while its cluster works; one that is alone always works.
    /// </summary>
    private void LeaveIfElsewhere()
    {
        if (AgeMs < _setup.Patience.TotalMilliseconds || (Identity.MetadataVoters.Count > 1 && _setup.IsLed())) return;
        IEnumerable<Member> strangers = _members
            .Where(member => _setup.Seeds.Contains(member.Key) && member.Value.OtherCluster is not null)
            .Select(member => member.Value);
        if (strangers.GroupBy(member => member.OtherCluster!).MaxBy(cluster => cluster.Count()) is not { } largest) return;
        int own = 1 + _members.Values.Count(member => member.Facts is { IsFormed: true });
        if (largest.Any(member => !member.NamesThis)
            || largest.Count() > own
            || (largest.Count() == own && own == 1 && string.CompareOrdinal(largest.Key, Identity.ClusterId) < 0))
            Refuse($"the data directory belongs to cluster {Identity.ClusterId}, the nodes that it met to cluster {largest.Key}");
    }

    private void Refuse(string reason)
    {
        _isRefused = true;
        foreach (Address address in _members.Keys) Disconnect(address);
        _setup.Refused(reason);
    }

    /// <summary>The directory belongs to a cluster from now on.</summary>
    private void Join(string clusterId, IReadOnlyList<MetadataVoter> metadataVoters, int level)
    {
        try
        {
            _setup.Node.Storage.Form(clusterId, metadataVoters, level);
        }
        catch (Exception failure)
        {
            Refuse($"the data directory cannot be made part of cluster {clusterId}: {failure.Message}");
            return;
        }

        _logger.Info("this node belongs to cluster {0} now, which was formed of nodes {1}", clusterId,
            string.Join(", ", metadataVoters.Select(voter => voter.Id)));
        _proposed = null;
        Begin();
        foreach (Address address in _members.Keys) Reach(address).Tell(new Hello(Facts()), Self);
    }

    private void Begin()
    {
        NodeIdentity identity = Identity;
        _setup.Node.Peers.Form(identity.ClusterId);
        TopicPartition name = new(TopicNames.ClusterMetadata, 0);

        // Who came later learns from the leader who belongs to the group, and so does a founder that lost its directory. What the group has
        // become since stands in its own log and checkpoint.
        bool founds = identity.MetadataVoters.Any(voter => voter.Id == identity.NodeId && voter.Directory == identity.DirectoryId);
        _partitions.Tell(new AssignReplicas(
        [
            founds
                ? new ReplicaAssigned(GroupId.Metadata, name, [.. identity.MetadataVoters.Select(voter => voter.Id)])
                {
                    Directories = [.. identity.MetadataVoters.Select(voter => voter.Directory)],
                }
                : ReplicaAssigned.Newcomer(GroupId.Metadata, name),
        ]));
        foreach ((Address address, Member member) in _members)
            if (member.Facts is { IsFormed: true }) Connect(address, member);
    }

    private void Connect(Address address, Member member)
    {
        NodeFacts facts = member.Facts!;
        if (member.IsConnected && member.ConnectedTo == facts.Incarnation) return;
        foreach (Member former in _members.Values)
            if (former != member && former.Facts?.Id == facts.Id) (former.Facts, former.IsConnected) = (null, false);
        member.IsConnected = true;
        member.ConnectedTo = facts.Incarnation;
        _setup.Others.Set(new PeerEntry(facts.Id, facts.Directory, address, _setup.Reach(address, "chronik/rpc")));
        _setup.Node.Peers.Connect(
            facts.Id, facts.Directory,
            _setup.Reach(address, $"chronik/{PeersActor.Name}/{PeersActor.ControlName}"),
            _setup.Reach(address, $"chronik/{PeersActor.Name}/{PeersActor.BulkName}"),
            facts.Protocol.Max);
    }

    private void Disconnect(Address address)
    {
        if (!_members.TryGetValue(address, out Member? member) || !member.IsConnected) return;
        member.IsConnected = false;
        if (member.Facts is { } facts && _setup.Others.Find(facts.Id)?.Address.Equals(address) == true)
            _setup.Node.Peers.Disconnect(facts.Id);
    }

    /// <summary>Nothing is heard of a member at present. While no cluster is founded it is waited for, for a while.</summary>
    private void Miss(Address address)
    {
        if (!_members.TryGetValue(address, out Member? member) || member.IsConnected) return; // Its silence is the hub's to judge.
        member.Facts = null;
        if (_proposed is not null && _proposed.Missing.Contains(address)) CallOff();
    }

    private Member NewMember() => new() { HeardAt = _setup.Node.Time.GetTimestamp() };

    /// <summary>Nobody waits for a member that is gone.</summary>
    private void Forget(Address address)
    {
        _members.Remove(address);
        if (_proposed is not null && _proposed.Missing.Contains(address)) CallOff();
    }

    /// <summary>To itself: whether the name of a seed node has an address.</summary>
    private sealed record Resolved(Address Seed, string? Problem);

    /// <summary>A member of the actor systems' cluster.</summary>
    private sealed class Member
    {
        /// <summary>What it said of itself; null until it has, or when it cannot be in this cluster.</summary>
        public NodeFacts? Facts { get; set; }

        /// <summary>When it last said something of itself; before it has, when this node first heard of it.</summary>
        public long HeardAt { get; set; }

        /// <summary>The cluster that it belongs to when that is another one.</summary>
        public string? OtherCluster { get; set; }

        /// <summary>Whether it was told to look for others at this node's address; known of nodes of other clusters.</summary>
        public bool NamesThis { get; set; }

        /// <summary>The process that was told why it cannot be in this cluster.</summary>
        public Guid Refused { get; set; }

        public bool IsConnected { get; set; }

        public Guid ConnectedTo { get; set; }
    }

    private sealed class GreetAgain
    {
        public static readonly GreetAgain Instance = new();
    }
}

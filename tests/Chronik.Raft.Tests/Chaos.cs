using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>One random history of a group, and what must hold in it.</summary>
internal sealed class Chaos
{
    private const int Steps = 1500;

    private readonly Random _random;
    private readonly Network _network;
    private readonly bool _withWipes;
    private readonly Dictionary<Term, NodeId> _leaders = [];
    private readonly Dictionary<int, LogIndex> _seen = [];
    private readonly Dictionary<(int Reader, ulong Id), LogIndex> _reads = [];
    private LogIndex _acknowledged;
    private ulong _readId;

    public Chaos(int seed, int members, bool withWipes, PlantedFault fault)
    {
        _random = new Random(seed);
        _withWipes = withWipes;
        int election = _random.Next(3, 12);
        int heartbeat = _random.Next(1, Math.Max(2, election / 3));
        int quiesce = _random.Next(2) * election * 3;
        int inflight = _random.Next(1, 6);
        _network = new Network(members, options => options with
        {
            Seed = (ulong)seed,
            ElectionTimeoutTicks = election,
            HeartbeatTicks = heartbeat,
            QuiesceTicks = quiesce,
            InflightMessages = inflight,
            PlantedFault = fault,
        });
        foreach (int id in _network.Members.Keys) _seen[id] = LogIndex.Zero;
    }

    /// <summary>What was committed, by index - 1.</summary>
    public List<LogEntry> Chosen { get; } = [];

    public void Run()
    {
        for (int i = 0; i < Steps; i++)
        {
            Act();
            Check();
        }

        _network.Heal();
        foreach (Member member in _network.Members.Values)
            foreach (int peer in _network.Members.Keys) member.Step(RaftInput.PeerBack(new NodeId(peer)));
        for (int i = 0; i < 100; i++)
        {
            _network.Tick();
            Check();
        }

        Member leader = _network.Elect();
        leader.Step(RaftInput.Wake());
        leader.Propose(1);
        Assert.False(leader.Effects.ProposalRefused && !leader.Core.IsAsleep, "a leader in peace refuses");
        _network.Tick(60);
        Check();
        foreach (Member member in _network.Members.Values)
        {
            RaftCore core = member.Core;
            leader.Core.TryGetProgress(member.Id, out PeerProgress progress);
            Assert.True(
                leader.Core.LastIndex == core.CommitIndex,
                $"{member.Id} ({core.Role}, term {core.Term}, {core.Membership}) is at {core.CommitIndex} of {core.LastIndex}, leader "
                + $"{leader.Id} (term {leader.Core.Term}, {leader.Core.Membership}) at {leader.Core.LastIndex}: {progress}");
            Assert.False(member.Core.IsRecovering, "somebody never recovers");
        }
    }

    private Member Any() => _network.Members.Values.ElementAt(_random.Next(_network.Members.Count));

    private void Act()
    {
        _network.Collect();
        int what = _random.Next(100);
        if (what < 25)
        {
            Any().Tick();
        }
        else if (what < 65)
        {
            Transport();
        }
        else if (what < 80)
        {
            Member member = Any();
            if (member.WritesUnderWay > 0) member.FinishWrite();
        }
        else if (what < 90)
        {
            Member member = _random.Next(3) == 0 ? Any() : _network.Leader ?? Any();
            member.Propose([.. Enumerable.Range(0, _random.Next(1, 4)).Select(_ => _random.Next(1, 9))]);
        }
        else if (what < 93)
        {
            Member member = Any();
            ulong id = ++_readId;
            _reads[(member.Id.Value, id)] = _acknowledged;
            member.Step(RaftInput.ReadIndex(id));
            Reads(member);
        }
        else
        {
            Rare();
        }
    }

    private void Transport()
    {
        if (_network.InFlight.Count == 0) return;
        int at = _random.Next(2) == 0 ? 0 : _random.Next(_network.InFlight.Count);
        RaftMessage message = _network.InFlight[at];
        if (_random.Next(20) != 0) _network.InFlight.RemoveAt(at); // Sometimes it comes twice.
        if (_random.Next(12) == 0) return;
        _network.Deliver(message);
        Reads(_network[message.To.Value]);
    }

    private void Rare()
    {
        Member member = Any();
        NodeId other = new(_random.Next(1, _network.Members.Count + 1));
        switch (_random.Next(16))
        {
            case 0 or 1:
                while (member.WritesUnderWay > 0 && _random.Next(2) == 0) member.Persist();
                member.Crash();
                Restarted(member);
                break;
            case 2:
                _network.Isolate(member.Id.Value);
                break;
            case 3 or 4 or 5:
                _network.Heal();
                break;
            case 6:
                _network.Cut(member.Id.Value, other.Value);
                break;
            case 7:
                member.Step(RaftInput.PeerLost(other));
                break;
            case 8:
                member.Step(RaftInput.PeerBack(other));
                break;
            case 9:
                member.Step(RaftInput.TransferTo(_random.Next(2) == 0 ? NodeId.None : other));
                break;
            case 10 or 11:
                member.Checkpoint();
                break;
            case 12:
                ChangeMembers();
                break;
            case 13:
                if (_withWipes) MaybeWipe(member);
                break;
            case 14:
                if (_network.Members.Values.FirstOrDefault(m => m.SnapshotsNeeded.Count > 0) is { } sender) Snapshot(sender);
                break;
            default:
                member.Step(RaftInput.Wake());
                break;
        }

        Reads(member);
    }

    private void Snapshot(Member sender)
    {
        NodeId to = sender.SnapshotsNeeded[0];
        sender.SnapshotsNeeded.RemoveAt(0);
        bool ok = _random.Next(4) != 0;
        if (ok) _network[to.Value].Install(sender);
        _seen[to.Value] = _network[to.Value].Core.CommitIndex;
        sender.Step(RaftInput.SnapshotSent(to, ok));
    }

    /// <summary>One disk at a time: whoever lost it has recovered before the next one does.</summary>
    private void MaybeWipe(Member member)
    {
        if (_network.Members.Values.Any(other => other.IsRecoveringOnDisk)) return;
        member.Wipe();
        _network.InFlight.RemoveAll(message => message.To == member.Id || message.From == member.Id); // As links do.
        Restarted(member);
    }

    private void ChangeMembers()
    {
        if (_network.Leader is not { } leader || _network.Members.Count < 5) return;
        NodeId[] all = [.. _network.Members.Keys.Select(id => new NodeId(id))];
        _random.Shuffle(all);
        int voters = _random.Next(3, all.Length + 1);
        leader.Step(RaftInput.ChangeMembership(new Membership([.. all[..voters]], [], [.. all[voters..]])));
    }

    private void Restarted(Member member)
    {
        _seen[member.Id.Value] = member.Core.CommitIndex;
        foreach ((int Reader, ulong Id) read in _reads.Keys.Where(read => read.Reader == member.Id.Value).ToList()) _reads.Remove(read);
    }

    private void Reads(Member member)
    {
        foreach (ReadGrant grant in member.ReadsGranted)
            Assert.True(grant.Index >= _reads[(member.Id.Value, grant.Id)], "a read misses what was acknowledged before");
        member.ReadsGranted.Clear();
    }

    private void Check()
    {
        foreach (Member member in _network.Members.Values)
        {
            RaftCore core = member.Core;
            if (core.Role == RaftRole.Leader && !_leaders.TryAdd(core.Term, member.Id))
                Assert.True(_leaders[core.Term] == member.Id, $"two leaders in term {core.Term}");
            Assert.False(core.Role == RaftRole.Leader && core.IsRecovering, "a recovering member leads");
            foreach (LogEntry entry in member.Committed.SkipWhile(entry => entry.Index <= _seen[member.Id.Value])) Choose(entry);
            _seen[member.Id.Value] = core.CommitIndex;
            if (core.Role == RaftRole.Leader && core.CommitIndex > _acknowledged) _acknowledged = core.CommitIndex;
            if (core.HasCommittedInTerm && core.Term == _leaders.Keys.Max())
                Assert.True(core.LastIndex.Value >= Chosen.Count, "the leader lacks what was committed (leader completeness)");
            Reads(member);
        }
    }

    private void Choose(in LogEntry entry)
    {
        int position = (int)entry.Index.Value - 1;
        if (position < Chosen.Count)
        {
            Assert.True(Same(Chosen[position], entry), $"entry {entry.Index} was committed twice, differently");
            return;
        }

        Assert.Equal(Chosen.Count, position);
        KafkaOffset before = position == 0 ? KafkaOffset.Zero : Chosen[^1].NextOffset;
        Assert.True(entry.Kind == EntryKind.Batch ? entry.NextOffset > before : entry.NextOffset == before);
        Chosen.Add(entry with { Payload = BufferSlice.Empty });
    }

    private static bool Same(in LogEntry a, in LogEntry b) =>
        a.Index == b.Index && a.Term == b.Term && a.Kind == b.Kind && a.NextOffset == b.NextOffset;
}

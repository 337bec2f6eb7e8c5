using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>A few members that exchange messages, in one thread and in an order that the test chooses.</summary>
internal sealed class Network
{
    private readonly HashSet<(int From, int To)> _cut = [];

    public Network(int members, Func<RaftOptions, RaftOptions>? configure = null)
        : this([.. Enumerable.Range(1, members)], [], configure)
    {
    }

    public Network(int[] voters, int[] joining, Func<RaftOptions, RaftOptions>? configure = null)
    {
        foreach (int id in voters) Members.Add(id, Make(id, voters));
        foreach (int id in joining) Members.Add(id, Make(id, []));
        Member Make(int id, int[] among)
        {
            RaftOptions options = new() { Self = new NodeId(id), Seed = 7 };
            return new Member(configure?.Invoke(options) ?? options, among) { AutoApply = true };
        }
    }

    public SortedDictionary<int, Member> Members { get; } = [];

    public List<RaftMessage> InFlight { get; } = [];

    public bool SnapshotsFail { get; set; }

    public int SnapshotsTried { get; private set; }

    public Member this[int id] => Members[id];

    public Member? Leader => Members.Values.Where(member => member.Core.Role == RaftRole.Leader).MaxBy(member => member.Core.Term);

    /// <summary>Nothing that one side sends reaches the other any more.</summary>
    public void Cut(int from, int to) => _cut.Add((from, to));

    public void Isolate(int id)
    {
        foreach (int other in Members.Keys.Where(other => other != id))
        {
            Cut(id, other);
            Cut(other, id);
        }
    }

    public void Heal() => _cut.Clear();

    /// <summary>Takes what members have said into the network.</summary>
    public void Collect()
    {
        foreach (Member member in Members.Values)
        {
            InFlight.AddRange(member.Outbox);
            member.Outbox.Clear();
        }
    }

    public void Deliver(in RaftMessage message)
    {
        if (_cut.Contains((message.From.Value, message.To.Value)) || !Members.TryGetValue(message.To.Value, out Member? to)) return;
        to.Step(RaftInput.Receive(message));
    }

    /// <summary>Disks finish and messages arrive in order until nothing moves any more; snapshots are delivered too.</summary>
    public void Settle()
    {
        for (int round = 0; ; round++)
        {
            Assert.True(round < 1000, "it never settles");
            Collect();
            List<RaftMessage> now = [.. InFlight];
            InFlight.Clear();
            foreach (RaftMessage message in now) Deliver(message);
            bool wrote = false;
            foreach (Member member in Members.Values)
            {
                wrote |= member.WritesUnderWay > 0;
                member.FinishAllWrites();
                SendSnapshots(member);
            }

            Collect();
            if (InFlight.Count == 0 && !wrote) return;
        }
    }

    public void Tick(int count = 1)
    {
        for (int i = 0; i < count; i++)
        {
            foreach (Member member in Members.Values) member.Tick();
            Settle();
        }
    }

    /// <summary>Ticks until somebody leads whom a majority follows.</summary>
    public Member Elect()
    {
        for (int i = 0; i < 200; i++)
        {
            if (Leader is { Core.HasCommittedInTerm: true } leader && leader.Core.HasQuorumContact) return leader;
            Tick();
        }

        throw new InvalidOperationException("nobody was elected: " + string.Join("; ", Members.Values.Select(member =>
            $"{member.Id} {member.Core.Role} term {member.Core.Term} {member.Core.Membership} last {member.Core.LastIndex} "
            + $"commit {member.Core.CommitIndex}"
            + $" {(member.Core.IsRecovering ? "recovering" : "")} {(member.Core.IsAsleep ? "asleep" : "")}")));
    }

    private void SendSnapshots(Member leader)
    {
        foreach (NodeId peer in leader.SnapshotsNeeded.ToList())
        {
            SnapshotsTried++;
            bool cut = SnapshotsFail || _cut.Contains((leader.Id.Value, peer.Value)) || !Members.ContainsKey(peer.Value);
            if (!cut) Members[peer.Value].Install(leader);
            leader.Step(RaftInput.SnapshotSent(peer, !cut));
        }

        leader.SnapshotsNeeded.Clear();
    }
}

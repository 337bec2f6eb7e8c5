using Chronik.Metadata;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Simulation;

/// <summary>
/// What goes wrong, when and for how long. Of what a cluster may be asked to survive, everything happens, several at a time; of the rest,
/// such as the disks of a majority lost, nothing does.
/// </summary>
internal sealed class Faults(Simulation sim, SimRandom random)
{
    private bool _stopped;

    public void Begin()
    {
        Parameters p = sim.Parameters;
        Repeat(p.PowerLossEvery, () => Crash(CrashKind.PowerLoss));
        Repeat(p.KillEvery, () => Crash(CrashKind.Kill));
        Repeat(p.TornWriteEvery, () => Anyone()?.TearWrite(random.Between(1, 30)));
        Repeat(p.FailedSyncEvery, () => Anyone()?.FailSync());
        Repeat(p.BitFlipEvery, FlipBit);
        Repeat(p.WipeEvery, Wipe);
        Repeat(p.CrashAllEvery, CrashAll);
        Repeat(p.PartitionEvery, Cut);
        Repeat(p.PauseEvery, Pause);
        Repeat(p.MembershipEvery, ChangeMembers);
        Repeat(p.TransferEvery, Transfer);
        Repeat(p.CheckpointEvery, Checkpoint);
        Repeat(p.HandOverEvery, HandOver);
        if (!p.IsPlaced) return;
        Repeat(p.MoveEvery, Move);
        Repeat(p.LagEvery, Lag);
    }

    public void Stop() => _stopped = true;

    /// <summary>
    /// Whether a node's data may be destroyed: no group may then have more damaged voters than it can do without, in any membership that
    /// anybody knows of.
    /// </summary>
    public bool MayDamage(Node node)
    {
        foreach (Node other in sim.Nodes)
        {
            if (other == node) continue;
            if (other.IsSuspect) return false;
            for (int group = 0; group < sim.Groups.Count; group++)
            {
                // Where replicas move a learner may be about to vote, whatever its leader knows of it.
                if (other.IsRecovering(group) && (sim.Parameters.IsPlaced || IsVoter(other, group))) return false;
            }
        }

        return true;
    }

    /// <summary>A node has told a candidate that it votes for it.</summary>
    public void Voted(Node node)
    {
        if (_stopped || !random.Chance(sim.Parameters.VoterCrashes)) return;
        node.Plan(random.Between(0, 2_000), () =>
        {
            node.Crash(CrashKind.Kill);
            sim.RestartLater(node, random.Between(0, 20_000));
        });
    }

    private bool IsVoter(Node node, int group)
    {
        NodeId id = new(node.Id);
        if (sim.Groups[group].First.IsVoter(id)) return true;
        foreach (Node other in sim.Nodes)
        {
            if (other.MembersOf(group) is { } members && members.IsVoter(id)) return true;
        }

        return false;
    }

    private void Crash(CrashKind kind)
    {
        if (Anyone() is not { } node) return;
        node.Crash(kind);
        sim.RestartLater(node);
    }

    private void CrashAll()
    {
        int[] order = Shuffled(sim.Nodes.Count);
        foreach (Node node in sim.Nodes) node.Crash(random.Chance(0.7) ? CrashKind.PowerLoss : CrashKind.Kill);
        for (int i = 0; i < order.Length; i++)
        {
            long delay = random.Between(0, 300_000);
            // A majority comes back at once; the others much later, so that it has to do without them.
            if (i > order.Length / 2) delay += random.Between(2_000_000, 6_000_000);
            sim.RestartLater(sim.Nodes[order[i]], delay);
        }
    }

    private void FlipBit()
    {
        Node node = random.Pick(sim.Nodes);
        if (!MayDamage(node) || !node.FlipBit() || random.Chance(0.3)) return;
        if (node.IsUp) node.Crash(CrashKind.Kill);
        sim.RestartLater(node);
    }

    private void Wipe()
    {
        Node node = random.Pick(sim.Nodes);
        if (!MayDamage(node)) return;
        node.Wipe("another disk was put in");
        sim.RestartLater(node);
    }

    private void Pause()
    {
        if (Anyone() is not { } node) return;
        node.Pause();
        int incarnation = node.Incarnation;
        sim.After(random.Between(10_000, sim.Parameters.PauseMax), () =>
        {
            if (node.Incarnation == incarnation) node.Resume();
        });
    }

    private void Cut()
    {
        List<(int From, int To)> cuts = [];
        int count = sim.Nodes.Count;
        int victim = random.Next(count);
        switch (random.Next(5))
        {
            case 0: // One node hears nothing, or is not heard, or both.
                bool hears = random.Chance(0.33);
                bool speaks = !hears && random.Chance(0.5);
                for (int other = 0; other < count; other++)
                {
                    if (other == victim) continue;
                    if (!hears) cuts.Add((other, victim));
                    if (!speaks) cuts.Add((victim, other));
                }

                break;
            case 1: // Two halves.
                int[] order = Shuffled(count);
                int half = 1 + random.Next(count - 1);
                for (int a = 0; a < half; a++)
                    for (int b = half; b < count; b++) cuts.AddRange([(order[a], order[b]), (order[b], order[a])]);
                break;
            case 2: // A ring: everybody speaks to the neighbours only.
                for (int a = 0; a < count; a++)
                    for (int b = 0; b < count; b++)
                        if (a != b && (a + 1) % count != b && (b + 1) % count != a) cuts.Add((a, b));
                if (count == 3) cuts.AddRange([(0, 1), (1, 2), (2, 0)]);
                break;
            case 3: // A single pair.
                int peer = (victim + 1 + random.Next(count - 1)) % count;
                cuts.AddRange([(victim, peer), (peer, victim)]);
                break;
            default: // Any directions.
                for (int a = 0; a < count; a++)
                    for (int b = 0; b < count; b++)
                        if (a != b && random.Chance(0.3)) cuts.Add((a, b));
                break;
        }

        foreach ((int from, int to) in cuts) sim.Network.Cut(from, to);
        if (sim.Trace.IsOn) sim.Trace.Line(sim.Now, $"cut: {string.Join(' ', cuts.Select(c => $"{c.From}>{c.To}"))}");
        sim.After(random.Between(100_000, sim.Parameters.PartitionMax), () =>
        {
            foreach ((int from, int to) in cuts) sim.Network.Restore(from, to);
            if (sim.Trace.IsOn) sim.Trace.Line(sim.Now, "cut undone");
        });
    }

    private void ChangeMembers()
    {
        int group = sim.Parameters.IsPlaced ? 0 : random.Next(sim.Groups.Count);
        if (sim.Leader(group) is not { } leader) return;
        // With fewer than three voters none of them may lose its disk.
        bool damages = sim.Parameters.WipeEvery > 0 || sim.Parameters.BitFlipEvery > 0;
        List<NodeId> nodes = [.. Shuffled(sim.Nodes.Count).Where(id => !sim.Nodes[id].IsRecovering(group)).Select(id => new NodeId(id))];
        int least = damages ? 3 : 1;
        if (nodes.Count < least) return;
        int voters = (int)random.Between(least, nodes.Count);
        int learners = random.Next(nodes.Count - voters + 1);
        // Who does not hear the metadata has nothing placed on it.
        if (sim.Parameters.IsPlaced) nodes.AddRange(sim.Nodes.Select(node => node.Self).Except(nodes).ToArray());
        if (sim.Parameters.IsPlaced) learners = nodes.Count - voters;
        Membership target = new([.. nodes.Take(voters)], [], [.. nodes.Skip(voters).Take(learners)]);
        if (sim.Trace.IsOn) leader.Line($"members shall be {target}");
        leader.Node.Do(() => leader.TryControl(RaftInput.ChangeMembership(target)));
    }

    private void Transfer()
    {
        int group = random.Next(sim.Groups.Count);
        if (sim.Leader(group) is null) return;
        Transfer(group, random.Chance(0.3) ? NodeId.None : new NodeId(random.Next(sim.Nodes.Count)));
    }

    private void Transfer(int group, NodeId target)
    {
        if (_stopped || sim.Leader(group) is not { } leader) return;
        if (sim.Trace.IsOn) leader.Line($"hands over to {target}");
        leader.Node.Do(() => leader.TryControl(RaftInput.TransferTo(target)));
    }

    private void Checkpoint()
    {
        Node node = random.Pick(sim.Nodes);
        int group = random.Next(sim.Groups.Count);
        node.Do(() => node.Replicas[group]?.StartCheckpoint());
    }

    private void HandOver()
    {
        if (Anyone() is not { IsPaused: false } node) return;
        node.HandOver(() =>
        {
            node.Crash(CrashKind.Kill);
            sim.RestartLater(node);
        });
    }

    /// <summary>An operator has a partition moved, or a move taken back, or everything balanced.</summary>
    private void Move()
    {
        if (sim.Groups.Count == 1) return;
        if (random.Chance(0.25))
        {
            if (sim.Leader(0) is { } controller) controller.Node.Do(() => controller.Balance());
            return;
        }

        int partition = random.Next(sim.Groups.Count - 1);
        NodeId[] nodes = [.. Shuffled(sim.Nodes.Count).Select(id => new NodeId(id))];
        // With fewer than three voters none of them may lose its disk.
        bool damages = sim.Parameters.WipeEvery > 0 || sim.Parameters.BitFlipEvery > 0;
        int replicas = (int)random.Between(damages ? Math.Min(3, nodes.Length) : 1, nodes.Length);
        bool cancels = random.Chance(0.15);
        if (sim.Leader(0) is not { } leader) return;
        Reassignment move = new(Simulation.TopicName, partition, cancels ? null : nodes[..replicas]);
        if (sim.Trace.IsOn) leader.Line($"p{partition} shall go {(cancels ? "back" : $"to {string.Join(' ', move.Target!)}")}");
        leader.Node.Do(() => leader.Command(new AlterReassignments([move])));
    }

    /// <summary>A node follows the metadata late for a while, and is to lead something meanwhile.</summary>
    private void Lag()
    {
        if (Anyone() is not { } node) return;
        long lag = random.Between(0, sim.Parameters.LagMax);
        node.Lag(lag);
        sim.After(random.Between(0, sim.Parameters.LagMax), () => node.Lag(0));
        sim.After(random.Between(lag / 2, 2 * lag), () => Transfer(random.Next(sim.Groups.Count), node.Self));
    }

    private Node? Anyone()
    {
        Node node = random.Pick(sim.Nodes);
        return node.IsUp ? node : null;
    }

    private int[] Shuffled(int count)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        for (int i = count - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }

    private void Repeat(long mean, Action action)
    {
        if (mean == 0) return;
        sim.After(random.Exponential(mean), Again);

        void Again()
        {
            if (_stopped) return;
            sim.After(random.Exponential(mean), Again);
            action();
        }
    }
}

using Chronik.Metadata;
using Chronik.Model;
using Chronik.Raft;
using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>A cluster for one named situation: nothing goes wrong but what the test does to it. The checks run all the same.</summary>
internal sealed class Scenario : IDisposable
{
    /// <summary>The first partition's group; 0 is the metadata group.</summary>
    public const int Partition = 1;

    private const long Bound = 30_000_000;

    public Scenario(Parameters parameters)
    {
        Sim = new Simulation(parameters);
        Sim.Start();
    }

    public Scenario(ulong seed, int nodes = 3)
        : this(Parameters.Calm(seed, nodes))
    {
    }

    public Simulation Sim { get; }

    public IReadOnlyList<Node> Nodes => Sim.Nodes;

    public static void Each(int seeds, Action<ulong> run)
    {
        for (ulong seed = 1; seed <= (ulong)seeds; seed++)
        {
            try
            {
                run(seed);
            }
            catch (Exception failure)
            {
                throw new SimulationFailure($"seed {seed}: {failure.Message}", failure);
            }
        }
    }

    /// <summary>Whole random runs; every seed must pass.</summary>
    public static void Seeds(int seeds, Func<Parameters, Parameters> change)
    {
        for (ulong seed = 1; seed <= (ulong)seeds; seed++)
        {
            Outcome outcome = Runner.Run(change(Parameters.Draw(seed)));
            Assert.True(outcome.Failure is null, outcome.Describe(seed));
        }
    }

    public void Dispose() => Sim.Close();

    public Replica Replica(int node, int group = Partition) => Nodes[node].Replicas[group]!;

    /// <summary>Waits for a leader that is none of the given nodes.</summary>
    public Replica AwaitLeader(int group = Partition, params int[] without)
    {
        Until(() => Leader() is not null, "a leader");
        return Leader()!;

        Replica? Leader() => Sim.Leader(group) is { } found && !without.Contains(found.Node.Id) ? found : null;
    }

    /// <summary>Writes records one after the other, each acknowledged before the next.</summary>
    public void Produce(int batches, int group = Partition, int valueBytes = 100)
    {
        for (int i = 0; i < batches; i++)
        {
            long before = Sim.Groups[group].Check.Acknowledged;
            bool taken = false;
            Until(
                () =>
                {
                    if (!taken && Sim.Leader(group) is { } leader) leader.Node.Do(() => taken = leader.Produce(1, valueBytes));
                    return Sim.Groups[group].Check.Acknowledged > before;
                },
                "an acknowledgement");
        }
    }

    /// <summary>Has a node lead a group.</summary>
    public void Lead(int node, int group = Partition)
    {
        while (AwaitLeader(group) is { } leader && leader.Node.Id != node)
        {
            leader.Node.Do(() => leader.TryControl(RaftInput.TransferTo(Id(node))));
            Sim.RunFor(1_000_000);
        }
    }

    /// <summary>The metadata as their leader knows them.</summary>
    public MetadataImage Image() => AwaitLeader(0).Metadata!.Image;

    /// <summary>What the metadata say of a partition.</summary>
    public PartitionImage Placement(int group = Partition)
    {
        Until(() => Image().Find(Sim.Groups[group].Id) is not null, "a partition");
        return Image().Find(Sim.Groups[group].Id)!;
    }

    /// <summary>Asks whoever leads the metadata, again and again, until what shall come of it is so.</summary>
    public void Ask(MetadataCommand command, Func<MetadataImage, bool> isDone, long within = Bound)
    {
        long next = 0;
        Until(
            () =>
            {
                if (Sim.Leader(0) is not { } leader) return false;
                if (Sim.Now >= next)
                {
                    next = Sim.Now + 500_000;
                    leader.Node.Do(() => leader.Command(command));
                }

                return isDone(leader.Metadata!.Image);
            },
            command.GetType().Name,
            within);
    }

    /// <summary>A node hands over what it leads and stops.</summary>
    public void Stop(int node)
    {
        bool hasStopped = false;
        Nodes[node].HandOver(() =>
        {
            Nodes[node].Crash(CrashKind.Kill);
            hasStopped = true;
        });
        Until(() => hasStopped, "end");
    }

    /// <summary>Writes to a node, whatever it makes of it.</summary>
    public void ProduceAt(int node, int batches, int group = Partition) =>
        Nodes[node].Do(() =>
        {
            for (int i = 0; i < batches; i++) Replica(node, group).Produce(1, 100);
        });

    public void Until(Func<bool> condition, string what, long within = Bound) =>
        Assert.True(Sim.RunUntil(condition, within), $"no {what} within {within / 1e6} s of virtual time");

    /// <summary>Cuts a node off from all others.</summary>
    public void Isolate(int node)
    {
        for (int other = 0; other < Nodes.Count; other++)
        {
            if (other == node) continue;
            Sim.Network.Cut(node, other);
            Sim.Network.Cut(other, node);
        }
    }

    /// <summary>Everything works again, and what must be true at the end is.</summary>
    public void Finish()
    {
        Sim.Heal();
        Sim.RequireProgress("at the end");
        Sim.Finish();
    }

    public int Other(params int[] not) => Nodes.First(node => !not.Contains(node.Id)).Id;

    public NodeId Id(int node) => Nodes[node].Self;
}

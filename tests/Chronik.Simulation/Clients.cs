using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Simulation;

/// <summary>
/// Producers, readers and administrators. They know nothing but which nodes there are; most ask the leader, some, and most readers, ask
/// anybody.
/// </summary>
internal sealed class Clients(Simulation sim, SimRandom random)
{
    private bool _stopped;
    private int _topics;

    public void Begin()
    {
        Repeat(sim.Parameters.ProduceEvery, Produce);
        for (int group = 1; group < sim.Groups.Count; group++)
        {
            SimProducer producer = new(sim.Groups[group].Check, random, id: group);
            int own = group;
            Repeat(sim.Parameters.IdempotentEvery, () => Send(producer, own));
        }

        Repeat(sim.Parameters.ReadEvery, Read);
        Repeat(sim.Parameters.CommandEvery, Administer);
    }

    public void Stop() => _stopped = true;

    /// <summary>Writes one record to a group; false when it has no leader.</summary>
    public bool Probe(int group)
    {
        if (sim.Leader(group) is not { } leader) return false;
        bool taken = false;
        leader.Node.Do(() => taken = sim.Groups[group].IsMetadata ? leader.Command(new AllocateProducerIds(1)) : leader.Produce(1, 16));
        return taken;
    }

    public void Produce()
    {
        if (sim.Groups.Count == 1) return;
        int group = 1 + random.Next(sim.Groups.Count - 1);
        int records = (int)random.Between(1, sim.Parameters.RecordsMax);
        int bytes = (int)random.Between(8, sim.Parameters.ValueBytesMax);
        if (Someone(group) is { } replica) replica.Node.Do(() => replica.Produce(records, bytes));
    }

    private void Send(SimProducer producer, int group)
    {
        if (Someone(group) is not { } replica) return;
        foreach (SimProducer.Batch batch in producer.ToSend(sim.Now, sim.Parameters.RecordsMax))
            replica.Node.Do(() => replica.Produce(batch));
    }

    private void Read()
    {
        int group = random.Next(sim.Groups.Count);
        if (Someone(group, anybodyChance: 0.7) is { } replica) replica.Node.Do(replica.Read);
    }

    private void Administer()
    {
        MetadataCommand command = NextCommand();
        if (Someone(0) is { } replica) replica.Node.Do(() => replica.Command(command));
    }

    private MetadataCommand NextCommand()
    {
        string topic = $"topic{random.Next(_topics + 1)}";
        return random.Next(6) switch
        {
            0 or 1 => new CreateTopics([new NewTopic { Name = $"topic{_topics++}", PartitionCount = 1 + random.Next(4) }]),
            2 => new DeleteTopics([TopicReference.ByName(topic)]),
            3 => new CreatePartitions([new MorePartitions(topic, 1 + random.Next(8))]),
            4 => new IncrementalAlterConfigs([new ConfigAlteration(
                ConfigResource.OfTopic(topic),
                [new ConfigChange("retention.ms", ConfigOperation.Set, $"{random.Between(1_000, 1_000_000)}")])]),
            _ => random.Chance(0.5)
                ? new AllocateProducerIds(1 + random.Next(1_000))
                : new RegisterBroker(
                    new NodeId(random.Next(sim.Nodes.Count)), [new BrokerEndpoint("PLAINTEXT", "localhost", 9092 + random.Next(9))], null),
        };
    }

    /// <summary>Any node that leads, or believes that it does; sometimes any node at all.</summary>
    private Replica? Someone(int group, double anybodyChance = 0.2)
    {
        int start = random.Next(sim.Nodes.Count);
        bool anybody = random.Chance(anybodyChance);
        for (int i = 0; i < sim.Nodes.Count; i++)
        {
            Node node = sim.Nodes[(start + i) % sim.Nodes.Count];
            if (node.Replicas[group] is not { } replica) continue;
            if (anybody || replica.IsLeading) return replica;
        }

        return null;
    }

    private void Repeat(long mean, Action action)
    {
        if (mean == 0) return;
        sim.After(random.Exponential(mean), Again);

        void Again()
        {
            if (_stopped) return;
            // A rest now and then, for the groups that fall asleep.
            bool rests = sim.Parameters.RestMax > 0 && random.Chance(0.01);
            sim.After(rests ? random.Between(0, sim.Parameters.RestMax) : random.Exponential(mean), Again);
            action();
        }
    }
}

using System.Buffers.Binary;
using Akka.Actor;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Protocol;
using Chronik.Protocol.RecordBatches;
using Chronik.Raft;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>The way of a snapshot from one node to another: cut off, held back, damaged, from the wrong one.</summary>
public sealed class SnapshotTransferTests
{
    private const int Lacking = 60;
    private const int ValueBytes = 30_000;

    private static readonly NodeId Third = new(3);

    /// <summary>Ticks so slow that whoever leads does so until it dies.</summary>
    private static readonly ClusterOptions Steady = new() { TickInterval = TimeSpan.FromMilliseconds(250) };

    [Fact]
    public async Task What_a_replica_received_survives_its_restart_and_its_senders()
    {
        HandTime time = new();
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Throttled(time));
        List<string> values = await FallBehindAsync(cluster);
        Partition third = await cluster.RestartAsync(Third);
        using CheckpointWatch durable = cluster.WatchCheckpoints(Third);
        await PassUntilAsync(time, () => third.View.HighWatermark.Value > 20 && durable.LogEnd > 15);

        long kept = durable.LogEnd;
        await cluster.KillAsync(Third);
        third = await cluster.RestartAsync(Third);
        Assert.InRange(third.View.HighWatermark.Value, kept, values.Count - 1);
        await AdvanceUntilAsync(time, () => third.View.HighWatermark.Value > kept + 10);

        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        await cluster.KillAsync(leads);
        await cluster.RestartAsync(leads);
        await AdvanceUntilAsync(time, () => third.View.HighWatermark.Value >= values.Count);
        await cluster.ProduceAllAsync(values, 1);
        await AdvanceUntilAsync(time, () => third.View.HighWatermark.Value >= values.Count); // It may be a part of the snapshot.
        await cluster.AllShowAsync(values);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Who_restarts_within_a_snapshot_and_leads_later_knows_every_producer_by_the_log(bool isCaughtUpByEntries)
    {
        const int Producers = 3;
        const int Window = ProducerStates.Window;
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Steady);
        List<string> values = [];
        await ProduceAsync(5);
        await cluster.AllShowAsync(values);
        await cluster.KillAsync(Third);
        await ProduceAsync(Lacking);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        await cluster.CheckpointAsync(leads);

        cluster.Link(leads, Third).Damage = frame =>
        {
            bool isLost = false;
            EachStep(
                frame, (step, _) => isLost |= step is { Part: SnapshotPart.State } or { Part: SnapshotPart.Batches, Offset: > 20 });
            if (isLost) frame[0] ^= 1;
        };
        Partition third = await cluster.RestartAsync(Third);
        await NodeFixture.UntilAsync(() => third.View.HighWatermark.Value > 20);
        using CheckpointWatch durable = cluster.WatchCheckpoints(Third);
        third.Replica.Tell(WriteCheckpoint.Instance, ActorRefs.NoSender);
        await NodeFixture.UntilAsync(() => durable.LogEnd > 20);
        await cluster.KillAsync(Third);
        if (isCaughtUpByEntries) await cluster.KillAsync(leads); // The other one has them all.
        cluster.Isolate(Third);
        third = await cluster.RestartAsync(Third);
        long kept = third.View.HighWatermark.Value;
        Assert.InRange(kept, 21, values.Count - 1);
        await KnowsAsync(kept);

        cluster.Link(leads, Third).Damage = null;
        cluster.Isolate(Third, isCut: false);
        await ProduceAsync(1);
        await NodeFixture.UntilAsync(() => third.View.HighWatermark.Value == values.Count);
        await KnowsAsync(values.Count);
        await cluster.LeadAsync(Third);
        int end = values.Count;
        for (int at = end - (Producers * Window); at < end; at++) Assert.Equal((KafkaError.None, (long)at), await AppendAsync(at));
        Assert.Equal(KafkaError.OutOfOrderSequenceNumber, (await AppendAsync(end - (Producers * Window) - 1)).Error);
        Assert.Equal(KafkaError.OutOfOrderSequenceNumber, (await AppendAsync(end + Producers)).Error);
        for (int at = end; at < end + Producers; at++) Assert.Equal((KafkaError.None, (long)at), await AppendAsync(at));
        Assert.Equal(end + Producers, third.View.LogEndOffset.Value);

        RecordBatchBuilder Of(int at, string value) => new RecordBatchBuilder
        {
            ProducerId = 1 + (at % Producers),
            ProducerEpoch = 0,
            BaseSequence = at / Producers,
        }.Add(1_000, null, System.Text.Encoding.UTF8.GetBytes(value));

        async Task ProduceAsync(int count)
        {
            for (int i = 0; i < count; i++)
            {
                string value = $"{values.Count}-{new string('x', ValueBytes)}";
                Assert.Equal(KafkaError.None, (await cluster.ProduceAsync(Of(values.Count, value))).Error);
                values.Add(value);
            }
        }

        async Task<(KafkaError Error, long BaseOffset)> AppendAsync(int at)
        {
            AppendResult result = await cluster.AppendAsync(third, Of(at, "once more").Build());
            return (result.Error, result.BaseOffset.Value);
        }

        async Task KnowsAsync(long records)
        {
            var known = await third.Replica.Ask<IReadOnlyList<ProducerSummary>>(DescribeProducers.Instance, NodeFixture.Patience);
            Assert.Equal(
                Enumerable.Range(0, Producers).Select(i => ((long)i + 1, (int)((records - 1 - i) / Producers))),
                known.OrderBy(producer => producer.ProducerId).Select(producer => (producer.ProducerId, producer.LastSequence)));
        }
    }

    [Fact]
    public async Task A_transfer_keeps_to_the_rate_of_the_node_and_says_how_far_it_is()
    {
        HandTime time = new();
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Throttled(time));
        List<string> values = await FallBehindAsync(cluster);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        int asked = 0;
        cluster.Link(Third, leads).Damage = frame => EachStep(frame, (step, _) =>
        {
            if (step.Part == SnapshotPart.Ask) Volatile.Write(ref asked, Math.Max(asked, (int)step.Offset));
        });
        Partition third = await cluster.RestartAsync(Third);
        SnapshotTransferStatus? status = null;
        TimeSpan passed = await PassUntilAsync(time, () =>
        {
            status = cluster[leads].Snapshots.All is [{ BytesDone: > 0 } begun] ? begun : null;
            return status is not null;
        });
        Assert.Equal((Third, true, false), (status!.Peer, status.IsSending, status.IsWaiting));
        long allowed = 100_000 + (128 << 10) + (long)(passed.TotalSeconds * 1_000_000); // What gathers, and the chunk that it lets pass.
        Assert.InRange(status.BytesDone, 1, allowed * 2); // It is packed to half of its size at best.
        // Whoever asks again, because nothing has come for a while, lacks only what lies behind all that it has got by then.
        Assert.InRange(status.BytesTotal, values.Skip(Volatile.Read(ref asked)).Sum(value => value.Length), Lacking * ValueBytes * 2);
        await NodeFixture.UntilAsync(
            () => cluster[Third].Snapshots.All.Any(transfer => !transfer.IsSending && transfer.Peer == leads));
        await AdvanceUntilAsync(time, () => third.View.HighWatermark.Value >= values.Count);
        await AdvanceUntilAsync(time, () => cluster[leads].Snapshots.All.Count == 0 && cluster[Third].Snapshots.All.Count == 0);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task Several_chunks_are_under_way()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Steady);
        List<string> values = await FallBehindAsync(cluster);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        int asked = 0;
        cluster.Link(Third, leads).Damage = frame => EachStep(frame, (step, _) =>
        {
            if (step.Part == SnapshotPart.Ask) Interlocked.Increment(ref asked);
            else if (step.Part == SnapshotPart.Received) frame[0] ^= 1; // The sender never hears how far it has come.
        });
        int chunks = 0;
        cluster.Link(leads, Third).Damage = frame => EachStep(frame, (step, _) =>
        {
            if (step.Part == SnapshotPart.Batches) Interlocked.Increment(ref chunks);
        });
        Partition third = await cluster.RestartAsync(Third);
        await NodeFixture.UntilAsync(() => third.View.HighWatermark.Value >= values.Count);
        Assert.True(chunks > 5 && asked < chunks, $"{asked} questions, {chunks} chunks");
        cluster.Link(Third, leads).Damage = null;
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task A_chunk_with_a_flipped_bit_is_refused_and_the_next_transfer_brings_what_is_right()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = await FallBehindAsync(cluster);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        int chunks = 0;
        int refusals = 0;
        cluster.Link(leads, Third).Damage = frame => EachStep(frame, (step, payload) =>
        {
            if (step.Part != SnapshotPart.Batches || Interlocked.Increment(ref chunks) < 3 || Volatile.Read(ref refusals) > 0) return;
            frame[payload + 20_000] ^= 4; // On its way through the memory of a node: the frame itself looks right.
            BinaryPrimitives.WriteUInt32LittleEndian(frame, Crc32C.Compute(frame.AsSpan(sizeof(uint))));
        });
        cluster.Link(Third, leads).Damage = frame => EachStep(frame, (step, _) =>
        {
            if (step.Part == SnapshotPart.Refused) Interlocked.Increment(ref refusals);
        });
        await cluster.RestartAsync(Third);
        await cluster.AllShowAsync(values);
        Assert.Equal(1, Volatile.Read(ref refusals));
    }

    [Fact]
    public async Task A_frame_that_is_lost_on_the_way_is_asked_for_again()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = await FallBehindAsync(cluster);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        int steps = 0;
        cluster.Link(leads, Third).Damage = frame => EachStep(frame, (step, _) =>
        {
            if (step.Part != SnapshotPart.Offer && Interlocked.Increment(ref steps) is 1 or 4 or 9) frame[0] ^= 1;
        });
        await cluster.RestartAsync(Third);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task A_manifest_of_another_cluster_is_refused()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        await cluster.AllShowAsync(values);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId follower = cluster.Ids.First(id => id != leads);
        TaskCompletionSource refused = new();
        cluster.Link(follower, leads).Damage = frame => EachStep(frame, (step, _) =>
        {
            if (step.Part == SnapshotPart.Refused) refused.TrySetResult();
        });
        SnapshotPoint point = new(new LogIndex(1_000), new Term(1), new KafkaOffset(50), KafkaOffset.Zero);
        Steps steps = new(cluster, follower, leads, point, 1);
        steps.Tell(SnapshotPart.Offer, 0, []);
        steps.Tell(SnapshotPart.Manifest, 5, new SnapshotManifest("another", new KafkaOffset(5), []).Write());
        await refused.Task.WaitAsync(NodeFixture.Patience);
        await NodeFixture.UntilAsync(() => cluster[follower].Snapshots.All.Count == 0);
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task A_replica_that_got_further_than_the_next_leader_has_committed_takes_its_snapshot_all_the_same()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        await cluster.CheckpointAsync();
        await cluster.KillAsync(Third);
        await cluster.ProduceAllAsync(values, 15);
        Partition leader = await cluster.LeaderAsync();
        NodeId leads = cluster.NodeOf(leader);
        LogEntry tenth = EntryBefore(cluster, leads, new KafkaOffset(10));
        byte[] batches = Batches(leader, 5);
        byte[] state = StateAt(cluster, leader, 10);
        await cluster.CheckpointAsync();
        cluster.Isolate(Third);
        Partition third = await cluster.RestartAsync(Third);

        // One leader has sent everything but the end when it dies.
        SnapshotPoint first = new(new LogIndex(1_000), new Term(1_000), new KafkaOffset(20), KafkaOffset.Zero);
        Steps dead = new(cluster, Third, new NodeId(1), first, 901);
        dead.Tell(SnapshotPart.Offer, 0, []);
        dead.Tell(SnapshotPart.Manifest, 5, new SnapshotManifest(ReplicaCluster.ClusterId, new KafkaOffset(5), []).Write());
        dead.Tell(SnapshotPart.Batches, 5, batches);
        await NodeFixture.UntilAsync(() => third.View.HighWatermark.Value == 20);

        // The next one has all of it, too, but does not know yet that it is committed, and needs this replica to find out.
        SnapshotPoint second = new(tenth.Index, tenth.Term, new KafkaOffset(10), KafkaOffset.Zero);
        Steps next = new(cluster, Third, new NodeId(2), second, 902);
        next.Tell(SnapshotPart.Offer, 0, []);
        next.Tell(SnapshotPart.Manifest, 20, new SnapshotManifest(ReplicaCluster.ClusterId, new KafkaOffset(20), []).Write());
        using CheckpointWatch durable = cluster.WatchCheckpoints(Third);
        next.Tell(SnapshotPart.State, 20, state);
        await NodeFixture.UntilAsync(() => durable.LogEnd == 20);

        await cluster.KillAsync(Third);
        third = await cluster.RestartAsync(Third);
        Assert.Equal(20, third.View.HighWatermark.Value);
        cluster.Isolate(Third, isCut: false);
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
        await cluster.KillAsync(leads);
        AppendResult again = await cluster.ProduceAsync(ReplicaCluster.Idempotent(values.Count - 1, values[^1]));
        Assert.Equal(new KafkaOffset(values.Count - 1), again.BaseOffset);
    }

    [Fact]
    public async Task Nodes_of_the_first_level_fill_each_other_as_ever()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(
            options: new ClusterOptions { Level = FeatureLevel.Oldest, CheckpointBytes = 256 << 10 });
        List<string> values = await FallBehindAsync(cluster);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        int newer = 0;
        cluster.Link(leads, Third).Damage = frame => EachStep(frame, (_, _) => Interlocked.Increment(ref newer));
        await cluster.RestartAsync(Third);
        await cluster.AllShowAsync(values);
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
        Assert.Equal(0, newer);
    }

    private static ClusterOptions Throttled(HandTime time) => new()
    {
        CheckpointBytes = 256 << 10,
        Limits = new PartitionLimits { SnapshotRate = 1_000_000 },
        SnapshotTime = time,
    };

    /// <summary>The third node dies, and the others forget the entries that it lacks.</summary>
    private static async Task<List<string>> FallBehindAsync(ReplicaCluster cluster)
    {
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        await cluster.AllShowAsync(values);
        await cluster.KillAsync(Third);
        Random random = new(5);
        for (int i = 0; i < Lacking; i++)
        {
            byte[] bytes = new byte[ValueBytes / 2];
            random.NextBytes(bytes);
            string value = Convert.ToHexString(bytes); // Half of its size at best, so that there are several chunks.
            await cluster.ProduceAsync(ReplicaCluster.Idempotent(values.Count, value));
            values.Add(value);
        }

        await cluster.CheckpointAsync();
        return values;
    }

    private static Task AdvanceUntilAsync(HandTime time, Func<bool> condition) => NodeFixture.UntilAsync(() =>
    {
        if (condition()) return true;
        time.Advance(TimeSpan.FromMilliseconds(10));
        return false;
    });

    /// <summary>
    /// Lets time pass, ten times slower than on the wall, until something is so: little, unless a chunk has to be sent once more because
    /// the receiver asked twice. Says how much has passed.
    /// </summary>
    private static async Task<TimeSpan> PassUntilAsync(HandTime time, Func<bool> condition)
    {
        long began = TimeProvider.System.GetTimestamp();
        TimeSpan passed = TimeSpan.Zero;
        await NodeFixture.UntilAsync(() =>
        {
            if (condition()) return true;
            TimeSpan more = (TimeProvider.System.GetElapsedTime(began) / 10) - passed;
            time.Advance(more);
            passed += more;
            return false;
        });
        return passed;
    }

    private static LogEntry EntryBefore(ReplicaCluster cluster, NodeId node, KafkaOffset next)
    {
        for (LogIndex index = new(1); ; index = index.Next)
        {
            Assert.True(index < new LogIndex(1_000));
            if (!cluster[node].Storage.Wal.TryReadEntry(cluster.Group, index, out LogEntry entry)) continue; // A checkpoint covers it.
            entry.Payload.Release();
            if (entry.NextOffset == next) return entry;
        }
    }

    private static byte[] Batches(Partition partition, long from)
    {
        BufferSlice read = partition.View.Log.ReadBatches(new KafkaOffset(from), partition.View.HighWatermark, 1 << 20);
        byte[] bytes = read.Span.ToArray();
        read.Release();
        return bytes;
    }

    /// <summary>What a replica is made of besides its log, after so many records.</summary>
    private static byte[] StateAt(ReplicaCluster cluster, Partition leader, int records)
    {
        ProducerStates producers = new(10);
        EpochHistory epochs = EpochHistory.Empty;
        byte[] batches = Batches(leader, 0);
        for (int at = 0; at < batches.Length;)
        {
            RecordBatchView batch = new(batches.AsSpan(at));
            if (batch.BaseOffset.Value >= records) break;
            ProducerBatch producer = new(batch.ProducerId, batch.ProducerEpoch, batch.BaseSequence, batch.BaseSequence, 1);
            producers.Apply(producer, batch.BaseOffset, batch.NextOffset);
            epochs = epochs.With(batch.LeaderEpoch, batch.BaseOffset);
            at += (int)batch.Size;
        }

        return ReplicaState.Write(new Membership([.. cluster.Ids]), epochs, producers);
    }

    /// <summary>Looks at every part of a snapshot that lies in a frame, and says where in it the payload begins.</summary>
    private static void EachStep(byte[] frame, Action<(SnapshotPart Part, long Transfer, long Offset), int> look)
    {
        for (int at = FrameFormat.HeaderBytes; at < frame.Length;)
        {
            FrameRecord kind = (FrameRecord)frame[at];
            int length = BinaryPrimitives.ReadInt32LittleEndian(frame.AsSpan(at + 1));
            at += FrameFormat.RecordHeaderBytes;
            if (kind == FrameRecord.SnapshotStep)
            {
                const int Fixed = 20 + 1 + (7 * sizeof(long)) + (3 * sizeof(int));
                long transfer = BinaryPrimitives.ReadInt64LittleEndian(frame.AsSpan(at + 21));
                long offset = BinaryPrimitives.ReadInt64LittleEndian(frame.AsSpan(at + 29));
                look(((SnapshotPart)frame[at + 20], transfer, offset), at + Fixed);
            }

            at += length;
        }
    }

    /// <summary>Messages of a sender that a test plays.</summary>
    private sealed class Steps(ReplicaCluster cluster, NodeId to, NodeId from, SnapshotPoint point, long transfer)
    {
        private uint _checksum;

        public void Tell(SnapshotPart part, long offset, byte[] bytes)
        {
            if (part != SnapshotPart.Manifest) _checksum = Crc32C.Append(_checksum, bytes);
            SnapshotMessage message = new()
            {
                Group = cluster.Group,
                Part = part,
                Level = FeatureLevel.Operable,
                From = from,
                Transfer = transfer,
                Offset = new KafkaOffset(offset),
                Point = point,
                Payload = bytes.Length > 0 ? cluster[to].Buffers.Copy(bytes) : BufferSlice.Empty,
                Checksum = part == SnapshotPart.Manifest ? Crc32C.Compute(bytes) : _checksum,
            };
            cluster.At(to).Replica.Tell(message, ActorRefs.NoSender);
        }
    }
}

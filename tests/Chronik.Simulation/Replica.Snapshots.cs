using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Protocol;
using Chronik.Raft;
using Chronik.Simulation.Checks;
using Chronik.Storage;

namespace Chronik.Simulation;

/// <summary>What is said while a snapshot is sent.</summary>
internal enum SnapshotStep : byte
{
    /// <summary>From the leader: I have something for you; how far are you?</summary>
    Offer,

    /// <summary>From the receiver: send from this offset.</summary>
    Want,

    /// <summary>From the leader: batches from this offset.</summary>
    Chunk,

    /// <summary>From the leader: that was all; this is the checkpoint.</summary>
    Close,

    /// <summary>From the receiver: the end, one way or the other.</summary>
    Done,
}

/// <summary>A message of a snapshot's transfer.</summary>
internal sealed record SnapshotMessage(SnapshotStep Step, long Transfer, KafkaOffset Offset)
{
    public byte[] Bytes { get; init; } = [];

    public LogIndex Index { get; init; }

    public Term Term { get; init; }

    public byte[] State { get; init; } = [];

    public uint Checksum { get; init; }

    public bool Ok { get; init; }
}

// Snapshots: because committed prefixes are equal, only what lies past the receiver's own end is sent, one chunk at a time.
internal sealed partial class Replica
{
    private const int ChunkBytes = 16 << 10;
    private const long TransferMicros = 1_000_000;

    private readonly List<Transfer> _transfers = [];
    private bool _installing;
    private int _receivedBytes; // Since the last checkpoint.

    public int TransfersBegun { get; private set; }

    /// <summary>Batches that came as snapshots so far.</summary>
    public int BatchesReceived { get; private set; }

    public void Receive(int from, SnapshotMessage message)
    {
        switch (message.Step)
        {
            case SnapshotStep.Offer when message.Index <= Core.CommitIndex:
                // Whoever was restarted or elected lately may not know how far others are.
                EndSnapshot(from, message.Transfer, ok: true);
                break;
            case SnapshotStep.Offer:
                Answer(from, message.Transfer);
                break;
            case SnapshotStep.Chunk:
                ReceiveChunk(from, message);
                break;
            case SnapshotStep.Close:
                Install(from, message);
                break;
            default:
                Continue(from, message);
                break;
        }
    }

    private void OfferSnapshot(int peer)
    {
        if (_transfers.Exists(transfer => transfer.Peer == peer)) return;
        Transfer begun = new(peer, ++_sim.Transfers) { At = _sim.Now };
        _transfers.Add(begun);
        TransfersBegun++;
        if (_sim.Trace.IsOn) Line($"snapshot {begun.Id} for node {peer}");
        SendSnapshot(peer, new SnapshotMessage(SnapshotStep.Offer, begun.Id, AppliedNext) { Index = Core.AppliedIndex });
    }

    private void Continue(int peer, SnapshotMessage message)
    {
        int at = _transfers.FindIndex(known => known.Id == message.Transfer && known.Peer == peer);
        if (at < 0) return;
        if (message.Step == SnapshotStep.Done)
        {
            _transfers.RemoveAt(at);
            Step(RaftInput.SnapshotSent(new NodeId(peer), message.Ok));
            return;
        }

        // A duplicate: to answer it would make two conversations of one.
        Transfer transfer = _transfers[at];
        if (message.Offset == transfer.Answered && _sim.Now - transfer.At < TransferMicros / 4) return;
        transfer.Answered = message.Offset;
        transfer.At = _sim.Now;
        if (message.Offset >= AppliedNext)
        {
            LogIndex index = Core.AppliedIndex;
            SendSnapshot(peer, new SnapshotMessage(SnapshotStep.Close, message.Transfer, AppliedNext)
            {
                Index = index,
                Term = Core.TermAt(index),
                State = StateAt(index),
            });
            return;
        }

        BufferSlice bytes = Log.ReadBatches(message.Offset, AppliedNext, ChunkBytes);
        try
        {
            VerifyBatches(bytes.Span, message.Offset);
            SnapshotMessage chunk = new(SnapshotStep.Chunk, message.Transfer, message.Offset)
            {
                Bytes = bytes.Span.ToArray(),
                Checksum = Crc32C.Compute(bytes.Span),
            };
            if (_sim.ChunksToFlip > 0) chunk.Bytes[_sim.Random.Next(chunk.Bytes.Length)] ^= (byte)(1 << (_sim.ChunksToFlip-- % 8));
            SendSnapshot(peer, chunk);
        }
        finally
        {
            bytes.Release();
        }
    }

    private void ReceiveChunk(int from, SnapshotMessage message)
    {
        if (message.Offset == Log.NextOffset && !_installing)
        {
            if (!IsIntact(message))
            {
                if (_sim.Trace.IsOn) Line($"a chunk of snapshot {message.Transfer} is damaged");
                EndSnapshot(from, message.Transfer, ok: false);
                return;
            }

            BufferSlice all = _sim.Rent(message.Bytes);
            for (int at = 0; at < all.Length;)
            {
                int size = Batches.Size(all.Span[at..]);
                _applying.Add(new BufferSlice(all.Buffer, all.Start + at, size));
                at += size;
                BatchesReceived++;
            }

            Log.Append(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_applying));
            _applying.Clear();
            _receivedBytes += message.Bytes.Length;
            if (_receivedBytes >= _sim.Parameters.CheckpointBytes) StartCheckpoint(); // What came until now survives a crash.
        }

        Answer(from, message.Transfer);
    }

    /// <summary>Looks at a chunk as the replica actor's child does.</summary>
    private static bool IsIntact(SnapshotMessage chunk)
    {
        try
        {
            SnapshotChunk.EndOf(chunk.Bytes);
            return chunk.Checksum == Crc32C.Compute(chunk.Bytes);
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    private void Answer(int to, long transfer) => SendSnapshot(to, new SnapshotMessage(SnapshotStep.Want, transfer, Log.NextOffset));

    private void Install(int from, SnapshotMessage message)
    {
        if (_installing) return;
        if (message.Index <= Core.CommitIndex || message.Offset > Log.NextOffset)
        {
            EndSnapshot(from, message.Transfer, message.Index <= Core.CommitIndex);
            return;
        }

        // The log may reach further: an earlier leader's snapshot was cut off beyond what this one knows to be committed.
        _installing = true;
        Step(RaftInput.Installing(message.Index, message.Term));
        WhenDurable(() => MakeDurable(from, message));
    }

    private void MakeDurable(int from, SnapshotMessage message)
    {
        if (message.Index <= Core.CommitIndex || message.Offset > Log.NextOffset)
        {
            _installing = false; // The leader's appends were faster.
            EndSnapshot(from, message.Transfer, message.Index <= Core.CommitIndex);
            return;
        }

        Checkpoint checkpoint = CheckpointOf(message.Index, message.Term, message.Offset, message.State);
        _node.Storage!.Checkpoint(_id, checkpoint, failure => _node.Complete(this, failure, () =>
        {
            _installing = false;
            if (message.Index > Core.AppliedIndex)
            {
                _check.Installed(_node.Id, message.Index, message.Term, message.Offset);
                AppliedNext = message.Offset;
                _metadata?.Rebuild();
                _producers.Clear();
                Membership members = ReplicaState.Read(message.State, _producers).Members!;
                Step(RaftInput.Installed(message.Index, message.Term, message.Offset, members));
                if (_sim.Trace.IsOn) Line($"installed snapshot {message.Transfer} up to entry {message.Index}");
            }
            else if (message.Index >= Core.FirstIndex)
            {
                Core.Compact(message.Index);
            }

            EndSnapshot(from, message.Transfer, ok: true);
        }));
        _node.PlanDisk();
    }

    private void EndSnapshot(int to, long transfer, bool ok) =>
        SendSnapshot(to, new SnapshotMessage(SnapshotStep.Done, transfer, Log.NextOffset) { Ok = ok });

    private void ExpireTransfers()
    {
        for (int i = _transfers.Count - 1; i >= 0; i--)
        {
            Transfer transfer = _transfers[i];
            if (Core.Role == RaftRole.Leader && _sim.Now - transfer.At < TransferMicros) continue;
            _transfers.RemoveAt(i);
            Step(RaftInput.SnapshotSent(new NodeId(transfer.Peer), ok: false));
        }
    }

    private void SendSnapshot(int to, SnapshotMessage message) =>
        _sim.Network.Send(new Envelope { From = _node.Id, To = to, Group = _group, Snapshot = message });

    private sealed class Transfer(int peer, long id)
    {
        public int Peer => peer;

        public long Id => id;

        /// <summary>When the receiver was last answered.</summary>
        public long At { get; set; }

        /// <summary>The offset that it was last answered from.</summary>
        public KafkaOffset Answered { get; set; } = KafkaOffset.Unknown;
    }
}

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
    /// <summary>From the leader: I have something for you.</summary>
    Offer,

    /// <summary>From the receiver: send another stream, from this offset.</summary>
    Ask,

    /// <summary>From the leader: batches from this offset.</summary>
    Chunk,

    /// <summary>From the receiver: I have what lies before this offset.</summary>
    Received,

    /// <summary>From the leader: that was all; this is the checkpoint.</summary>
    Close,

    /// <summary>From the receiver: the end, one way or the other.</summary>
    Done,
}

/// <summary>A message of a snapshot's transfer.</summary>
internal sealed record SnapshotMessage(SnapshotStep Step, long Transfer, int Stream, KafkaOffset Offset)
{
    public byte[] Bytes { get; init; } = [];

    public LogIndex Index { get; init; }

    public Term Term { get; init; }

    public byte[] State { get; init; } = [];

    public uint Checksum { get; init; }

    public bool Ok { get; init; }
}

// Snapshots: because committed prefixes are equal, only what lies past the receiver's own end is sent. Several chunks are under way; when
// one is missing the receiver asks for another stream, which begins at its own end.
internal sealed partial class Replica
{
    private const long TransferMicros = 1_000_000;
    private const int SilencesAllowed = 10;

    private readonly List<Transfer> _transfers = [];
    private Arrival? _arriving;
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
            case SnapshotStep.Offer when !_installing:
                if (_arriving is not { } known || !known.Is(from, message.Transfer)) _arriving = new Arrival(from, message.Transfer);
                Ask(_arriving);
                break;
            case SnapshotStep.Chunk or SnapshotStep.Close:
                if (_installing || _arriving is not { } arriving || !arriving.Is(from, message.Transfer)) break;
                if (message.Stream != arriving.Stream) break; // Sent before the receiver asked once more.
                if (message.Offset > Log.NextOffset) Ask(arriving); // Something was lost on the way.
                else if (message.Step == SnapshotStep.Chunk) Take(arriving, message);
                else Install(from, message);
                break;
            case SnapshotStep.Ask or SnapshotStep.Received or SnapshotStep.Done:
                Continue(from, message);
                break;
        }
    }

    private void OfferSnapshot(int peer)
    {
        if (_transfers.Exists(transfer => transfer.Peer == peer)) return;
        if (IsAhead && Math.Min(_node.Speaks.Max, _sim.Nodes[peer].Speaks.Max) < FeatureLevel.Operable)
        {
            // The log's end does not belong to what was applied, and the peer cannot be told so: it is asked again a while later.
            _node.Plan(TransferMicros / 10, () => Step(RaftInput.SnapshotSent(new NodeId(peer), ok: false)));
            return;
        }

        Transfer begun = new(peer, ++_sim.Transfers) { At = _sim.Now };
        _transfers.Add(begun);
        TransfersBegun++;
        if (_sim.Trace.IsOn) Line($"snapshot {begun.Id} for node {peer}");
        SendSnapshot(peer, new SnapshotMessage(SnapshotStep.Offer, begun.Id, 0, AppliedNext) { Index = Core.AppliedIndex });
    }

    private void Continue(int peer, SnapshotMessage message)
    {
        int at = _transfers.FindIndex(known => known.Id == message.Transfer && known.Peer == peer);
        if (at < 0) return;
        Transfer transfer = _transfers[at];
        switch (message.Step)
        {
            case SnapshotStep.Done:
                _transfers.RemoveAt(at);
                Step(RaftInput.SnapshotSent(new NodeId(peer), message.Ok));
                return;
            case SnapshotStep.Ask when message.Stream == transfer.Stream:
                return; // A duplicate.
            case SnapshotStep.Ask:
                transfer.Begin(message.Stream, message.Offset);
                break;
            default:
                transfer.Acknowledge(message.Offset);
                break;
        }

        transfer.At = _sim.Now;
        SendMore(transfer);
    }

    private void SendMore(Transfer transfer)
    {
        while (!transfer.IsClosed && transfer.UnderWay.Count < _sim.Parameters.ChunksUnderWay && transfer.Stream > 0)
        {
            if (transfer.Next >= AppliedNext)
            {
                Close(transfer);
                return;
            }

            BufferSlice bytes = Log.ReadBatches(transfer.Next, AppliedNext, _sim.Parameters.ChunkBytes);
            try
            {
                VerifyBatches(bytes.Span, transfer.Next);
                SnapshotMessage chunk = new(SnapshotStep.Chunk, transfer.Id, transfer.Stream, transfer.Next)
                {
                    Bytes = bytes.Span.ToArray(),
                    Checksum = Crc32C.Compute(bytes.Span),
                };
                if (_sim.ChunksToFlip > 0) chunk.Bytes[_sim.Random.Next(chunk.Bytes.Length)] ^= (byte)(1 << (_sim.ChunksToFlip-- % 8));
                SendSnapshot(transfer.Peer, chunk);
                transfer.Sent(SnapshotChunk.EndOf(bytes.Span, transfer.Next));
            }
            finally
            {
                bytes.Release();
            }
        }
    }

    /// <summary>The state is that of this moment, so that the receiver is close behind.</summary>
    private void Close(Transfer transfer)
    {
        LogIndex index = Core.AppliedIndex;
        transfer.IsClosed = true;
        SendSnapshot(transfer.Peer, new SnapshotMessage(SnapshotStep.Close, transfer.Id, transfer.Stream, AppliedNext)
        {
            Index = index,
            Term = Core.TermAt(index),
            State = StateAt(index),
        });
    }

    private void Take(Arrival arriving, SnapshotMessage message)
    {
        if (message.Offset < Log.NextOffset) return; // A duplicate.
        if (!IsIntact(message))
        {
            if (_sim.Trace.IsOn) Line($"a chunk of snapshot {message.Transfer} is damaged");
            _arriving = null;
            EndSnapshot(arriving.From, message.Transfer, ok: false);
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
        arriving.HeardAt = _sim.Now;
        arriving.Silences = 0;
        SendSnapshot(arriving.From, new SnapshotMessage(SnapshotStep.Received, message.Transfer, message.Stream, Log.NextOffset));
        _receivedBytes += message.Bytes.Length;
        // What came until now survives a crash.
        if (_receivedBytes >= _sim.Parameters.CheckpointBytes && _node.Level >= FeatureLevel.Operable) StartCheckpoint();
    }

    private void Ask(Arrival arriving)
    {
        arriving.Stream++;
        arriving.HeardAt = _sim.Now;
        SendSnapshot(arriving.From, new SnapshotMessage(SnapshotStep.Ask, arriving.Transfer, arriving.Stream, Log.NextOffset));
    }

    private void AskAgain()
    {
        if (_installing || _arriving is not { } arriving || _sim.Now - arriving.HeardAt < TransferMicros / 4) return;
        if (++arriving.Silences > SilencesAllowed) _arriving = null;
        else Ask(arriving);
    }

    /// <summary>Looks at a chunk as the replica actor's child does.</summary>
    private static bool IsIntact(SnapshotMessage chunk)
    {
        try
        {
            SnapshotChunk.EndOf(chunk.Bytes, chunk.Offset);
            return chunk.Checksum == Crc32C.Compute(chunk.Bytes);
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    private void Install(int from, SnapshotMessage message)
    {
        if (message.Index <= Core.CommitIndex)
        {
            EndSnapshot(from, message.Transfer, ok: true); // The leader's appends were faster.
            return;
        }

        if (Log.NextOffset > message.Offset && _node.Level < FeatureLevel.Operable)
        {
            EndSnapshot(from, message.Transfer, ok: false); // That the log reaches further nobody of that level could write down.
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
                if (_metadata is not null) _node.MetadataChanged();
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

    private void EndSnapshot(int to, long transfer, bool ok)
    {
        if (_arriving is { } arriving && arriving.Is(to, transfer)) _arriving = null;
        SendSnapshot(to, new SnapshotMessage(SnapshotStep.Done, transfer, 0, Log.NextOffset) { Ok = ok });
    }

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

    /// <summary>A snapshot on its way to a member.</summary>
    private sealed class Transfer(int peer, long id)
    {
        public int Peer => peer;

        public long Id => id;

        /// <summary>When the receiver was last heard.</summary>
        public long At { get; set; }

        /// <summary>Which stream it is, by the receiver's count; 0 before it asked for one.</summary>
        public int Stream { get; private set; }

        /// <summary>Where the next chunk begins.</summary>
        public KafkaOffset Next { get; private set; }

        /// <summary>Where each chunk ends that the receiver has not confirmed.</summary>
        public Queue<KafkaOffset> UnderWay { get; } = [];

        /// <summary>Whether all is sent.</summary>
        public bool IsClosed { get; set; }

        public void Begin(int stream, KafkaOffset from)
        {
            Stream = stream;
            Next = from;
            UnderWay.Clear();
            IsClosed = false;
        }

        public void Sent(KafkaOffset end)
        {
            Next = end;
            UnderWay.Enqueue(end);
        }

        public void Acknowledge(KafkaOffset through)
        {
            while (UnderWay.TryPeek(out KafkaOffset end) && end <= through) UnderWay.Dequeue();
        }
    }

    /// <summary>A snapshot on its way to this replica.</summary>
    private sealed class Arrival(int from, long transfer)
    {
        public int From => from;

        public long Transfer => transfer;

        /// <summary>The stream that was asked for last.</summary>
        public int Stream { get; set; }

        public long HeardAt { get; set; }

        public int Silences { get; set; }

        public bool Is(int node, long number) => node == from && number == transfer;
    }
}

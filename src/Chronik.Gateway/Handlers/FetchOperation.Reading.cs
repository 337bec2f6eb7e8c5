using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Chronik.Storage;

namespace Chronik.Gateway.Handlers;

/// <summary>What one partition gives: on its leader, on a replica that follows, or nothing and why.</summary>
internal sealed partial class FetchOperation
{
    private const short FirstVersionWithRacks = 11; // From here on Kafka's followers serve, too.

    private Confirmation?[]? _confirmations; // By place among the items; made when the first partition is not led here.

    // Kafka's replicas fetch from leaders only, and so do consumers that are too old to be sent elsewhere.
    private bool MayFollow =>
        services.Settings.FollowerReads != FollowerReadPolicy.None && request.Version >= FirstVersionWithRacks
        && body.ReplicaId < 0 && body.ReplicaState.ReplicaId < 0;

    // What fails in one partition, such as a file that cannot be read, costs the others nothing.
    private Reading ReadOrRefuse(int place, FetchItem item)
    {
        var data = new FetchResponse.PartitionData
        {
            PartitionIndex = item.Key.Partition,
            HighWatermark = KafkaOffset.Unknown.Value,
            Records = Records.Empty,
            AbortedTransactions = body.IsolationLevel == ReadCommitted ? [] : null,
        };
        try
        {
            return Read(place, item, data);
        }
        catch (Exception e)
        {
            Log.HandlerFailed(services.Log, e, ApiKey.Fetch, request.Version);
            services.Metrics.Error("handler");
            return Refuse(place, item, data, e is IOException ? KafkaError.KafkaStorageError : KafkaError.UnknownServerError);
        }
    }

    private Reading Read(int place, FetchItem item, FetchResponse.PartitionData data)
    {
        (Partition? partition, KafkaError error) = request.Version >= FirstVersionWithTopicIds
            ? services.Node.FindHere(item.Key.Id, item.Key.Partition)
            : services.Node.FindHere(item.Key.Name, item.Key.Partition);
        if (partition is null) return Refuse(place, item, data, error);
        bool? isConfirmed = IsConfirmed(place, partition); // Before the view is looked at: then that holds what was confirmed.
        PartitionView view = partition.View;
        error = MayFollow ? view.CheckEpoch(item.CurrentLeaderEpoch) : view.CheckLeader(item.CurrentLeaderEpoch);
        if (error != KafkaError.None) return Refuse(place, item, data, error);
        if (view.IsLeader)
        {
            NodeId preferred = PreferredReplica(item, partition, view);
            if (preferred.IsSome) return SendTo(preferred, item, data, partition, view);
        }
        else
        {
            _follows = true;
            if (services.Settings.FollowerReads == FollowerReadPolicy.Safe && isConfirmed != true)
                return Unsettled(place, item, data, partition, isConfirmed);
        }

        Describe(view, data);
        bool diverges = (view.IsLeader || item.Offset <= view.HighWatermark) && item.LastFetchedEpoch >= 0
            && Diverges(item, view, data, out error);
        if (error == KafkaError.None && !diverges) error = CheckRange(item.Offset, view);
        if (error != KafkaError.None) return Refuse(place, item, data, error);
        if (diverges) _mustAnswer = true;
        else ReadRecords(item, partition, view, data);
        return new Reading(item, data, partition, view.HighWatermark)
        {
            Diverges = diverges,
            FollowsBy = view.IsLeader ? null : services.Settings.FollowerReads,
        };
    }

    private static void Describe(PartitionView view, FetchResponse.PartitionData data)
    {
        data.HighWatermark = view.HighWatermark.Value;
        data.LastStableOffset = view.LastStableOffset.Value;
        data.LogStartOffset = view.LogStartOffset.Value;
    }

    // What lies behind the log's end may well be there at the leader. A client that is told so asks again, and does not begin anew.
    private static KafkaError CheckRange(KafkaOffset offset, PartitionView view)
    {
        if (offset >= view.LogStartOffset && offset <= view.LogEndOffset) return KafkaError.None;
        return view.IsLeader || offset < view.LogStartOffset ? KafkaError.OffsetOutOfRange : KafkaError.OffsetNotAvailable;
    }

    // KIP-595: the client says which epoch its last record has. Where that epoch ended earlier here, its log is another branch.
    private static bool Diverges(FetchItem item, PartitionView view, FetchResponse.PartitionData data, out KafkaError error)
    {
        (LeaderEpoch epoch, KafkaOffset end) =
            view.Epochs.EndOffsetFor(new LeaderEpoch(item.LastFetchedEpoch), view.Epoch, view.LogEndOffset);
        error = epoch == LeaderEpoch.Unknown ? KafkaError.OffsetOutOfRange : KafkaError.None;
        if (error != KafkaError.None || (epoch.Value >= item.LastFetchedEpoch && end >= item.Offset)) return false;
        data.DivergingEpoch = new() { Epoch = epoch.Value, EndOffset = end.Value };
        return true;
    }

    // The first partition with data gives at least one whole batch, whatever the limits say, so that a client always gets on.
    private void ReadRecords(FetchItem item, Partition partition, PartitionView view, FetchResponse.PartitionData data)
    {
        KafkaOffset limit = body.IsolationLevel == ReadCommitted ? view.LastStableOffset : view.HighWatermark;
        bool isFirst = _bytes == 0;
        int room = Math.Max(0, Math.Min(item.MaxBytes, Math.Min(body.MaxBytes, services.Limits.MaxFetchBytes) - _bytes));
        if (item.Offset >= limit || (room == 0 && !isFirst)) return;
        try
        {
            if (view.Log.Read(item.Offset, limit, room, atLeastOneBatch: isFirst) is not { } records) return;
            data.Records = new SegmentRecords(records);
            _bytes += records.Length;
        }
        catch (StorageException damage) when (damage.IsDamage)
        {
            partition.ReportDamage(damage.Message); // Other replicas have what this one cannot give.
            throw;
        }
    }

    // Null: it was not asked for, of this replica.
    private bool? IsConfirmed(int place, Partition partition) =>
        _confirmations?[place] is { } confirmation && ReferenceEquals(confirmation.Partition, partition) ? confirmation.IsCurrent : null;

    // A read that nobody confirms in time gives nothing, which is always true; what is here may be old.
    private Reading Unsettled(int place, FetchItem item, FetchResponse.PartitionData data, Partition partition, bool? isConfirmed)
    {
        if (isConfirmed is null)
        {
            _confirmations ??= new Confirmation?[items.Count];
            if (_confirmations[place] is not { } asked || !ReferenceEquals(asked.Partition, partition))
            {
                _confirmations[place] = new Confirmation(this, partition);
                partition.ConfirmRead(_confirmations[place]!);
            }

            (_unsettled ??= []).Add(item.Key);
        }
        else
        {
            _mustAnswer = true;
        }

        return new Reading(item, data, null, KafkaOffset.Unknown) { IsUnsettled = true };
    }

    // KIP-392: a consumer is sent to a replica in its own rack, if one is in sync, can serve it now, and has what it wants.
    private NodeId PreferredReplica(FetchItem item, Partition partition, PartitionView view)
    {
        if (!MayFollow || body.RackId.Length == 0 || body.RackId == services.Settings.Rack) return NodeId.None;
        NodeId best = NodeId.None;
        KafkaOffset bestEnd = KafkaOffset.Unknown;
        foreach (NodeId replica in view.Isr)
        {
            if (replica == services.Node.Id || !services.Node.CanServeReads(replica)) continue;
            if (!services.Node.Metadata.Brokers.TryGetValue(replica, out BrokerImage? broker) || broker.Rack != body.RackId) continue;
            KafkaOffset end = partition.EndOf(replica);
            if (end < item.Offset || (best.IsSome && end <= bestEnd)) continue;
            (best, bestEnd) = (replica, end);
        }

        return item.Offset >= view.LogStartOffset ? best : NodeId.None;
    }

    private Reading SendTo(NodeId replica, FetchItem item, FetchResponse.PartitionData data, Partition partition, PartitionView view)
    {
        _mustAnswer = true;
        Describe(view, data);
        data.PreferredReadReplica = replica.Value;
        return new Reading(item, data, partition, view.HighWatermark);
    }

    private Reading Refuse(int place, FetchItem item, FetchResponse.PartitionData data, KafkaError error)
    {
        PartitionLocation? location = !PartitionLookup.HintsAtLeader(error) ? null
            : request.Version >= FirstVersionWithTopicIds ? services.Node.Locate(item.Key.Id, item.Key.Partition)
            : services.Node.Locate(item.Key.Name, item.Key.Partition);
        if (error == KafkaError.NotLeaderOrFollower && location is not null
            && ReadRemotely(place, item, data, location.Leader) is { } remote) return remote;
        _mustAnswer = true;
        data.ErrorCode = (short)error;
        var reading = new Reading(item, data, null, KafkaOffset.Unknown);
        if (location is null || services.Find(location.Leader, request.Connection) is not { } broker) return reading;
        data.CurrentLeader = new() { LeaderId = broker.Id.Value, LeaderEpoch = location.Epoch.Value };
        return reading with { Leader = broker };
    }

    private sealed class Confirmation(FetchOperation operation, Partition partition) : IReadSink
    {
        private const int Open = 0;
        private const int Granted = 1;
        private const int Refused = 2;

        private int _state;

        public Partition Partition => partition;

        /// <summary>Whether the partition may be read; null while that is not known.</summary>
        public bool? IsCurrent => Volatile.Read(ref _state) switch { Granted => true, Refused => false, _ => null };

        public void Confirmed(bool isCurrent)
        {
            Interlocked.CompareExchange(ref _state, isCurrent ? Granted : Refused, Open);
            operation.Wake();
        }
    }
}

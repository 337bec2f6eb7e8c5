using Akka.Actor;
using Akka.Event;
using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// One fetch until it is answered: reads what is there; waits while that is less than the client wants; is woken by a partition's high
/// watermark or by the clock, and then reads again.
/// </summary>
/// <remarks>Runs on its connection's thread. Only <see cref="Wake"/> comes from elsewhere, and it only hands over.</remarks>
internal sealed class FetchOperation(
    GatewayServices services, FetchRequest body, Request request, List<FetchItem> items, FetchSession? session, bool isIncremental)
    : IFetchWaiter, IConnectionWork, IDisposable, IDeadLetterSuppression
{
    private const sbyte ReadCommitted = 1;
    private const short FirstVersionWithTopicIds = 13;

    private readonly List<Reading> _readings = new(items.Count);
    private ICancelable? _timeout;
    private int _woken;
    private int _bytes;
    private bool _mustAnswer;
    private bool _isWaiting;
    private bool _timeIsUp;
    private bool _over;

    /// <summary>Answers at once if there is enough, or if the client does not want to wait.</summary>
    public void Start()
    {
        _timeIsUp = body.MaxWaitMs <= 0;
        if (TryAnswer()) return;
        request.Operation = this;
        _timeout = services.Scheduler.ScheduleTellOnceCancelable(
            TimeSpan.FromMilliseconds(body.MaxWaitMs), request.Connection.Actor, new TimeIsUp(this), ActorRefs.NoSender);
    }

    /// <inheritdoc/>
    public void Wake()
    {
        if (Interlocked.Exchange(ref _woken, 1) == 0) request.Connection.Post(this);
    }

    /// <inheritdoc/>
    public void Run()
    {
        if (_over) return;
        StopWaiting();
        TryAnswer();
    }

    /// <summary>The client is gone.</summary>
    public void Dispose() => End();

    private bool TryAnswer()
    {
        _readings.Clear();
        _bytes = 0;
        _mustAnswer = items.Count == 0;
        foreach (FetchItem item in items) _readings.Add(ReadOrRefuse(item));
        if (!_timeIsUp && !_mustAnswer && _bytes < body.MinBytes)
        {
            Wait();
            return false;
        }

        End();
        request.Complete(Respond());
        return true;
    }

    // What fails in one partition, such as a file that cannot be read, costs the others nothing.
    private Reading ReadOrRefuse(FetchItem item)
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
            return Read(item, data);
        }
        catch (Exception e)
        {
            Log.HandlerFailed(services.Log, e, ApiKey.Fetch, request.Version);
            services.Metrics.Error("handler");
            return Refuse(item, data, e is IOException ? KafkaError.KafkaStorageError : KafkaError.UnknownServerError);
        }
    }

    private Reading Read(FetchItem item, FetchResponse.PartitionData data)
    {
        (Partition? partition, KafkaError error) = request.Version >= FirstVersionWithTopicIds
            ? services.Node.FindHere(item.Key.Id, item.Key.Partition)
            : services.Node.FindHere(item.Key.Name, item.Key.Partition);
        if (partition is null) return Refuse(item, data, error);
        PartitionView view = partition.View;
        error = view.CheckLeader(item.CurrentLeaderEpoch);
        if (error != KafkaError.None) return Refuse(item, data, error);

        data.HighWatermark = view.HighWatermark.Value;
        data.LastStableOffset = view.LastStableOffset.Value;
        data.LogStartOffset = view.LogStartOffset.Value;
        bool diverges = item.LastFetchedEpoch >= 0 && Diverges(item, view, data, out error);
        if (error == KafkaError.None && !diverges && (item.Offset < view.LogStartOffset || item.Offset > view.LogEndOffset))
            error = KafkaError.OffsetOutOfRange;
        if (error != KafkaError.None) return Refuse(item, data, error);
        if (diverges) _mustAnswer = true;
        else ReadRecords(item, view, data);
        return new Reading(item, data, partition, view.HighWatermark) { Diverges = diverges };
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
    private void ReadRecords(FetchItem item, PartitionView view, FetchResponse.PartitionData data)
    {
        KafkaOffset limit = body.IsolationLevel == ReadCommitted ? view.LastStableOffset : view.HighWatermark;
        bool isFirst = _bytes == 0;
        int room = Math.Max(0, Math.Min(item.MaxBytes, Math.Min(body.MaxBytes, services.Limits.MaxFetchBytes) - _bytes));
        if (item.Offset >= limit || (room == 0 && !isFirst)) return;
        if (view.Log.Read(item.Offset, limit, room, atLeastOneBatch: isFirst) is not { } records) return;
        data.Records = new SegmentRecords(records);
        _bytes += records.Length;
    }

    private Reading Refuse(FetchItem item, FetchResponse.PartitionData data, KafkaError error)
    {
        _mustAnswer = true;
        data.ErrorCode = (short)error;
        var reading = new Reading(item, data, null, KafkaOffset.Unknown);
        if (!PartitionLookup.HintsAtLeader(error)) return reading;
        PartitionLocation? location = request.Version >= FirstVersionWithTopicIds
            ? services.Node.Locate(item.Key.Id, item.Key.Partition)
            : services.Node.Locate(item.Key.Name, item.Key.Partition);
        if (location is null || services.Find(location.Leader, request.Connection) is not { } broker) return reading;
        data.CurrentLeader = new() { LeaderId = broker.Id.Value, LeaderEpoch = location.Epoch.Value };
        return reading with { Leader = broker };
    }

    // Asks to be woken when a partition has more than was just seen; where it has that by now, the wake-up comes at once.
    private void Wait()
    {
        _isWaiting = true;
        Volatile.Write(ref _woken, 0);
        foreach (Reading reading in _readings)
        {
            reading.Data.Records?.Dispose();
            reading.Partition?.Waiters.Add(this, reading.HighWatermark);
        }
    }

    private void StopWaiting()
    {
        if (!_isWaiting) return;
        _isWaiting = false;
        foreach (Reading reading in _readings) reading.Partition?.Waiters.Remove(this);
    }

    private void End()
    {
        _over = true;
        StopWaiting();
        _timeout?.Cancel();
        _timeout = null;
        request.Operation = null;
    }

    private FetchResponse Respond()
    {
        var response = new FetchResponse { SessionId = session?.Id ?? 0 };
        if (session is null)
        {
            foreach (Reading reading in _readings) Add(response, reading);
        }
        else
        {
            lock (session.Gate)
            {
                foreach (Reading reading in _readings)
                    if (IsNews(reading) || !isIncremental) Add(response, reading);
            }
        }

        AddLeaders(response);
        return response;
    }

    // Inside a session a partition is left out while there is nothing new to tell about it.
    private bool IsNews(Reading reading)
    {
        FetchItem item = reading.Item;
        FetchResponse.PartitionData data = reading.Data;
        bool hasRecords = data.Records is { Length: > 0 };
        bool isNews = hasRecords || data.ErrorCode != 0 || reading.Diverges
            || data.HighWatermark != item.ToldHighWatermark.Value || data.LogStartOffset != item.ToldLogStart.Value;
        if (data.ErrorCode == 0)
        {
            item.ToldHighWatermark = new KafkaOffset(data.HighWatermark);
            item.ToldLogStart = new KafkaOffset(data.LogStartOffset);
        }

        if (hasRecords) session!.MoveToEnd(item);
        return isNews;
    }

    private static void Add(FetchResponse response, Reading reading)
    {
        FetchKey key = reading.Item.Key;
        List<FetchResponse.FetchableTopicResponse> topics = response.Responses;
        if (topics.Count == 0 || topics[^1].TopicId != key.Id.Value || topics[^1].Topic != key.Name)
            topics.Add(new() { Topic = key.Name, TopicId = key.Id.Value });
        topics[^1].Partitions.Add(reading.Data);
    }

    // KIP-951: whoever is told of another leader is also told where it is.
    private void AddLeaders(FetchResponse response)
    {
        foreach (Reading reading in _readings)
        {
            if (reading.Leader is not { } leader || response.NodeEndpoints.Exists(known => known.NodeId == leader.Id.Value)) continue;
            response.NodeEndpoints.Add(new() { NodeId = leader.Id.Value, Host = leader.Host, Port = leader.Port, Rack = leader.Rack });
        }
    }

    private readonly record struct Reading(
        FetchItem Item, FetchResponse.PartitionData Data, Partition? Partition, KafkaOffset HighWatermark)
    {
        /// <summary>Whether the client's log is another branch.</summary>
        public bool Diverges { get; init; }

        /// <summary>The leader that the client is told of, as it asked the wrong node; null when nobody is known to lead.</summary>
        public BrokerAddress? Leader { get; init; }
    }

    private sealed class TimeIsUp(FetchOperation operation) : IConnectionWork, IDeadLetterSuppression
    {
        public void Run()
        {
            operation._timeIsUp = true;
            operation.Run();
        }
    }
}

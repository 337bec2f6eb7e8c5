using Akka.Actor;
using Akka.Event;
using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// One fetch until it is answered: reads what is there; waits while that is less than the client wants; is woken by a partition's high
/// watermark, by the confirmation that a follower may be read, or by the clock, and then reads again.
/// </summary>
/// <remarks>Runs on its connection's thread. Only <see cref="Wake"/> comes from elsewhere, and it only hands over.</remarks>
internal sealed partial class FetchOperation(
    GatewayServices services, FetchRequest body, Request request, List<FetchItem> items, FetchSession? session, bool isIncremental)
    : IFetchWaiter, IConnectionWork, IDisposable, IDeadLetterSuppression
{
    private const sbyte ReadCommitted = 1;
    private const short FirstVersionWithTopicIds = 13;

    private readonly List<Reading> _readings = new(items.Count);
    private readonly long _startedAt = services.Time.GetTimestamp();
    private ICancelable? _timer;
    private TimeSpan _timerDue;
    private int _woken;
    private int _bytes;
    private HashSet<FetchKey>? _unsettled; // Partitions of which it is not known yet how far they may be read.
    private bool _follows; // Whether any partition is not led here.
    private bool _mustAnswer;
    private bool _isWaiting;
    private bool _over;

    /// <summary>Answers at once if there is enough, or if the client does not want to wait.</summary>
    public void Start()
    {
        if (TryAnswer()) return;
        request.Operation = this;
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
        Interlocked.Exchange(ref _woken, 0); // What comes from now on may not be seen below.
        StopWaiting();
        TryAnswer();
    }

    /// <summary>The client is gone.</summary>
    public void Dispose() => End();

    private bool TryAnswer()
    {
        _readings.Clear();
        _bytes = 0;
        _unsettled = null;
        _follows = false;
        _pendingRemotes = 0;
        _answeredRemotes = 0;
        _mustAnswer = items.Count == 0;
        CountRemotes();
        for (int i = 0; i < items.Count; i++) _readings.Add(ReadOrRefuse(i, items[i]));
        Forward();
        if (_pendingRemotes > 0)
        {
            // Whatever becomes of it, the link says so.
            foreach (Reading reading in _readings) reading.Data.Records?.Dispose();
            return false;
        }

        TimeSpan left = Patience() - services.Time.GetElapsedTime(_startedAt);
        if (left > TimeSpan.Zero)
        {
            Wait(left);
            return false;
        }

        // What was waited for as long as it may be is not waited for like that at once again: nobody may lead it.
        bool isAll = services.Time.GetElapsedTime(_startedAt) >= services.Limits.FollowerFetchWait;
        request.Connection.LeftUnsettled = isAll ? null : _unsettled;
        End();
        request.Complete(Respond());
        return true;
    }

    // How long after its beginning the fetch is answered with what was found now. A confirmation that is under way is worth waiting for,
    // whatever the client allows: it takes a round trip, and without it some partitions would never give anything.
    private TimeSpan Patience()
    {
        TimeSpan asked = TimeSpan.FromMilliseconds(Math.Max(0, body.MaxWaitMs));
        TimeSpan bound = services.Limits.FollowerFetchWait;
        bool isEnough = _mustAnswer || _bytes >= body.MinBytes;
        TimeSpan patience = isEnough ? TimeSpan.Zero : _follows && asked > bound ? bound : asked;
        if (_unsettled is null) return patience;
        TimeSpan grace = services.Limits.FollowerFetchGrace;
        bool isStarving = request.Connection.LeftUnsettled is { } left && _unsettled.Overlaps(left);
        if (isStarving || (!_mustAnswer && _bytes == 0) || grace > bound) grace = bound;
        return grace > patience ? grace : patience;
    }

    // Asks to be woken when a partition has more than was just seen; where it has that by now, the wake-up comes at once.
    private void Wait(TimeSpan left)
    {
        _isWaiting = true;
        foreach (Reading reading in _readings)
        {
            reading.Data.Records?.Dispose();
            reading.Partition?.Waiters.Add(this, reading.HighWatermark);
        }

        TimeSpan due = services.Time.GetElapsedTime(_startedAt) + left;
        if (_timer is not null && _timerDue <= due) return;
        _timer?.Cancel();
        _timerDue = due;
        TimeSpan later = TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds));
        _timer = services.Scheduler.ScheduleTellOnceCancelable(
            later, request.Connection.Actor, new TimeIsUp(this), ActorRefs.NoSender);
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
        _timer?.Cancel();
        _timer = null;
        request.Operation = null;
    }

    private FetchResponse Respond()
    {
        foreach (Reading reading in _readings) services.Metrics.Fetched(reading.Data.ErrorCode);
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
        if (reading.IsUnsettled) return false;
        FetchItem item = reading.Item;
        FetchResponse.PartitionData data = reading.Data;
        bool hasRecords = data.Records is { Length: > 0 };
        bool isNews = hasRecords || data.ErrorCode != 0 || reading.Diverges || data.PreferredReadReplica >= 0
            || data.HighWatermark != item.ToldHighWatermark.Value || data.LogStartOffset != item.ToldLogStart.Value;
        if (data.ErrorCode == 0)
        {
            item.ToldHighWatermark = new KafkaOffset(data.HighWatermark);
            item.ToldLogStart = new KafkaOffset(data.LogStartOffset);
        }

        if (hasRecords) session!.MoveToEnd(item);
        return isNews;
    }

    private void Add(FetchResponse response, Reading reading)
    {
        if (reading.FollowsBy is { } policy) services.Metrics.FollowerRead(policy);
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

        /// <summary>Whether nobody has confirmed how far a follower may be read: nothing is said about the partition.</summary>
        public bool IsUnsettled { get; init; }

        /// <summary>The policy by which a replica that does not lead was read; null when it leads.</summary>
        public FollowerReadPolicy? FollowsBy { get; init; }

        /// <summary>The leader that the client is told of, as it asked the wrong node; null when nobody is known to lead.</summary>
        public BrokerAddress? Leader { get; init; }
    }

    private sealed class TimeIsUp(FetchOperation operation) : IConnectionWork, IDeadLetterSuppression
    {
        public void Run()
        {
            operation._timer = null;
            operation.Run();
        }
    }
}

using Chronik.Gateway.Forwarding;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>Partitions of other leaders: asked for there, with what the client allows, and once.</summary>
/// <remarks>
/// What is left of the client's patience is passed on when all that it asks for is with one leader. Otherwise each leader gives what it
/// has at once, so that none of them holds up the others. What comes there after its answer is not seen here.
/// </remarks>
internal sealed partial class FetchOperation
{
    private const int MaxForwardedBytes = 1 << 20; // Of one leader: its answer is held in memory as a whole.

    private readonly bool _forwards = services.Settings.Forward && !Forwarder.IsForwarded(request.ClientId);
    private Dictionary<NodeId, List<int>>? _toForward; // Places among the items, by leader; of this look.
    private Remote?[]? _remotes; // By place among the items.
    private int _pendingRemotes;
    private int _answeredRemotes;

    // Null: it is not with another leader that can be asked, or that one was lost.
    private Reading? ReadRemotely(int place, FetchItem item, FetchResponse.PartitionData data, NodeId leader)
    {
        if (!_forwards || !leader.IsSome || leader == services.Node.Id) return null;
        Remote? remote = _remotes?[place];
        if (remote is null)
        {
            _toForward ??= [];
            if (!_toForward.TryGetValue(leader, out List<int>? places)) _toForward.Add(leader, places = []);
            places.Add(place);
        }

        if (remote is null or { IsOver: false })
        {
            _pendingRemotes++;
            return new Reading(item, data, null, KafkaOffset.Unknown) { IsUnsettled = true };
        }

        if (remote.Data is not { } answered) return null;
        if (answered.ErrorCode != 0 || answered.PreferredReadReplica >= 0 || answered.DivergingEpoch.Epoch >= 0) _mustAnswer = true;
        _answeredRemotes++;
        _follows = true;
        _bytes += answered.Records?.Length ?? 0;
        return new Reading(item, answered, null, KafkaOffset.Unknown) { Diverges = answered.DivergingEpoch.Epoch >= 0 };
    }

    private void Forward()
    {
        if (_answeredRemotes == items.Count) _mustAnswer = true; // Nothing is left that could bring more.
        if (_toForward is not { } byLeader) return;
        _toForward = null;
        _remotes ??= new Remote?[items.Count];
        TimeSpan left = TimeSpan.FromMilliseconds(Math.Max(0, body.MaxWaitMs)) - services.Time.GetElapsedTime(_startedAt);
        if (left > services.Limits.FollowerFetchWait) left = services.Limits.FollowerFetchWait;
        bool isWhole = byLeader.Count == 1 && byLeader.First().Value.Count == items.Count;
        foreach ((NodeId leader, List<int> places) in byLeader)
        {
            Remote[] remotes = [.. places.Select(place => _remotes[place] = new Remote())];
            TimeSpan wait = isWhole && left > TimeSpan.Zero ? left : TimeSpan.Zero;
            services.Metrics.Forwarded(ApiKey.Fetch);
            FetchRequest passedOn = RequestFor(places, wait);
            var call = new ForwardedCall(passedOn, request.Version, ExpectsAnswer: true, wait, answer =>
            {
                Settle(remotes, answer);
                Wake();
            });
            if (request.Connection.Forwarder.LinkTo(leader) is { } link) link.Send(call);
            else call.Answered(null);
        }
    }

    private FetchRequest RequestFor(List<int> places, TimeSpan wait)
    {
        int maxBytes = Math.Min(MaxForwardedBytes, Math.Min(body.MaxBytes, services.Limits.MaxFetchBytes));
        var passedOn = new FetchRequest
        {
            MaxWaitMs = (int)wait.TotalMilliseconds,
            MinBytes = Math.Min(body.MinBytes, maxBytes),
            MaxBytes = maxBytes,
            IsolationLevel = body.IsolationLevel,
            RackId = body.RackId,
        };
        foreach (int place in places)
        {
            FetchItem item = items[place];
            List<FetchRequest.FetchTopic> topics = passedOn.Topics;
            if (topics.Count == 0 || topics[^1].TopicId != item.Key.Id.Value || topics[^1].Topic != item.Key.Name)
                topics.Add(new() { Topic = item.Key.Name, TopicId = item.Key.Id.Value });
            topics[^1].Partitions.Add(new()
            {
                Partition = item.Key.Partition,
                FetchOffset = item.Offset.Value,
                PartitionMaxBytes = item.MaxBytes,
                CurrentLeaderEpoch = item.CurrentLeaderEpoch,
                LastFetchedEpoch = item.LastFetchedEpoch,
            });
        }

        return passedOn;
    }

    // The leader answers what it was asked, in that order; what fits nothing is taken for no answer.
    private static void Settle(Remote[] remotes, ForwardedAnswer? answer)
    {
        List<FetchResponse.PartitionData> all = answer?.Response is FetchResponse { ErrorCode: 0 } response
            ? [.. response.Responses.SelectMany(topic => topic.Partitions)] : [];
        for (int i = 0; i < remotes.Length; i++)
            remotes[i].Settle(all.Count == remotes.Length ? all[i] : null, i == 0 && answer is not null ? answer.Bytes : 0);
    }

    // On the connection's thread: what the answers hold is counted as this request's.
    private void CountRemotes()
    {
        if (_remotes is null) return;
        foreach (Remote? remote in _remotes)
        {
            if (remote is not { IsOver: true, Bytes: > 0 }) continue;
            request.CountAnswer(remote.Bytes);
            remote.Bytes = 0;
        }
    }

    private sealed class Remote
    {
        private bool _isOver;

        public bool IsOver => Volatile.Read(ref _isOver);

        /// <summary>What the leader says; null when it said nothing, or that it is none.</summary>
        public FetchResponse.PartitionData? Data { get; private set; }

        public int Bytes { get; set; }

        public void Settle(FetchResponse.PartitionData? data, int bytes)
        {
            Data = data is null || PartitionLookup.HintsAtLeader((KafkaError)data.ErrorCode) ? null : data;
            Bytes = bytes;
            Volatile.Write(ref _isOver, true);
        }
    }
}

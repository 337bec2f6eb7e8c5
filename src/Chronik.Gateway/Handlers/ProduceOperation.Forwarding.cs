using Chronik.Gateway.Forwarding;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// Batches of partitions that another node leads, passed on to it as they are: it validates, appends and answers, and this node repeats
/// what it said.
/// </summary>
internal sealed partial class ProduceOperation
{
    private readonly bool _isForwarded = Forwarder.IsForwarded(request.ClientId);
    private Dictionary<ForwardLink, Forwarded>? _toForward;
    private long _forwarding; // Bytes that are counted as passed on.

    private bool Forwards => services.Settings.Forward && !_isForwarded;

    // False: the batch is to be appended here, or refused.
    private bool AddToForward(
        int slot, ProduceRequest.TopicProduceData topic, ProduceRequest.PartitionProduceData data, Partition? partition)
    {
        Forwarder forwarder = request.Connection.Forwarder;
        bool isLedHere = partition is { View.IsLeader: true };
        if (isLedHere && !forwarder.HasRoutes) return false;
        TopicId id = request.Version >= FirstVersionWithTopicIds ? new TopicId(topic.TopicId)
            : services.Node.Metadata.Topics.TryGetValue(topic.Name, out Metadata.TopicImage? image) ? image.Id : default;
        var group = new GroupId(id, data.Index);
        if (services.Node.Locate(id, data.Index) is not { } location
            || forwarder.RouteOf(group, isLedHere, location.Leader) is not { } link) return false;
        if (!MayForward())
        {
            _slots[slot].Refuse(KafkaError.NotLeaderOrFollower, "the memory for requests that are passed on is in use");
            return true;
        }

        _toForward ??= [];
        if (!_toForward.TryGetValue(link, out Forwarded? forwarded))
        {
            forwarded = new Forwarded(new ProduceRequest { Acks = body.Acks, TimeoutMs = body.TimeoutMs });
            _toForward.Add(link, forwarded);
        }

        forwarded.Add(slot, group, topic, data);
        return true;
    }

    private bool MayForward()
    {
        if (_forwarding > 0) return true;
        if (!services.Forwarding.TryTake(request.HeldBytes)) return false;
        _forwarding = request.HeldBytes;
        return true;
    }

    private void GiveBackForwarding()
    {
        if (_forwarding > 0) services.Forwarding.Give(_forwarding);
    }

    private void Forward()
    {
        if (_toForward is null) return;
        foreach ((ForwardLink link, Forwarded forwarded) in _toForward)
        {
            Interlocked.Increment(ref _pending);
            services.Metrics.Forwarded(ApiKey.Produce);
            foreach ((_, GroupId group) in forwarded.Slots) request.Connection.Forwarder.Sent(group, link);
            link.Send(new ForwardedCall(
                forwarded.Request, request.Version, body.Acks != (short)RequiredAcks.None, services.Limits.Bound(body.TimeoutMs),
                answer => TakeAnswer(forwarded, answer)));
        }
    }

    // On the link's thread. The leader answers what it was asked, in that order; what does not fit that is taken for no answer.
    private void TakeAnswer(Forwarded forwarded, ForwardedAnswer? answer)
    {
        List<ProduceResponse.PartitionProduceResponse> all = answer?.Response is ProduceResponse response
            ? [.. response.Responses.SelectMany(topic => topic.PartitionResponses)] : [];
        for (int i = 0; i < forwarded.Slots.Count; i++)
        {
            (int slot, GroupId group) = forwarded.Slots[i];
            if (answer == ForwardedCall.NoAnswer) _slots[slot].Accept();
            else if (all.Count != forwarded.Slots.Count) _slots[slot].Refuse(KafkaError.NotLeaderOrFollower, "the leader was lost");
            else _slots[slot].Repeat(all[i]);
            request.Connection.Forwarder.Answered(group);
        }

        Arrived();
    }

    /// <summary>What is passed on to one leader.</summary>
    private sealed class Forwarded(ProduceRequest request)
    {
        public ProduceRequest Request => request;

        /// <summary>The partitions, in the order of the request.</summary>
        public List<(int Slot, GroupId Group)> Slots { get; } = [];

        public void Add(int slot, GroupId group, ProduceRequest.TopicProduceData topic, ProduceRequest.PartitionProduceData data)
        {
            List<ProduceRequest.TopicProduceData> topics = request.TopicData;
            if (topics.Count == 0 || topics[^1].Name != topic.Name || topics[^1].TopicId != topic.TopicId)
                topics.Add(new() { Name = topic.Name, TopicId = topic.TopicId });
            topics[^1].PartitionData.Add(data);
            Slots.Add((slot, group));
        }
    }
}

using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// Fetch: works out what a request asks for, with or without a session (KIP-227), and leaves the rest to a <see cref="FetchOperation"/>.
/// </summary>
internal sealed class FetchHandler(GatewayServices services) : ApiHandler(services, ApiKey.Fetch)
{
    private const int NoSession = 0;
    private const int FinalEpoch = -1;
    private const int InitialEpoch = 0;

    /// <inheritdoc/>
    public override void Handle(Request request)
    {
        FetchRequest body = request.Decode<FetchRequest>();

        // A long poll must not hold request memory; nothing in the body points into the frame.
        request.ReleaseFrame();
        if (body.SessionEpoch is FinalEpoch or InitialEpoch) StartFull(body, request);
        else StartIncremental(body, request);
    }

    private void StartFull(FetchRequest body, Request request)
    {
        if (body.SessionId != NoSession) Services.Sessions.Close(body.SessionId);
        bool usesIds = UsesTopicIds(request.Version);
        FetchSession? session = body.SessionEpoch == InitialEpoch
            ? Services.Sessions.Open(body.Topics.Sum(topic => topic.Partitions.Count), usesIds)
            : null;
        var items = new List<FetchItem>();
        var named = new HashSet<FetchKey>();
        foreach (FetchRequest.FetchTopic topic in body.Topics)
        {
            foreach (FetchRequest.FetchPartition partition in topic.Partitions)
            {
                var key = new FetchKey(topic.Topic, new TopicId(topic.TopicId), partition.Partition);

                // Named again it is not asked for again: thousands of waits for one partition would hold up everyone who waits for it.
                if (!named.Add(key)) continue;
                FetchItem item = session?.Upsert(key) ?? new FetchItem(key);
                Fill(item, partition);
                items.Add(item);
            }
        }

        new FetchOperation(Services, body, request, items, session, isIncremental: false).Start();
    }

    private void StartIncremental(FetchRequest body, Request request)
    {
        if (Services.Sessions.Use(body.SessionId) is not { } session)
        {
            Refuse(request, KafkaError.FetchSessionIdNotFound);
            return;
        }

        List<FetchItem> items;
        bool empty;
        lock (session.Gate)
        {
            if (session.NextEpoch != body.SessionEpoch)
            {
                Refuse(request, KafkaError.InvalidFetchSessionEpoch);
                return;
            }

            if (session.UsesTopicIds != UsesTopicIds(request.Version))
            {
                Refuse(request, KafkaError.FetchSessionTopicIdError);
                return;
            }

            Update(session, body);
            session.Advance();
            empty = session.Count == 0;
            items = [.. session.Items];
        }

        // A session that is left without partitions, or has grown beyond its bound, is not worth a slot.
        if (empty || items.Count > Services.Limits.FetchSessionPartitions)
        {
            Services.Sessions.Close(session.Id);
            session = null;
        }

        new FetchOperation(Services, body, request, items, session, isIncremental: session is not null).Start();
    }

    private static void Update(FetchSession session, FetchRequest body)
    {
        foreach (FetchRequest.ForgottenTopic topic in body.ForgottenTopicsData)
            foreach (int partition in topic.Partitions)
                session.Forget(new FetchKey(topic.Topic, new TopicId(topic.TopicId), partition));
        foreach (FetchRequest.FetchTopic topic in body.Topics)
            foreach (FetchRequest.FetchPartition partition in topic.Partitions)
                Fill(session.Upsert(new FetchKey(topic.Topic, new TopicId(topic.TopicId), partition.Partition)), partition);
    }

    private static void Fill(FetchItem item, FetchRequest.FetchPartition from)
    {
        item.Offset = new KafkaOffset(from.FetchOffset);
        item.MaxBytes = from.PartitionMaxBytes;
        item.CurrentLeaderEpoch = from.CurrentLeaderEpoch;
        item.LastFetchedEpoch = from.LastFetchedEpoch;
    }

    private static bool UsesTopicIds(short version) => version >= 13;

    private static void Refuse(Request request, KafkaError error) => request.Complete(new FetchResponse { ErrorCode = (short)error });
}

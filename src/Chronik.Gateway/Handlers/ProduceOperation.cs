using System.Runtime.InteropServices;
using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// One produce request from its decoding to its response: validates each batch, appends it to its partition, counts the answers, and
/// when the last one is there tells the connection once.
/// </summary>
/// <remarks>
/// <see cref="Appended"/> is called on the partitions' threads and only notes the result; the response is made on the connection's
/// thread. The frame is held, and counted, until the last partition has answered, because the batches lie in it; also when the client was
/// told before that its time is up (acks=all), as with Kafka. Such a batch may be committed later: the producer's retry of it is a
/// duplicate then.
/// </remarks>
internal sealed partial class ProduceOperation(GatewayServices services, ProduceRequest body, Request request)
    : IAppendSink, IResponseSource, IDeadline
{
    private const short FirstVersionWithTopicIds = 13;
    private const short FirstVersionWithZstd = 7;

    // Here all is answered for what is synced on a majority of disks, which Kafka does not wait for; so nobody gets less time than this.
    private const int ShortestTimeoutMs = 500;

    private readonly List<Slot> _slots = new(body.TopicData.Count);
    private int _pending = 1;
    private int _answered;
    private RequestRemains? _remains; // Of a request whose time was up.

    /// <inheritdoc/>
    public long DueAt { get; } = Environment.TickCount64 + Math.Max(body.TimeoutMs, ShortestTimeoutMs);

    /// <summary>Validates and appends everything.</summary>
    public void Start()
    {
        KafkaError refused = CheckRequest();
        foreach (ProduceRequest.TopicProduceData topic in body.TopicData)
            foreach (ProduceRequest.PartitionProduceData partition in topic.PartitionData)
                _slots.Add(new Slot());

        int slot = 0;
        foreach (ProduceRequest.TopicProduceData topic in body.TopicData)
        {
            foreach (ProduceRequest.PartitionProduceData partition in topic.PartitionData)
            {
                if (refused != KafkaError.None) _slots[slot].Refuse(refused, null);
                else AppendOrRefuse(slot, topic, partition);
                slot++;
            }
        }

        Forward();
        if (body.Acks == (short)RequiredAcks.All) request.Deadline = this;

        // The one that the constructor counted, so that the request cannot be complete before all batches are on their way.
        Arrived();
    }

    /// <inheritdoc/>
    public void Appended(int slot, in AppendResult result)
    {
        _slots[slot].Answer(result);
        Arrived();
    }

    /// <inheritdoc/>
    public void Expire()
    {
        RequestRemains remains = request.Detach();
        _remains = remains;
        if (Interlocked.Exchange(ref _answered, 1) == 0) request.Complete(this);
        else remains.GiveBack(); // The last answer came just now.
    }

    /// <inheritdoc/>
    public (IResponseMessage? Response, string? CloseReason) MakeResponse()
    {
        if (body.Acks == (short)RequiredAcks.None)
        {
            // Nobody reads an answer; closing is the only way to say that something was lost.
            Slot? failed = _slots.Find(slot => slot.Result.Error != KafkaError.None);
            return (null, failed is null ? null : $"a produce request without acks failed: {failed.Result.Error} {failed.Result.Message}");
        }

        var response = new ProduceResponse { Responses = new List<ProduceResponse.TopicProduceResponse>(body.TopicData.Count) };
        int slot = 0;
        foreach (ProduceRequest.TopicProduceData topic in body.TopicData)
        {
            var answered = new ProduceResponse.TopicProduceResponse
            {
                Name = topic.Name,
                TopicId = topic.TopicId,
                PartitionResponses = new List<ProduceResponse.PartitionProduceResponse>(topic.PartitionData.Count),
            };
            foreach (ProduceRequest.PartitionProduceData partition in topic.PartitionData)
                answered.PartitionResponses.Add(Describe(response, topic, partition.Index, _slots[slot++]));
            response.Responses.Add(answered);
        }

        return (response, null);
    }

    private KafkaError CheckRequest()
    {
        // Transactions are not served and InitProducerId says so; whoever sends a transactional id all the same never had a transaction.
        if (body.TransactionalId is not null) return KafkaError.InvalidTxnState;
        return body.Acks is >= (short)RequiredAcks.All and <= (short)RequiredAcks.Leader ? KafkaError.None : KafkaError.InvalidRequiredAcks;
    }

    // What fails with one batch costs the others nothing.
    private void AppendOrRefuse(int slot, ProduceRequest.TopicProduceData topic, ProduceRequest.PartitionProduceData data)
    {
        try
        {
            Append(slot, topic, data);
        }
        catch (Exception e)
        {
            Log.HandlerFailed(services.Log, e, ApiKey.Produce, request.Version);
            services.Metrics.Error("handler");
            _slots[slot].Refuse(KafkaError.UnknownServerError, null);
        }
    }

    private void Append(int slot, ProduceRequest.TopicProduceData topic, ProduceRequest.PartitionProduceData data)
    {
        Slot state = _slots[slot];
        (Partition? partition, KafkaError error) = request.Version >= FirstVersionWithTopicIds
            ? services.Node.FindHere(new TopicId(topic.TopicId), data.Index)
            : services.Node.FindHere(topic.Name, data.Index);
        if (Forwards && (error is KafkaError.None or KafkaError.NotLeaderOrFollower) && AddToForward(slot, topic, data, partition)) return;
        if (partition is null)
        {
            state.Refuse(error, null);
            return;
        }

        if (TopicNames.IsInternal(partition.Name.Topic))
        {
            state.Refuse(KafkaError.InvalidTopicException, "the topic belongs to the broker");
            return;
        }

        BufferSlice batch = SliceOf(data.Records);
        error = Validate(batch, partition.View.Config, state);
        if (error != KafkaError.None) return;
        var append = new AppendRequest(batch, (RequiredAcks)body.Acks, this, slot) { IsForwarded = _isForwarded };
        Interlocked.Increment(ref _pending);
        partition.Append(append);
    }

    private KafkaError Validate(BufferSlice batch, TopicConfig config, Slot state)
    {
        long now = services.Time.GetUtcNow().ToUnixTimeMilliseconds();
        bool keepsTimestamps = config.TimestampType == TimestampType.CreateTime;
        var rules = new RecordBatchRules(
            config.MaxMessageBytes,
            AllowZstd: request.Version >= FirstVersionWithZstd,
            EarliestTimestamp: keepsTimestamps ? Bound(now, -config.TimestampBeforeMaxMs) : long.MinValue,
            LatestTimestamp: keepsTimestamps ? Bound(now, config.TimestampAfterMaxMs) : long.MaxValue);
        KafkaError error = RecordBatchValidator.Validate(batch.Span, rules, out RecordBatchInfo info, out string? message);
        if (error != KafkaError.None)
        {
            state.Refuse(error, message, info.BadRecord);
            return error;
        }

        if (config.IsCompacted && info.HasNullKey)
        {
            error = KafkaError.InvalidRecord;
            state.Refuse(error, "a compacted topic accepts no record without a key", info.FirstNullKey);
            return error;
        }

        if (new RecordBatchView(batch.Span).IsTransactional)
        {
            error = KafkaError.InvalidTxnState;
            state.Refuse(error, "transactions are not served");
            return error;
        }

        // The time index trusts the header, so a producer's header must not be trusted.
        if (keepsTimestamps && new RecordBatchView(batch.Span).MaxTimestamp != info.MaxTimestamp)
            RecordBatchStamp.SetMaxTimestamp(batch.Span, info.MaxTimestamp);
        return KafkaError.None;
    }

    private static long Bound(long now, long distance) =>
        distance < 0
            ? (now < long.MinValue - distance ? long.MinValue : now + distance)
            : (now > long.MaxValue - distance ? long.MaxValue : now + distance);

    // The field's bytes lie in the request's frame; an absent field is an empty slice, which is no batch.
    private BufferSlice SliceOf(Records? records)
    {
        if (records is not MemoryRecords { Memory: { IsEmpty: false } memory }
            || !MemoryMarshal.TryGetArray(memory, out ArraySegment<byte> bytes))
            return default;

        Invariant.Require(ReferenceEquals(bytes.Array, request.Frame.Array));
        return request.Frame.Slice(bytes.Offset, bytes.Count);
    }

    private void Arrived()
    {
        if (Interlocked.Decrement(ref _pending) > 0) return;
        GiveBackForwarding();
        if (Interlocked.Exchange(ref _answered, 1) == 0) request.Complete(this);
        else _remains!.GiveBack();
    }

    private ProduceResponse.PartitionProduceResponse Describe(
        ProduceResponse response, ProduceRequest.TopicProduceData topic, int index, Slot slot)
    {
        AppendResult result = slot.Result;
        services.Metrics.Produced((short)result.Error);
        var described = new ProduceResponse.PartitionProduceResponse
        {
            Index = index,
            ErrorCode = (short)result.Error,
            BaseOffset = result.BaseOffset.Value,
            LogAppendTimeMs = result.LogAppendTimeMs,
            LogStartOffset = result.LogStartOffset.Value,
            ErrorMessage = result.Message,
        };
        if (slot.BadRecord >= 0) described.RecordErrors.Add(new() { BatchIndex = slot.BadRecord, BatchIndexErrorMessage = result.Message });
        if (PartitionLookup.HintsAtLeader(result.Error)) AddLeader(response, topic, described);
        return described;
    }

    // KIP-951: whoever asked the wrong node is told the right one.
    private void AddLeader(
        ProduceResponse response, ProduceRequest.TopicProduceData topic, ProduceResponse.PartitionProduceResponse described)
    {
        PartitionLocation? location = request.Version >= FirstVersionWithTopicIds
            ? services.Node.Locate(new TopicId(topic.TopicId), described.Index)
            : services.Node.Locate(topic.Name, described.Index);
        if (location is null || services.Find(location.Leader, request.Connection) is not { } broker) return;
        described.CurrentLeader = new() { LeaderId = broker.Id.Value, LeaderEpoch = location.Epoch.Value };
        if (response.NodeEndpoints.Exists(known => known.NodeId == broker.Id.Value)) return;
        response.NodeEndpoints.Add(new() { NodeId = broker.Id.Value, Host = broker.Host, Port = broker.Port, Rack = broker.Rack });
    }

    private sealed class Slot
    {
        private static readonly AppendResult TimedOut = new(
            KafkaError.RequestTimedOut, KafkaOffset.Unknown, AppendResult.NoAppendTime, KafkaOffset.Unknown,
            "it was not committed in the time that the request allows");

        private AppendResult _result;
        private bool _isAnswered;

        /// <summary>What the partition said; while it has said nothing, that its time is up.</summary>
        public AppendResult Result => Volatile.Read(ref _isAnswered) ? _result : TimedOut;

        public int BadRecord { get; private set; } = -1;

        /// <summary>Once; any thread.</summary>
        public void Answer(in AppendResult result)
        {
            _result = result;
            Volatile.Write(ref _isAnswered, true);
        }

        /// <summary>The leader has it, and answers nothing.</summary>
        public void Accept() =>
            Answer(new AppendResult(KafkaError.None, KafkaOffset.Unknown, AppendResult.NoAppendTime, KafkaOffset.Unknown, null));

        /// <summary>What the leader said.</summary>
        public void Repeat(ProduceResponse.PartitionProduceResponse said)
        {
            if (said.RecordErrors is [{ } bad, ..]) BadRecord = bad.BatchIndex;
            Answer(new AppendResult(
                (KafkaError)said.ErrorCode, new KafkaOffset(said.BaseOffset), said.LogAppendTimeMs, new KafkaOffset(said.LogStartOffset),
                said.ErrorMessage));
        }

        public void Refuse(KafkaError error, string? message, int badRecord = -1)
        {
            BadRecord = badRecord;
            Answer(new AppendResult(error, KafkaOffset.Unknown, AppendResult.NoAppendTime, KafkaOffset.Unknown, message));
        }
    }
}

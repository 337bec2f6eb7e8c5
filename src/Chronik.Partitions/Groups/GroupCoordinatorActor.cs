using Akka.Actor;
using Akka.Event;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage;

namespace Chronik.Partitions.Groups;

/// <summary>The coordinator of the groups in one partition of __consumer_offsets: log, clock and clients around the pure core.</summary>
/// <remarks>
/// <code>
///   gateway - GroupRequest --->|             |-- AppendRequest -----> replica of the partition
///   /groups - TopicsGone ----->| coordinator |&lt;- BatchAppended ------|
///   itself -- Flush, Wake ---->|             |-- response message --> whoever asked
///                              |             |-- DeleteRecords -----> replica (when the log is mostly dead)
/// </code>
/// Made while this node leads the partition, with a log that is committed to its end; reads that before its first message. Survives a
/// restart: whatever was answered. What the mailbox holds becomes one batch in the log. One timer runs, for whatever is due first.
/// The log is kept short here and not by compaction: once it is long and mostly dead, the live state is written again and everything
/// before is deleted. Writes wait while that begins, which takes one commit.
/// </remarks>
internal sealed class GroupCoordinatorActor : UntypedActor, IWithTimers
{
    /// <summary>How long the log may get before it is looked at: too small, and a busy group rewrites its state all the time.</summary>
    internal const long CutBytes = 16L << 20;

    private const int BatchBytes = 1 << 20; // What is gathered goes out in batches of about this size,
    private const int InFlightBytes = 8 << 20; // and waits while about this much has not been answered.
    private const int WriteBytesMax = 16 << 20; // A single write beyond it, the members of one giant group, is refused.
    private static readonly TimeSpan RefusalLogInterval = TimeSpan.FromSeconds(10);

    private readonly NodeContext _node;
    private readonly Partition _partition;
    private readonly GroupCoordinator _core;
    private readonly long _cutBytes;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly IActorRef _self = Context.Self;
    private readonly GroupEffects _effects = new();
    private readonly HashSet<Asked> _waiting = [];
    private readonly List<GroupWrite> _gathered = [];
    private readonly Queue<Batch> _inFlight = new();
    private readonly Queue<Asked> _held = new();
    private long _inFlightBytes;
    private long? _wakeAt;
    private long _refusalLoggedAt;
    private long _logBytes;
    private long _lookAtBytes;
    private bool _cutWanted;
    private Cut? _cut;

    public GroupCoordinatorActor(NodeContext node, Partition partition, GroupLimits limits, long cutBytes)
    {
        _node = node;
        _partition = partition;
        _core = new GroupCoordinator(limits, Guid.NewGuid);
        _cutBytes = cutBytes;
        _lookAtBytes = cutBytes;
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(NodeContext node, Partition partition, GroupLimits limits, long cutBytes = CutBytes) =>
        Akka.Actor.Props.Create(() => new GroupCoordinatorActor(node, partition, limits, cutBytes));

    protected override void PreStart()
    {
        Step(GroupInput.StartLoading(_node.NowMs));
        try
        {
            CommittedRecords.ForEach(_partition.View, Load);
        }
        catch (StorageException damage) when (damage.IsDamage)
        {
            _partition.ReportDamage(damage.Message); // Another replica leads then, if one can; until then only these groups have nobody.
            throw;
        }

        Step(GroupInput.Loaded(_node.NowMs));
        _logger.Info("{0}: {1} groups, {2} offsets from {3} bytes of log", _partition.Name, _core.GroupCount, _core.OffsetCount, _logBytes);
        LookAtLog();
    }

    private void Load(in RecordView record)
    {
        byte[] key = record.Key.ToArray();
        byte[]? value = record.IsValueNull ? null : record.Value.ToArray();
        _logBytes += key.Length + (value?.Length ?? 0);
        Step(GroupInput.Load(key, value, _node.NowMs));
    }

    /// <summary>Whoever still waits is sent to find the coordinator again. What is in the mailbox is answered by /groups.</summary>
    protected override void PostStop()
    {
        _core.Abandon();
        foreach (Asked asked in _waiting)
            asked.Answer(GroupResponses.Error(asked.Request.Request, asked.Request.Version, KafkaError.NotCoordinator));
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case GroupRequest request: Take(new Asked(Sender, request)); break;
            case BatchAppended appended: Settle(appended); break;
            case Flush: WriteGathered(); break;
            case Wake: Tick(); break;
            case TopicsGone gone: Forget(gone); break;
            case DeleteRecordsResult deleted: FinishCut(deleted.Error.ToString(), deleted.Error == KafkaError.None); break;
            case Status.Failure failure: FinishCut(failure.Cause.Message, isDone: false); break;
            default: Unhandled(message); break;
        }
    }

    private void Take(Asked asked)
    {
        _waiting.Add(asked);
        if (_cutWanted) _held.Enqueue(asked);
        else Serve(asked);
    }

    private void Serve(Asked asked) =>
        Step(GroupInput.Request(asked, asked.Request.Request, asked.Request.Version, asked.Request.Origin, _node.NowMs));

    private void Tick()
    {
        _wakeAt = null;
        Step(GroupInput.Tick(_node.NowMs));
    }

    private void Forget(TopicsGone gone)
    {
        foreach (TopicImage topic in gone.Topics) Step(GroupInput.TopicDeleted(topic.Name, topic.Id, _node.NowMs));
    }

    private void Step(in GroupInput input)
    {
        _effects.Clear();
        _core.Step(input, _effects);
        Dispatch();
    }

    private void Dispatch()
    {
        foreach (GroupReply reply in _effects.Replies)
        {
            var asked = (Asked)reply.Token;
            Invariant.Require(_waiting.Remove(asked));
            asked.Answer(reply.Response);
            if (reply.Refusal is not null) LogRefusal(asked, reply.Refusal);
        }

        if (_effects.Writes.Count > 0)
        {
            if (_gathered.Count == 0) _self.Tell(Flush.Instance, ActorRefs.NoSender);
            _gathered.AddRange(_effects.Writes);
        }

        // A timer that fires too early does no harm, so it is only ever moved forward.
        if (_effects.WakeAtMs is not long wakeAt || _wakeAt <= wakeAt) return;
        _wakeAt = wakeAt;
        Timers.StartSingleTimer(nameof(Wake), Wake.Instance, TimeSpan.FromMilliseconds(Math.Max(wakeAt - _node.NowMs, 0)));
    }

    private void LogRefusal(Asked asked, string refusal)
    {
        if (_node.NowMs - _refusalLoggedAt < RefusalLogInterval.TotalMilliseconds) return;
        _refusalLoggedAt = _node.NowMs;
        _logger.Warning("{0} of {1} refused: {2}", asked.Request.Request.ApiKey, asked.Request.Origin.ClientId, refusal);
    }

    /// <summary>What has gathered goes to the log, a write never apart, as far as there is room on the way.</summary>
    private void WriteGathered()
    {
        var builder = new RecordBatchBuilder();
        long now = _node.NowMs;
        int taken = 0;
        while (taken < _gathered.Count && _inFlightBytes < InFlightBytes)
        {
            GroupWrite write = _gathered[taken];
            int bytes = write.Records.Sum(record => record.Length);
            if (bytes > WriteBytesMax)
            {
                if (builder.Count > 0) Send(builder, _gathered[taken - 1].Id);
                Refuse(write, bytes);
            }
            else
            {
                foreach (GroupRecord record in write.Records) builder.Add(now, record.Key, record.Value);
                if (builder.RecordBytes >= BatchBytes) Send(builder, write.Id);
            }

            taken++;
        }

        if (builder.Count > 0) Send(builder, _gathered[taken - 1].Id);
        _gathered.RemoveRange(0, taken);
    }

    private void Send(RecordBatchBuilder builder, GroupWriteId last)
    {
        byte[] bytes = builder.Build();
        builder.Clear();
        BufferSlice copy = _node.Buffers.Copy(bytes);
        var batch = new Batch(last, bytes.Length);
        _inFlight.Enqueue(batch);
        _inFlightBytes += bytes.Length;
        _logBytes += bytes.Length;
        _partition.Append(new AppendRequest(copy, RequiredAcks.All, new Sink(_self, batch), 0));
        copy.Release();
    }

    private void Refuse(in GroupWrite write, int bytes)
    {
        _logger.Warning("{0}: a write of {1} bytes is refused, the most is {2}", _partition.Name, bytes, WriteBytesMax);
        var batch = new Batch(write.Id, 0);
        _inFlight.Enqueue(batch);
        _self.Tell(new BatchAppended(batch, KafkaError.MessageTooLarge, KafkaOffset.Unknown), ActorRefs.NoSender);
    }

    /// <summary>Tells the core, in the order of the writes, however the answers come.</summary>
    private void Settle(BatchAppended appended)
    {
        appended.Batch.Error = appended.Error;
        appended.Batch.BaseOffset = appended.BaseOffset;
        while (_inFlight.TryPeek(out Batch? batch) && batch.Error is KafkaError error)
        {
            _inFlight.Dequeue();
            _inFlightBytes -= batch.Bytes;
            _cut?.Note(batch);
            Step(error == KafkaError.None
                ? GroupInput.Committed(batch.Last, _node.NowMs)
                : GroupInput.Failed(batch.Last, error, _node.NowMs));
        }

        WriteGathered();
        if (_cut is not null) ContinueCut();
        else if (_cutWanted) BeginCut();
        else LookAtLog();
    }

    /// <summary>Decides whether the log is long and mostly dead. Looks again only after it has grown by a good part.</summary>
    private void LookAtLog()
    {
        if (_logBytes < _lookAtBytes) return;
        long live = _core.EstimateLiveBytes();
        _lookAtBytes = Math.Max(_logBytes + (_cutBytes / 4), 2 * live);
        if (_logBytes < 2 * live) return;
        _cutWanted = true;
        BeginCut();
    }

    /// <summary>Once nothing is on its way the live state is written; from then on everything before it is dead.</summary>
    private void BeginCut()
    {
        if (_inFlight.Count > 0 || _gathered.Count > 0) return;
        _cutWanted = false;
        long bytesBefore = _logBytes;
        _effects.Clear();
        _core.WriteLiveState(_effects);
        _cut = new Cut(bytesBefore, _effects.Writes.Count == 0 ? default : _effects.Writes[^1].Id);
        Dispatch();
        WriteGathered();
        while (_held.TryDequeue(out Asked? asked)) Serve(asked);
        ContinueCut();
    }

    private void ContinueCut()
    {
        Cut cut = _cut!;
        if (cut.IsDeleting || !cut.IsWritten) return;
        if (cut.HasFailed)
        {
            FinishCut("the live state was not written", isDone: false);
            return;
        }

        cut.IsDeleting = true;

        // Without live state the whole log is dead. Nothing was appended since: every answer so far has been heard.
        KafkaOffset before = cut.First == KafkaOffset.Unknown ? _partition.View.HighWatermark : cut.First;
        _partition.DeleteRecordsAsync(before).PipeTo(_self);
    }

    private void FinishCut(string outcome, bool isDone)
    {
        if (_cut is not Cut cut) return;
        _cut = null;
        if (isDone) _logBytes -= cut.BytesBefore;
        else _logger.Warning("{0}: the log was not shortened: {1}", _partition.Name, outcome);
        _lookAtBytes = Math.Max(_logBytes + (_cutBytes / 4), _cutBytes);
        _logger.Info("{0}: about {1} bytes of log are left", _partition.Name, _logBytes);
    }

    /// <summary>Somebody who asked and has not been answered.</summary>
    private sealed class Asked(IActorRef sender, GroupRequest request)
    {
        public GroupRequest Request { get; } = request;

        public void Answer(IResponseMessage response) => sender.Tell(response, ActorRefs.NoSender);
    }

    /// <summary>A batch on its way to the log.</summary>
    private sealed class Batch(GroupWriteId last, int bytes)
    {
        public int Bytes { get; } = bytes;

        /// <summary>The last write in it.</summary>
        public GroupWriteId Last { get; } = last;

        /// <summary>How it ended; null while that is not known.</summary>
        public KafkaError? Error { get; set; }

        public KafkaOffset BaseOffset { get; set; } = KafkaOffset.Unknown;
    }

    /// <summary>The log is being shortened: the live state is on its way, or what lay before it is being deleted.</summary>
    private sealed class Cut(long bytesBefore, GroupWriteId last)
    {
        public long BytesBefore { get; } = bytesBefore;

        /// <summary>Where the live state begins; unknown when there is none, or it is not known yet.</summary>
        public KafkaOffset First { get; private set; } = KafkaOffset.Unknown;

        public bool IsWritten { get; private set; } = last == default;

        public bool HasFailed { get; private set; }

        public bool IsDeleting { get; set; }

        public void Note(Batch batch)
        {
            if (IsWritten) return;
            if (batch.Error != KafkaError.None) HasFailed = true;
            if (First == KafkaOffset.Unknown) First = batch.BaseOffset;
            IsWritten = batch.Last.Value >= last.Value;
        }
    }

    private sealed class Sink(IActorRef coordinator, Batch batch) : IAppendSink
    {
        public void Appended(int slot, in AppendResult result) =>
            coordinator.Tell(new BatchAppended(batch, result.Error, result.BaseOffset), ActorRefs.NoSender);
    }

    private sealed record BatchAppended(Batch Batch, KafkaError Error, KafkaOffset BaseOffset) : IDeadLetterSuppression;

    private sealed class Flush
    {
        public static readonly Flush Instance = new();
    }

    private sealed class Wake
    {
        public static readonly Wake Instance = new();
    }
}

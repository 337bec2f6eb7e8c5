using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Controller;

/// <content>The node that leads the metadata log: decides, appends, answers.</content>
internal sealed partial class ControllerActor
{
    private const int WaitingMax = 10_000; // Commands that wait to be decided; what comes on top is refused.

    private readonly Queue<(Submit Submit, IActorRef Submitter)> _waiting = new();
    private readonly List<Settling> _settling = [];
    private readonly Dictionary<NodeId, long> _missedSince = [];
    private Appending? _appending;
    private bool _isBeginning; // Whether what a controller begins with is yet to be looked at.
    private int _settlingCount; // Read by the threads that hear of leaders.

    /// <summary>
    /// The cluster must have its id, and this broker be registered; that waits for what an earlier leadership appended.
    /// </summary>
    private void BeginToLead(LeaderEpoch epoch)
    {
        _ledEpoch = epoch;
        _missedSince.Clear();
        _logger.Info("this broker is the controller now, in epoch {0}", epoch);
        _isBeginning = true;
    }

    /// <summary>What the log must say before anything else is decided.</summary>
    private void Begin()
    {
        _isBeginning = false;
        List<MetadataRecord> first = [];
        if (_image.ClusterId.Length == 0) first.Add(new ClusterFormed(_setup.Node.Storage.Identity.ClusterId));
        if (_image.Level < _setup.Node.Level) first.Add(new LevelChanged(_setup.Node.Level)); // It was formed at this one.
        if (!_image.Brokers.TryGetValue(_setup.Node.Self, out BrokerImage? known) || !known.IsAs(Wanted))
            first.AddRange(MetadataMachine.Decide(WithoutLiveness(_setup.Registration), _setup.Registration, _decisions).Records);
        if (first.Count > 0) Append(new Decision(first, []), null);
    }

    private void Take(Submit submit)
    {
        if (_waiting.Count < WaitingMax) _waiting.Enqueue((submit, Sender));
        else Sender.Tell(new CommandRefused(KafkaError.RequestTimedOut, $"{WaitingMax} changes wait already"));
        Decide();
    }

    /// <summary>Decides what waits, until something has to be appended.</summary>
    private void Decide()
    {
        if (_appending is null && _leads && _isBeginning) Begin();
        while (_appending is null && _waiting.TryDequeue(out var next))
        {
            (Submit submit, IActorRef submitter) = next;
            if (_refusal is not null) submitter.Tell(new CommandRefused(KafkaError.KafkaStorageError, _refusal));
            else if (!_leads) submitter.Tell(new CommandRefused(KafkaError.NotController, "this node does not lead the metadata"));
            else Decide(submit, submitter);
        }

        if (_appending is null && _leads && IsLong(_log!.View)) Append(new Decision(_image.ToRecords(), []), null);
    }

    private void Decide(Submit submit, IActorRef submitter)
    {
        Decision decision;
        try
        {
            MetadataImage image = submit.Command switch
            {
                RegisterBroker register => WithoutLiveness(register),
                UnregisterBroker unregister => WithoutLiveness(unregister),
                _ => _image,
            };
            decision = MetadataMachine.Decide(image, submit.Command, _decisions);
        }
        catch (Exception failure)
        {
            // Deciding changes nothing, so nobody but who asked has to know.
            _logger.Error(failure, "{0} could not be decided: {1}", submit.Command.GetType().Name, failure.Message);
            submitter.Tell(new CommandRefused(KafkaError.UnknownServerError, failure.Message));
            return;
        }

        if (decision.Records.Count == 0) submitter.Tell(new CommandDone(_next, decision.Results));
        else Append(decision, new Asked(submitter, submit.Timeout));
    }

    /// <summary>
    /// An id is free for another directory as soon as the node that had it was met with that directory: the process before is gone, though
    /// nobody has missed it for long enough yet.
    /// </summary>
    private MetadataImage WithoutLiveness(RegisterBroker register)
    {
        bool isReplaced = register.Id == _setup.Node.Self || _setup.Others.Find(register.Id)?.Directory == register.Directory;
        return isReplaced && _image.Brokers.TryGetValue(register.Id, out BrokerImage? known) && known.Directory != register.Directory
            ? _image.Apply(new BrokerLivenessChanged(register.Id, IsLive: false))
            : _image;
    }

    private void Append(Decision decision, Asked? asked)
    {
        _appending = new Appending(decision, asked);
        BufferSlice batch = MetadataLog.ToBatch(decision.Records, _setup.Node.NowMs, _setup.Node.Buffers);
        _log!.Append(new AppendRequest(batch, RequiredAcks.All, new AppendedTo(_self, _appending), 0));
        batch.Release();
    }

    /// <summary>What was decided is committed, and the log has been followed up to there, or it was refused.</summary>
    private void Settle(MetadataAppended appended)
    {
        Appending appending = appended.Appending;
        if (!ReferenceEquals(appending, _appending)) return; // Of the controller before this one failed.
        Advance();
        _appending = null;
        if (appended.Result.Error == KafkaError.None) Answer(appending);
        else
        {
            string reason = appended.Result.Message ?? appended.Result.Error.ToString();
            if (appending.Asked is { } asked) asked.Submitter.Tell(Refused(appended.Result.Error, reason));
            else _logger.Warning("a change of the metadata was refused: {0}", reason);
        }

        Decide();
    }

    /// <summary>Whether the change will be found later is not known; a client that looks again, or asks again, is told the truth.</summary>
    private static CommandRefused Refused(KafkaError error, string reason) => new(
        error is KafkaError.NotLeaderOrFollower or KafkaError.NotEnoughReplicas or KafkaError.NotEnoughReplicasAfterAppend
            ? KafkaError.RequestTimedOut
            : error,
        reason);

    private void Answer(Appending appending)
    {
        if (appending.Asked is not { } asked) return;
        CommandDone done = new(_next, appending.Decision.Results);
        HashSet<GroupId> leaderless = [.. appending.Decision.Records.SelectMany(NewPartitions).Where(group => !IsLed(group))];
        if (leaderless.Count == 0)
        {
            asked.Submitter.Tell(done);
            return;
        }

        Settling settling = new(leaderless, asked.Submitter, done);
        _settling.Add(settling);
        Interlocked.Increment(ref _settlingCount);
        foreach (GroupId group in leaderless.Where(IsLed).ToList()) Settle(group); // Those that came before the count was seen.
        Context.System.Scheduler.ScheduleTellOnce(asked.Timeout, _self, new GiveUp(settling), _self);
    }

    private static IEnumerable<GroupId> NewPartitions(MetadataRecord record) => record switch
    {
        TopicCreated created => Enumerable.Range(0, created.Partitions.Length).Select(i => new GroupId(created.Id, i)),
        PartitionsAdded added => Enumerable.Range(added.First, added.Partitions.Length).Select(i => new GroupId(added.Id, i)),
        _ => [],
    };

    private bool IsLed(GroupId group) =>
        _setup.Node.Peers.Leaders.Locate(group) is not null
        || _setup.Directory.Find(group) is { View: { IsLeader: true } or { Failure: not null } };

    private void Settle(GroupId group)
    {
        if (_settling.Count == 0 || !IsLed(group)) return;
        for (int i = _settling.Count - 1; i >= 0; i--)
        {
            Settling settling = _settling[i];
            if (!settling.Missing.Remove(group) || settling.Missing.Count > 0) continue;
            _settling.RemoveAt(i);
            Interlocked.Decrement(ref _settlingCount);
            settling.Submitter.Tell(settling.Done);
        }
    }

    /// <summary>
    /// The change is committed but not every new partition is led yet: the answer says what is committed; clients look again.
    /// </summary>
    private void Expire(GiveUp giveUp)
    {
        if (!_settling.Remove(giveUp.Settling)) return;
        Interlocked.Decrement(ref _settlingCount);
        giveUp.Settling.Submitter.Tell(giveUp.Settling.Done);
    }

    /// <summary>
    /// Whether the log is worth stating anew. It is read from its beginning at every start, and most of what a busy log says is no
    /// longer so: topics that are gone, producer ids that were given out. It is stated in one batch, which is there as a whole or not at
    /// all; a crash before what lies before it is deleted costs nothing, because its first record voids that.
    /// </summary>
    private bool IsLong(PartitionView log)
    {
        long records = log.HighWatermark.Value - log.LogStartOffset.Value;
        if (records <= _setup.LogRecords) return false;
        int recorded = _image.Topics.Values.Sum(topic => topic.Partitions.Count(one => one.IsrEpoch != LeaderEpoch.Unknown));
        return records > 4 * (_image.Topics.Count + _image.Brokers.Count + _image.BrokerConfigs.Count + recorded);
    }

    /// <summary>Fences brokers that are out of reach, and lets those that registered hear the log.</summary>
    private void WatchBrokers()
    {
        long now = _setup.Node.Time.GetTimestamp();
        foreach (BrokerImage broker in _image.Brokers.Values)
        {
            if (broker.Id == _setup.Node.Self) continue;
            if (_setup.Node.Peers.IsAlive(broker.Id))
            {
                _missedSince.Remove(broker.Id);
                continue;
            }

            if (_missedSince.TryAdd(broker.Id, now) || !broker.IsLive) continue;
            if (_setup.Node.Time.GetElapsedTime(_missedSince[broker.Id], now) < _setup.FenceAfter) continue;
            _logger.Warning("broker {0} has been out of reach for {1}: nothing new is placed on it", broker.Id, _setup.FenceAfter);
            _self.Tell(new Submit(new ChangeLiveness(broker.Id, IsLive: false), TimeSpan.Zero), ActorRefs.Nobody);
        }

        WatchMembers();
    }

    private sealed class AppendedTo(IActorRef controller, Appending appending) : IAppendSink
    {
        public void Appended(int slot, in AppendResult result) =>
            controller.Tell(new MetadataAppended(appending, result), ActorRefs.NoSender);
    }

    /// <summary>What is on its way into the log, and who asked for it, if anybody did.</summary>
    private sealed record Appending(Decision Decision, Asked? Asked);

    private sealed record Asked(IActorRef Submitter, TimeSpan Timeout);

    /// <summary>An answer that waits for partitions to be led.</summary>
    private sealed record Settling(HashSet<GroupId> Missing, IActorRef Submitter, CommandDone Done);

    private sealed record MetadataAppended(Appending Appending, AppendResult Result);

    private sealed record GiveUp(Settling Settling);
}

using Akka.Actor;
using Chronik.Model;

namespace Chronik.Partitions.Leaderships;

/// <content>The node stops: whatever others can lead goes to them, the metadata last.</content>
internal sealed partial class LeadershipsActor
{
    /// <summary>A node that speaks less knows nothing of these messages.</summary>
    public const int Level = 2;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan TellPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan ProgressPause = TimeSpan.FromSeconds(1);

    private Stop? _stop;

    private void Begin(HandOver request)
    {
        if (_stop is null)
        {
            long now = _node.Time.GetTimestamp();
            _stop = new Stop(request.Progress, now) { ProgressAt = now };
            TellOthers();
            Timers.StartPeriodicTimer(nameof(Poll), Poll.Instance, _setup.PollInterval);
        }

        if (_stop.Report is { } report) Sender.Tell(report);
        else _stop.Askers.Add(Sender);
        GoOn();
    }

    private void TellOthers()
    {
        _stop!.ToldAt = _node.Time.GetTimestamp();
        foreach (PeerEntry other in _setup.Others.All)
        {
            if (_node.Peers.LevelWith(other.Id) >= Level) other.Rpc.Tell(new NodeStopping(_node.Self), ActorRefs.NoSender);
        }
    }

    private void GoOnStopping()
    {
        if (_stop is not { IsOver: false } stop) return;
        long now = _node.Time.GetTimestamp();
        TimeSpan elapsed = _node.Time.GetElapsedTime(stop.BeganAt, now);
        if (_node.Time.GetElapsedTime(stop.ToldAt, now) >= TellPause) TellOthers();
        int left = 0;
        bool metadataLed = false;
        foreach (Partition partition in _setup.Directory.All)
        {
            if (!CanBeLedElsewhere(partition)) continue;
            if (partition.Group == GroupId.Metadata)
            {
                metadataLed = true;
                continue;
            }

            left++;
            HandOverUnlessBusy(stop, partition, elapsed);
        }

        // Last, so that whatever the others have to record meanwhile finds a controller.
        if (left == 0 && metadataLed)
        {
            left++;
            HandOverUnlessBusy(stop, _setup.Directory.Find(GroupId.Metadata)!, elapsed);
        }

        bool isOver = elapsed >= _setup.HandOverTime && (_underWay.Count == 0 || elapsed >= _setup.HandOverTime + _setup.HandOverGrace);
        if ((left == 0 && _underWay.Count == 0) || isOver)
        {
            End(stop, elapsed);
            return;
        }

        if (_node.Time.GetElapsedTime(stop.ProgressAt, now) < ProgressPause) return;
        stop.ProgressAt = now;
        stop.Progress(left, left + stop.Moved);
    }

    private void HandOverUnlessBusy(Stop stop, Partition partition, TimeSpan elapsed)
    {
        if (elapsed >= _setup.HandOverTime || _underWay.Count >= _setup.AtOnce || _underWay.ContainsKey(partition.Group)) return;
        if (stop.RetryAt.TryGetValue(partition.Group, out TimeSpan at) && elapsed < at) return;
        TryMove(new Move(partition.Group, NodeId.None, (error, message) =>
        {
            if (error == KafkaError.None)
            {
                stop.Moved++;
                return;
            }

            stop.Why[partition.Group] = message ?? error.ToString();
            stop.RetryAt[partition.Group] = _node.Time.GetElapsedTime(stop.BeganAt) + RetryPause;
        }));
    }

    /// <summary>
    /// Whether this node leads it, and another node that is there and stays has a replica. It may have to catch up first.
    /// </summary>
    private bool CanBeLedElsewhere(Partition partition)
    {
        PartitionView view = partition.Published;
        if (!view.IsLeader || view.Failure is not null) return false;
        foreach (NodeId replica in view.Replicas)
            if (replica != _node.Self && _node.Peers.IsAlive(replica) && !_node.Peers.IsStopping(replica)) return true;
        return false;
    }

    private void End(Stop stop, TimeSpan took)
    {
        List<string> kept = [];
        foreach (Partition partition in _setup.Directory.All)
        {
            PartitionView view = partition.Published;
            if (!view.IsLeader || view.Replicas.Count < 2) continue;
            string why = CanBeLedElsewhere(partition)
                ? stop.Why.GetValueOrDefault(partition.Group, "there was no time left")
                : "no other node that has it is there and stays";
            kept.Add($"{NameOf(partition)}: {why}");
        }

        stop.Report = new HandOverReport(stop.Moved, kept, took);
        foreach (IActorRef asker in stop.Askers) asker.Tell(stop.Report);
    }

    private sealed class Stop(Action<int, int> progress, long beganAt)
    {
        public Action<int, int> Progress => progress;

        public long BeganAt => beganAt;

        public long ToldAt { get; set; }

        public long ProgressAt { get; set; }

        public List<IActorRef> Askers { get; } = [];

        public int Moved { get; set; }

        public Dictionary<GroupId, string> Why { get; } = [];

        public Dictionary<GroupId, TimeSpan> RetryAt { get; } = [];

        public HandOverReport? Report { get; set; }

        public bool IsOver => Report is not null;
    }
}

using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Remote;

/// <summary>
/// Watches actors of other systems for those of this one, once however many watch, and the systems they are in by heartbeats.
///   actor   --WatchRemote-->  watcher  --Watch-->  watched actor                 (system message, delivered once)
///   watcher --Heartbeat-->    watcher of the other system  --HeartbeatRsp(uid)-->  watcher
///   no answer for too long:   that incarnation is quarantined, everybody who watches something there is told that it is dead
/// </summary>
internal class RemoteWatcher : UntypedActor
{
    private readonly IFailureDetectorRegistry<Address> _failureDetector;
    private readonly TimeSpan _heartbeatExpectedResponseAfter;
    private readonly ICancelable _heartbeats;
    private readonly ICancelable _reaper;
    private readonly Dictionary<Address, int> _addressUids = [];

    public RemoteWatcher(IFailureDetectorRegistry<Address> failureDetector, TimeSpan heartbeatInterval, TimeSpan unreachableReaperInterval,
        TimeSpan heartbeatExpectedResponseAfter)
    {
        _failureDetector = failureDetector;
        _heartbeatExpectedResponseAfter = heartbeatExpectedResponseAfter;
        Provider = (RemoteActorRefProvider)((ExtendedActorSystem)Context.System).Provider;
        Log = Context.GetLogger();
        IScheduler scheduler = Context.System.Scheduler;
        _heartbeats = scheduler.ScheduleTellRepeatedlyCancelable(heartbeatInterval, heartbeatInterval, Self, HeartbeatTick.Instance, Self);
        _reaper = scheduler.ScheduleTellRepeatedlyCancelable(
            unreachableReaperInterval, unreachableReaperInterval, Self, ReapUnreachableTick.Instance, Self);
    }

    protected ILoggingAdapter Log { get; }

    protected RemoteActorRefProvider Provider { get; }

    /// <summary>Who watches each watched actor.</summary>
    protected Dictionary<IInternalActorRef, HashSet<IInternalActorRef>> Watching { get; } = [];

    /// <summary>The watched actors of each system that gets heartbeats.</summary>
    protected Dictionary<Address, HashSet<IInternalActorRef>> WatcheeByNodes { get; } = [];

    protected ICollection<Address> WatchingNodes => WatcheeByNodes.Keys;

    /// <summary>Systems that were found dead and are not watched again since.</summary>
    protected HashSet<Address> Unreachable { get; } = [];

    public static Props Props(IFailureDetectorRegistry<Address> failureDetector, TimeSpan heartbeatInterval,
        TimeSpan unreachableReaperInterval, TimeSpan heartbeatExpectedResponseAfter) => Akka.Actor.Props.Create(
            () => new RemoteWatcher(failureDetector, heartbeatInterval, unreachableReaperInterval, heartbeatExpectedResponseAfter));

    protected override void PostStop()
    {
        base.PostStop();
        _heartbeats.Cancel();
        _reaper.Cancel();
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case HeartbeatTick:
                SendHeartbeats();
                break;
            case Heartbeat:
                Sender.Tell(new HeartbeatRsp(AddressUidExtension.Uid(Context.System)), Self);
                break;
            case HeartbeatRsp response:
                ReceiveHeartbeatRsp(response.AddressUid);
                break;
            case ReapUnreachableTick:
                ReapUnreachable();
                break;
            case ExpectedFirstHeartbeat expected:
                TriggerFirstHeartbeat(expected.From);
                break;
            case WatchRemote watch:
                AddWatching(watch.Watchee, watch.Watcher);
                break;
            case UnwatchRemote unwatch:
                RemoveWatch(unwatch.Watchee, unwatch.Watcher);
                break;
            case Terminated terminated:
                ProcessTerminated((IInternalActorRef)terminated.ActorRef, terminated.ExistenceConfirmed, terminated.AddressTerminated);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    protected void AddWatching(IInternalActorRef watchee, IInternalActorRef watcher)
    {
        if (!Watching.TryGetValue(watchee, out HashSet<IInternalActorRef> watchers))
        {
            Watching[watchee] = watchers = [];
            WatchNode(watchee);
            Context.Watch(watchee);
        }

        watchers.Add(watcher);
    }

    protected void RemoveWatch(IInternalActorRef watchee, IInternalActorRef watcher)
    {
        if (!Watching.TryGetValue(watchee, out HashSet<IInternalActorRef> watchers) || !watchers.Remove(watcher) || watchers.Count > 0)
            return;
        RemoveWatchee(watchee);
    }

    /// <summary>Nobody watches it any more.</summary>
    protected void RemoveWatchee(IInternalActorRef watchee)
    {
        Watching.Remove(watchee);
        Context.Unwatch(watchee);
        Address address = watchee.Path.Address;
        if (WatcheeByNodes.TryGetValue(address, out HashSet<IInternalActorRef> watchees) && watchees.Remove(watchee) && watchees.Count == 0)
            UnwatchNode(address);
    }

    /// <summary>Begins heartbeats to the system of the watched actor.</summary>
    protected virtual void WatchNode(IInternalActorRef watchee)
    {
        Address address = watchee.Path.Address;
        if (!WatcheeByNodes.ContainsKey(address) && Unreachable.Remove(address))
            _failureDetector.Remove(address);
        if (!WatcheeByNodes.TryGetValue(address, out HashSet<IInternalActorRef> watchees))
            WatcheeByNodes[address] = watchees = [];
        watchees.Add(watchee);
    }

    protected void UnwatchNode(Address address)
    {
        WatcheeByNodes.Remove(address);
        _addressUids.Remove(address);
        _failureDetector.Remove(address);
    }

    protected virtual void Quarantine(Address address, int? addressUid) => Provider.Quarantine(address, addressUid);

    /// <summary>Everything that is watched at the address counts as dead.</summary>
    protected virtual void PublishAddressTerminated(Address address)
    {
        foreach (IInternalActorRef watchee in Watching.Keys.Where(w => w.Path.Address.Equals(address)).ToArray())
            ProcessTerminated(watchee, existenceConfirmed: false, addressTerminated: true);
    }

    private void ProcessTerminated(IInternalActorRef watchee, bool existenceConfirmed, bool addressTerminated)
    {
        if (!Watching.TryGetValue(watchee, out HashSet<IInternalActorRef> watchers))
            return;
        foreach (IInternalActorRef watcher in watchers)
            watcher.SendSystemMessage(new DeathWatchNotification(watchee, existenceConfirmed, addressTerminated));
        RemoveWatchee(watchee);
    }

    private void SendHeartbeats()
    {
        foreach (Address address in WatchingNodes)
        {
            if (Unreachable.Contains(address))
                continue;
            if (!_failureDetector.IsMonitoring(address))
            {
                Context.System.Scheduler.ScheduleTellOnce(
                    _heartbeatExpectedResponseAfter, Self, new ExpectedFirstHeartbeat(address), Self);
            }

            Context.ActorSelection(new RootActorPath(address) / Self.Path.Elements).Tell(Heartbeat.Instance, Self);
        }
    }

    private void ReceiveHeartbeatRsp(int uid)
    {
        Address from = Sender.Path.Address;
        if (!WatcheeByNodes.TryGetValue(from, out HashSet<IInternalActorRef> watchees) || Unreachable.Contains(from))
            return;
        if (!_addressUids.TryGetValue(from, out int known) || known != uid)
        {
            // The first answer of this incarnation: what was told to a former one, or on a way that never was, it does not know.
            foreach (IInternalActorRef watchee in watchees)
                watchee.SendSystemMessage(new Watch(watchee, (IInternalActorRef)Self));
        }

        _addressUids[from] = uid;
        _failureDetector.Heartbeat(from);
    }

    private void ReapUnreachable()
    {
        foreach (Address address in WatchingNodes.ToArray())
        {
            if (Unreachable.Contains(address) || _failureDetector.IsAvailable(address))
                continue;
            Log.Warning("Detected unreachable: [{0}]", address);
            Quarantine(address, _addressUids.TryGetValue(address, out int uid) ? uid : Provider.UidOf(address));
            PublishAddressTerminated(address);
            Unreachable.Add(address);
        }
    }

    private void TriggerFirstHeartbeat(Address address)
    {
        // From here on silence counts, also when there never was an answer.
        if (WatcheeByNodes.ContainsKey(address) && !_failureDetector.IsMonitoring(address))
            _failureDetector.Heartbeat(address);
    }

    public abstract class WatchCommand(IInternalActorRef watchee, IInternalActorRef watcher)
    {
        public IInternalActorRef Watchee { get; } = watchee;

        public IInternalActorRef Watcher { get; } = watcher;
    }

    public sealed class WatchRemote(IInternalActorRef watchee, IInternalActorRef watcher) : WatchCommand(watchee, watcher);

    public sealed class UnwatchRemote(IInternalActorRef watchee, IInternalActorRef watcher) : WatchCommand(watchee, watcher);

    public sealed class Heartbeat : IPossiblyHarmful
    {
        private Heartbeat()
        {
        }

        public static Heartbeat Instance { get; } = new();
    }

    public sealed class HeartbeatRsp(int addressUid) : IPossiblyHarmful
    {
        public int AddressUid { get; } = addressUid;
    }

    public sealed class HeartbeatTick
    {
        private HeartbeatTick()
        {
        }

        public static HeartbeatTick Instance { get; } = new();
    }

    public sealed class ReapUnreachableTick
    {
        private ReapUnreachableTick()
        {
        }

        public static ReapUnreachableTick Instance { get; } = new();
    }

    public sealed class ExpectedFirstHeartbeat(Address from)
    {
        public Address From { get; } = from;
    }
}

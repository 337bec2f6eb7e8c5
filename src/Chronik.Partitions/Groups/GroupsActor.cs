using Akka.Actor;
using Akka.Event;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Groups;

/// <summary>Keeps one coordinator for every partition of __consumer_offsets that this node leads.</summary>
/// <remarks>
/// <code>
///   replica ---- LeadershipChanged --> groups -- creates, stops --> coordinator
///   controller - TopicsGone ---------> groups -- TopicsGone ------> coordinators
///   mailboxes of coordinators that are gone - SuppressedDeadLetter(GroupRequest) --> groups -- refuses the request
/// </code>
/// Survives a restart: nothing here; a coordinator replays its partition. One that fails is made anew and replays.
/// </remarks>
internal sealed class GroupsActor : ReceiveActor
{
    /// <summary>A log that cannot be read must not be read in a loop.</summary>
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromSeconds(1);

    private readonly GroupCoordinatorDirectory _directory;
    private readonly Func<Partition, Props> _coordinator;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly Dictionary<int, Led> _led = [];
    private long _incarnation;

    public GroupsActor(GroupCoordinatorDirectory directory, PartitionDirectory partitions, Func<Partition, Props> coordinator)
    {
        _directory = directory;
        _coordinator = coordinator;
        Context.System.EventStream.Subscribe(Self, typeof(LeadershipChanged));
        Context.System.EventStream.Subscribe(Self, typeof(SuppressedDeadLetter));
        Receive<LeadershipChanged>(changed => changed.Partition.Name.Topic == TopicNames.ConsumerOffsets, changed =>
        {
            // The end of a deleted topic may be heard of after the beginning of the next one of that name.
            int number = changed.Partition.Name.Partition;
            if (changed.Leads || (_led.TryGetValue(number, out Led? led) && led.Partition == changed.Partition)) Stop(number);
            if (changed.Leads) Start(changed.Partition);
        });
        Receive<LeadershipChanged>(_ => { });
        Receive<TopicsGone>(gone =>
        {
            foreach (Led led in _led.Values) led.Coordinator.Tell(gone);
        });
        Receive<Terminated>(Failed);
        Receive<SuppressedDeadLetter>(Refuse);
        Receive<Again>(again => StartAgain(again.Led));
        foreach (Partition partition in partitions.All)
            if (partition.View.IsLeader)
                Self.Tell(new LeadershipChanged(partition, true, partition.View.Epoch));
    }

    /// <summary>A coordinator that failed holds state that can no longer be trusted: it stops, and a new one reads the log.</summary>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Stop);

    private void Start(Partition partition)
    {
        IActorRef coordinator = Context.ActorOf(_coordinator(partition), $"{partition.Name.Partition}-{++_incarnation}");
        Context.Watch(coordinator);
        _led[partition.Name.Partition] = new Led(partition, coordinator);
        _directory.Set(partition.Name.Partition, coordinator);
    }

    private void Stop(int number)
    {
        if (!_led.Remove(number, out Led? led)) return;
        _directory.Remove(number);
        Context.Unwatch(led.Coordinator);
        Context.Stop(led.Coordinator);
    }

    private void Failed(Terminated terminated)
    {
        foreach ((int number, Led led) in _led)
        {
            if (!led.Coordinator.Equals(terminated.ActorRef)) continue;
            _logger.Warning("the coordinator of {0} failed; a new one reads its log in {1}", led.Partition.Name, PauseAfterFailure);
            Stop(number);
            Context.System.Scheduler.ScheduleTellOnce(PauseAfterFailure, Self, new Again(led), Self);
            return;
        }
    }

    private void StartAgain(Led led)
    {
        if (led.Partition.View.IsLeader && !_led.ContainsKey(led.Partition.Name.Partition)) Start(led.Partition);
    }

    /// <summary>A request that came too late for its coordinator is answered like one that came later still.</summary>
    private static void Refuse(SuppressedDeadLetter letter)
    {
        if (letter.Message is not GroupRequest request) return;
        letter.Sender.Tell(GroupResponses.Error(request.Request, request.Version, KafkaError.NotCoordinator), ActorRefs.NoSender);
    }

    private sealed record Led(Partition Partition, IActorRef Coordinator);

    private sealed record Again(Led Led);
}

/// <summary>To /groups and from there to every coordinator: these topics were deleted, and the offsets kept for them go too.</summary>
internal sealed record TopicsGone(IReadOnlyList<TopicImage> Topics);

/// <summary>
/// To a coordinator: a request about one of its groups. Answered to the sender with the response message.
/// </summary>
internal sealed record GroupRequest(Protocol.IRequestMessage Request, short Version, RequestOrigin Origin)
    : IDeadLetterSuppression;

using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Forming;
using Chronik.Partitions.Groups;
using Chronik.Partitions.Leaderships;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Partitions.Watching;

namespace Chronik.Partitions;

/// <summary>/user/chronik: the parent of everything a node runs.</summary>
/// <remarks>
/// <code>
///   node ------- StartChild ----------> chronik -- makes the child, answers with its ref
///   replicas --- LeadershipChanged ---> chronik -- counts them towards readiness
///   partitions - ReplicaEnded --------> chronik -- likewise
///   mailboxes of replicas that are gone - SuppressedDeadLetter(AppendRequest) --> chronik -- refuses the append
///                                         SuppressedDeadLetter(ConfirmRead) ----> chronik -- says that it is not confirmed
///                                         SuppressedDeadLetter(PeerMessage) ----> chronik -- gives its payloads up
/// </code>
/// Its children hold what can be rebuilt from disk, so one that fails is restarted, unless it failed to start. A node without
/// /partitions is of no use, and says so.
/// </remarks>
internal sealed class NodeActor : ReceiveActor
{
    public NodeActor(NodeSetup setup)
    {
        // First of all: a replica may lead before this constructor ends.
        Context.System.EventStream.Subscribe(Self, typeof(LeadershipChanged));
        Context.System.EventStream.Subscribe(Self, typeof(ReplicaEnded));
        Context.System.EventStream.Subscribe(Self, typeof(SuppressedDeadLetter));
        Context.ActorOf(Props.Create(() => new PeersActor(setup.Node.Peers)), PeersActor.Name);
        IActorRef partitions = Context.ActorOf(Props.Create(() => new PartitionsActor(setup.Node, setup.Directory)), "partitions");
        IActorRef groups = Context.ActorOf(
            Props.Create(() => new GroupsActor(setup.Coordinators, setup.Directory, setup.Coordinator)), "groups");
        IActorRef controller = Context.ActorOf(
            Props.Create(() => new ControllerActor(setup.Controller, setup.Router, partitions, groups)), "controller");
        IActorRef leaderships = Context.ActorOf(Props.Create(() => new LeadershipsActor(setup.Leaderships)), LeadershipsActor.Name);
        Context.ActorOf(Props.Create(() => new IsrReporter(setup.Node, setup.Directory, Submitter(setup.Router))), IsrReporter.Name);
        Context.ActorOf(
            Props.Create(() => new RpcActor(controller, leaderships, setup.Directory, setup.Node.Peers, setup.Questions)), RpcActor.Name);
        if (setup.Forming is { } how)
        {
            IActorRef forming = Context.ActorOf(Props.Create(() => new FormingActor(how, partitions)), FormingActor.Name);
            if (how.HasMembership)
                Context.ActorOf(Props.Create(() => new MembershipActor(forming, how.Seeds.Count == 0)), MembershipActor.Name);
        }

        Context.Watch(partitions);
        setup.Started(new NodeActors(partitions, controller, leaderships));
        Receive<StartChild>(start => Sender.Tell(Start(start)));
        Receive<LeadershipChanged>(changed =>
        {
            if (changed.Leads) setup.ReplicaSettled(changed.Partition.Group);
        });
        Receive<ReplicaEnded>(ended => setup.ReplicaSettled(ended.Group));
        Receive<Terminated>(_ => setup.Controller.Failed(new InvalidOperationException(
            "the list of this node's replicas cannot be read or written; the log says why")));
        Receive<SuppressedDeadLetter>(letter =>
        {
            (letter.Message as AppendRequest)?.Refuse(KafkaError.NotLeaderOrFollower, "the replica stopped before it took the batch");
            (letter.Message as ConfirmRead)?.Reader.Confirmed(false);
            (letter.Message as PeerMessage)?.Release();
            (letter.Message as SnapshotMessage)?.Release();
            (letter.Message as SnapshotBatches)?.Release();
        });
    }

    private static Func<MetadataCommand, TimeSpan, Task<IReadOnlyList<ItemResult>>> Submitter(CommandRouter router) =>
        async (command, timeout) => (await router.SubmitAsync(command, timeout).ConfigureAwait(false)).Results;

    /// <summary>A name that is taken or not allowed is the asker's problem; failing here would take every replica down.</summary>
    private static object Start(StartChild start)
    {
        try
        {
            return Context.ActorOf(start.Props, start.Name);
        }
        catch (Exception failure)
        {
            return new Status.Failure(failure);
        }
    }
}

/// <summary>To /user/chronik: make a child. Answered with its ref.</summary>
internal sealed record StartChild(Props Props, string Name);

/// <summary>The actors that the node talks to.</summary>
internal sealed record NodeActors(IActorRef Partitions, IActorRef Controller, IActorRef Leaderships);

/// <summary>What /user/chronik is made from.</summary>
/// <param name="Node">What the node's actors share.</param>
/// <param name="Directory">The replicas of this node.</param>
/// <param name="Coordinators">The group coordinators of this node.</param>
/// <param name="Coordinator">How a coordinator is made.</param>
/// <param name="Controller">What the controller is made from.</param>
/// <param name="Router">How commands find the controller.</param>
/// <param name="Leaderships">How leaderships are moved.</param>
/// <param name="Questions">What other nodes ask this one.</param>
/// <param name="Forming">How the node finds others; null when it is alone.</param>
/// <param name="Started">Told the actors as soon as they exist.</param>
/// <param name="ReplicaSettled">Told each replica that leads now, or is gone, on the actor's thread.</param>
internal sealed record NodeSetup(
    NodeContext Node,
    PartitionDirectory Directory,
    GroupCoordinatorDirectory Coordinators,
    Func<Partition, Props> Coordinator,
    ControllerSetup Controller,
    CommandRouter Router,
    LeadershipsSetup Leaderships,
    NodeQuestions Questions,
    FormingSetup? Forming,
    Action<NodeActors> Started,
    Action<GroupId> ReplicaSettled);

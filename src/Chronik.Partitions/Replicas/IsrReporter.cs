using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <summary>/user/chronik/isr: has the metadata record who is in sync of the partitions that this node leads.</summary>
/// <remarks>
/// <code>
///   isr of each partition - IsrFound, IsrEnded -->|          |
///   replicas with a move -- IsrFound (a claim) -->|          |
///   controller ------------ MetadataSaysIsr ----->| reporter |-- ChangeIsr --> the controller, wherever it is
///   own timer ------------- Send ---------------->|          |
///   the controller -------- Sent ---------------->|          |
/// </code>
/// When a node dies thousands of partitions lose a replica in the same moment: what comes within a short while goes into few commands, one
/// after the other. What is not recorded is tried again until it is, until the partition's leader says something else, or until this node
/// does not lead it any more. While the cluster is at a level that has no such records nothing is sent, and nothing is kept. Survives a
/// restart: nothing; it looks at every partition that is led here.
/// </remarks>
internal sealed class IsrReporter : ReceiveActor, IWithTimers
{
    /// <summary>The actor's name below /user/chronik.</summary>
    public const string Name = "isr";

    /// <summary>Partitions in one command: some tens of kilobytes, and a few milliseconds of the controller.</summary>
    private const int PartitionsPerCommand = 500;

    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(100); // Who dies does so for all partitions within one look.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CommandTimeout = TimeSpan.FromSeconds(10);

    private readonly NodeContext _node;
    private readonly PartitionDirectory _directory;
    private readonly Func<MetadataCommand, TimeSpan, Task<IReadOnlyList<ItemResult>>> _submit;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly IActorRef _self = Context.Self;
    private readonly Dictionary<GroupId, IsrFound> _wanted = [];
    private bool _isSending;
    private bool _hasFailed; // Since it last succeeded: that is said once.

    /// <param name="node">What the node's actors share.</param>
    /// <param name="directory">The replicas of this node.</param>
    /// <param name="submit">Has the controller carry a command out.</param>
    public IsrReporter(
        NodeContext node, PartitionDirectory directory, Func<MetadataCommand, TimeSpan, Task<IReadOnlyList<ItemResult>>> submit)
    {
        _node = node;
        _directory = directory;
        _submit = submit;
        Receive<IsrFound>(Note);
        Receive<IsrEnded>(ended =>
        {
            if (_wanted.TryGetValue(ended.Group, out IsrFound? wanted) && wanted.Epoch == ended.Epoch) _wanted.Remove(ended.Group);
        });
        Receive<MetadataSaysIsr>(Compare);
        Receive<Send>(_ => SendSome());
        Receive<Sent>(Settle);
        Context.System.EventStream.Subscribe(_self, typeof(IsrFound));
        Context.System.EventStream.Subscribe(_self, typeof(IsrEnded));
        Context.System.EventStream.Subscribe(_self, typeof(MetadataSaysIsr));
        _self.Tell(MetadataSaysIsr.Anything);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private void Note(IsrFound found)
    {
        IsrFound? old = _wanted.GetValueOrDefault(found.Group);
        if (old is { IsClaim: true } && old.Epoch == found.Epoch) found = found with { IsClaim = true };
        if (!IsNews(found))
        {
            if (old is null || old.Epoch.Value > found.Epoch.Value) return;

            // While something else may be on its way it becomes news once that has come true; it is looked at again then.
            if (_isSending) _wanted[found.Group] = found;
            else _wanted.Remove(found.Group);
            return;
        }

        _wanted[found.Group] = found;
        SendAfter(Gather);
    }

    /// <summary>
    /// The metadata say something that a leader here may not have said: an earlier leader's report came late, or the log was read anew.
    /// </summary>
    private void Compare(MetadataSaysIsr says)
    {
        IEnumerable<Partition?> partitions = says.Groups.IsDefault ? _directory.All : says.Groups.Select(_directory.Find);
        foreach (Partition? partition in partitions)
        {
            if (partition?.Published is not { IsLeader: true, Failure: null } view) continue;
            IsrFound found = new(partition.Group, view.Epoch, [.. view.Isr]);
            if (!_wanted.TryGetValue(found.Group, out IsrFound? wanted) || wanted.Epoch.Value < found.Epoch.Value) Note(found);
        }
    }

    /// <summary>Whether the metadata can say it, and do not.</summary>
    private bool IsNews(IsrFound found)
    {
        if (_node.Level < FeatureLevel.Operable || _node.Metadata.Image.Find(found.Group) is not { } partition) return false;
        if (found.Epoch.Value < partition.IsrEpoch.Value) return false;
        if (found.IsClaim && found.Epoch.Value > partition.IsrEpoch.Value) return true;
        return !partition.Replicas.Where(replica => found.Isr.Contains(replica)).SequenceEqual(partition.Isr);
    }

    private void SendAfter(TimeSpan delay)
    {
        if (!_isSending && !Timers.IsTimerActive(nameof(Send))) Timers.StartSingleTimer(nameof(Send), Send.Instance, delay);
    }

    private void SendSome()
    {
        foreach (IsrFound stale in _wanted.Values.Where(wanted => !IsNews(wanted)).ToList()) _wanted.Remove(stale.Group);
        if (_isSending || _wanted.Count == 0) return;
        _isSending = true;
        ImmutableArray<IsrFound> sent = [.. _wanted.Values.Take(PartitionsPerCommand)];
        ChangeIsr command = new(
            _node.Self, [.. sent.Select(found => new PartitionIsr(found.Group.Topic, found.Group.Partition, found.Epoch, found.Isr))]);
        _submit(command, CommandTimeout).ContinueWith(
            answered => _self.Tell(
                answered.IsCompletedSuccessfully
                    ? new Sent(sent, answered.Result, null)
                    : new Sent(sent, [], answered.Exception?.GetBaseException().Message ?? "it was given up"),
                ActorRefs.NoSender),
            TaskScheduler.Default);
    }

    private void Settle(Sent sent)
    {
        _isSending = false;
        if (sent.Failure is { } failure && !_hasFailed)
            _logger.Warning("who is in sync of {0} partitions is not recorded yet, and is tried again: {1}", _wanted.Count, failure);
        _hasFailed = sent.Failure is not null;
        for (int i = 0; i < sent.Results.Count; i++)
        {
            IsrFound found = sent.Found[i];
            if (sent.Results[i].Error != KafkaError.None) _logger.Debug("{0}: {1}", found.Group, sent.Results[i].Message);

            // What was refused concerns a partition that is gone, or that somebody else leads by now.
            if (_wanted.TryGetValue(found.Group, out IsrFound? wanted) && ReferenceEquals(wanted, found)) _wanted.Remove(found.Group);
        }

        if (_wanted.Count > 0) SendAfter(_hasFailed ? Pause : TimeSpan.Zero);
    }

    private sealed class Send
    {
        public static readonly Send Instance = new();
    }

    /// <summary>What became of a command.</summary>
    private sealed record Sent(ImmutableArray<IsrFound> Found, IReadOnlyList<ItemResult> Results, string? Failure);
}

/// <summary>
/// Published on the event stream by whoever follows the metadata: they say something new of who is in sync.
/// </summary>
/// <param name="Groups">Of which partitions; of any when it is not known (default).</param>
internal sealed record MetadataSaysIsr(ImmutableArray<GroupId> Groups)
{
    /// <summary>Nobody knows of which partitions.</summary>
    public static readonly MetadataSaysIsr Anything = new(default(ImmutableArray<GroupId>));
}

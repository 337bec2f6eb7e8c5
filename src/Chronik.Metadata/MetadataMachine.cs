using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>Decides what a command comes to. Pure: the same image, command and context give the same decision.</summary>
/// <remarks>
/// The items of a command are decided in order, each against the image with the records of those before it; one that is refused changes
/// nothing and stops no other.
/// </remarks>
public static partial class MetadataMachine
{
    /// <summary>
    /// Checks a command against an image and says which records carry it out. The image must hold every record decided before, committed
    /// or not, so that two commands under way at once cannot contradict each other.
    /// </summary>
    public static Decision Decide(MetadataImage image, MetadataCommand command, DecisionContext context)
    {
        Draft draft = new(image, context);
        List<ItemResult> results = [];
        bool validateOnly = false;
        switch (command)
        {
            case FormCluster form:
                results.Add(Form(draft, form));
                break;
            case ChangeLevel change:
                validateOnly = change.ValidateOnly;
                results.Add(Raise(draft, change));
                break;
            case CreateTopics create:
                validateOnly = create.ValidateOnly;
                results.AddRange(Create(draft, create));
                break;
            case DeleteTopics delete:
                results.AddRange(Delete(draft, delete));
                break;
            case CreatePartitions extend:
                validateOnly = extend.ValidateOnly;
                results.AddRange(Extend(draft, extend));
                break;
            case AlterConfigs alter:
                validateOnly = alter.ValidateOnly;
                results.AddRange(Alter(draft, alter));
                break;
            case IncrementalAlterConfigs alter:
                validateOnly = alter.ValidateOnly;
                results.AddRange(Alter(draft, alter));
                break;
            case AllocateProducerIds allocate:
                results.Add(Allocate(draft, allocate));
                break;
            case RegisterBroker register:
                results.Add(Register(draft, register));
                break;
            case ChangeIsr change:
                results.AddRange(change.Partitions.Select(partition => Change(draft, change.Leader, partition)));
                break;
            case ChangeLiveness change:
                results.Add(Change(draft, change));
                break;
            case DrainBroker drain:
                results.Add(Drain(draft, drain));
                break;
            case AlterReassignments alter:
                results.AddRange(Move(draft, alter));
                break;
            case CompleteReassignment complete:
                results.Add(Complete(draft, complete));
                break;
            case UnregisterBroker unregister:
                results.Add(Unregister(draft, unregister));
                break;
            default:
                throw new ArgumentException($"no rule for {command.GetType().Name}", nameof(command));
        }

        return new Decision(validateOnly ? [] : draft.Records, results);
    }

    private static ItemResult Form(Draft draft, FormCluster form)
    {
        string current = draft.Image.ClusterId;
        if (form.ClusterId.Length == 0) return new ItemResult(KafkaError.InvalidRequest, "The cluster id is empty.");
        if (current.Length > 0 && current != form.ClusterId)
            return new ItemResult(KafkaError.InconsistentClusterId, $"The cluster id is {current}, not {form.ClusterId}.");
        if (current.Length == 0) draft.Add(new ClusterFormed(form.ClusterId));
        return new ItemResult(KafkaError.None, null);
    }

    private static ProducerIdsResult Allocate(Draft draft, AllocateProducerIds allocate)
    {
        long first = draft.Image.NextProducerId;
        if (allocate.Count < 1 || allocate.Count > long.MaxValue - first)
        {
            string message = $"Cannot allocate {allocate.Count} producer ids from {first}.";
            return new ProducerIdsResult(KafkaError.InvalidRequest, message, -1, 0);
        }

        draft.Add(new ProducerIdsAllocated(first + allocate.Count));
        return new ProducerIdsResult(KafkaError.None, null, first, allocate.Count);
    }

    private static ItemResult Register(Draft draft, RegisterBroker register)
    {
        if (!register.Id.IsSome) return new ItemResult(KafkaError.InvalidRegistration, $"{register.Id} is not a broker id.");
        if (register.Endpoints.IsDefaultOrEmpty || register.Endpoints.Any(endpoint => endpoint.Port is < 1 or > 65535))
            return new ItemResult(KafkaError.InvalidRegistration, $"Broker {register.Id} must have endpoints with ports from 1 to 65535.");
        if (!register.Protocol.Includes(draft.Image.Level))
        {
            string message = $"Broker {register.Id} speaks {FeatureLevel.Name} {register.Protocol}, this cluster is at " +
                             $"{draft.Image.Level}.";
            return new ItemResult(KafkaError.UnsupportedVersion, message);
        }

        BrokerImage broker = new(register.Id, register.Endpoints, register.Rack)
        {
            Directory = register.Directory,
            Incarnation = register.Incarnation,
            Protocol = register.Protocol,
        };
        if (draft.Image.Brokers.TryGetValue(register.Id, out BrokerImage? known))
        {
            if (known.IsLive && known.Directory != register.Directory && known.Directory != Guid.Empty)
            {
                string message = $"Broker {register.Id} is live with data directory {known.Directory}, not {register.Directory}.";
                return new ItemResult(KafkaError.DuplicateBrokerRegistration, message);
            }

            if (known.IsAs(broker) && known.Incarnation == broker.Incarnation) return new ItemResult(KafkaError.None, null);
        }

        draft.Add(new BrokerRegistered(register.Id, register.Endpoints, register.Rack)
        {
            Directory = register.Directory,
            Incarnation = register.Incarnation,
            Protocol = register.Protocol,
        });
        return new ItemResult(KafkaError.None, null);
    }

    private static ItemResult Change(Draft draft, ChangeLiveness change)
    {
        if (!draft.Image.Brokers.TryGetValue(change.Id, out BrokerImage? broker))
            return new ItemResult(KafkaError.BrokerIdNotRegistered, $"No broker has the id {change.Id}.");
        if (broker.IsLive != change.IsLive) draft.Add(new BrokerLivenessChanged(change.Id, change.IsLive));
        return new ItemResult(KafkaError.None, null);
    }

    /// <summary>Why an item is refused.</summary>
    private sealed record Refusal(KafkaError Error, string Message)
    {
        public ItemResult ToResult() => new(Error, Message);
    }

    /// <summary>The image with the records decided so far.</summary>
    private sealed class Draft(MetadataImage image, DecisionContext context)
    {
        public MetadataImage Image { get; private set; } = image;

        public DecisionContext Context { get; } = context;

        public List<MetadataRecord> Records { get; } = [];

        public void Add(MetadataRecord record)
        {
            Image = Image.Apply(record);
            Invariant.Require(record.Since <= Image.Level); // Older nodes would fail on it.
            Records.Add(record);
        }

        /// <summary>
        /// For what is written in records of a higher level than the first: null when the cluster is at that level, otherwise why it is
        /// refused.
        /// </summary>
        /// <param name="level">The level that it needs.</param>
        /// <param name="what">What needs it, as the beginning of a sentence.</param>
        public Refusal? Requires(int level, string what) => Image.Level >= level
            ? null
            : new Refusal(
                KafkaError.UnsupportedVersion,
                $"{what} needs {FeatureLevel.Name} {level}, this cluster is at {Image.Level}. Once every broker is of a version that "
                + $"speaks it, raise it: kafka-features.sh upgrade --feature {FeatureLevel.Name}={level}.");
    }
}

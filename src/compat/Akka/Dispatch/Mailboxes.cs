using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch.MessageQueues;
using Akka.Event;

namespace Akka.Dispatch;

/// <summary>
/// Finds the mailbox of an actor: the one its props name, else its dispatcher's, else the one that the queue its class requires is
/// bound to, else the default mailbox.
/// </summary>
public class Mailboxes
{
    public static readonly string DefaultMailboxId = "akka.actor.default-mailbox";
    public static readonly string NoMailboxRequirement = "";

    private readonly ActorSystemImpl _system;
    private readonly ConcurrentDictionary<string, MailboxType> _types = new();
    private readonly ConcurrentDictionary<Type, Type> _required = new();
    private readonly Lazy<Dictionary<Type, string>> _bindings;
    private MailboxType _default;

    internal Mailboxes(ActorSystemImpl system)
    {
        _system = system;
        _bindings = new Lazy<Dictionary<Type, string>>(ReadBindings);
        DeadLetterQueue = new DeadLetterMessageQueue(system);
    }

    internal IMessageQueue DeadLetterQueue { get; }

    /// <summary>The queue semantics that an actor class asks for, or null.</summary>
    public Type GetRequiredType(Type actorType) => _required.GetOrAdd(actorType, static type =>
    {
        foreach (Type candidate in type.GetInterfaces())
        {
            if (candidate.IsGenericType && candidate.GetGenericTypeDefinition() == typeof(IRequiresMessageQueue<>))
                return candidate.GetGenericArguments()[0];
        }

        return null;
    });

    public bool HasRequiredType(Type actorType) => GetRequiredType(actorType) is not null;

    public MailboxType Lookup(string id)
    {
        if (id == DefaultMailboxId && _default is not null)
            return _default;
        MailboxType type = _types.GetOrAdd(id, Create);
        if (id == DefaultMailboxId)
            _default = type;
        return type;
    }

    /// <summary>The mailbox that the queue semantics are bound to in akka.actor.mailbox.requirements.</summary>
    public MailboxType LookupByQueueType(Type queueType) => _bindings.Value.TryGetValue(queueType, out string id)
        ? Lookup(id)
        : throw new ConfigurationException($"No mailbox is bound to [{queueType}] in akka.actor.mailbox.requirements.");

    internal MailboxType TypeFor(Props props, Config dispatcherConfig)
    {
        if (!string.IsNullOrEmpty(props.Mailbox))
            return Lookup(props.Mailbox);
        if (dispatcherConfig is not null && dispatcherConfig.HasPath("mailbox-type"))
        {
            string mailboxType = dispatcherConfig.GetString("mailbox-type", null);
            return Instantiate("the dispatcher's mailbox-type", mailboxType, dispatcherConfig.WithFallback(DefaultConfig()));
        }

        Type required = GetRequiredType(props.Type);
        return required is null ? Lookup(DefaultMailboxId) : LookupByQueueType(required);
    }

    internal int StashCapacity(Props props, Config dispatcherConfig)
    {
        if (props.Deploy.StashCapacity != Deploy.NoStashSize)
            return props.Deploy.StashCapacity;
        Config settings = _system.Settings.Config;
        if (!string.IsNullOrEmpty(props.Mailbox))
        {
            int ofMailbox = settings.GetInt(props.Mailbox + ".stash-capacity", Deploy.NoStashSize);
            if (ofMailbox != Deploy.NoStashSize)
                return ofMailbox;
        }

        int ofDispatcher = dispatcherConfig?.GetInt("stash-capacity", Deploy.NoStashSize) ?? Deploy.NoStashSize;
        return ofDispatcher != Deploy.NoStashSize
            ? ofDispatcher : settings.GetInt(DefaultMailboxId + ".stash-capacity", Deploy.NoStashSize);
    }

    private Config DefaultConfig() => _system.Settings.Config.GetConfig(DefaultMailboxId);

    private MailboxType Create(string id)
    {
        if (id == "unbounded")
            return new UnboundedMailbox(_system.Settings, DefaultConfig());
        if (id == "bounded")
            return new BoundedMailbox(_system.Settings, DefaultConfig());
        Config config = _system.Settings.Config.GetConfig(id);
        if (config.IsNullOrEmpty())
            throw new ConfigurationException($"Mailbox [{id}] is not configured.");
        if (id != DefaultMailboxId)
            config = config.WithFallback(DefaultConfig());
        return Instantiate($"mailbox [{id}]", config.GetString("mailbox-type", null), config);
    }

    private MailboxType Instantiate(string what, string typeName, Config config)
    {
        Type type = string.IsNullOrEmpty(typeName) ? null : TypeNames.Find(typeName);
        if (type is null || !typeof(MailboxType).IsAssignableFrom(type))
            throw new ConfigurationException($"The type [{typeName}] of {what} is no mailbox type.");
        try
        {
            return (MailboxType)Activator.CreateInstance(type, _system.Settings, config);
        }
        catch (Exception e)
        {
            throw new ConfigurationException($"The mailbox type [{typeName}] cannot be created.", e.InnerException ?? e);
        }
    }

    private Dictionary<Type, string> ReadBindings()
    {
        var bindings = new Dictionary<Type, string>();
        Config requirements = _system.Settings.Config.GetConfig("akka.actor.mailbox.requirements");
        if (requirements.IsNullOrEmpty())
            return bindings;
        foreach (KeyValuePair<string, Configuration.Hocon.HoconValue> binding in requirements.AsEnumerable())
        {
            Type type = TypeNames.Find(binding.Key)
                ?? throw new ConfigurationException($"The type [{binding.Key}] in akka.actor.mailbox.requirements is unknown.");
            bindings[type] = binding.Value.GetString();
        }

        return bindings;
    }
}

/// <summary>Where the messages of dead actors go.</summary>
internal sealed class DeadLetterMessageQueue(ActorSystemImpl system) : IMessageQueue
{
    public int Count => 0;

    public bool HasMessages => false;

    public void CleanUp(IActorRef owner, IMessageQueue deadletters)
    {
    }

    public void Enqueue(IActorRef receiver, Envelope envelope)
    {
        if (envelope.Message is not DeadLetter)
            system.DeadLetters.Tell(new DeadLetter(envelope.Message, envelope.Sender, receiver), envelope.Sender);
    }

    public bool TryDequeue(out Envelope envelope)
    {
        envelope = default;
        return false;
    }
}

/// <summary>Types by the names that configuration uses.</summary>
internal static class TypeNames
{
    /// <summary>Looks in this library first, then in the named assembly, then in what is loaded; null when it is nowhere.</summary>
    public static Type Find(string name)
    {
        name = name.Trim().Trim('"');
        Type type = Type.GetType(name, throwOnError: false);
        if (type is not null || name.Contains(',', StringComparison.Ordinal))
            return type;
        foreach (System.Reflection.Assembly assembly in AppDomain.CurrentDomain.GetAssemblies())
        {
            type = assembly.GetType(name, throwOnError: false);
            if (type is not null)
                return type;
        }

        return null;
    }
}

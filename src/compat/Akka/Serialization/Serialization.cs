using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Dispatch;

namespace Akka.Serialization;

/// <summary>A serializer that is given in code.</summary>
public sealed class SerializerDetails
{
    private SerializerDetails(string alias, Serializer serializer, ImmutableHashSet<Type> useFor)
    {
        Alias = alias;
        Serializer = serializer;
        UseFor = useFor;
    }

    public string Alias { get; }

    public Serializer Serializer { get; }

    public ImmutableHashSet<Type> UseFor { get; }

    public static SerializerDetails Create(string alias, Serializer serializer, ImmutableHashSet<Type> useFor) =>
        new(alias, serializer, useFor);
}

/// <summary>Serializers of a system, given in code.</summary>
public sealed class SerializationSetup : Setup
{
    private SerializationSetup(Func<ExtendedActorSystem, ImmutableHashSet<SerializerDetails>> createSerializers) =>
        CreateSerializers = createSerializers;

    public Func<ExtendedActorSystem, ImmutableHashSet<SerializerDetails>> CreateSerializers { get; }

    public static SerializationSetup Create(Func<ExtendedActorSystem, ImmutableHashSet<SerializerDetails>> createSerializers) =>
        new(createSerializers);
}

/// <summary>
/// The serializers of a system. A type is served by what is bound to it, else to the most specific of its bases and interfaces.
/// There is no serializer for just any object: what is not bound is an error.
/// </summary>
public class Serialization
{
    private readonly ActorSystemImpl _system;
    private readonly Dictionary<string, Serializer> _byName = [];
    private readonly ConcurrentDictionary<int, Serializer> _byId = new();
    private readonly ConcurrentDictionary<Type, Serializer> _cache = new();
    private readonly List<(Type Type, Serializer Serializer)> _bindings = [];
    private readonly NullSerializer _null;

    public Serialization(ExtendedActorSystem system)
    {
        _system = (ActorSystemImpl)system;
        _null = new NullSerializer(system);
        AddSerializer("null", _null);
        var primitives = new PrimitiveSerializer(system);
        AddSerializer("primitive", primitives);
        AddSerializationMap(typeof(string), primitives);
        AddSerializationMap(typeof(int), primitives);
        AddSerializationMap(typeof(long), primitives);
        ReadConfig(_system.Settings.Config);
        if (_system.Settings.Setup.Get<SerializationSetup>() is { HasValue: true } setup)
        {
            foreach (SerializerDetails details in setup.Value.CreateSerializers(system))
            {
                AddSerializer(details.Alias, details.Serializer);
                foreach (Type type in details.UseFor)
                    AddSerializationMap(type, details.Serializer);
            }
        }
    }

    public ExtendedActorSystem System => _system;

    public void AddSerializationMap(Type type, Serializer serializer)
    {
        lock (_bindings)
        {
            _bindings.RemoveAll(binding => binding.Type == type);
            // A more specific type stands before those it derives from.
            int at = _bindings.FindIndex(binding => binding.Type.IsAssignableFrom(type));
            _bindings.Insert(at < 0 ? _bindings.Count : at, (type, serializer));
            _cache.Clear();
        }
    }

    public void AddSerializer(string name, Serializer serializer)
    {
        lock (_bindings)
            _byName[name] = serializer;
        _byId[serializer.Identifier] = serializer;
    }

    /// <exception cref="SerializationException">There is no such serializer.</exception>
    public object Deserialize(byte[] bytes, int serializerId, Type type) => ById(serializerId, type?.ToString()).FromBinary(bytes, type);

    /// <exception cref="SerializationException">There is no such serializer, or no type of this manifest.</exception>
    public object Deserialize(byte[] bytes, int serializerId, string manifest)
    {
        Serializer serializer = ById(serializerId, manifest);
        if (serializer is SerializerWithStringManifest withManifest)
            return withManifest.FromBinary(bytes, manifest);
        if (string.IsNullOrEmpty(manifest))
            return serializer.FromBinary(bytes, null);
        Type type = TypeNames.Find(manifest)
            ?? throw new SerializationException($"The type [{manifest}], written by the serializer {serializerId}, is unknown.");
        return serializer.FromBinary(bytes, type);
    }

    /// <summary>The actor of a path that <see cref="SerializedActorPath"/> wrote; dead letters when it does not exist.</summary>
    public IActorRef DeserializeActorRef(string path) =>
        _system.Provider.ResolveActorRef(path);

    /// <exception cref="SerializationException">Nothing is bound to its type.</exception>
    public Serializer FindSerializerFor(object obj, string defaultSerializerName = null) =>
        obj is null ? _null : FindSerializerForType(obj.GetType(), defaultSerializerName);

    public Serializer FindSerializerForType(Type objectType, string defaultSerializerName = null)
    {
        if (_cache.TryGetValue(objectType, out Serializer cached))
            return cached;
        lock (_bindings)
        {
            foreach ((Type type, Serializer serializer) in _bindings)
            {
                // A default is preferred to what is bound to every object.
                if (type.IsAssignableFrom(objectType) && (type != typeof(object) || defaultSerializerName is null))
                    return _cache[objectType] = serializer;
            }

            return defaultSerializerName is not null && _byName.TryGetValue(defaultSerializerName, out Serializer fallback)
                ? fallback
                : throw new SerializationException($"No serializer is bound to {objectType} in akka.actor.serialization-bindings.");
        }
    }

    /// <summary>What has to be kept beside the bytes to read them again; empty when nothing has.</summary>
    public static string ManifestFor(Serializer s, object msg) => s switch
    {
        SerializerWithStringManifest withManifest => withManifest.Manifest(msg),
        { IncludeManifest: true } => TypeManifest(msg.GetType()),
        _ => string.Empty,
    };

    public byte[] Serialize(object o) => FindSerializerFor(o).ToBinary(o);

    /// <summary>The path with uid and address by which the actor is found again.</summary>
    public static string SerializedActorPath(IActorRef actorRef) =>
        actorRef is null or Nobody ? string.Empty
            : actorRef is IInternalActorRef { SystemImpl: { } system }
                ? actorRef.Path.ToSerializationFormatWithAddress(system.Provider.DefaultAddress)
                : actorRef.Path.ToSerializationFormat();

    /// <summary>The name of a type without versions.</summary>
    internal static string TypeManifest(Type type) => type is null ? string.Empty : $"{type.FullName}, {type.Assembly.GetName().Name}";

    internal static int ConfiguredIdentifier(Type type, ExtendedActorSystem system)
    {
        Config identifiers = system.Settings.Config.GetConfig("akka.actor.serialization-identifiers");
        foreach (KeyValuePair<string, Configuration.Hocon.HoconValue> entry in identifiers?.AsEnumerable() ?? [])
        {
            if (TypeNames.Find(entry.Key) == type)
                return entry.Value.GetInt();
        }

        throw new ArgumentException($"{type} has no entry in akka.actor.serialization-identifiers.");
    }

    private Serializer ById(int id, string what) => _byId.TryGetValue(id, out Serializer serializer)
        ? serializer
        : throw new SerializationException($"There is no serializer with id {id}, needed for [{what}].");

    private void ReadConfig(Config config)
    {
        Config serializers = config.GetConfig("akka.actor.serializers");
        foreach (KeyValuePair<string, Configuration.Hocon.HoconValue> entry in serializers?.AsEnumerable() ?? [])
        {
            string typeName = entry.Value.GetString();
            Type type = TypeNames.Find(typeName)
                ?? throw new ConfigurationException($"The type [{typeName}] of the serializer [{entry.Key}] is unknown.");
            AddSerializer(entry.Key, Instantiate(type, config.GetConfig("akka.actor.serialization-settings." + entry.Key)));
        }

        Config bindings = config.GetConfig("akka.actor.serialization-bindings");
        foreach (KeyValuePair<string, Configuration.Hocon.HoconValue> entry in bindings?.AsEnumerable() ?? [])
        {
            string name = entry.Value.GetString();
            Type type = TypeNames.Find(entry.Key)
                ?? throw new ConfigurationException($"The type [{entry.Key}] in akka.actor.serialization-bindings is unknown.");
            AddSerializationMap(type, _byName.TryGetValue(name, out Serializer serializer)
                ? serializer
                : throw new ConfigurationException($"The serializer [{name}] bound to [{entry.Key}] is not configured."));
        }
    }

    private Serializer Instantiate(Type type, Config settings) =>
        (Serializer)(type.GetConstructor([typeof(ExtendedActorSystem), typeof(Config)]) is { } withConfig && !settings.IsNullOrEmpty()
            ? withConfig.Invoke([_system, settings])
            : Activator.CreateInstance(type, _system));
}

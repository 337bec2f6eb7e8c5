using System.Text;
using Akka.Actor;
using Akka.Dispatch;
using Akka.Serialization;

namespace Akka.Remote.Serialization;

/// <summary>The messages of the library itself that go from system to system, and references to actors.</summary>
internal sealed class MiscMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string IdentifyManifest = "ID";
    private const string ActorIdentityManifest = "AID";
    private const string ActorRefManifest = "AR";
    private const string PoisonPillManifest = "PP";
    private const string KillManifest = "K";
    private const string FailureManifest = "SF";
    private const string SuccessManifest = "SS";
    private const string HeartbeatManifest = "RWHB";
    private const string HeartbeatRspManifest = "RWHR";

    public override string Manifest(object o) => o switch
    {
        Identify => IdentifyManifest,
        ActorIdentity => ActorIdentityManifest,
        IActorRef => ActorRefManifest,
        PoisonPill => PoisonPillManifest,
        Kill => KillManifest,
        Status.Failure => FailureManifest,
        Status.Success => SuccessManifest,
        RemoteWatcher.Heartbeat => HeartbeatManifest,
        RemoteWatcher.HeartbeatRsp => HeartbeatRspManifest,
        _ => throw new ArgumentException($"{o.GetType()} is none of the messages of this serializer.", nameof(o)),
    };

    public override byte[] ToBinary(object obj)
    {
        if (obj is PoisonPill or Kill or RemoteWatcher.Heartbeat)
            return [];
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes, Encoding.UTF8);
        switch (obj)
        {
            case Identify identify:
                WriteObject(writer, identify.MessageId);
                break;
            case ActorIdentity identity:
                writer.Write(Akka.Serialization.Serialization.SerializedActorPath(identity.Subject));
                WriteObject(writer, identity.MessageId);
                break;
            case IActorRef actorRef:
                writer.Write(Akka.Serialization.Serialization.SerializedActorPath(actorRef));
                break;
            case Status.Failure failure:
                WriteException(writer, failure.Cause);
                WriteObject(writer, failure.State);
                break;
            case Status.Success success:
                WriteObject(writer, success.Status);
                break;
            case RemoteWatcher.HeartbeatRsp response:
                writer.Write(response.AddressUid);
                break;
            default:
                throw new ArgumentException($"{obj.GetType()} is none of the messages of this serializer.", nameof(obj));
        }

        writer.Flush();
        return bytes.ToArray();
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes, writable: false), Encoding.UTF8);
        switch (manifest)
        {
            case IdentifyManifest:
                return new Identify(ReadObject(reader));
            case ActorIdentityManifest:
                IActorRef subject = ReadReference(reader);
                return new ActorIdentity(ReadObject(reader), subject);
            case ActorRefManifest:
                return ReadReference(reader) ?? Nobody.Instance;
            case PoisonPillManifest:
                return PoisonPill.Instance;
            case KillManifest:
                return Kill.Instance;
            case FailureManifest:
                Exception cause = ReadException(reader);
                return new Status.Failure(cause, ReadObject(reader));
            case SuccessManifest:
                return new Status.Success(ReadObject(reader));
            case HeartbeatManifest:
                return RemoteWatcher.Heartbeat.Instance;
            case HeartbeatRspManifest:
                return new RemoteWatcher.HeartbeatRsp(reader.ReadInt32());
            default:
                throw new ArgumentException($"Unknown manifest [{manifest}].", nameof(manifest));
        }
    }

    private void WriteObject(BinaryWriter writer, object value)
    {
        Serializer serializer = system.Serialization.FindSerializerFor(value);
        byte[] bytes = serializer.ToBinary(value);
        writer.Write(serializer.Identifier);
        writer.Write(value is null ? string.Empty : Akka.Serialization.Serialization.ManifestFor(serializer, value));
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    private object ReadObject(BinaryReader reader)
    {
        int serializer = reader.ReadInt32();
        string manifest = reader.ReadString();
        return system.Serialization.Deserialize(ReadBytes(reader), serializer, manifest);
    }

    private static byte[] ReadBytes(BinaryReader reader)
    {
        int length = reader.ReadInt32();
        if (length < 0 || length > reader.BaseStream.Length - reader.BaseStream.Position)
            throw new ArgumentException("A part of the message is longer than the message.");
        return reader.ReadBytes(length);
    }

    private IActorRef ReadReference(BinaryReader reader)
    {
        string path = reader.ReadString();
        return path.Length == 0 ? null : system.Provider.ResolveActorRef(path);
    }

    private static void WriteException(BinaryWriter writer, Exception cause)
    {
        writer.Write(cause is not null);
        if (cause is null)
            return;
        writer.Write(Akka.Serialization.Serialization.TypeManifest(cause.GetType()));
        writer.Write(cause.Message);
    }

    /// <summary>An exception of the same type, when it can be made from its message; else one that names the type.</summary>
    private static Exception ReadException(BinaryReader reader)
    {
        if (!reader.ReadBoolean())
            return null;
        string typeName = reader.ReadString();
        string message = reader.ReadString();
        Type type = TypeNames.Find(typeName);
        return typeof(Exception).IsAssignableFrom(type) && !type.IsAbstract && type.GetConstructor([typeof(string)]) is { } constructor
            ? (Exception)constructor.Invoke([message])
            : new RemoteTransportException($"{typeName}: {message}");
    }
}

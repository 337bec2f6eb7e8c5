using System.Text;
using Akka.Actor;
using Akka.Serialization;

namespace Chronik.Persistence.Tests;

/// <summary>An event, and a snapshot.</summary>
public sealed record Happened(string What);

/// <summary>Something that its serializer refuses.</summary>
public sealed record Unspeakable;

/// <summary>Writes both, by manifest.</summary>
public sealed class HappenedSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    public const string Config = """
        akka.actor {
          serializers.happened = "Chronik.Persistence.Tests.HappenedSerializer, Chronik.Persistence.Tests"
          serialization-bindings {
            "Chronik.Persistence.Tests.Happened, Chronik.Persistence.Tests" = happened
            "Chronik.Persistence.Tests.Unspeakable, Chronik.Persistence.Tests" = happened
          }
        }
        """;

    public override int Identifier => 4711;

    public override string Manifest(object o) => "H";

    public override byte[] ToBinary(object obj) =>
        obj is Happened happened ? Encoding.UTF8.GetBytes(happened.What) : throw new NotSupportedException("unspeakable");

    public override object FromBinary(byte[] bytes, string manifest) =>
        manifest == "H" ? new Happened(Encoding.UTF8.GetString(bytes)) : throw new NotSupportedException($"manifest {manifest}");
}

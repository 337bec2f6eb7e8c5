using System.Diagnostics.CodeAnalysis;

namespace Chronik.Protocol;

/// <summary>Bytes that break the Kafka protocol, or a message that cannot be written. The message says what and where.</summary>
/// <remarks>Whoever catches it while reading a request closes that connection; nothing else is harmed.</remarks>
public sealed class ProtocolException(string message) : Exception(message)
{
    internal static ProtocolException UnknownApi(short key) => new($"API key {key} is not known");

    internal static ProtocolException NullNotAllowed(string field) => new($"{field} must not be null in this version");

    internal static void RequireVersion(short version, short min, short max, string message)
    {
        if (version < min || version > max) Throw($"{message} has versions {min} to {max}, not {version}");
    }

    [DoesNotReturn]
    internal static void Throw(string message) => throw new ProtocolException(message);
}

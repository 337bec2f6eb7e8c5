using System.Runtime.Serialization;
using Akka.Actor;

namespace Akka.Configuration;

/// <summary>A configuration text that cannot be read, or a value that is not what its reader needs.</summary>
public class ConfigurationException : AkkaException
{
    public ConfigurationException(string message) : base(message)
    {
    }

    public ConfigurationException(string message, Exception exception) : base(message, exception)
    {
    }

#pragma warning disable SYSLIB0051 // The official type still has the constructor of the old serialisation.
    protected ConfigurationException(SerializationInfo info, StreamingContext context) : base(info, context)
    {
    }
#pragma warning restore SYSLIB0051

    /// <summary>The exception for a component of type <typeparamref name="T"/> that found its section missing or empty.</summary>
    public static ConfigurationException NullOrEmptyConfig<T>(string path = null) => new(
        string.IsNullOrWhiteSpace(path)
            ? $"{typeof(T).Name} cannot be created: its configuration is missing or empty"
            : $"{typeof(T).Name} cannot be created: the configuration has no `{path}`");
}

using System.Runtime.Serialization;

namespace Akka.Actor;

/// <summary>The base of every exception that Akka itself throws.</summary>
public abstract class AkkaException : Exception
{
    protected AkkaException()
    {
    }

    protected AkkaException(string message, Exception cause = null) : base(message, cause)
    {
    }

#pragma warning disable SYSLIB0051 // The official type still has the constructor of the old serialisation; it is kept for source compatibility.
    protected AkkaException(SerializationInfo info, StreamingContext context) : base(info, context)
    {
    }
#pragma warning restore SYSLIB0051

    protected Exception Cause => InnerException;
}

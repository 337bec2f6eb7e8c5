using Akka.Event;

namespace Chronik.Gateway.Network;

/// <summary>Tells the connection actor that nothing more will come of its connection.</summary>
internal sealed class ConnectionAborted : IDeadLetterSuppression
{
    /// <summary>The message.</summary>
    public static readonly ConnectionAborted Instance = new();
}

/// <summary>The reader's last message to the connection actor.</summary>
internal sealed class InputEnded : IDeadLetterSuppression
{
    /// <summary>The client closed its side between two requests: what it asked is still answered.</summary>
    public static readonly InputEnded Orderly = new();

    /// <summary>The connection broke, or was closed for what it sent.</summary>
    public static readonly InputEnded Broken = new();
}

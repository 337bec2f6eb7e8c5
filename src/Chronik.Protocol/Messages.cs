namespace Chronik.Protocol;

/// <summary>Something that can be written in any of its versions.</summary>
public interface IMessage
{
    /// <summary>Writes the message's body. What <paramref name="version"/> does not carry is left out.</summary>
    /// <exception cref="ProtocolException">Something is null that this version requires, or the version is not known.</exception>
    void Write(KafkaWriter writer, short version);
}

/// <summary>A message that can also be read.</summary>
/// <typeparam name="TSelf">The message's own type.</typeparam>
public interface IMessage<TSelf> : IMessage
    where TSelf : IMessage<TSelf>
{
    /// <summary>The lowest version that can be read and written.</summary>
    static abstract short MinVersion { get; }

    /// <summary>The highest version that can be read and written.</summary>
    static abstract short MaxVersion { get; }

    /// <summary>The first version with compact encodings and tags; 32767 when there is none.</summary>
    static abstract short FirstFlexibleVersion { get; }

    /// <summary>Reads the message's body. Bytes and records are slices of what the reader walks: nothing is copied.</summary>
    /// <exception cref="ProtocolException">The bytes are not such a message in this version.</exception>
    static abstract TSelf Read(ref KafkaReader reader, short version);
}

/// <summary>The body of a request.</summary>
public interface IRequestMessage : IMessage
{
    /// <summary>The API that the request calls.</summary>
    ApiKey ApiKey { get; }
}

/// <summary>The body of a request, with the type of its response.</summary>
/// <typeparam name="TResponse">The response's type.</typeparam>
public interface IRequestMessage<TResponse> : IRequestMessage
    where TResponse : IResponseMessage
{
}

/// <summary>The body of a response.</summary>
public interface IResponseMessage : IMessage
{
    /// <summary>The API that the response belongs to.</summary>
    ApiKey ApiKey { get; }
}

/// <summary>The key of a record in a coordinator's log: on disk an int16 record type and the body in version 0.</summary>
/// <typeparam name="TSelf">The key's own type.</typeparam>
public interface ICoordinatorKey<TSelf> : IMessage<TSelf>
    where TSelf : ICoordinatorKey<TSelf>
{
    /// <summary>The type of the record, by which its key is told apart.</summary>
    static abstract short RecordType { get; }
}

/// <summary>The value of a record in a coordinator's log: on disk an int16 version and the body in that version.</summary>
/// <typeparam name="TSelf">The value's own type.</typeparam>
public interface ICoordinatorValue<TSelf> : IMessage<TSelf>
    where TSelf : ICoordinatorValue<TSelf>
{
    /// <summary>The type of the record that the value belongs to.</summary>
    static abstract short RecordType { get; }
}

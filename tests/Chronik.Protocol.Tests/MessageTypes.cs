namespace Chronik.Protocol.Tests;

/// <summary>A generated message type, without its type parameter.</summary>
internal abstract class MessageType
{
    public static IReadOnlyList<MessageType> All { get; } = Find();

    public abstract string Name { get; }

    public abstract short MinVersion { get; }

    public abstract short MaxVersion { get; }

    public static MessageType Named(string name) => All.Single(type => type.Name == name);

    public abstract IMessage New();

    public abstract IMessage Read(ReadOnlyMemory<byte> bytes, short version);

    public byte[] Write(IMessage message, short version)
    {
        using var writer = new KafkaWriter();
        message.Write(writer, version);
        return writer.ToArray();
    }

    public override string ToString() => Name;

    private static List<MessageType> Find() =>
    [
        .. typeof(IMessage).Assembly.GetTypes()
            .Where(type => type is { IsClass: true, IsPublic: true } && type.IsAssignableTo(typeof(IMessage)))
            .OrderBy(type => type.Name, StringComparer.Ordinal)
            .Select(type => (MessageType)Activator.CreateInstance(typeof(Of<>).MakeGenericType(type))!),
    ];

    private sealed class Of<T> : MessageType
        where T : IMessage<T>, new()
    {
        public override string Name => typeof(T).Name;

        public override short MinVersion => T.MinVersion;

        public override short MaxVersion => T.MaxVersion;

        public override IMessage New() => new T();

        public override IMessage Read(ReadOnlyMemory<byte> bytes, short version)
        {
            var reader = new KafkaReader(bytes);
            T message = T.Read(ref reader, version);
            reader.RequireEnd();
            return message;
        }
    }
}

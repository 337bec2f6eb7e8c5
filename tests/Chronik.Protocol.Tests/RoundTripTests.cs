namespace Chronik.Protocol.Tests;

public class RoundTripTests
{
    public static TheoryData<string> Messages => [.. MessageType.All.Select(type => type.Name)];

    [Theory]
    [MemberData(nameof(Messages))]
    public void Every_version_reads_back_what_it_wrote(string name)
    {
        MessageType type = MessageType.Named(name);
        for (short version = type.MinVersion; version <= type.MaxVersion; version++)
        {
            for (int seed = 0; seed < 20; seed++)
            {
                (_, byte[] bytes) = RandomMessage.Make(type, version, seed);
                IMessage read = type.Read(bytes, version);
                Assert.True(bytes.AsSpan().SequenceEqual(type.Write(read, version)), $"{name} {version}, seed {seed}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public void A_new_message_can_be_written_and_read_in_every_version(string name)
    {
        MessageType type = MessageType.Named(name);
        for (short version = type.MinVersion; version <= type.MaxVersion; version++)
        {
            byte[] bytes = type.Write(type.New(), version);
            Assert.Equal(bytes, type.Write(type.Read(bytes, version), version));
        }
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public void A_message_cut_anywhere_is_refused(string name)
    {
        MessageType type = MessageType.Named(name);
        for (short version = type.MinVersion; version <= type.MaxVersion; version++)
        {
            (_, byte[] bytes) = RandomMessage.Make(type, version, seed: 4);
            for (int length = 0; length < bytes.Length; length++)
            {
                Assert.Throws<ProtocolException>(() => type.Read(bytes.AsMemory(0, length), version));
            }
        }
    }

    [Fact]
    public void A_version_that_is_not_known_is_refused()
    {
        foreach (MessageType type in MessageType.All)
        {
            Assert.Throws<ProtocolException>(() => type.Read(new byte[64], (short)(type.MaxVersion + 1)));
            Assert.Throws<ProtocolException>(() => type.Write(type.New(), (short)(type.MaxVersion + 1)));
        }
    }
}

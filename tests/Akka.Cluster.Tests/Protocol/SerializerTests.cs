using System.Runtime.Serialization;
using Akka.Cluster.Serialization;
using Xunit;
using static Akka.Cluster.Tests.Protocol.Nodes;

namespace Akka.Cluster.Tests.Protocol;

public class SerializerTests
{
    private readonly ClusterMessageSerializer _serializer = new(null);

    public static TheoryData<object> Messages =>
    [
        new InitJoin(), new InitJoinAck(A.Address), new InitJoinNack(B.Address), new ExitingConfirmed(C), new Heartbeat(A.Address, 77),
        new HeartbeatRsp(B, long.MaxValue), new GossipStatus(A, GossipOf().Versioned(A, B, A).Version),
    ];

    [Theory]
    [MemberData(nameof(Messages))]
    public void Small_messages_come_back_as_they_were(object message) => Assert.Equal(message, Again(message));

    [Fact]
    public void A_join_comes_back_with_its_roles()
    {
        var again = (Join)Again(new Join(A, ["x", "y"]));
        Assert.Equal(A, again.Node);
        Assert.True(again.Roles.SetEquals(["x", "y"]));
    }

    [Fact]
    public void A_gossip_comes_back_whole()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up, 1, "x"), B.Is(MemberStatus.WeaklyUp), C.Is(MemberStatus.Down, 3, "x", "y"))
            .Versioned(A, B, A, D).WasSeenBy(A, B).Unreachable(A, C).Unreachable(B, C);
        gossip = gossip.With(reachability: gossip.Reachability.Terminated(A, B));
        foreach (Gossip again in new[]
        {
            ((GossipEnvelope)Again(new GossipEnvelope(A, B, gossip))).Gossip, ((Welcome)Again(new Welcome(A, gossip))).Gossip,
        })
        {
            Assert.Equal(gossip.Version, again.Version);
            Assert.True(gossip.Seen.SetEquals(again.Seen));
            Assert.True(gossip.Reachability.SameAs(again.Reachability));
            Assert.Equal(
                gossip.Members.Select(m => (m.UniqueAddress, m.Status, m.UpNumber, string.Join(",", m.Roles.Order()))),
                again.Members.Select(m => (m.UniqueAddress, m.Status, m.UpNumber, string.Join(",", m.Roles.Order()))));
        }
    }

    [Fact]
    public void Another_version_and_an_unknown_message_are_refused()
    {
        byte[] bytes = _serializer.ToBinary(new InitJoin());
        Assert.Throws<SerializationException>(() => _serializer.FromBinary(bytes, "??"));
        bytes[0]++;
        Assert.Throws<SerializationException>(() => _serializer.FromBinary(bytes, "IJ"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Damaged_bytes_are_refused_and_nothing_else_happens(int seed)
    {
        var random = new Random(seed);
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Up)).Versioned(A, B).WasSeenBy(A).Unreachable(A, B);
        byte[] bytes = _serializer.ToBinary(new GossipEnvelope(A, B, gossip));
        for (int length = 0; length < bytes.Length; length++)
            Assert.Throws<SerializationException>(() => _serializer.FromBinary(bytes[..length], "GE"));
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = [.. bytes];
            damaged[random.Next(1, damaged.Length)] = (byte)random.Next(256);
            try
            {
                _serializer.FromBinary(damaged, "GE");
            }
            catch (SerializationException)
            {
            }
        }
    }

    private object Again(object message) => _serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message));
}

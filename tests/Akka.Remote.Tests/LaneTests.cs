using Akka.Event;

namespace Akka.Remote.Tests;

/// <summary>
/// The two lanes of an association and their limits: what this library adds to the official package, which has one connection and ignores
/// these keys.
/// </summary>
public sealed class LaneTests : RemoteTest
{
    private const string Lanes = """
        akka.remote {
          large-message-destinations = ["/user/bulk", "/user/many/*", "/user/below/**"]
          send-queue-size = 1 MiB
          # So that little is hidden in the operating system.
          dot-netty.tcp { send-buffer-size = 16 KiB, receive-buffer-size = 16 KiB }
        }
        """;

    public LaneTests()
        : base(Lanes)
    {
    }

    [Fact]
    public async Task Control_passes_a_full_bulk_lane()
    {
        using var proxy = new LaneHolder();
        ActorSystem behind = Start("behind", hocon: proxy.Hocon);
        IActorRef bulk = await Across(Probe(behind, "bulk"), behind, Here);
        IActorRef echo = await Across(Acting(behind, static (context, m) => context.Sender.Tell(m), "echo"), behind, Here);
        proxy.HoldAllBut(1);
        for (int i = 0; i < 8; i++)
            bulk.Tell(new byte[100_000]);
        Assert.Equal("quick", await echo.Ask<string>("quick"));
        Seen.AssertNothingMore();
        proxy.Release();
        for (int i = 0; i < 8; i++)
            Assert.IsType<byte[]>(Seen.Next());
    }

    [Fact]
    public async Task What_does_not_fit_into_a_lane_fails_visibly_and_the_rest_arrives_in_order()
    {
        using var proxy = new LaneHolder();
        ActorSystem behind = Start("behind", hocon: proxy.Hocon);
        IActorRef bulk = await Across(Probe(behind, "bulk"), behind, Here);
        Record errors = Published(Here, typeof(AssociationErrorEvent));
        Here.EventStream.Subscribe(Probe(Here), typeof(DeadLetter));
        proxy.HoldAllBut(1);
        const int Sent = 200;
        for (int i = 0; i < Sent; i++)
        {
            byte[] payload = new byte[50_000];
            payload[0] = (byte)i;
            bulk.Tell(payload);
        }

        Assert.Contains("Bulk", errors.Next<AssociationErrorEvent>().Cause.Message, StringComparison.Ordinal);
        // One event for the whole time that it is full, not one for each message.
        errors.AssertNothingMore();
        proxy.Release();
        int refused = 0, last = -1;
        for (int i = 0; i < Sent; i++)
        {
            object seen = Seen.Next();
            if (seen is DeadLetter { Message: byte[] })
            {
                refused++;
                continue;
            }

            byte number = Assert.IsType<byte[]>(seen)[0];
            Assert.True(number > last);
            last = number;
        }

        Assert.InRange(refused, 1, Sent - 20);
    }

    [Theory]
    [InlineData("bulk", true)]
    [InlineData("bulky", false)]
    [InlineData("other", false)]
    public async Task Selections_and_references_to_the_same_actor_use_the_same_lane(string name, bool isBulk)
    {
        using var proxy = new LaneHolder();
        ActorSystem behind = Start("behind", hocon: proxy.Hocon);
        IActorRef remote = await Across(Probe(behind, name), behind, Here);
        ActorSelection selection = Here.ActorSelection(new RootActorPath(AddressOf(behind)) / "user" / name);
        for (int i = 0; i < 1000; i += 2)
        {
            remote.Tell(i);
            selection.Tell(i + 1);
        }

        for (int i = 0; i < 1000; i++)
            Assert.Equal(i, Seen.First<int>());
        Assert.Equal(isBulk ? 2 : 1, proxy.Connections);
    }

    [Fact]
    public async Task A_message_without_a_serializer_names_the_key()
    {
        IActorRef remote = await Across(Probe(There, "probe"), There, Here);
        Record errors = Published(Here, typeof(Error)), dead = Published(Here, typeof(DeadLetter));
        remote.Tell(new Unknown());
        Assert.Contains("akka.actor.serialization-bindings", errors.Next<Error>().ToString(), StringComparison.Ordinal);
        Assert.IsType<Unknown>(dead.Next<DeadLetter>().Message);
    }

    [Fact]
    public async Task A_message_that_is_too_large_is_a_dead_letter()
    {
        IActorRef remote = await Across(Probe(There, "bulk"), There, Here);
        Record dead = Published(Here, typeof(DeadLetter));
        remote.Tell(new byte[128_001]);
        Assert.Equal(128_001, Assert.IsType<byte[]>(dead.Next<DeadLetter>().Message).Length);
    }

    [Fact]
    public async Task Of_two_limits_of_a_frame_the_smaller_counts()
    {
        ActorSystem small = Start("small", hocon: "akka.remote.dot-netty.tcp.maximum-frame-size = 40000");
        IActorRef remote = await Across(Probe(small, "probe"), small, Here);
        Record dead = Published(Here, typeof(DeadLetter));
        remote.Tell(new byte[40_001]);
        remote.Tell(new byte[40_000]);
        Assert.Equal(40_000, Assert.IsType<byte[]>(Seen.Next()).Length);
        Assert.Equal(40_001, Assert.IsType<byte[]>(dead.Next<DeadLetter>().Message).Length);
    }

    private sealed record Unknown;
}

using System.Net;
using System.Net.Sockets;
using System.Text;
using Akka.Event;

namespace Akka.Remote.Tests;

/// <summary>
/// What else than a system of this library may connect to the port, in the bytes of this library's own protocol. The official package has
/// another one.
/// </summary>
public sealed class WireTests : RemoteTest
{
    private const string Magic = "AkRemote";
    private const byte Message = 1;

    [Fact]
    public async Task Whatever_does_not_speak_the_protocol_is_cut_off_with_one_line()
    {
        byte[] random = new byte[4096];
        new Random(7).NextBytes(random);
        byte[] ones = [.. Enumerable.Repeat((byte)0xff, 100)];
        foreach (byte[] garbage in new[] { random, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), new byte[12], ones })
            await AssertRefused(garbage, "does not speak this protocol");
        await AssertServes();
    }

    [Fact]
    public async Task A_greeting_that_is_longer_than_one_is_cut_off()
    {
        await AssertRefused([.. Encoding.ASCII.GetBytes(Magic), 1, 0, 0xff, 0xff], "its greeting says it is 65535 bytes long");
        await AssertServes();
    }

    [Fact]
    public async Task A_greeting_that_ends_early_or_says_nothing_is_cut_off()
    {
        byte[] greeting = Greeting();
        await AssertRefused(greeting[..20], "closed the connection before its greeting was complete", half: true);
        await AssertRefused([.. Encoding.ASCII.GetBytes(Magic), 1, 0, 4, 0, 0, 1, 2, 3], "ends before its header does");
        await AssertRefused(Greeting(lane: 7), "there is no lane 7");
        await AssertRefused(Greeting(from: "nonsense"), "names no address");
        await AssertServes();
    }

    [Fact]
    public async Task Another_version_is_refused_and_told_so()
    {
        byte[] greeting = Greeting();
        greeting[Magic.Length] = 0;
        await AssertRefused(greeting, "speaks version 0 of the protocol, this system version 1");
        await AssertServes();
    }

    [Fact]
    public async Task Another_system_or_address_is_refused_and_told_so()
    {
        await AssertRefused(Greeting(to: AddressOf(Here).WithSystem("elsewhere").ToString()), "it looks for");
        await AssertRefused(Greeting(to: "akka.tcp://here@127.0.0.1:1"), "it looks for");
        await AssertRefused(Greeting(from: AddressOf(Here).ToString()), "is no address of another system");
        await AssertServes();
    }

    [Fact]
    public async Task A_bulk_connection_without_its_control_connection_is_refused()
    {
        await AssertRefused(Greeting(lane: 1), "its control connection is not there");
        await AssertServes();
    }

    [Theory]
    [InlineData(int.MaxValue, "says it is 2147483647 bytes long")]
    [InlineData(-1, "says it is -1 bytes long")]
    [InlineData(0, "says it is 0 bytes long")]
    [InlineData(200_000, "says it is 200000 bytes long")]
    public async Task A_frame_of_no_sensible_length_ends_the_connection(int length, string reason)
    {
        await AssertRefused([.. Greeting(), .. BitConverter.GetBytes(length), Message, 0, 0], reason);
        await AssertServes();
    }

    [Fact]
    public async Task A_frame_with_a_broken_head_ends_the_connection()
    {
        await AssertRefused(
            [.. Greeting(), .. BitConverter.GetBytes(10), Message, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0], "says its header has 65535");
        await AssertRefused([.. Greeting(), .. BitConverter.GetBytes(5), Message, 2, 0, 0, 0], "ends before its header does");
        await AssertRefused([.. Greeting(), .. BitConverter.GetBytes(1), 99], "kind 99");
        await AssertServes();
    }

    [Fact]
    public async Task A_message_that_cannot_be_read_is_logged_and_the_next_one_arrives()
    {
        Probe(Here, "probe");
        Record errors = Published(Here, typeof(Error));
        using Socket socket = Connect();
        await socket.SendAsync(Greeting());
        string path = AddressOf(Here) + "/user/probe";
        await socket.SendAsync(Frame(serializer: 12345, path, "M", [1, 2, 3]));
        Assert.Contains("12345", errors.Next<Error>().ToString(), StringComparison.Ordinal);
        await socket.SendAsync(Frame(serializer: 17, path, "no such manifest", [1]));
        Assert.Contains("no such manifest", errors.Next<Error>().ToString(), StringComparison.Ordinal);
        await socket.SendAsync(Frame(serializer: 17, "akka.tcp://other@127.0.0.1:9/user/probe", "S", [65]));
        Assert.Contains("not here", errors.Next<Error>().ToString(), StringComparison.Ordinal);
        // A frame in pieces is a frame.
        foreach (byte part in Frame(serializer: 17, path, "S", "whole"u8.ToArray()))
            await socket.SendAsync(new[] { part });
        Assert.Equal("whole", Seen.Next());
    }

    [Fact]
    public async Task Random_frames_never_hurt_anybody_else()
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        try
        {
            for (int i = 0; i < 200; i++)
            {
                byte[] frame = Frame(17, AddressOf(Here) + "/user/probe", "S", new byte[random.Next(50)]);
                for (int flips = random.Next(1, 6); flips > 0; flips--)
                    frame[random.Next(frame.Length)] = (byte)random.Next(256);
                using Socket socket = Connect();
                await socket.SendAsync(Greeting());
                await socket.SendAsync(frame);
            }

            await AssertServes();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"seed {seed}", e);
        }
    }

    private async Task AssertServes()
    {
        IActorRef echo = Acting(Here, static (context, m) => context.Sender.Tell(m));
        Assert.Equal("well", await (await Across(echo, Here, There)).Ask<string>("well"));
    }

    private async Task AssertRefused(byte[] bytes, string reason, bool half = false)
    {
        Record warnings = Published(Here, typeof(Warning));
        using Socket socket = Connect();
        await socket.SendAsync(bytes);
        if (half)
            socket.Shutdown(SocketShutdown.Send);
        Warning warning = warnings.First<Warning>(static w => w.ToString().Contains("The connection from", StringComparison.Ordinal));
        Assert.Contains(reason, warning.ToString(), StringComparison.Ordinal);
        byte[] rest = new byte[1024];
        try
        {
            while (await socket.ReceiveAsync(rest).WaitAsync(Long) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // A reset is an end too.
        }
    }

    private Socket Connect()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPAddress.Loopback, AddressOf(Here).Port.Value);
        return socket;
    }

    private byte[] Greeting(byte lane = 0, string from = "akka.tcp://stranger@127.0.0.1:1", string to = null)
    {
        var body = new List<byte> { lane };
        body.AddRange(new byte[8]);
        body.AddRange(BitConverter.GetBytes(77));
        body.AddRange(BitConverter.GetBytes(128_000));
        body.AddRange(Text(from));
        body.AddRange(Text(to ?? AddressOf(Here).ToString()));
        return [.. Encoding.ASCII.GetBytes(Magic), 1, 0, .. BitConverter.GetBytes((ushort)body.Count), .. body];
    }

    private static byte[] Frame(int serializer, string recipient, string manifest, byte[] payload)
    {
        byte[] header = [0, .. BitConverter.GetBytes(serializer), .. Text(recipient), .. Text(manifest)];
        byte[] length = BitConverter.GetBytes(3 + header.Length + payload.Length);
        return [.. length, Message, .. BitConverter.GetBytes((ushort)header.Length), .. header, .. payload];
    }

    private static byte[] Text(string text) => [.. BitConverter.GetBytes((ushort)text.Length), .. Encoding.ASCII.GetBytes(text)];
}

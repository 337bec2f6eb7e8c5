using System.Diagnostics;
using System.Globalization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Remote;

int size = Option("--size", 64 * 1024), window = Option("--window", 64), seconds = Option("--seconds", 5);
bool oneLane = args.Contains("--one-lane");
if (args is ["serve", ..])
{
    using ActorSystem receiver = Start("receiver");
    receiver.ActorOf(Props.Create<Sink>(), "bulk");
    receiver.ActorOf(Props.Create<Echo>(), "echo");
    Console.WriteLine(((ExtendedActorSystem)receiver).Provider.DefaultAddress);
    Console.In.ReadLine();
    return;
}

var start = new ProcessStartInfo(Environment.ProcessPath) { RedirectStandardInput = true, RedirectStandardOutput = true };
start.ArgumentList.Add("serve");
foreach (string arg in args)
    start.ArgumentList.Add(arg);
using var child = Process.Start(start);
var address = Address.Parse(child.StandardOutput.ReadLine());
using ActorSystem system = Start("sender");
IActorRef sink = await Find("bulk"), echo = await Find("echo");

await Pings(200);
Print("ping, idle", await Pings(2000));
IActorRef source = system.ActorOf(Props.Create(() => new Source(sink, new byte[size], window)), "source");
await Task.Delay(2000);
long before = await source.Ask<long>("sent");
TimeSpan cpuBefore = Cpu();
var watch = Stopwatch.StartNew();
List<double> pings = await PingsFor(TimeSpan.FromSeconds(seconds));
long messages = await source.Ask<long>("sent") - before;
double elapsed = watch.Elapsed.TotalSeconds, megabytes = messages * (double)size / 1e6;
Print("ping beside it", pings);
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{size} B: {megabytes / elapsed:F0} MB/s, {messages / elapsed:F0} messages/s, "
    + $"{(Cpu() - cpuBefore).TotalSeconds / megabytes * 1000:F2} CPU s/GB of both"));
var noticed = new TaskCompletionSource();
IActorRef observer = system.ActorOf(Props.Create(() => new Observer(noticed)), "observer");
system.EventStream.Subscribe(observer, typeof(DisassociatedEvent));
watch.Restart();
child.Kill();
await noticed.Task;
Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture, $"its death by SIGKILL: noticed after {watch.Elapsed.TotalMilliseconds:F1} ms"));
return;

int Option(string name, int otherwise) =>
    Array.IndexOf(args, name) is >= 0 and var at ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : otherwise;

ActorSystem Start(string name) => ActorSystem.Create(name, ConfigurationFactory.ParseString($$"""
    akka {
      loglevel = WARNING
      actor.provider = remote
      remote {
        dot-netty.tcp { hostname = "127.0.0.1", port = 0, maximum-frame-size = 2 MiB }
        large-message-destinations = [{{(oneLane ? string.Empty : "\"/user/bulk\"")}}]
      }
    }
    """));

Task<IActorRef> Find(string name) => system.ActorSelection(new RootActorPath(address) / "user" / name).ResolveOne(TimeSpan.FromSeconds(10));

TimeSpan Cpu()
{
    child.Refresh();
    return child.TotalProcessorTime + Process.GetCurrentProcess().TotalProcessorTime;
}

async Task<double> Ping()
{
    long began = Stopwatch.GetTimestamp();
    await echo.Ask<string>("ping", TimeSpan.FromSeconds(30));
    return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
}

async Task<List<double>> Pings(int count)
{
    var times = new List<double>();
    for (int i = 0; i < count; i++)
        times.Add(await Ping());
    return times;
}

async Task<List<double>> PingsFor(TimeSpan time)
{
    var times = new List<double>();
    var running = Stopwatch.StartNew();
    while (running.Elapsed < time)
    {
        times.Add(await Ping());
        await Task.Delay(2);
    }

    return times;
}

static void Print(string what, List<double> times)
{
    times.Sort();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{what}: p50 {At(0.5):F2} ms, p99 {At(0.99):F2} ms, max {times[^1]:F2} ms ({times.Count})"));

    double At(double share) => times[(int)(share * (times.Count - 1))];
}

/// <summary>Keeps so many messages in flight.</summary>
internal sealed class Source : ReceiveActor
{
    private long _sent;

    public Source(IActorRef sink, byte[] payload, int window)
    {
        Receive<int>(credit =>
        {
            for (int i = 0; i < credit; i++)
                sink.Tell(payload);
            _sent += credit;
        });
        Receive<string>(_ => Sender.Tell(_sent));
        Self.Tell(window);
    }
}

/// <summary>Renews the window of whoever sends.</summary>
internal sealed class Sink : ReceiveActor
{
    private const int Every = 8;
    private int _received;

    public Sink() => Receive<byte[]>(_ =>
    {
        if (++_received % Every == 0)
            Sender.Tell(Every);
    });
}

/// <summary>Hears that the other process is gone.</summary>
internal sealed class Observer : ReceiveActor
{
    public Observer(TaskCompletionSource noticed) => Receive<DisassociatedEvent>(_ => noticed.TrySetResult());
}

internal sealed class Echo : ReceiveActor
{
    public Echo() => ReceiveAny(message => Sender.Tell(message));
}

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Akka.Actor;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>How linearizable reads share rounds of confirmation.</summary>
public sealed class ReadIndexActorTests : IAsyncLifetime
{
    private readonly NodeMeters _node = new();
    private readonly PartitionMeters _meters;
    private readonly BlockingCollection<object> _asked = [];
    private readonly ConcurrentDictionary<string, double> _measured = new();
    private readonly MeterListener _listener = new();
    private readonly ActorSystem _system = ActorSystem.Create("read-index");
    private IActorRef _parent = ActorRefs.Nobody;

    public ReadIndexActorTests() => _meters = new PartitionMeters(_node, NodeId.None, new PartitionDirectory());

    public Task InitializeAsync()
    {
        _listener.InstrumentPublished = (instrument, self) =>
        {
            if (_node.Owns(instrument)) self.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) =>
            _measured.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value));
        _listener.SetMeasurementEventCallback<double>((instrument, _, _, _) =>
            _measured.AddOrUpdate(instrument.Name, 1, (_, count) => count + 1));
        _listener.Start();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _system.Terminate();
        _listener.Dispose();
        _meters.Dispose();
        _asked.Dispose();
    }

    [Fact]
    public async Task One_round_confirms_all_reads_that_waited_for_it_and_those_that_come_meanwhile_share_the_next()
    {
        Start(NodeFixture.Patience);
        ReadAnswer first = Ask();
        ulong round = Asked();
        ReadAnswer[] second = [.. Enumerable.Range(0, 100).Select(_ => Ask())];
        Answer(round, isGranted: true);
        Assert.True(await first.Task.WaitAsync(NodeFixture.Patience));
        Assert.Equal(round + 1, Asked());
        Assert.DoesNotContain(second, read => read.Task.IsCompleted);
        Answer(round, isGranted: true); // Of a round that is over.
        Answer(round + 1, isGranted: true);
        foreach (ReadAnswer read in second) Assert.True(await read.Task.WaitAsync(NodeFixture.Patience));
        Assert.Empty(_asked);
        Assert.True(_measured["chronik.readindex.rounds"] >= 2);
        Assert.True(_measured["chronik.readindex.latency"] >= 101);
    }

    [Fact]
    public async Task A_refused_round_is_asked_for_again_with_everybody_who_came_meanwhile()
    {
        Start(NodeFixture.Patience);
        ReadAnswer first = Ask();
        for (int i = 0; i < 6; i++) Answer(Asked(), isGranted: false);
        ulong round = Asked();
        ReadAnswer late = Ask();
        Answer(round, isGranted: false);
        Answer(Asked(), isGranted: true);
        Assert.True(await first.Task.WaitAsync(NodeFixture.Patience));
        Assert.True(await late.Task.WaitAsync(NodeFixture.Patience));
        Assert.Empty(_asked);
    }

    [Fact]
    public async Task Who_waits_too_long_is_told_and_so_is_everybody_when_the_replica_ends()
    {
        Start(TimeSpan.FromMilliseconds(50));
        ReadAnswer late = Ask();
        ulong round = Asked();
        Assert.False(await late.Task.WaitAsync(NodeFixture.Patience));
        Assert.True(_measured["chronik.readindex.timeouts"] >= 1);
        Answer(round, isGranted: true);

        Start(NodeFixture.Patience);
        ReadAnswer last = Ask();
        Asked(); // A stop overtakes what has not been handled yet.
        _system.Stop(_parent);
        Assert.False(await last.Task.WaitAsync(NodeFixture.Patience));
    }

    private void Start(TimeSpan timeout) => _parent = _system.ActorOf(Props.Create(() => new Parent(timeout, _meters, _asked)));

    private ReadAnswer Ask()
    {
        ReadAnswer read = new();
        _parent.Tell(new ConfirmRead(read, Stopwatch.GetTimestamp()), ActorRefs.NoSender);
        return read;
    }

    private ulong Asked()
    {
        Assert.True(_asked.TryTake(out object? asked, NodeFixture.Patience));
        return ((AskReadIndex)asked).Round;
    }

    private void Answer(ulong round, bool isGranted) => _parent.Tell(new ReadIndexDone(round, isGranted), ActorRefs.NoSender);

    private sealed class Parent(TimeSpan timeout, PartitionMeters meters, BlockingCollection<object> asked) : UntypedActor
    {
        private readonly IActorRef _child = Context.ActorOf(Props.Create(() => new ReadIndexActor(timeout, meters)));

        protected override void OnReceive(object message)
        {
            if (Sender.Equals(_child)) asked.Add(message);
            else _child.Tell(message, Self);
        }
    }
}

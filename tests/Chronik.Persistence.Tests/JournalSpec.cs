using Akka.Actor;
using Akka.Persistence;

namespace Chronik.Persistence.Tests;

/// <summary>What every journal does, in the manner of Akka's own specification of journals.</summary>
public abstract class JournalSpec
{
    private const string Id = "p-1";
    private const string Writer = "writer-1";

    private Probe? _probe;

    protected abstract ActorSystem System { get; }

    private Probe Receiver => _probe ??= new Probe(System);

    private IActorRef Journal => Akka.Persistence.Persistence.Instance.Apply(System).JournalFor(null);

    [Fact]
    public async Task Every_event_is_replayed_in_order_with_what_was_stored_of_it()
    {
        await WriteAsync(Id, 1, "a", "b", "c");
        IPersistentRepresentation[] events = await ReplayAsync(Id, 1, long.MaxValue, long.MaxValue, highest: 3);
        Assert.Equal(["a", "b", "c"], events.Select(What));
        Assert.Equal([1L, 2, 3], events.Select(e => e.SequenceNr));
        Assert.All(events, e => Assert.Equal((Id, Writer, false), (e.PersistenceId, e.WriterGuid, e.IsDeleted)));
    }

    [Fact]
    public async Task A_replay_keeps_to_its_bounds()
    {
        await WriteAsync(Id, 1, "a", "b", "c", "d", "e");
        Assert.Equal("cde", await TextAsync(Id, 3, long.MaxValue, long.MaxValue, highest: 5));
        Assert.Equal("abc", await TextAsync(Id, 1, 3, long.MaxValue, highest: 5));
        Assert.Equal("ab", await TextAsync(Id, 1, long.MaxValue, 2, highest: 5));
        Assert.Equal("b", await TextAsync(Id, 2, 4, 1, highest: 5));
        Assert.Equal("c", await TextAsync(Id, 3, 3, long.MaxValue, highest: 5));
        Assert.Equal("", await TextAsync(Id, 3, 2, long.MaxValue, highest: 5));
        Assert.Equal("", await TextAsync(Id, 1, long.MaxValue, 0, highest: 5));
        Assert.Equal("", await TextAsync(Id, 6, long.MaxValue, long.MaxValue, highest: 5));
    }

    [Fact]
    public async Task A_persistence_id_without_events_is_at_0() =>
        Assert.Equal("", await TextAsync("nobody", 1, long.MaxValue, long.MaxValue, highest: 0));

    [Fact]
    public async Task Persistence_ids_do_not_see_each_other()
    {
        await WriteAsync("x", 1, "a");
        await WriteAsync("y", 1, "b", "c");
        Assert.Equal("a", await TextAsync("x", 1, long.MaxValue, long.MaxValue, highest: 1));
        Assert.Equal("bc", await TextAsync("y", 1, long.MaxValue, long.MaxValue, highest: 2));
    }

    [Fact]
    public async Task Events_written_together_are_there_together()
    {
        AtomicWrite together = new([Event(Id, 1, new Happened("a")), Event(Id, 2, new Happened("b"))]);
        await WriteAsync([together, new AtomicWrite(Event(Id, 3, new Happened("c")))], 3);
        Assert.Equal("abc", await TextAsync(Id, 1, long.MaxValue, long.MaxValue, highest: 3));
    }

    [Fact]
    public async Task Deleted_events_are_not_replayed_and_the_highest_number_stays()
    {
        await WriteAsync(Id, 1, "a", "b", "c");
        await DeleteAsync(Id, 2);
        Assert.Equal("c", await TextAsync(Id, 1, long.MaxValue, long.MaxValue, highest: 3));
        await DeleteAsync(Id, long.MaxValue);
        Assert.Equal("", await TextAsync(Id, 1, long.MaxValue, long.MaxValue, highest: 3));
        await DeleteAsync(Id, 1);
        await WriteAsync(Id, 4, "d");
        Assert.Equal("d", await TextAsync(Id, 1, long.MaxValue, long.MaxValue, highest: 4));
    }

    protected async Task WriteAsync(string id, long first, params string[] what)
    {
        AtomicWrite[] writes = [.. what.Select((text, i) => new AtomicWrite(Event(id, first + i, new Happened(text))))];
        await WriteAsync(writes, what.Length);
    }

    protected async Task DeleteAsync(string id, long to)
    {
        Journal.Tell(new DeleteMessagesTo(id, to, Receiver.Ref));
        Assert.Equal(to, (await Receiver.ExpectAsync<DeleteMessagesSuccess>()).ToSequenceNr);
    }

    protected async Task<string> TextAsync(string id, long from, long to, long max, long highest) =>
        string.Concat((await ReplayAsync(id, from, to, max, highest)).Select(What));

    /// <summary>Writes a batch of which some events are rejected.</summary>
    protected async Task WriteAsync(AtomicWrite[] writes, int events, params long[] rejected)
    {
        Journal.Tell(new WriteMessages(writes, Receiver.Ref, 1));
        await Receiver.ExpectAsync<WriteMessagesSuccessful>();
        for (int i = 0; i < events; i++)
        {
            long number = writes[0].LowestSequenceNr + i;
            IPersistentRepresentation answered = rejected.Contains(number)
                ? (await Receiver.ExpectAsync<WriteMessageRejected>()).Persistent
                : (await Receiver.ExpectAsync<WriteMessageSuccess>()).Persistent;
            Assert.Equal(number, answered.SequenceNr);
        }
    }

    protected static Persistent Event(string id, long number, object payload) =>
        new(payload, number, id, writerGuid: Writer, sender: ActorRefs.NoSender);

    /// <summary>The actor system was started anew.</summary>
    protected void Forget() => _probe = null;

    private static string What(IPersistentRepresentation persistent) => ((Happened)persistent.Payload).What;

    private async Task<IPersistentRepresentation[]> ReplayAsync(string id, long from, long to, long max, long highest)
    {
        // A probe for each replay: what comes after its end would be found by the next one.
        Probe probe = new(System);
        Journal.Tell(new ReplayMessages(from, to, max, id, probe.Ref));
        List<IPersistentRepresentation> events = [];
        while (true)
        {
            object next = await probe.ExpectAnyAsync();
            if (next is ReplayedMessage replayed)
            {
                events.Add(replayed.Persistent);
                continue;
            }

            Assert.Equal(highest, Assert.IsType<RecoverySuccess>(next).HighestSequenceNr);
            return [.. events];
        }
    }
}

/// <summary>The specification holds for the journal that comes with Akka.Persistence.</summary>
public sealed class MemoryJournalTests : JournalSpec, IAsyncLifetime
{
    protected override ActorSystem System { get; } =
        ActorSystem.Create("test", """akka.persistence.journal.plugin = "akka.persistence.journal.inmem" """);

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => System.Terminate();
}

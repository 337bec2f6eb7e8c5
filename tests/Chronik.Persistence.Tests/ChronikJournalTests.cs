using Akka.Actor;
using Akka.Persistence;
using Chronik.Storage;

namespace Chronik.Persistence.Tests;

public sealed class ChronikJournalTests : JournalSpec, IAsyncLifetime
{
    private readonly BlockingDisk _disk = new();
    private readonly Node _node;

    public ChronikJournalTests() => _node = new Node(wrap: _disk.Over);

    protected override ActorSystem System => _node.System;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _node.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Events_and_deletions_that_were_acknowledged_survive(bool crash)
    {
        await WriteAsync("p", 1, "a", "b", "c");
        await StartAgainAsync(crash);
        Assert.Equal("abc", await TextAsync("p", 1, long.MaxValue, long.MaxValue, highest: 3));
        await WriteAsync("p", 4, "d");
        await DeleteAsync("p", 2);
        await WriteAsync("p", 5, "e");
        await StartAgainAsync(crash);
        Assert.Equal("cde", await TextAsync("p", 1, long.MaxValue, long.MaxValue, highest: 5));
        await DeleteAsync("p", long.MaxValue);
        await StartAgainAsync(crash);
        Assert.Equal("", await TextAsync("p", 1, long.MaxValue, long.MaxValue, highest: 5));
        await WriteAsync("p", 6, "f");
        await StartAgainAsync(crash);
        Assert.Equal("f", await TextAsync("p", 1, long.MaxValue, long.MaxValue, highest: 6));
    }

    [Fact]
    public async Task An_event_that_cannot_be_serialised_is_rejected_and_leaves_its_number_empty()
    {
        await WriteAsync(
            [
                new AtomicWrite(Event("p", 1, new Happened("a"))),
                new AtomicWrite([Event("p", 2, new Happened("b")), Event("p", 3, new Unspeakable())]),
                new AtomicWrite(Event("p", 4, new Happened("d"))),
            ],
            4,
            rejected: [2, 3]);
        Assert.Equal("ad", await TextAsync("p", 1, long.MaxValue, long.MaxValue, highest: 4));
        await StartAgainAsync(crash: true);
        Assert.Equal("ad", await TextAsync("p", 1, long.MaxValue, 2, highest: 4));
        await _node.Events.Of("p").CheckpointAsync();
        await StartAgainAsync(crash: true);
        Assert.Equal("d", await TextAsync("p", 2, long.MaxValue, 1, highest: 4));
    }

    [Fact]
    public async Task A_number_that_is_taken_fails_the_write()
    {
        await WriteAsync("p", 1, "a", "b");
        Probe probe = new(System);
        Akka.Persistence.Persistence.Instance.Apply(System).JournalFor(null)
            .Tell(new WriteMessages([new AtomicWrite(Event("p", 2, new Happened("x")))], probe.Ref, 1));
        Assert.Contains("event 2 exists already", (await probe.ExpectAsync<WriteMessagesFailed>()).Cause.Message);
        await probe.ExpectAsync<WriteMessageFailure>();
        Assert.Equal("ab", await TextAsync("p", 1, long.MaxValue, long.MaxValue, highest: 2));
    }

    [Fact]
    public async Task A_journal_that_has_lost_many_events_says_so()
    {
        await WriteAsync("p", 1, "a");
        InvalidOperationException lost =
            await Assert.ThrowsAsync<InvalidOperationException>(() => _node.Events.Of("p").WriteAsync(5000, [[1]]));
        Assert.Contains("5000", lost.Message);
    }

    [Fact]
    public async Task Old_events_move_into_the_checkpoint_when_storage_wants_their_WAL()
    {
        StorageOptions small = Node.Options with { CheckpointBytes = 20_000 };
        await using Node node = new(options: small);
        EventLog log = node.Events.Of("p");
        byte[] bytes = new byte[1000];
        long wanted = 0;
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        node.Storage.CheckpointWanted += group =>
        {
            if (Interlocked.Increment(ref wanted) == 1) done.SetResult();
        };
        for (int number = 1; !done.Task.IsCompleted && number < 10_000; number++) await log.WriteAsync(number, [bytes]);
        await done.Task.WaitAsync(TimeSpan.FromSeconds(30));
        long highest = await log.HighestAsync();
        await log.CheckpointAsync();
        Assert.Equal(highest, await CountAsync(log));
        await node.CrashAsync();
        Assert.Equal(highest, await CountAsync(node.Events.Of("p")));
    }

    [Fact]
    public async Task One_actors_slow_deletion_holds_up_no_other_write()
    {
        await WriteAsync("slow", 1, "a", "b");
        _disk.Block(".checkpoint.tmp");
        Task deletion = DeleteAsync("slow", 1);
        await _disk.Blocked.WaitAsync(TimeSpan.FromSeconds(30));
        await _node.Events.Of("fast").WriteAsync(1, [[1]]).WaitAsync(TimeSpan.FromSeconds(30));
        await _node.Events.Of("slow").WriteAsync(3, [[1]]).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(1, await CountAsync(_node.Events.Of("fast")));
        Assert.False(deletion.IsCompleted);
        _disk.Unblock();
        await deletion;
    }

    [Fact]
    public async Task Buffers_are_given_back()
    {
        await WriteAsync("p", 1, "a", "b");
        await DeleteAsync("p", 1);
        Assert.Equal("b", await TextAsync("p", 1, long.MaxValue, long.MaxValue, highest: 2));
        await _node.DisposeAsync();
        Assert.Equal(0, _node.Pool.LentBytes);
    }

    [Fact]
    public void Groups_of_persistence_ids_never_change()
    {
        Assert.Equal("2c26b46b68ffc68ff99b453c1d304134--1", PersistenceGroup.Of("foo", PersistenceGroup.EventsPartition).ToString());
        Assert.True(PersistenceGroup.Contains(PersistenceGroup.Of("foo", PersistenceGroup.SnapshotsPartition)));
        Assert.False(PersistenceGroup.Contains(Model.GroupId.Metadata));
    }

    private static async Task<long> CountAsync(EventLog log)
    {
        long count = 0;
        await log.ReplayAsync(1, long.MaxValue, long.MaxValue, (_, _) => count++);
        return count;
    }

    private async Task StartAgainAsync(bool crash)
    {
        await (crash ? _node.CrashAsync() : _node.RestartAsync());
        Forget();
    }
}

using Akka.Actor;
using Akka.Persistence;

namespace Chronik.Persistence.Tests;

/// <summary>What a snapshot store does, in the manner of Akka's own specification of snapshot stores; and that it survives.</summary>
public sealed class SnapshotStoreTests : IAsyncLifetime
{
    private const string Id = "p-1";

    private readonly Node _node = new();
    private readonly List<SnapshotMetadata> _saved = [];
    private Probe _probe = null!;

    private IActorRef Store => Akka.Persistence.Persistence.Instance.Apply(_node.System).SnapshotStoreFor(null);

    public async Task InitializeAsync()
    {
        _probe = new Probe(_node.System);
        for (int number = 10; number <= 50; number += 10) _saved.Add(await SaveAsync(number, $"s-{number}"));
    }

    public async Task DisposeAsync() => await _node.DisposeAsync();

    [Fact]
    public async Task An_unknown_persistence_id_has_no_snapshot() =>
        Assert.Null(await LoadAsync("nobody", SnapshotSelectionCriteria.Latest));

    [Fact]
    public async Task The_latest_snapshot_that_fits_is_loaded_with_its_metadata()
    {
        Assert.Equal("s-50", await WhatAsync(SnapshotSelectionCriteria.Latest));
        Assert.Equal("s-30", await WhatAsync(new SnapshotSelectionCriteria(39)));
        Assert.Equal("s-30", await WhatAsync(new SnapshotSelectionCriteria(30)));
        Assert.Equal("s-20", await WhatAsync(SnapshotSelectionCriteria.Latest, to: 29));
        Assert.Null(await WhatAsync(new SnapshotSelectionCriteria(9)));
        Assert.Null(await WhatAsync(SnapshotSelectionCriteria.None));
        Assert.Null(await WhatAsync(new SnapshotSelectionCriteria(long.MaxValue, DateTime.MaxValue, minSequenceNr: 60)));
        Assert.Equal("s-20", await WhatAsync(new SnapshotSelectionCriteria(long.MaxValue, _saved[1].Timestamp)));
        Assert.Null(await WhatAsync(new SnapshotSelectionCriteria(long.MaxValue, _saved[0].Timestamp.AddTicks(-1))));
        SelectedSnapshot? loaded = await LoadAsync(Id, SnapshotSelectionCriteria.Latest);
        Assert.Equal(_saved[4], loaded!.Metadata);
    }

    [Fact]
    public async Task A_snapshot_of_the_same_number_replaces_the_old_one()
    {
        await SaveAsync(50, "newer");
        Assert.Equal("newer", await WhatAsync(SnapshotSelectionCriteria.Latest));
        await DeleteAsync(new SnapshotMetadata(Id, 50, DateTime.MinValue));
        Assert.Equal("s-40", await WhatAsync(SnapshotSelectionCriteria.Latest));
    }

    [Fact]
    public async Task One_snapshot_is_deleted_by_number_and_time()
    {
        await DeleteAsync(new SnapshotMetadata(Id, 50, _saved[4].Timestamp.AddTicks(1)));
        Assert.Equal("s-50", await WhatAsync(SnapshotSelectionCriteria.Latest));
        await DeleteAsync(_saved[4]);
        Assert.Equal("s-40", await WhatAsync(SnapshotSelectionCriteria.Latest));
        await DeleteAsync(new SnapshotMetadata(Id, 30, DateTime.MinValue));
        Assert.Equal("s-20", await WhatAsync(new SnapshotSelectionCriteria(39)));
    }

    [Fact]
    public async Task Snapshots_are_deleted_by_criteria()
    {
        await DeleteAsync(new SnapshotSelectionCriteria(40, DateTime.MaxValue, minSequenceNr: 20));
        Assert.Equal("s-10", await WhatAsync(new SnapshotSelectionCriteria(49)));
        Assert.Equal("s-50", await WhatAsync(SnapshotSelectionCriteria.Latest));
        await DeleteAsync(SnapshotSelectionCriteria.Latest);
        Assert.Null(await WhatAsync(SnapshotSelectionCriteria.Latest));
    }

    [Fact]
    public async Task A_snapshot_that_cannot_be_serialised_fails_and_harms_no_other()
    {
        Store.Tell(new SaveSnapshot(new SnapshotMetadata(Id, 60, DateTime.UtcNow), new Unspeakable()), _probe.Ref);
        Assert.Equal(60, (await _probe.ExpectAsync<SaveSnapshotFailure>()).Metadata.SequenceNr);
        Assert.Equal("s-50", await WhatAsync(SnapshotSelectionCriteria.Latest));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Snapshots_and_deletions_that_were_confirmed_survive(bool crash)
    {
        await DeleteAsync(_saved[4]);
        await (crash ? _node.CrashAsync() : _node.RestartAsync());
        _probe = new Probe(_node.System);
        SelectedSnapshot? loaded = await LoadAsync(Id, SnapshotSelectionCriteria.Latest);
        Assert.Equal(_saved[3], loaded!.Metadata);
        Assert.Equal(new Happened("s-40"), loaded.Snapshot);
        await DeleteAsync(SnapshotSelectionCriteria.Latest);
        await (crash ? _node.CrashAsync() : _node.RestartAsync());
        _probe = new Probe(_node.System);
        Assert.Null(await WhatAsync(SnapshotSelectionCriteria.Latest));
    }

    private async Task<SnapshotMetadata> SaveAsync(long number, string what)
    {
        SnapshotMetadata metadata = new(Id, number, new DateTime(2025, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(number));
        Store.Tell(new SaveSnapshot(metadata, new Happened(what)), _probe.Ref);
        return (await _probe.ExpectAsync<SaveSnapshotSuccess>()).Metadata;
    }

    private async Task DeleteAsync(SnapshotMetadata metadata)
    {
        Store.Tell(new DeleteSnapshot(metadata), _probe.Ref);
        await _probe.ExpectAsync<DeleteSnapshotSuccess>();
    }

    private async Task DeleteAsync(SnapshotSelectionCriteria criteria)
    {
        Store.Tell(new DeleteSnapshots(Id, criteria), _probe.Ref);
        await _probe.ExpectAsync<DeleteSnapshotsSuccess>();
    }

    private async Task<string?> WhatAsync(SnapshotSelectionCriteria criteria, long to = long.MaxValue) =>
        ((Happened?)(await LoadAsync(Id, criteria, to))?.Snapshot)?.What;

    private async Task<SelectedSnapshot?> LoadAsync(string id, SnapshotSelectionCriteria criteria, long to = long.MaxValue)
    {
        Store.Tell(new LoadSnapshot(id, criteria, to), _probe.Ref);
        return (await _probe.ExpectAsync<LoadSnapshotResult>()).Snapshot;
    }
}

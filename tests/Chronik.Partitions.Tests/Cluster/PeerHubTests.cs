using System.Buffers.Binary;
using Akka.Actor;
using Akka.TestKit.Xunit2;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Peers;
using Chronik.Protocol;
using Chronik.Raft;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>Two nodes' hubs, and whatever else may reach their port.</summary>
public sealed class PeerHubTests : TestKit
{
    private static readonly NodeId One = new(1);
    private static readonly NodeId Two = new(2);
    private static readonly GroupId Group = new(new TopicId(Guid.NewGuid()), 3);

    private readonly BufferPool _buffers = new();
    private readonly PeerHub _one;
    private readonly PeerHub _two;
    private readonly TestLink _toTwo;
    private readonly TestLink _toOne;

    public PeerHubTests()
    {
        _one = Hub(One);
        _two = Hub(Two);
        _toTwo = new TestLink(() => _two);
        _toOne = new TestLink(() => _one);
    }

    protected override void AfterAll()
    {
        _one.Dispose();
        _two.Dispose();
        base.AfterAll();
    }

    [Fact]
    public async Task A_message_arrives_as_it_was_sent_and_its_payload_is_a_part_of_the_frame()
    {
        await ConnectAsync();
        IgnoreMessages<PeerStatus>(); // Of a machine that stood still for a while.
        _two.Register(Group, TestActor, [One]);
        BufferSlice payload = _buffers.Copy([7, 8, 9]);
        RaftMessage sent = new()
        {
            Kind = MessageKind.Append,
            Flags = MessageFlags.MayVote,
            From = One,
            To = Two,
            Term = new Term(5),
            Index = new LogIndex(41),
            LogTerm = new Term(4),
            Commit = new LogIndex(40),
            Round = 77,
            Entries =
            [
                new LogEntry(new LogIndex(42), new Term(5), EntryKind.NoOp, new KafkaOffset(9), BufferSlice.Empty),
                new LogEntry(new LogIndex(43), new Term(5), EntryKind.Batch, new KafkaOffset(12), payload),
            ],
        };
        Assert.True(_one.Send(Two, Group, sent));
        payload.Release();

        PeerMessage received = await ExpectMsgAsync<PeerMessage>(NodeFixture.Patience);
        Assert.Equal(sent with { Entries = null }, received.Message with { Entries = null });
        Assert.Equal(
            sent.Entries.Select(e => (e.Index, e.Term, e.Kind, e.NextOffset)),
            received.Message.Entries!.Select(e => (e.Index, e.Term, e.Kind, e.NextOffset)));
        Assert.Equal([7, 8, 9], received.Message.Entries![1].Payload.Span.ToArray());
        received.Release();
        await NodeFixture.UntilAsync(() => _buffers.LentBytes == 0);
    }

    [Fact]
    public void A_node_without_peers_is_not_woken_and_one_that_has_them_again_is()
    {
        WatchedTime time = new();
        using PeerHub hub = new(One, Guid.NewGuid(), time, _buffers, new PeerOptions());
        Assert.Equal(Timeout.InfiniteTimeSpan, time.Period);
        for (int round = 0; round < 2; round++)
        {
            hub.Connect(Two, _two.Directory, _toTwo, _toTwo);
            Assert.Equal(hub.Options.PingInterval, time.Period);
            hub.Disconnect(Two);
            Assert.Equal(Timeout.InfiniteTimeSpan, time.Period);
        }
    }

    [Fact]
    public void What_a_node_without_peers_led_once_is_not_kept_for_peers_to_come()
    {
        _one.Announce(Group, new LeaderEpoch(1), [One]);
        _one.Renounce(Group);
        Assert.Empty(_one.Announcements.After(0, 10));
    }

    [Fact]
    public async Task Damaged_frames_are_dropped_whatever_is_wrong_with_them()
    {
        await ConnectAsync();
        _two.Register(Group, TestActor, [One]);
        int seed = Random.Shared.Next();
        Random random = new(seed);
        byte[]? good = null;
        _toTwo.Damage = bytes => good = [.. bytes];
        await NodeFixture.UntilAsync(() => good is not null);
        _toTwo.Damage = null;
        try
        {
            for (int i = 0; i < 2_000; i++)
            {
                byte[] bytes = random.Next(3) switch
                {
                    0 => [.. good![..random.Next(good.Length)]],
                    1 => Noise(random.Next(300)),
                    _ => Flipped(),
                };
                if (random.Next(2) == 0 && bytes.Length > FrameFormat.HeaderBytes) Seal(bytes);
                _two.Receive(new PeerFrame(bytes));
            }
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"seed {seed}", e);
        }

        Assert.True(_two.Meters.RefusedFrames > 500);
        Assert.Equal(0, _buffers.LentBytes);
        await NodeFixture.UntilAsync(() => _two.IsAlive(One));

        byte[] Noise(int length)
        {
            byte[] bytes = new byte[length];
            random.NextBytes(bytes);
            return bytes;
        }

        byte[] Flipped()
        {
            byte[] bytes = [.. good!];
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            return bytes;
        }

        // A right checksum and sender over whatever the records say.
        void Seal(byte[] bytes) => FrameFormat.Seal(bytes, new FrameHeader
        {
            Sender = One.Value,
            SenderDirectory = _one.Directory,
            ReceiverDirectory = _two.Directory,
            Cluster = _one.Cluster,
        });
    }

    [Fact]
    public async Task How_far_a_node_follows_the_metadata_is_heard_of()
    {
        await ConnectAsync();
        Assert.Equal(KafkaOffset.Unknown, _two.FollowedBy(One));
        _one.Followed = new KafkaOffset(5);
        await NodeFixture.UntilAsync(() => _two.FollowedBy(One) == new KafkaOffset(5));
        Assert.Equal(KafkaOffset.Unknown, _two.FollowedBy(new NodeId(3)));
    }

    [Fact]
    public void A_sign_of_life_of_a_version_that_does_not_say_how_far_it_follows_the_metadata_is_understood()
    {
        byte[] bytes = new byte[3 * sizeof(long)];
        FrameReader reader = new(bytes);
        Assert.Equal(new Ping(0, 0, 0, new KafkaOffset(long.MaxValue)), Ping.Read(ref reader));
    }

    [Fact]
    public async Task Frames_of_another_cluster_or_incarnation_are_not_heard()
    {
        using PeerHub stranger = new(One, Guid.NewGuid(), TimeProvider.System, _buffers, new PeerOptions());
        stranger.Form("test");
        stranger.Connect(Two, _two.Directory, _toTwo, _toTwo);
        _two.Connect(One, _one.Directory, _toOne, _toOne);
        await NodeFixture.UntilAsync(() => _two.Meters.RefusedFrames > 2);
        Assert.False(_two.IsAlive(One));

        _one.Form("another");
        _one.Connect(Two, _two.Directory, _toTwo, _toTwo);
        long refused = _two.Meters.RefusedFrames;
        await NodeFixture.UntilAsync(() => _two.Meters.RefusedFrames > refused + 4);
        Assert.False(_two.IsAlive(One));
    }

    [Fact]
    public async Task What_a_peer_speaks_is_known_until_it_is_met_with_another_version()
    {
        Assert.Equal(FeatureLevel.Oldest, _one.LevelWith(Two)); // It was not met.
        Assert.Equal(FeatureLevel.Newest, _one.LevelWith(One));
        await ConnectAsync();
        Assert.Equal(FeatureLevel.Newest, _one.LevelWith(Two));
        _one.Connect(Two, _two.Directory, _toTwo, _toTwo, newestLevel: FeatureLevel.Oldest);
        Assert.Equal(FeatureLevel.Oldest, _one.LevelWith(Two));
        using PeerHub old = Hub(new NodeId(3), new PeerOptions { NewestLevel = FeatureLevel.Oldest });
        old.Connect(Two, _two.Directory, _toTwo, _toTwo);
        Assert.Equal(FeatureLevel.Oldest, old.LevelWith(Two));
    }

    [Fact]
    public async Task A_controller_of_an_older_version_is_not_asked_what_it_does_not_know()
    {
        await ConnectAsync();
        _one.Connect(Two, _two.Directory, _toTwo, _toTwo, newestLevel: FeatureLevel.Oldest);
        _two.Announce(GroupId.Metadata, new LeaderEpoch(1), [Two]);
        PartitionDirectory directory = new();
        CommandRouter router = new(
            One, _one, directory, new PartitionLocator(One, directory, _one.Leaders), new PeerBook(), new PublishedMetadata(),
            Task.FromResult<IActorRef>(ActorRefs.Nobody));
        await NodeFixture.UntilAsync(() => router.Controller == Two);
        MetadataAppendException refused = await Assert.ThrowsAsync<MetadataAppendException>(
            () => router.SubmitAsync(new ChangeLevel(FeatureLevel.Newest), NodeFixture.Patience));
        Assert.Equal(KafkaError.UnsupportedVersion, refused.Error);
        Assert.Contains("node 2, is of an older version that does not know ChangeLevel", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Frames_of_a_newer_version_are_dropped_and_said_once()
    {
        byte[] frame = new byte[FrameFormat.HeaderBytes + 1];
        FrameFormat.Seal(frame, new FrameHeader { Sender = One.Value });
        frame[4] = FrameFormat.Version + 1;
        BinaryPrimitives.WriteUInt32LittleEndian(frame, Crc32C.Compute(frame.AsSpan(sizeof(uint))));
        IActorRef peers = Sys.ActorOf(Props.Create(() => new PeersActor(_two)));
        ActorSelection control = Sys.ActorSelection(peers.Path / PeersActor.ControlName);
        EventFilter.Warning(contains: $"a frame of version {FrameFormat.Version + 1} has come").ExpectOne(() =>
        {
            control.Tell(new PeerFrame(frame));
            control.Tell(new PeerFrame(frame));
            AwaitAssert(() => Assert.True(_two.Meters.RefusedFrames >= 2), NodeFixture.Patience);
        });
    }

    [Fact]
    public async Task Silence_is_noticed_and_so_is_its_end()
    {
        await ConnectAsync();
        _two.Register(Group, TestActor, [One]);
        _toTwo.IsCut = true;
        Assert.Equal(new PeerStatus(One, IsLost: true), await ExpectMsgAsync<PeerStatus>(NodeFixture.Patience));
        await NodeFixture.UntilAsync(() => !_two.IsAlive(One));
        _toTwo.IsCut = false;
        Assert.Equal(new PeerStatus(One, IsLost: false), await ExpectMsgAsync<PeerStatus>(NodeFixture.Patience));
        _two.Disconnect(One);
        Assert.Equal(new PeerStatus(One, IsLost: true), await ExpectMsgAsync<PeerStatus>(NodeFixture.Patience));
    }

    [Fact]
    public async Task Who_leads_what_is_known_to_peers_and_forgotten_with_them()
    {
        _one.Announce(Group, new LeaderEpoch(3), [One, Two]);
        for (int i = 0; i < 3_000; i++) _one.Announce(new GroupId(Group.Topic, 1_000 + i), new LeaderEpoch(1), [One]);
        await ConnectAsync();
        await NodeFixture.UntilAsync(() => _two.Leaders.Locate(new GroupId(Group.Topic, 3_999)) is not null);
        Assert.Equal([One, Two], _two.Leaders.Locate(Group)!.Isr.AsEnumerable());

        _one.Announce(Group, new LeaderEpoch(3), [One]);
        await NodeFixture.UntilAsync(() => _two.Leaders.Locate(Group)!.Isr.Length == 1);
        _two.Announce(Group, new LeaderEpoch(4), [Two]);
        await NodeFixture.UntilAsync(() => _one.Leaders.Locate(Group)!.Leader == Two);
        _one.Renounce(new GroupId(Group.Topic, 1_000));
        await NodeFixture.UntilAsync(() => _two.Leaders.Locate(new GroupId(Group.Topic, 1_000)) is null);

        _toTwo.IsCut = true;
        await NodeFixture.UntilAsync(() => _two.Leaders.Locate(new GroupId(Group.Topic, 2_000)) is null);
        Assert.Equal(Two, _two.Leaders.Locate(Group)!.Leader);
        _toTwo.IsCut = false;
        await NodeFixture.UntilAsync(() => _two.Leaders.Locate(new GroupId(Group.Topic, 2_000)) is not null);
    }

    [Fact]
    public async Task A_replica_hears_that_its_leader_is_none_any_more_though_the_leaders_node_lives()
    {
        await ConnectAsync();
        _one.Announce(Group, new LeaderEpoch(3), [One, Two]);
        await NodeFixture.UntilAsync(() => _two.Leaders.Locate(Group) is not null);
        IgnoreMessages<PeerStatus>();
        _two.Register(Group, TestActor, [One]);
        _one.Unregister(Group);
        await ExpectMsgAsync<LeaderGone>(NodeFixture.Patience);
    }

    [Fact]
    public async Task Beyond_the_window_data_is_dropped_while_control_goes_on()
    {
        // So patient that credit which does not come is never taken for lost.
        using PeerHub one = Hub(One, new PeerOptions { Silence = TimeSpan.FromHours(1) });
        TestLink bulk = new(() => _two);
        bulk.Hold();
        one.Connect(Two, _two.Directory, _toTwo, bulk);
        TestLink toOne = new(() => one);
        _two.Connect(One, one.Directory, toOne, toOne);
        await NodeFixture.UntilAsync(() => one.IsAlive(Two) && _two.IsAlive(One));
        IgnoreMessages<PeerStatus>();
        _two.Register(Group, TestActor, [One]);
        PooledBuffer payload = _buffers.Rent(1 << 20);
        int sent = 0;
        while (one.Send(Two, Group, Append(payload.Slice(0, 1 << 20)))) sent++;
        payload.Release();
        Assert.InRange(sent, 14, 16);
        Assert.True(one.Send(Two, Group, new RaftMessage { Kind = MessageKind.Vote, From = One, To = Two, Term = new Term(1) }));
        PeerMessage vote = await ExpectMsgAsync<PeerMessage>(NodeFixture.Patience);
        Assert.Equal(MessageKind.Vote, vote.Message.Kind);

        bulk.LetGo();
        for (int i = 0; i < sent; i++) (await ExpectMsgAsync<PeerMessage>(NodeFixture.Patience)).Release();
        await NodeFixture.UntilAsync(() => one.Send(Two, Group, Append(BufferSlice.Empty)));
    }

    [Fact]
    public async Task A_frame_that_cannot_be_sent_is_lost_and_those_after_it_are_not()
    {
        await ConnectAsync();
        TestLink bulk = new(() => _two) { Damage = _ => throw new IOException("injected") };
        _one.Connect(Two, _two.Directory, _toTwo, bulk);
        IgnoreMessages<PeerStatus>();
        _two.Register(Group, TestActor, [One]);
        long dropped = _one.Meters.DroppedMessages;
        Assert.True(_one.Send(Two, Group, Append(BufferSlice.Empty)));
        Assert.Equal(dropped + 1, _one.Meters.DroppedMessages);
        bulk.Damage = null;
        Assert.True(_one.Send(Two, Group, Append(BufferSlice.Empty)));
        (await ExpectMsgAsync<PeerMessage>(NodeFixture.Patience)).Release();
    }

    private static RaftMessage Append(BufferSlice payload) => new()
    {
        Kind = MessageKind.Append,
        From = One,
        To = Two,
        Term = new Term(1),
        Entries = [new LogEntry(new LogIndex(1), new Term(1), EntryKind.Batch, new KafkaOffset(1), payload)],
    };

    private PeerHub Hub(NodeId id, PeerOptions? options = null)
    {
        PeerHub hub = new(id, Guid.NewGuid(), TimeProvider.System, _buffers, options ?? new PeerOptions());
        hub.Form("test");
        return hub;
    }

    private async Task ConnectAsync()
    {
        _one.Connect(Two, _two.Directory, _toTwo, _toTwo);
        _two.Connect(One, _one.Directory, _toOne, _toOne);
        await NodeFixture.UntilAsync(() => _one.IsAlive(Two) && _two.IsAlive(One));
    }

    /// <summary>Tells how often the one timer that was made of it fires.</summary>
    private sealed class WatchedTime : TimeProvider
    {
        public TimeSpan Period { get; private set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Period = period;
            return new Watched(this, System.CreateTimer(callback, state, dueTime, period));
        }

        private sealed class Watched(WatchedTime time, ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                time.Period = period;
                return timer.Change(dueTime, period);
            }

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }
}

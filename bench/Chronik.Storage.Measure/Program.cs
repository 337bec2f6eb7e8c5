using System.Diagnostics;
using System.Diagnostics.Metrics;
using Chronik.Model;
using Chronik.Storage;

string parent = args.Length > 0 ? args[0] : Path.GetTempPath();
double seconds = args.Length > 1 ? double.Parse(args[1]) : 4;
string directory = Path.Combine(parent, "chronik-measure");
if (Directory.Exists(directory)) Directory.Delete(directory, recursive: true);
BufferPool pool = new();
StorageOptions options = new() { DataDirectory = directory };
Times times = new();

long started = Stopwatch.GetTimestamp();
NodeStorage storage = Open();
Console.WriteLine($"first start             {Stopwatch.GetElapsedTime(started).TotalMilliseconds,8:F1} ms");

new Load(storage, pool, payloadBytes: 16 << 10, depth: 30, groups: 6).Run(0.5, sync: true);
foreach (bool sync in (bool[])[true, false, true])
{
    times.Reset();
    TimeSpan cpu = Environment.CpuUsage.TotalTime;
    Load load = new(storage, pool, payloadBytes: 16 << 10, depth: 30, groups: 6);
    (double took, long entries) = load.Run(seconds, sync);
    cpu = Environment.CpuUsage.TotalTime - cpu;
    double mb = entries * (16 << 10) / 1e6;
    Console.WriteLine(
        $"16 KiB x 30, {(sync ? "sync   " : "relaxed")}    {mb / took,8:F0} MB/s  {times.Writes / took,6:F0} writes/s"
        + $"  write {times.WriteSeconds / took,5:P0}  sync {times.SyncSeconds / took,5:P0}"
        + $"  other {1 - ((times.WriteSeconds + times.SyncSeconds) / took),5:P0}"
        + $"  sync mean {(times.Syncs == 0 ? 0 : times.SyncSeconds / times.Syncs * 1e3),6:F2} ms"
        + $"  cpu {cpu.TotalSeconds / mb * 1000:F2} s/GB");
}

times.Reset();
started = Stopwatch.GetTimestamp();
Load many = new(storage, pool, payloadBytes: 100, depth: 1000, groups: 1000);
many.Once();
Console.WriteLine($"1000 groups' first write {Stopwatch.GetElapsedTime(started).TotalMilliseconds,7:F1} ms in {times.Writes} writes");

// The process is not killed here, but what is left behind is the same: no closing record, and pages in the cache.
long walBytes = Directory.GetFiles(Path.Combine(directory, "wal")).Sum(f => new FileInfo(f).Length);
storage.Dispose();
started = Stopwatch.GetTimestamp();
storage = Open();
double readBack = Stopwatch.GetElapsedTime(started).TotalSeconds;
Console.WriteLine($"start with {walBytes / 1e6:F0} MB of WAL {readBack * 1e3,8:F1} ms, {walBytes / 1e6 / readBack:F0} MB/s");
storage.Dispose();
Directory.Delete(directory, recursive: true);

NodeStorage Open()
{
    NodeStorage opened = NodeStorage.Open(options, new NodeId(1), null, new FileDisk(), pool, TimeProvider.System);
    Dictionary<GroupId, LogIndex> released = [];
    opened.CheckpointWanted += group =>
    {
        HardState hardState = new(new Term(1), new NodeId(1));
        if (Load.Last.TryGetValue(group, out LogIndex last))
            opened.Checkpoint(group, new Checkpoint(last, new Term(1), default, default, hardState, default), null);
    };
    return opened;
}

/// <summary>Keeps a number of appends in flight.</summary>
internal sealed class Load(NodeStorage storage, BufferPool pool, int payloadBytes, int depth, int groups)
{
    private static int _serial;
    private readonly int _id = ++_serial;

    public static System.Collections.Concurrent.ConcurrentDictionary<GroupId, LogIndex> Last { get; } = new();

    public (double Seconds, long Entries) Run(double seconds, bool sync)
    {
        long started = Stopwatch.GetTimestamp();
        long entries = 0;
        using SemaphoreSlim done = new(0);
        for (int i = 0; i < depth; i++) Start(new Lane(this, Group(i % groups), i), sync);
        for (int i = 0; i < depth; i++) done.Wait();
        return (Stopwatch.GetElapsedTime(started).TotalSeconds, entries);

        void Start(Lane lane, bool durable)
        {
            lane.Done = () =>
            {
                Interlocked.Increment(ref entries);
                if (Stopwatch.GetElapsedTime(started).TotalSeconds < seconds) return true;
                done.Release();
                return false;
            };
            lane.Append(durable);
        }
    }

    public void Once()
    {
        using CountdownEvent done = new(depth);
        for (int i = 0; i < depth; i++)
        {
            Lane lane = new(this, Group(i % groups), i) { Done = () => done.Signal() && false };
            lane.Append(sync: true);
        }

        done.Wait();
    }

    private GroupId Group(int i) => new(new TopicId(new Guid(_id, 0, 0, new byte[8])), i);

    private sealed class Lane(Load load, GroupId group, int number) : IWalCompletion
    {
        private readonly LogEntry[] _entries = new LogEntry[1];
        private readonly WalWrite _write = new();
        private static readonly Lock Order = new();

        public Func<bool> Done { get; set; } = () => false;

        public void Append(bool sync)
        {
            lock (Order)
            {
                LogIndex index = Next.AddOrUpdate(group, new LogIndex(1), (_, last) => last.Next);
                PooledBuffer buffer = load.Pool.Rent(load.PayloadBytes);
                buffer.Span.Fill((byte)number);
                _entries[0] = new LogEntry(index, new Term(1), EntryKind.Batch, default, buffer.Slice(0, load.PayloadBytes));
                _write.Group = group;
                _write.Entries = _entries;
                _write.Sync = sync;
                _write.Completion = this;
                load.Storage.Wal.Append(_write);
                buffer.Release();
            }
        }

        public void Completed(WalWrite write, Exception? failure)
        {
            if (failure is not null) throw new InvalidOperationException("the WAL failed", failure);
            Last[group] = write.Entries[0].Index;
            bool sync = write.Sync;
            if (Done()) ThreadPool.UnsafeQueueUserWorkItem(static s => s.Item1.Append(s.sync), (this, sync), preferLocal: false);
        }
    }

    private static System.Collections.Concurrent.ConcurrentDictionary<GroupId, LogIndex> Next { get; } = new();

    private NodeStorage Storage => storage;

    private BufferPool Pool => pool;

    private int PayloadBytes => payloadBytes;
}

/// <summary>Adds up what storage's meters say.</summary>
internal sealed class Times
{
    private readonly MeterListener _listener = new();

    public Times()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "Chronik.Storage") listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, _, _) =>
        {
            if (instrument.Name == "chronik.wal.write.duration")
            {
                WriteSeconds += value;
                Writes++;
            }
            else if (instrument.Name == "chronik.wal.sync.duration")
            {
                SyncSeconds += value;
                Syncs++;
            }
        });
        _listener.Start();
    }

    public double WriteSeconds { get; private set; }

    public double SyncSeconds { get; private set; }

    public long Writes { get; private set; }

    public long Syncs { get; private set; }

    public void Reset() => (WriteSeconds, SyncSeconds, Writes, Syncs) = (0, 0, 0, 0);
}

namespace Chronik.Simulation;

/// <summary>What happens at a moment.</summary>
internal enum EventKind : byte
{
    /// <summary>Something planned: <see cref="Event.What"/> is an <see cref="Action"/>.</summary>
    Action,

    /// <summary>A node's ticker.</summary>
    Tick,

    /// <summary>A node's disk gets to what was queued.</summary>
    Disk,

    /// <summary>A message arrives: <see cref="Event.What"/> is an <see cref="Envelope"/>.</summary>
    Message,

    /// <summary>Something planned on one node, void once it has crashed: <see cref="Event.What"/> is an <see cref="Action"/>.</summary>
    OnNode,
}

/// <summary>Something that will happen.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Node">On which node; -1 when it concerns none.</param>
/// <param name="Incarnation">Of which life of the node: a crash makes what was planned void.</param>
/// <param name="What">The rest.</param>
internal readonly record struct Event(EventKind Kind, int Node, int Incarnation, object? What);

/// <summary>Events by time; those of the same microsecond in the order in which they were planned.</summary>
internal sealed class EventQueue
{
    private Slot[] _heap = new Slot[256];
    private int _count;
    private long _planned;

    /// <summary>Virtual time in microseconds.</summary>
    public long Now { get; private set; }

    public int Count => _count;

    public long NextAt => _count == 0 ? long.MaxValue : _heap[0].At;

    public void Plan(long at, in Event what)
    {
        if (_count == _heap.Length) Array.Resize(ref _heap, _heap.Length * 2);
        Slot slot = new(Math.Max(at, Now), _planned++, what);
        int hole = _count++;
        while (hole > 0)
        {
            int parent = (hole - 1) / 2;
            if (!slot.IsBefore(_heap[parent])) break;
            _heap[hole] = _heap[parent];
            hole = parent;
        }

        _heap[hole] = slot;
    }

    /// <summary>Takes the next event and moves time to it.</summary>
    public Event Take()
    {
        Slot first = _heap[0];
        Slot last = _heap[--_count];
        _heap[_count] = default;
        int hole = 0;
        for (int child = 1; child < _count; child = (2 * hole) + 1)
        {
            if (child + 1 < _count && _heap[child + 1].IsBefore(_heap[child])) child++;
            if (!_heap[child].IsBefore(last)) break;
            _heap[hole] = _heap[child];
            hole = child;
        }

        if (_count > 0) _heap[hole] = last;
        Now = first.At;
        return first.What;
    }

    /// <summary>Lets time pass in which nothing happens.</summary>
    public void PassTo(long at) => Now = Math.Max(Now, at);

    private readonly record struct Slot(long At, long Order, Event What)
    {
        public bool IsBefore(in Slot other) => At < other.At || (At == other.At && Order < other.Order);
    }
}

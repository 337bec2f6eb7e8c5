namespace Chronik.Groups;

/// <summary>What a timer is for.</summary>
internal enum GroupTimerKind
{
    /// <summary>A member's session, or how long a handed-out member id may stay unused.</summary>
    Session,

    /// <summary>How long a rebalance waits for joins.</summary>
    Join,

    /// <summary>How long a generation waits for syncs.</summary>
    Sync,

    /// <summary>The next look for expired offsets.</summary>
    Sweep,
}

/// <summary>Names a timer; there is at most one of a name.</summary>
internal readonly record struct GroupTimerKey(GroupTimerKind Kind, string GroupId, string MemberId);

/// <summary>
/// Every timer of a coordinator, of which the shell only sees the earliest. Moving a timer further away, which every heartbeat does, costs
/// no more than a store: the queue keeps the old time and moves the timer on when that is reached.
/// </summary>
internal sealed class GroupTimers
{
    private readonly Dictionary<GroupTimerKey, Timer> _timers = [];
    private readonly PriorityQueue<Timer, long> _queue = new();

    /// <summary>When the next timer may be due; null when none is set.</summary>
    public long? NextDueMs
    {
        get
        {
            while (_queue.TryPeek(out Timer? timer, out long at))
            {
                if (timer.QueuedAtMs == at && timer.DueMs is not null) return at;
                _queue.Dequeue();
                Unqueue(timer, at);
            }

            return null;
        }
    }

    public void Set(GroupTimerKey key, long dueMs)
    {
        if (!_timers.TryGetValue(key, out Timer? timer)) _timers.Add(key, timer = new Timer(key));
        timer.DueMs = dueMs;
        if (timer.QueuedAtMs is long queued && queued <= dueMs) return;
        timer.QueuedAtMs = dueMs;
        _queue.Enqueue(timer, dueMs);
    }

    public void Cancel(GroupTimerKey key)
    {
        if (_timers.TryGetValue(key, out Timer? timer)) timer.DueMs = null;
    }

    /// <summary>Takes a timer that is due; false when there is none left.</summary>
    public bool TryTakeDue(long nowMs, out GroupTimerKey key)
    {
        while (_queue.TryPeek(out Timer? timer, out long at) && at <= nowMs)
        {
            _queue.Dequeue();
            if (timer.QueuedAtMs != at) continue;
            if (timer.DueMs is long due && due > nowMs)
            {
                timer.QueuedAtMs = due;
                _queue.Enqueue(timer, due);
                continue;
            }

            _timers.Remove(timer.Key);
            timer.QueuedAtMs = null;
            if (timer.DueMs is null) continue;
            key = timer.Key;
            return true;
        }

        key = default;
        return false;
    }

    public void Clear()
    {
        _timers.Clear();
        _queue.Clear();
    }

    private void Unqueue(Timer timer, long at)
    {
        if (timer.QueuedAtMs != at) return;
        timer.QueuedAtMs = null;
        _timers.Remove(timer.Key);
    }

    private sealed class Timer(GroupTimerKey key)
    {
        public GroupTimerKey Key { get; } = key;

        /// <summary>When it fires; null once cancelled.</summary>
        public long? DueMs { get; set; }

        /// <summary>Its valid place in the queue. Invariant: not later than <see cref="DueMs"/>.</summary>
        public long? QueuedAtMs { get; set; }
    }
}

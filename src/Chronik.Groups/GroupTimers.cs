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
    private readonly Dictionary<GroupTimerKey, Deadline> _deadlines = [];
    private readonly PriorityQueue<Deadline, long> _queue = new();

    /// <summary>When the next timer may be due; null when none is set.</summary>
    public long? NextDueMs
    {
        get
        {
            while (_queue.TryPeek(out Deadline? deadline, out long at))
            {
                if (deadline.QueuedAtMs == at && deadline.DueMs is not null) return at;
                _queue.Dequeue();
                Unqueue(deadline, at);
            }

            return null;
        }
    }

    public void Set(GroupTimerKey key, long dueMs)
    {
        if (!_deadlines.TryGetValue(key, out Deadline? deadline)) _deadlines.Add(key, deadline = new Deadline(key));
        deadline.DueMs = dueMs;
        if (deadline.QueuedAtMs is long queued && queued <= dueMs) return;
        deadline.QueuedAtMs = dueMs;
        _queue.Enqueue(deadline, dueMs);
    }

    public void Cancel(GroupTimerKey key)
    {
        if (_deadlines.TryGetValue(key, out Deadline? deadline)) deadline.DueMs = null;
    }

    /// <summary>Takes a timer that is due; false when there is none left.</summary>
    public bool TryTakeDue(long nowMs, out GroupTimerKey key)
    {
        while (_queue.TryPeek(out Deadline? deadline, out long at) && at <= nowMs)
        {
            _queue.Dequeue();
            if (deadline.QueuedAtMs != at) continue;
            if (deadline.DueMs is long due && due > nowMs)
            {
                deadline.QueuedAtMs = due;
                _queue.Enqueue(deadline, due);
                continue;
            }

            _deadlines.Remove(deadline.Key);
            deadline.QueuedAtMs = null;
            if (deadline.DueMs is null) continue;
            key = deadline.Key;
            return true;
        }

        key = default;
        return false;
    }

    public void Clear()
    {
        _deadlines.Clear();
        _queue.Clear();
    }

    private void Unqueue(Deadline deadline, long at)
    {
        if (deadline.QueuedAtMs != at) return;
        deadline.QueuedAtMs = null;
        _deadlines.Remove(deadline.Key);
    }

    private sealed class Deadline(GroupTimerKey key)
    {
        public GroupTimerKey Key { get; } = key;

        /// <summary>When it fires; null once cancelled.</summary>
        public long? DueMs { get; set; }

        /// <summary>Its valid place in the queue. Invariant: not later than <see cref="DueMs"/>.</summary>
        public long? QueuedAtMs { get; set; }
    }
}

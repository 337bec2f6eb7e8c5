using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>Waits for a partition to grow.</summary>
public interface IFetchWaiter
{
    /// <summary>
    /// The high watermark passed what was waited for, or the partition changed in some other way. Any thread: it must only hand over.
    /// </summary>
    void Wake();
}

/// <summary>
/// The readers that wait for a partition's high watermark. Thread-safe. A waiter is woken at most once for each time it was added.
/// </summary>
public sealed class FetchWaiters
{
    private readonly object _gate = new();
    private List<Waiting>? _waiting;
    private KafkaOffset _highWatermark;

    /// <summary>
    /// Wakes <paramref name="waiter"/> once the high watermark is above <paramref name="above"/>; at once when it already is.
    /// </summary>
    public void Add(IFetchWaiter waiter, KafkaOffset above)
    {
        lock (_gate)
        {
            if (_highWatermark <= above)
            {
                (_waiting ??= []).Add(new Waiting(waiter, above));
                return;
            }
        }

        waiter.Wake();
    }

    /// <summary>Forgets <paramref name="waiter"/>; nothing happens when it is not there.</summary>
    public void Remove(IFetchWaiter waiter)
    {
        lock (_gate) _waiting?.RemoveAll(w => ReferenceEquals(w.Waiter, waiter));
    }

    /// <summary>The high watermark moved.</summary>
    internal void Advance(KafkaOffset highWatermark)
    {
        List<IFetchWaiter>? woken = null;
        lock (_gate)
        {
            _highWatermark = highWatermark;
            if (_waiting is null || _waiting.Count == 0) return;
            for (int i = _waiting.Count - 1; i >= 0; i--)
            {
                if (_waiting[i].Above >= highWatermark) continue;
                (woken ??= []).Add(_waiting[i].Waiter);
                _waiting[i] = _waiting[^1];
                _waiting.RemoveAt(_waiting.Count - 1);
            }
        }

        WakeAll(woken);
    }

    /// <summary>The partition went away or changed hands: everyone looks again.</summary>
    internal void WakeAll(KafkaOffset highWatermark)
    {
        List<IFetchWaiter>? woken;
        lock (_gate)
        {
            _highWatermark = highWatermark;
            woken = _waiting?.ConvertAll(w => w.Waiter);
            _waiting = null;
        }

        WakeAll(woken);
    }

    private static void WakeAll(List<IFetchWaiter>? woken)
    {
        if (woken is null) return;
        foreach (IFetchWaiter waiter in woken) waiter.Wake();
    }

    private readonly record struct Waiting(IFetchWaiter Waiter, KafkaOffset Above);
}

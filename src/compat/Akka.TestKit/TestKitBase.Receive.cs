using System.Collections;

namespace Akka.TestKit;

/// <content>
/// Taking messages without expecting anything of them. Each method exists twice over one implementation: a blocking call never leaves its
/// thread, so its task is complete when it returns.
/// </content>
public abstract partial class TestKitBase
{
    /// <summary>The next message; null when none came in time.</summary>
    public object ReceiveOne(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        Done(Receive(max, blocking: true, cancellationToken))?.Message;

    public async ValueTask<object> ReceiveOneAsync(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        (await Receive(max, blocking: false, cancellationToken))?.Message;

    public bool TryReceiveOne(out MessageEnvelope envelope, TimeSpan? max = null, CancellationToken cancellationToken = default)
    {
        var received = Done(Receive(max, blocking: true, cancellationToken));
        envelope = received ?? NullMessageEnvelope.Instance;
        return received != null;
    }

    public async ValueTask<(bool success, MessageEnvelope envelope)> TryReceiveOneAsync(
        TimeSpan? max, CancellationToken cancellationToken = default)
    {
        var received = await Receive(max, blocking: false, cancellationToken);
        return (received != null, received ?? NullMessageEnvelope.Instance);
    }

    /// <summary>The next message, which stays the next one; null when none came in time.</summary>
    public object PeekOne(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        _queue.Peek(Limit(max), cancellationToken)?.Message;

    public object PeekOne(CancellationToken cancellationToken) => PeekOne(null, cancellationToken);

    public async ValueTask<object> PeekOneAsync(TimeSpan? max = null, CancellationToken cancellationToken = default) =>
        (await _queue.PeekAsync(Limit(max), cancellationToken))?.Message;

    public ValueTask<object> PeekOneAsync(CancellationToken cancellationToken) => PeekOneAsync(null, cancellationToken);

    /// <summary>So many messages, within what is left of the innermost Within.</summary>
    public IReadOnlyCollection<object> ReceiveN(int numberOfMessages, CancellationToken cancellationToken = default) =>
        Done(ReceiveMany(numberOfMessages, RemainingOrDefault, blocking: true, cancellationToken));

    public IReadOnlyCollection<object> ReceiveN(int numberOfMessages, TimeSpan max, CancellationToken cancellationToken = default) =>
        Done(ReceiveMany(numberOfMessages, Dilated(max), blocking: true, cancellationToken));

    public IAsyncEnumerable<object> ReceiveNAsync(int numberOfMessages, CancellationToken cancellationToken = default) =>
        Each<object>(() => ReceiveMany(numberOfMessages, RemainingOrDefault, blocking: false, cancellationToken));

    public IAsyncEnumerable<object> ReceiveNAsync(int numberOfMessages, TimeSpan max, CancellationToken cancellationToken = default) =>
        Each<object>(() => ReceiveMany(numberOfMessages, Dilated(max), blocking: false, cancellationToken));

    /// <summary>Messages as long as the filter makes something of them; the first one that it refuses stays.</summary>
    public IReadOnlyList<T> ReceiveWhile<T>(
        TimeSpan? max, Func<object, T> filter, int msgs = int.MaxValue, CancellationToken cancellationToken = default) =>
        Done(ReceiveSome(max, null, filter, msgs, blocking: true, cancellationToken));

    public IReadOnlyList<T> ReceiveWhile<T>(
        TimeSpan? max, TimeSpan? idle, Func<object, T> filter, int msgs = int.MaxValue, CancellationToken cancellationToken = default) =>
        Done(ReceiveSome(max, idle, filter, msgs, blocking: true, cancellationToken));

    public IReadOnlyList<T> ReceiveWhile<T>(
        Func<object, T> filter,
        TimeSpan? max = null,
        TimeSpan? idle = null,
        int msgs = int.MaxValue,
        CancellationToken cancellationToken = default) =>
        Done(ReceiveSome(max, idle, filter, msgs, blocking: true, cancellationToken));

    /// <summary>Messages of a type as long as the predicate holds; others are passed over, or end it.</summary>
    public IReadOnlyList<T> ReceiveWhile<T>(
        Predicate<T> shouldContinue,
        TimeSpan? max = null,
        TimeSpan? idle = null,
        int msgs = int.MaxValue,
        bool shouldIgnoreOtherMessageTypes = true,
        CancellationToken cancellationToken = default) =>
        Done(ReceiveOfType(shouldContinue, max, idle, msgs, shouldIgnoreOtherMessageTypes, blocking: true, cancellationToken));

    public IAsyncEnumerable<T> ReceiveWhileAsync<T>(
        TimeSpan? max, Func<object, T> filter, int msgs = int.MaxValue, CancellationToken cancellationToken = default) =>
        Each<T>(() => ReceiveSome(max, null, filter, msgs, blocking: false, cancellationToken));

    public IAsyncEnumerable<T> ReceiveWhileAsync<T>(
        TimeSpan? max, TimeSpan? idle, Func<object, T> filter, int msgs = int.MaxValue, CancellationToken cancellationToken = default) =>
        Each<T>(() => ReceiveSome(max, idle, filter, msgs, blocking: false, cancellationToken));

    public IAsyncEnumerable<T> ReceiveWhileAsync<T>(
        Func<object, T> filter,
        TimeSpan? max = null,
        TimeSpan? idle = null,
        int msgs = int.MaxValue,
        CancellationToken cancellationToken = default) =>
        Each<T>(() => ReceiveSome(max, idle, filter, msgs, blocking: false, cancellationToken));

    public IAsyncEnumerable<T> ReceiveWhileAsync<T>(
        Predicate<T> shouldContinue,
        TimeSpan? max = null,
        TimeSpan? idle = null,
        int msgs = int.MaxValue,
        bool shouldIgnoreOtherMessageTypes = true,
        CancellationToken cancellationToken = default) =>
        Each<T>(() => ReceiveOfType(shouldContinue, max, idle, msgs, shouldIgnoreOtherMessageTypes, blocking: false, cancellationToken));

    /// <summary>Passes over messages until one fits; all of it within <paramref name="max"/>.</summary>
    public object FishForMessage(
        Predicate<object> isMessage, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default) =>
        FishForMessage<object>(isMessage, max, hint, cancellationToken);

    public T FishForMessage<T>(
        Predicate<T> isMessage, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default) =>
        FishForMessage(isMessage, null, max, hint, cancellationToken);

    /// <summary>The same; what was passed over is added to <paramref name="allMessages"/>.</summary>
    public T FishForMessage<T>(
        Predicate<T> isMessage,
        ArrayList allMessages,
        TimeSpan? max = null,
        string hint = "",
        CancellationToken cancellationToken = default) =>
        Done(Fish(isMessage, allMessages, max, hint, blocking: true, cancellationToken));

    public ValueTask<object> FishForMessageAsync(
        Predicate<object> isMessage, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default) =>
        Fish(isMessage, null, max, hint, blocking: false, cancellationToken);

    public ValueTask<T> FishForMessageAsync<T>(
        Predicate<T> isMessage, TimeSpan? max = null, string hint = "", CancellationToken cancellationToken = default) =>
        Fish(isMessage, null, max, hint, blocking: false, cancellationToken);

    public ValueTask<T> FishForMessageAsync<T>(
        Predicate<T> isMessage,
        ArrayList allMessages,
        TimeSpan? max = null,
        string hint = "",
        CancellationToken cancellationToken = default) => Fish(isMessage, allMessages, max, hint, blocking: false, cancellationToken);

    private static T Done<T>(ValueTask<T> task) => task.GetAwaiter().GetResult();

    private static async IAsyncEnumerable<T> Each<T>(Func<ValueTask<List<T>>> receive)
    {
        foreach (var item in await receive()) yield return item;
    }

    /// <summary>A time of zero takes what is there; a missing one means the default.</summary>
    private TimeSpan Limit(TimeSpan? max) => max == Timeout.InfiniteTimeSpan ? max.Value : RemainingOrDilated(max);

    private ValueTask<MessageEnvelope> Receive(TimeSpan? max, bool blocking, CancellationToken cancellationToken) =>
        Take(Limit(max), blocking, cancellationToken);

    private async ValueTask<MessageEnvelope> Take(TimeSpan limit, bool blocking, CancellationToken cancellationToken)
    {
        var envelope = blocking ? _queue.Take(limit, cancellationToken) : await _queue.TakeAsync(limit, cancellationToken);
        _lastWasNoMsg = false;
        _last = envelope ?? NullMessageEnvelope.Instance;
        return envelope;
    }

    private async ValueTask<List<object>> ReceiveMany(int count, TimeSpan max, bool blocking, CancellationToken cancellationToken)
    {
        var received = new List<object>(count);
        var stop = Now + max;
        while (received.Count < count)
        {
            var envelope = await Take(Max(stop - Now, TimeSpan.Zero), blocking, cancellationToken);
            if (envelope == null)
            {
                _assertions.Fail(
                    "Timeout ({0}) while expecting {1} messages. Only got {2} after {0}: [{3}]",
                    max,
                    count,
                    received.Count,
                    string.Join(", ", received));
                break;
            }

            received.Add(envelope.Message);
        }

        return received;
    }

    private async ValueTask<List<T>> ReceiveSome<T>(
        TimeSpan? max, TimeSpan? idle, Func<object, T> filter, int msgs, bool blocking, CancellationToken cancellationToken)
    {
        var received = new List<T>();
        var stop = Now + RemainingOrDilated(max);
        MessageEnvelope last = NullMessageEnvelope.Instance;
        while (received.Count < msgs)
        {
            var left = Max(stop - Now, TimeSpan.Zero);
            var limit = idle.HasValue ? Min(left, Dilated(idle.Value)) : left;
            var next = blocking ? _queue.Peek(limit, cancellationToken) : await _queue.PeekAsync(limit, cancellationToken);
            if (next == null) break;
            var result = filter(next.Message);
            if (result == null) break;
            last = await Take(TimeSpan.Zero, blocking, cancellationToken);
            received.Add(result);
        }

        _last = last;
        _lastWasNoMsg = true;
        return received;
    }

    private async ValueTask<List<T>> ReceiveOfType<T>(
        Predicate<T> shouldContinue,
        TimeSpan? max,
        TimeSpan? idle,
        int msgs,
        bool ignoreOthers,
        bool blocking,
        CancellationToken cancellationToken)
    {
        var others = new object();
        var all = await ReceiveSome<object>(
            max,
            idle,
            message => message is T typed ? shouldContinue(typed) ? message : null : ignoreOthers ? others : null,
            msgs,
            blocking,
            cancellationToken);
        var received = new List<T>(all.Count);
        foreach (var message in all)
            if (message != others) received.Add((T)message);
        return received;
    }

    private async ValueTask<T> Fish<T>(
        Predicate<T> isMessage, ArrayList passed, TimeSpan? max, string hint, bool blocking, CancellationToken cancellationToken)
    {
        var limit = RemainingOrDilated(max);
        var stop = Now + limit;
        while (true)
        {
            var envelope = await Take(Max(stop - Now, TimeSpan.Zero), blocking, cancellationToken);
            if (envelope == null)
            {
                _assertions.Fail(
                    "Timeout ({0}) during fishForMessage{1}", limit, string.IsNullOrEmpty(hint) ? "" : ", hint: " + hint);
                return default;
            }

            if (envelope.Message is T typed && isMessage(typed)) return typed;
            passed?.Add(envelope.Message);
        }
    }
}

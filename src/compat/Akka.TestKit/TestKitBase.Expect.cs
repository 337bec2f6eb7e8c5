using Akka.Actor;

namespace Akka.TestKit;

/// <content>Taking messages and failing when they are not what was expected.</content>
public abstract partial class TestKitBase
{
    /// <summary>The next message, which has to be of this type.</summary>
    public T ExpectMsg<T>(TimeSpan? duration = null, string hint = null, CancellationToken cancellationToken = default) =>
        Done(Expect<T>(duration, hint, Anything, blocking: true, cancellationToken));

    /// <summary>The next message, which has to equal the given one.</summary>
    public T ExpectMsg<T>(T message, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Done(Expect<T>(timeout, hint, Equal(message, hint), blocking: true, cancellationToken));

    public T ExpectMsg<T>(
        Predicate<T> isMessage, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Done(Expect(timeout, hint, Fits(isMessage, hint), blocking: true, cancellationToken));

    public T ExpectMsg<T>(
        Action<T> assert, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Done(Expect<T>(timeout, hint, (message, _) => assert(message), blocking: true, cancellationToken));

    public T ExpectMsg<T>(
        Func<T, IActorRef, bool> isMessageAndSender,
        TimeSpan? timeout = null,
        string hint = null,
        CancellationToken cancellationToken = default) =>
        Done(Expect(timeout, hint, Fits(isMessageAndSender, hint), blocking: true, cancellationToken));

    public T ExpectMsg<T>(
        Action<T, IActorRef> assertMessageAndSender,
        TimeSpan? timeout = null,
        string hint = null,
        CancellationToken cancellationToken = default) =>
        Done(Expect(timeout, hint, assertMessageAndSender, blocking: true, cancellationToken));

    public T ExpectMsg<T>(
        T expected,
        Func<T, T, bool> comparer,
        TimeSpan? timeout = null,
        string hint = null,
        CancellationToken cancellationToken = default) =>
        Done(Expect<T>(timeout, hint, Equal(expected, comparer, hint), blocking: true, cancellationToken));

    public ValueTask<T> ExpectMsgAsync<T>(
        TimeSpan? duration = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<T>(duration, hint, Anything, blocking: false, cancellationToken);

    public ValueTask<T> ExpectMsgAsync<T>(
        T message, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, hint, Equal(message, hint), blocking: false, cancellationToken);

    public ValueTask<T> ExpectMsgAsync<T>(
        Predicate<T> isMessage, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect(timeout, hint, Fits(isMessage, hint), blocking: false, cancellationToken);

    public ValueTask<T> ExpectMsgAsync<T>(
        Action<T> assert, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, hint, (message, _) => assert(message), blocking: false, cancellationToken);

    public ValueTask<T> ExpectMsgAsync<T>(
        Func<T, IActorRef, bool> isMessageAndSender,
        TimeSpan? timeout = null,
        string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect(timeout, hint, Fits(isMessageAndSender, hint), blocking: false, cancellationToken);

    public ValueTask<T> ExpectMsgAsync<T>(
        Action<T, IActorRef> assertMessageAndSender,
        TimeSpan? timeout = null,
        string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect(timeout, hint, assertMessageAndSender, blocking: false, cancellationToken);

    public ValueTask<T> ExpectMsgAsync<T>(
        T expected,
        Func<T, T, bool> comparer,
        TimeSpan? timeout = null,
        string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, hint, Equal(expected, comparer, hint), blocking: false, cancellationToken);

    public T ExpectMsgFrom<T>(
        IActorRef sender, TimeSpan? duration = null, string hint = null, CancellationToken cancellationToken = default) =>
        Done(Expect<T>(duration, hint, From<T>(sender, hint), blocking: true, cancellationToken));

    public T ExpectMsgFrom<T>(
        IActorRef sender, T message, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Done(Expect<T>(timeout, hint, From<T>(sender, hint) + Equal(message, hint), blocking: true, cancellationToken));

    public T ExpectMsgFrom<T>(
        IActorRef sender,
        Predicate<T> isMessage,
        TimeSpan? timeout = null,
        string hint = null,
        CancellationToken cancellationToken = default) =>
        Done(Expect(timeout, hint, From<T>(sender, hint) + Fits(isMessage, hint), blocking: true, cancellationToken));

    public T ExpectMsgFrom<T>(
        IActorRef sender,
        Action<T> assertMessage,
        TimeSpan? timeout = null,
        string hint = null,
        CancellationToken cancellationToken = default) =>
        Done(Expect<T>(
            timeout, hint, From<T>(sender, hint) + ((message, _) => assertMessage(message)), blocking: true, cancellationToken));

    public ValueTask<T> ExpectMsgFromAsync<T>(
        IActorRef sender, TimeSpan? duration = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<T>(duration, hint, From<T>(sender, hint), blocking: false, cancellationToken);

    public ValueTask<T> ExpectMsgFromAsync<T>(
        IActorRef sender, T message, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect<T>(timeout, hint, From<T>(sender, hint) + Equal(message, hint), blocking: false, cancellationToken);

    public ValueTask<T> ExpectMsgFromAsync<T>(
        IActorRef sender,
        Predicate<T> isMessage,
        TimeSpan? timeout = null,
        string hint = null,
        CancellationToken cancellationToken = default) =>
        Expect(timeout, hint, From<T>(sender, hint) + Fits(isMessage, hint), blocking: false, cancellationToken);

    /// <summary>The next messages, which have to be these, in any order.</summary>
    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(params T[] messages) =>
        Done(ExpectAll(RemainingOrDefault, messages, blocking: true, CancellationToken.None));

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(
        IReadOnlyCollection<T> messages, CancellationToken cancellationToken = default) =>
        Done(ExpectAll(RemainingOrDefault, messages, blocking: true, cancellationToken));

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(TimeSpan max, params T[] messages) =>
        Done(ExpectAll(Dilated(max), messages, blocking: true, CancellationToken.None));

    public IReadOnlyCollection<T> ExpectMsgAllOf<T>(
        TimeSpan max, IReadOnlyCollection<T> messages, CancellationToken cancellationToken = default) =>
        Done(ExpectAll(Dilated(max), messages, blocking: true, cancellationToken));

    public IAsyncEnumerable<T> ExpectMsgAllOfAsync<T>(
        IReadOnlyCollection<T> messages, CancellationToken cancellationToken = default) =>
        Each<T>(() => ExpectAll(RemainingOrDefault, messages, blocking: false, cancellationToken));

    public IAsyncEnumerable<T> ExpectMsgAllOfAsync<T>(
        TimeSpan max, IReadOnlyCollection<T> messages, CancellationToken cancellationToken = default) =>
        Each<T>(() => ExpectAll(Dilated(max), messages, blocking: false, cancellationToken));

    /// <summary>The next message, which has to be one of these.</summary>
    public T ExpectMsgAnyOf<T>(IEnumerable<T> messages, CancellationToken cancellationToken = default) =>
        Done(Expect(null, null, OneOf(messages), blocking: true, cancellationToken));

    public ValueTask<T> ExpectMsgAnyOfAsync<T>(IEnumerable<T> messages, CancellationToken cancellationToken = default) =>
        Expect(null, null, OneOf(messages), blocking: false, cancellationToken);

    /// <summary>The end of a watched actor.</summary>
    public Terminated ExpectTerminated(
        IActorRef target, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Done(Expect(timeout, hint, Of(target, hint), blocking: true, cancellationToken));

    public ValueTask<Terminated> ExpectTerminatedAsync(
        IActorRef target, TimeSpan? timeout = null, string hint = null, CancellationToken cancellationToken = default) =>
        Expect(timeout, hint, Of(target, hint), blocking: false, cancellationToken);

    /// <summary>Waits for akka.test.expect-no-message-default, in which no message may come.</summary>
    public void ExpectNoMsg(CancellationToken cancellationToken = default) =>
        Done(ExpectNone(Dilated(TestKitSettings.ExpectNoMessageDefault), blocking: true, cancellationToken));

    public void ExpectNoMsg(TimeSpan duration, CancellationToken cancellationToken = default) =>
        Done(ExpectNone(Dilated(duration), blocking: true, cancellationToken));

    public void ExpectNoMsg(int milliseconds, CancellationToken cancellationToken = default) =>
        ExpectNoMsg(TimeSpan.FromMilliseconds(milliseconds), cancellationToken);

    public async ValueTask ExpectNoMsgAsync(CancellationToken cancellationToken = default) =>
        await ExpectNone(Dilated(TestKitSettings.ExpectNoMessageDefault), blocking: false, cancellationToken);

    public async ValueTask ExpectNoMsgAsync(TimeSpan duration, CancellationToken cancellationToken = default) =>
        await ExpectNone(Dilated(duration), blocking: false, cancellationToken);

    public ValueTask ExpectNoMsgAsync(int milliseconds, CancellationToken cancellationToken = default) =>
        ExpectNoMsgAsync(TimeSpan.FromMilliseconds(milliseconds), cancellationToken);

    private static void Anything<T>(T message, IActorRef sender)
    {
    }

    private static string Hint(string hint) => string.IsNullOrEmpty(hint) ? "" : $" Hint: {hint}";

    private Action<T, IActorRef> Equal<T>(T expected, string hint) => (actual, _) =>
        _assertions.AssertEqual(expected, actual, hint ?? "");

    private Action<T, IActorRef> Equal<T>(T expected, Func<T, T, bool> comparer, string hint) => (actual, _) =>
        _assertions.AssertEqual(expected, actual, comparer, hint ?? "");

    private Action<T, IActorRef> Fits<T>(Predicate<T> isMessage, string hint) => (message, sender) => _assertions.AssertTrue(
        isMessage(message),
        "Got a message of the expected type <{0}> from {1}, but the predicate does not hold for {2}.{3}",
        typeof(T).FullName,
        sender,
        message,
        Hint(hint));

    private Action<T, IActorRef> Fits<T>(Func<T, IActorRef, bool> isMessage, string hint) => (message, sender) =>
        Fits<T>(m => isMessage(m, sender), hint)(message, sender);

    private Action<T, IActorRef> From<T>(IActorRef expected, string hint) => (_, sender) =>
        _assertions.AssertEqual(expected, sender, "Sender does not match." + Hint(hint));

    private Action<Terminated, IActorRef> Of(IActorRef target, string hint) => (terminated, _) =>
        _assertions.AssertEqual(target, terminated.ActorRef, "Terminated does not match." + Hint(hint));

    private Action<T, IActorRef> OneOf<T>(IEnumerable<T> messages) => (message, _) =>
    {
        var all = new List<T>(messages);
        _assertions.AssertTrue(
            all.Contains(message), "Found unexpected message {0}, expected one of [{1}]", message, string.Join(", ", all));
    };

    private async ValueTask<T> Expect<T>(
        TimeSpan? timeout, string hint, Action<T, IActorRef> assert, bool blocking, CancellationToken cancellationToken)
    {
        var limit = RemainingOrDilated(timeout);
        var envelope = await Take(limit, blocking, cancellationToken);
        if (envelope == null)
        {
            _assertions.Fail("Failed: Timeout {0} while waiting for a message of type {1}{2}", limit, typeof(T), Hint(hint));
            return default;
        }

        if (envelope.Message is not T message)
        {
            _assertions.Fail(
                "Failed: Expected a message of type {0}, but received {{{2}}} (type {1}) instead from {3}{4}",
                typeof(T),
                envelope.Message.GetType(),
                envelope.Message,
                envelope.Sender,
                Hint(hint));
            return default;
        }

        assert(message, envelope.Sender);
        return message;
    }

    private async ValueTask<List<T>> ExpectAll<T>(
        TimeSpan max, IReadOnlyCollection<T> messages, bool blocking, CancellationToken cancellationToken)
    {
        var received = await ReceiveMany(messages.Count, max, blocking, cancellationToken);
        var missing = new List<T>(messages);
        var unexpected = new List<object>();
        var found = new List<T>(received.Count);
        foreach (var message in received)
        {
            if (message is T typed && missing.Remove(typed)) found.Add(typed);
            else unexpected.Add(message);
        }

        _assertions.AssertTrue(
            missing.Count == 0 && unexpected.Count == 0,
            "Not found [{0}], found unexpected [{1}]",
            string.Join(", ", missing),
            string.Join(", ", unexpected));
        return found;
    }

    private async ValueTask<bool> ExpectNone(TimeSpan duration, bool blocking, CancellationToken cancellationToken)
    {
        var limit = RemainingOr(duration);
        var envelope = await Take(Min(limit, duration), blocking, cancellationToken);
        _lastWasNoMsg = true;
        if (envelope != null)
        {
            _assertions.Fail(
                "Received {0} of type {1} from {2}, but expected no message",
                envelope.Message,
                envelope.Message.GetType(),
                envelope.Sender);
        }

        return true;
    }
}

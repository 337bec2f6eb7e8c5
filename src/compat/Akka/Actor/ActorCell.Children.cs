using Akka.Dispatch;

namespace Akka.Actor;

internal sealed partial class ActorCell
{
    private const string NameAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+~";

    private ChildContainer _children;
    private long _nextName = -1;

    /// <summary>Null as long as there were none.</summary>
    public ChildContainer Children => Volatile.Read(ref _children);

    public IActorRef ActorOf(Props props, string name = null) => AttachChild(props, name, systemService: false);

    /// <summary>Creates a child. For the guardians this is called from any thread.</summary>
    public LocalActorRef AttachChild(Props props, string name, bool systemService)
    {
        ArgumentNullException.ThrowIfNull(props);
        if (name is null)
            name = NextName();
        else if (name.Length == 0)
            throw new InvalidActorNameException("An actor name must not be empty.");
        else if (!ActorPath.IsValidPathElement(name))
            throw new InvalidActorNameException(
                $"[{name}] is no valid actor name: letters, digits and {ActorPath.ValidSymbols}, not beginning with $.");

        MessageDispatcher dispatcher = SystemImpl.Dispatchers.Lookup(
            string.IsNullOrEmpty(props.Dispatcher) && systemService ? Dispatchers.InternalDispatcherId : props.Dispatcher);
        try
        {
            MailboxType mailboxType = SystemImpl.Mailboxes.TypeFor(props, SystemImpl.Dispatchers.ConfigOf(props.Dispatcher));
            var path = new ChildActorPath(LocalSelf.Path, name, NewUid());
            var child = new LocalActorRef(SystemImpl, path);
            ChildContainer children = Children ?? Interlocked.CompareExchange(ref _children, new ChildContainer(), null) ?? _children;
            lock (children)
            {
                children.ThrowIfNotFree(LocalSelf, name);
                child.Cell = new ActorCell(SystemImpl, child, props, dispatcher, mailboxType, LocalSelf);
                children.Add(child);

                // Whoever finds it from now on finds what makes it in front of its mail: children are looked up with this lock.
                child.Cell.Start();
            }

            return child;
        }
        catch
        {
            SystemImpl.Dispatchers.Released(dispatcher);
            throw;
        }
    }

    public IActorRef Child(string name) => (IActorRef)Children?.ByName(name)?.Child ?? Nobody.Instance;

    public IEnumerable<IActorRef> GetChildren() =>
        Children is { } children ? Array.ConvertAll(children.Snapshot(), static c => (IActorRef)c.Child) : [];

    private static long NewUid()
    {
        long uid;
        do
            uid = Random.Shared.Next();
        while (uid == ActorPath.UndefinedUid);
        return uid;
    }

    private string NextName() => TemporaryName("$", Interlocked.Increment(ref _nextName));

    public static string TemporaryName(string prefix, long number)
    {
        Span<char> digits = stackalloc char[12];
        int length = 0;
        do
        {
            digits[length++] = NameAlphabet[(int)(number & 63)];
            number >>= 6;
        }
        while (number > 0);
        return string.Concat(prefix, digits[..length]);
    }

    private ChildRestartStats[] ChildSnapshot() => Children?.Snapshot() ?? [];

    private void StopChildren()
    {
        foreach (ChildRestartStats child in ChildSnapshot())
            Stop(child.Child);
    }
}

/// <summary>A child and how often it was restarted.</summary>
internal sealed class ChildRestartStats(LocalActorRef child)
{
    private int _retries;
    private long _windowStart;

    public LocalActorRef Child { get; } = child;

    /// <summary>It was told to stop; its name is taken until it has.</summary>
    public bool IsDying { get; set; }

    /// <summary>Counts one more restart. False when there were too many; fewer than 0 stands for no limit.</summary>
    public bool RequestRestartPermission(int maxNrOfRetries, int withinTimeMilliseconds)
    {
        if (maxNrOfRetries == 0)
            return false;
        if (withinTimeMilliseconds <= 0)
            return maxNrOfRetries < 0 || ++_retries <= maxNrOfRetries;
        // Within a time window and no number given, one restart is allowed.
        int allowed = maxNrOfRetries < 0 ? 1 : maxNrOfRetries;
        long now = Environment.TickCount64;
        if (_retries == 0 || now - _windowStart > withinTimeMilliseconds)
        {
            _windowStart = now;
            _retries = 1;
            return true;
        }

        return ++_retries <= allowed;
    }
}

/// <summary>The children of an actor by name. Guarded by a lock on itself, as paths are resolved from any thread.</summary>
internal sealed class ChildContainer
{
    /// <summary>Of an actor that ended without ever having had a child.</summary>
    public static readonly ChildContainer Closed = new() { _closed = true };

    private readonly Dictionary<string, ChildRestartStats> _byName = [];
    private bool _closed;
    private int _dying;

    public bool AnyDying
    {
        get
        {
            lock (this)
                return _dying > 0;
        }
    }

    /// <summary>No more children.</summary>
    public void Close()
    {
        lock (this)
            _closed = true;
    }

    public void ThrowIfNotFree(IActorRef parent, string name)
    {
        if (_closed)
            throw new InvalidOperationException($"{parent} is terminating or terminated and cannot have new children.");
        if (_byName.ContainsKey(name))
            throw new InvalidActorNameException($"Actor name [{name}] is not unique below {parent}.");
    }

    public void Add(LocalActorRef child) => _byName.Add(child.Path.Name, new ChildRestartStats(child));

    public ChildRestartStats ByName(string name)
    {
        lock (this)
            return _byName.GetValueOrDefault(name);
    }

    public ChildRestartStats ByRef(IActorRef child)
    {
        ChildRestartStats stats = ByName(child.Path.Name);
        return stats is not null && stats.Child.Equals(child) ? stats : null;
    }

    public void MarkDying(IActorRef child)
    {
        lock (this)
        {
            if (ByRef(child) is not { IsDying: false } stats)
                return;
            stats.IsDying = true;
            _dying++;
        }
    }

    public void Remove(IActorRef child)
    {
        lock (this)
        {
            if (ByRef(child) is not { } stats)
                return;
            _byName.Remove(child.Path.Name);
            if (stats.IsDying)
                _dying--;
        }
    }

    public ChildRestartStats[] Snapshot()
    {
        lock (this)
        {
            var snapshot = new ChildRestartStats[_byName.Count];
            _byName.Values.CopyTo(snapshot, 0);
            return snapshot;
        }
    }
}

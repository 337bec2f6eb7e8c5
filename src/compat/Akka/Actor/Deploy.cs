namespace Akka.Actor;

/// <summary>Where an actor runs. Only this process is known here.</summary>
public abstract class Scope : IEquatable<Scope>
{
    public static readonly LocalScope Local = LocalScope.Instance;

    private protected Scope()
    {
    }

    public virtual bool Equals(Scope other) => ReferenceEquals(this, other);

    public override bool Equals(object obj) => Equals(obj as Scope);

    public override int GetHashCode() => GetType().GetHashCode();
}

public class LocalScope : Scope
{
    private LocalScope()
    {
    }

    public static LocalScope Instance { get; } = new();
}

/// <summary>How an actor is deployed: its dispatcher, its mailbox, the size of its stash.</summary>
public class Deploy : IEquatable<Deploy>
{
    public static readonly Deploy Local = new(Scope.Local);
    public static readonly string NoDispatcherGiven = string.Empty;
    public static readonly string NoMailboxGiven = string.Empty;
    public static readonly Scope NoScopeGiven;
    public const int NoStashSize = -1;
    public static readonly Deploy None = new();

    public Deploy()
        : this(string.Empty, NoScopeGiven)
    {
    }

    public Deploy(Scope scope)
        : this(string.Empty, scope)
    {
    }

    public Deploy(string path, Scope scope)
        : this(path, scope, NoDispatcherGiven, NoMailboxGiven, NoStashSize)
    {
    }

    private Deploy(string path, Scope scope, string dispatcher, string mailbox, int stashCapacity)
    {
        Path = path;
        Scope = scope;
        Dispatcher = dispatcher ?? NoDispatcherGiven;
        Mailbox = mailbox ?? NoMailboxGiven;
        StashCapacity = stashCapacity;
    }

    public string Dispatcher { get; }

    public string Mailbox { get; }

    public string Path { get; }

    public Scope Scope { get; }

    public int StashCapacity { get; }

    public bool Equals(Deploy other) => other is not null
        && Dispatcher == other.Dispatcher && Mailbox == other.Mailbox && Path == other.Path
        && StashCapacity == other.StashCapacity && Equals(Scope, other.Scope);

    public override bool Equals(object obj) => Equals(obj as Deploy);

    public override int GetHashCode() => HashCode.Combine(Dispatcher, Mailbox, Path, StashCapacity);

    public virtual Deploy WithDispatcher(string dispatcher) => new(Path, Scope, dispatcher, Mailbox, StashCapacity);

    /// <summary>What this deployment leaves open is taken from the other.</summary>
    public virtual Deploy WithFallback(Deploy other) => new(
        Path,
        Scope ?? other.Scope,
        Dispatcher.Length > 0 ? Dispatcher : other.Dispatcher,
        Mailbox.Length > 0 ? Mailbox : other.Mailbox,
        StashCapacity != NoStashSize ? StashCapacity : other.StashCapacity);

    public virtual Deploy WithMailbox(string mailbox) => new(Path, Scope, Dispatcher, mailbox, StashCapacity);

    public virtual Deploy WithScope(Scope scope) => new(Path, scope, Dispatcher, Mailbox, StashCapacity);

    public virtual Deploy WithStashCapacity(int stashSize) => new(Path, Scope, Dispatcher, Mailbox, stashSize);
}

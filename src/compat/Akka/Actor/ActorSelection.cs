using System.Text.RegularExpressions;
using Akka.Event;

namespace Akka.Actor;

/// <summary>One step of a selection.</summary>
public abstract class SelectionPathElement
{
    private protected SelectionPathElement()
    {
    }
}

public class SelectChildName : SelectionPathElement
{
    public SelectChildName(string name) => Name = name;

    public string Name { get; }

    public override bool Equals(object obj) => obj is SelectChildName other && Name == other.Name;

    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Name;
}

/// <summary>Children by a pattern with * and ?.</summary>
public class SelectChildPattern : SelectionPathElement
{
    private readonly Regex _pattern;

    public SelectChildPattern(string patternStr)
    {
        PatternStr = patternStr;
        _pattern = new Regex("^" + Regex.Escape(patternStr).Replace("\\*", ".*", StringComparison.Ordinal)
            .Replace("\\?", ".", StringComparison.Ordinal) + "$", RegexOptions.CultureInvariant);
    }

    public string PatternStr { get; }

    public override bool Equals(object obj) => obj is SelectChildPattern other && PatternStr == other.PatternStr;

    public override int GetHashCode() => PatternStr.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => PatternStr;

    internal bool Matches(string name) => _pattern.IsMatch(name);
}

public class SelectParent : SelectionPathElement
{
    public static readonly SelectParent Instance = new();

    public override bool Equals(object obj) => obj is SelectParent;

    public override int GetHashCode() => 0;

    public override string ToString() => "..";
}

/// <summary>A message on its way along a selection.</summary>
public class ActorSelectionMessage : IAutoReceivedMessage, IPossiblyHarmful, IWrappedMessage
{
    public ActorSelectionMessage(object message, SelectionPathElement[] elements, bool wildCardFanOut = false)
    {
        Message = message;
        Elements = elements;
        WildCardFanOut = wildCardFanOut;
    }

    public SelectionPathElement[] Elements { get; }

    public object Message { get; }

    /// <summary>It went to several actors; those that do not exist are not reported.</summary>
    public bool WildCardFanOut { get; }

    public override string ToString() => $"ActorSelectionMessage - Message: {Message} - Elements: {string.Join('/', (object[])Elements)}";
}

/// <summary>A path, possibly with wildcards, that is looked up each time a message is sent along it.</summary>
public class ActorSelection : ICanTell
{
    public ActorSelection()
    {
    }

    public ActorSelection(IActorRef anchor, SelectionPathElement[] path)
    {
        Anchor = anchor;
        Path = path;
    }

    public ActorSelection(IActorRef anchor, string path)
        : this(anchor, string.IsNullOrEmpty(path) ? [] : path.Split('/'))
    {
    }

    public ActorSelection(IActorRef anchor, IEnumerable<string> elements)
    {
        Anchor = anchor;
        var steps = new List<SelectionPathElement>();
        foreach (string element in elements)
        {
            if (element.Length == 0)
                continue;
            steps.Add(element == ".." ? SelectParent.Instance
                : element.AsSpan().IndexOfAny('*', '?') >= 0 ? new SelectChildPattern(element) : new SelectChildName(element));
        }

        Path = [.. steps];
    }

    public IActorRef Anchor { get; }

    public SelectionPathElement[] Path { get; }

    public string PathString => "/" + string.Join('/', (object[])Path);

    public override bool Equals(object obj) => obj is ActorSelection other && Equals(other);

    protected bool Equals(ActorSelection other) => Equals(Anchor, other.Anchor) && Equals(PathString, other.PathString);

    public override int GetHashCode() => HashCode.Combine(Anchor, PathString);

    /// <summary>The one actor that the selection leads to.</summary>
    /// <exception cref="ActorNotFoundException">There is none, or no answer within the timeout.</exception>
    public Task<IActorRef> ResolveOne(TimeSpan timeout) => ResolveOne(timeout, CancellationToken.None);

    public async Task<IActorRef> ResolveOne(TimeSpan timeout, CancellationToken ct)
    {
        try
        {
            ActorIdentity identity = await this.Ask<ActorIdentity>(new Identify(null), timeout, ct).ConfigureAwait(false);
            return identity.Subject ?? throw new ActorNotFoundException($"No actor found at {this}.");
        }
        catch (Exception e) when (e is AskTimeoutException or OperationCanceledException)
        {
            throw new ActorNotFoundException($"No actor found at {this}: {e.Message}", e);
        }
    }

    public void Tell(object message, IActorRef sender = null)
    {
        if (message is null)
            throw new InvalidMessageException();
        sender ??= ActorCell.Current?.Self;
        SelectionSupport.Deliver((IInternalActorRef)Anchor, sender, new ActorSelectionMessage(message, Path));
    }

    public override string ToString() => $"ActorSelection[Anchor({Anchor}), Path({PathString})]";
}

internal static class SelectionSupport
{
    public static ActorSelection Select(ActorPath path, ActorSystemImpl system) =>
        new(system.Provider.RootGuardianAt(path.Address), path.Elements);

    public static ActorSelection Select(string path, ActorSystemImpl system, IActorRef lookupRoot)
    {
        if (ActorPath.TryParse(path, out ActorPath absolute))
            return Select(absolute, system);
        return path.StartsWith('/') ? new ActorSelection(system.RootGuardian, path) : new ActorSelection(lookupRoot, path);
    }

    public static void Deliver(IInternalActorRef anchor, IActorRef sender, ActorSelectionMessage selection)
    {
        ReadOnlySpan<SelectionPathElement> rest = selection.Elements;
        IInternalActorRef current = anchor;
        while (!rest.IsEmpty)
        {
            if (!current.IsLocal)
            {
                // The system that has the rest of the way goes on from here.
                current.Tell(new ActorSelectionMessage(selection.Message, rest.ToArray(), selection.WildCardFanOut), sender);
                return;
            }

            SelectionPathElement step = rest[0];
            rest = rest[1..];
            switch (step)
            {
                case SelectParent:
                    current = current.Parent is null or Nobody ? current : current.Parent;
                    break;
                case SelectChildName { Name: var name }:
                    var child = (IInternalActorRef)current.GetChild([name]);
                    if (child is Nobody)
                    {
                        if (!selection.WildCardFanOut)
                            NotFound(anchor, sender, selection);
                        return;
                    }

                    current = child;
                    break;
                case SelectChildPattern pattern:
                    DeliverToMatching(anchor, current, pattern, rest, sender, selection);
                    return;
                default:
                    throw new NotSupportedException($"Unknown step {step} of a selection.");
            }
        }

        current.Tell(selection.Message, sender);
    }

    private static void DeliverToMatching(IInternalActorRef anchor, IInternalActorRef parent, SelectChildPattern pattern,
        ReadOnlySpan<SelectionPathElement> rest, IActorRef sender, ActorSelectionMessage selection)
    {
        bool any = false;
        var further = new ActorSelectionMessage(selection.Message, rest.ToArray(), wildCardFanOut: true);
        foreach (ChildRestartStats child in ActorCell.Of(parent)?.Children?.Snapshot() ?? [])
        {
            if (!pattern.Matches(child.Child.Path.Name))
                continue;
            any = true;
            Deliver(child.Child, sender, further);
        }

        if (!any && !selection.WildCardFanOut)
            NotFound(anchor, sender, selection);
    }

    private static void NotFound(IInternalActorRef anchor, IActorRef sender, ActorSelectionMessage selection)
    {
        if (selection.Message is Identify identify)
        {
            sender?.Tell(new ActorIdentity(identify.MessageId, null), ActorRefs.NoSender);
            return;
        }

        ActorSystemImpl system = anchor.SystemImpl;
        var missing = new EmptyLocalActorRef(system, anchor.Path / PathOf(selection));
        system.EventStream.Publish(new DeadLetter(selection.Message, sender ?? system.DeadLetters, missing));
    }

    private static IEnumerable<string> PathOf(ActorSelectionMessage selection)
    {
        foreach (SelectionPathElement element in selection.Elements)
            yield return element.ToString();
    }
}

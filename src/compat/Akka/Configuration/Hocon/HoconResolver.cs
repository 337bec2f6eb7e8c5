namespace Akka.Configuration.Hocon;

/// <summary>
/// Replaces substitutions by what they stand for: a path of the same text, or else an environment variable. A value that
/// refers to itself sees what it was before the assignment.
/// </summary>
internal sealed class HoconResolver(HoconValue root, Func<int, string, Exception> error)
{
    private readonly HashSet<object> _open = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<object> _done = new(ReferenceEqualityComparer.Instance);

    /// <summary>The last substitution that was replaced, for errors that show only in the result.</summary>
    private HoconSubstitution _last;

    /// <summary>Set when a look-up met a value that is being resolved and was nothing before.</summary>
    private bool _circular;

    public void Resolve() => ResolveTree(root);

    private void ResolveTree(HoconValue value)
    {
        ResolveOne(value);
        foreach (var piece in value.Values)
        {
            if (piece is not (HoconObject or HoconArray) || _done.Contains(piece)) continue;
            if (!_open.Add(piece)) throw error(_last.Position, $"${{{_last.Name}}} contains itself");
            if (piece is HoconObject child) ResolveMembers(child);
            else ResolveElements((HoconArray)piece);
            _open.Remove(piece);
            _done.Add(piece);
        }
    }

    private void ResolveMembers(HoconObject target)
    {
        List<string> undefined = null;
        foreach (var (key, value) in target.Items)
        {
            ResolveTree(value);
            if (value.State == ResolveState.Undefined) (undefined ??= []).Add(key);
        }

        if (undefined == null) return;
        foreach (var key in undefined) target.Items.Remove(key);
    }

    private void ResolveElements(HoconArray array)
    {
        foreach (var element in array) ResolveTree(element);
        array.RemoveAll(static element => element.State == ResolveState.Undefined);
    }

    /// <summary>Resolves the pieces of one value, not the members of an object among them.</summary>
    private void ResolveOne(HoconValue value)
    {
        if (value.State != ResolveState.Deferred) return;
        value.State = ResolveState.Resolving;
        var pieces = new List<IHoconElement>(value.Values.Count);
        var position = 0;
        foreach (var piece in value.Values)
        {
            if (piece is not HoconSubstitution substitution)
            {
                pieces.Add(piece);
                continue;
            }

            position = substitution.Position;
            if (Find(substitution) is not { } found) continue;
            if (substitution.AppendTarget && !found.IsArray())
                throw error(position, $"{substitution.Name} is not a list, += is not possible");
            pieces.AddRange(found.Values);
            _last = substitution;
        }

        // What was there before stays when nothing came, and lies below when both are objects.
        var before = value.Previous;
        if (before != null) ResolveOne(before);
        value.Previous = null;
        value.Values.Clear();
        value.Values.AddRange(pieces);
        HoconMerge.Join(value, message => error(position, message));
        if (before is { State: ResolveState.Plain })
        {
            if (value.Values.Count == 0) value.Values.AddRange(before.Values);
            else if (before.GetObject() is { } older && value.GetObject() is { } newer) value.NewValue(HoconMerge.Merge(older, newer));
        }

        value.State = value.Values.Count == 0 ? ResolveState.Undefined : ResolveState.Plain;
    }

    private HoconValue Find(HoconSubstitution substitution)
    {
        _circular = false;
        if (Follow(substitution.Path, 0, root) is { } found) return found;
        var circular = _circular;
        if (Environment.GetEnvironmentVariable(substitution.Name) is { } variable)
            return new HoconValue([new HoconLiteral { Value = variable, Quoted = true }]);
        if (substitution.Optional) return null;
        throw error(substitution.Position, circular
            ? $"${{{substitution.Name}}} refers to itself"
            : $"${{{substitution.Name}}} is neither a path of this configuration nor an environment variable");
    }

    private HoconValue Follow(List<string> path, int index, HoconValue value)
    {
        if (value.State == ResolveState.Resolving)
        {
            // Inside of its own definition a value is what it was before.
            if (value.Previous != null) return Follow(path, index, value.Previous);
            _circular = true;
            return null;
        }

        ResolveOne(value);
        if (value.State == ResolveState.Undefined) return null;
        if (index == path.Count) return value;
        return value.GetChildObject(path[index]) is { } child ? Follow(path, index + 1, child) : null;
    }
}

namespace Akka.Configuration.Hocon;

/// <summary>What a second assignment to a key does, and what pieces next to each other make.</summary>
internal static class HoconMerge
{
    /// <summary>
    /// Assigns a key. Two objects merge, anything else is replaced. Where a substitution may yet turn out to be an
    /// object, or refers to the value before, the older value is kept behind the newer one until it is resolved.
    /// </summary>
    public static void Assign(HoconObject target, string key, HoconValue value)
    {
        if (!target.Items.TryGetValue(key, out var existing))
        {
            target.Items.Add(key, value);
        }
        else if (existing.State == ResolveState.Plain && value.State == ResolveState.Plain)
        {
            if (existing.GetObject() is { } older && value.GetObject() is { } newer)
                foreach (var (childKey, child) in newer.Items) Assign(older, childKey, child);
            else target.Items[key] = value;
        }
        else
        {
            target.Items[key] = new HoconValue([.. value.Values])
            {
                Previous = Behind(existing, value.Previous),
                State = ResolveState.Deferred,
            };
        }
    }

    /// <summary>A new object: the members of <paramref name="older"/> with those of <paramref name="newer"/> assigned over them.</summary>
    public static HoconObject Merge(HoconObject older, HoconObject newer)
    {
        var result = Copy(older);
        foreach (var (key, value) in newer.Items) Assign(result, key, value);
        return result;
    }

    /// <summary>
    /// Makes one value of its pieces: objects merge, arrays are chained, text is joined. White space counts only inside
    /// of text. A mixture throws.
    /// </summary>
    public static void Join(HoconValue value, Func<string, Exception> error)
    {
        var pieces = value.Values;
        while (pieces.Count > 0 && pieces[^1] is HoconLiteral { IsBlank: true }) pieces.RemoveAt(pieces.Count - 1);
        while (pieces.Count > 0 && pieces[0] is HoconLiteral { IsBlank: true }) pieces.RemoveAt(0);
        if (pieces.Count <= 1) return;
        HoconObject mergedObject = null;
        HoconArray mergedArray = null;
        var anyText = false;
        foreach (var piece in pieces)
        {
            switch (piece)
            {
                case HoconObject child: mergedObject = mergedObject == null ? child : Merge(mergedObject, child); break;
                case HoconArray array: (mergedArray ??= []).AddRange(array); break;
                case HoconLiteral { IsBlank: false }: anyText = true; break;
            }
        }

        if ((mergedObject != null ? 1 : 0) + (mergedArray != null ? 1 : 0) + (anyText ? 1 : 0) > 1)
            throw error("an object, a list and text cannot be joined in one value");
        if (mergedObject != null) value.NewValue(mergedObject);
        else if (mergedArray != null) value.NewValue(mergedArray);
    }

    /// <summary>Objects are copied all the way down, so that assigning to the copy leaves the original alone.</summary>
    public static HoconObject Copy(HoconObject source)
    {
        var copy = new HoconObject();
        foreach (var (key, value) in source.Items)
        {
            copy.Items.Add(key, value.State == ResolveState.Plain && value.GetObject() is { } child
                ? new HoconValue([Copy(child)])
                : value);
        }

        return copy;
    }

    private static HoconValue Behind(HoconValue existing, HoconValue previous) =>
        previous == null
            ? existing
            : new HoconValue([.. previous.Values]) { Previous = Behind(existing, previous.Previous), State = ResolveState.Deferred };
}

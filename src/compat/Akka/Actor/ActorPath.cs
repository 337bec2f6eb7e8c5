using System.Globalization;
using System.Text;

namespace Akka.Actor;

/// <summary>
/// The unique name of an actor from the root of its system down. A path keeps its parent; its text is made when it is asked for.
/// Two paths are equal when their addresses and names are; the uid tells incarnations apart and is compared by references only.
/// </summary>
public abstract class ActorPath : IEquatable<ActorPath>, IComparable<ActorPath>
{
    /// <summary>What a name may contain besides letters, digits and %-escapes.</summary>
    public const string ValidSymbols = "\"-_.*$+:@&=,!~';()";

    internal const long UndefinedUid = 0;

    private readonly Address _address;
    private readonly int _hashCode;

    private protected ActorPath(Address address, string name)
    {
        _address = address;
        Name = name;
        _hashCode = HashCode.Combine(address, name);
    }

    private protected ActorPath(ActorPath parentPath, string name, long uid)
    {
        ParentPath = parentPath;
        Name = name;
        Uid = uid;
        Depth = parentPath.Depth + 1;
        _hashCode = HashCode.Combine(parentPath._hashCode, name);
    }

    public Address Address => RootPath._address;

    /// <summary>How many names stand between the root and this path.</summary>
    public int Depth { get; }

    public IReadOnlyList<string> Elements
    {
        get
        {
            var elements = new string[Depth];
            for (ActorPath path = this; path.ParentPath is not null; path = path.ParentPath)
                elements[path.Depth - 1] = path.Name;
            return elements;
        }
    }

    public string Name { get; }

    public ActorPath Parent => ParentPath;

    public ActorPath Root => RootPath;

    public long Uid { get; }

    private ActorPath ParentPath { get; }

    private ActorPath RootPath
    {
        get
        {
            ActorPath path = this;
            while (path.ParentPath is not null)
                path = path.ParentPath;
            return path;
        }
    }

    public ActorPath Child(string childName) => this / childName;

    public int CompareTo(ActorPath other)
    {
        if (other is null)
            return 1;
        if (ReferenceEquals(this, other))
            return 0;
        int order = Address.CompareTo(other.Address);
        if (order != 0)
            return order;
        IReadOnlyList<string> left = Elements, right = other.Elements;
        for (int i = 0; i < Math.Min(left.Count, right.Count) && order == 0; i++)
            order = string.CompareOrdinal(left[i], right[i]);
        return order != 0 ? order : left.Count.CompareTo(right.Count);
    }

    public bool Equals(ActorPath other)
    {
        ActorPath left = this, right = other;
        if (right is null || left._hashCode != right._hashCode || left.Depth != right.Depth)
            return false;
        while (!ReferenceEquals(left, right))
        {
            if (left.Name != right.Name)
                return false;
            if (left.ParentPath is null)
                return left._address.Equals(right._address);
            left = left.ParentPath;
            right = right.ParentPath;
        }

        return true;
    }

    public override bool Equals(object obj) => obj is ActorPath other && Equals(other);

    public static string FormatPathElements(IEnumerable<string> pathElements) => "/" + string.Join('/', pathElements);

    public override int GetHashCode() => _hashCode;

    /// <summary>True for a name that an actor may have: not empty, not beginning with $, of allowed characters only.</summary>
    public static bool IsValidPathElement(string s)
    {
        if (string.IsNullOrEmpty(s) || s[0] == '$')
            return false;
        for (int i = 0; i < s.Length; i++)
        {
            char c = s[i];
            if (char.IsAsciiLetterOrDigit(c) || ValidSymbols.Contains(c))
                continue;
            if (c != '%' || i + 2 >= s.Length || !char.IsAsciiHexDigit(s[i + 1]) || !char.IsAsciiHexDigit(s[i + 2]))
                return false;
            i += 2;
        }

        return true;
    }

    /// <summary>The ancestor at this depth; a negative depth counts upwards from this path.</summary>
    public ActorPath ParentOf(int depth)
    {
        int target = depth >= 0 ? depth : Depth + depth;
        ActorPath path = this;
        while (path.ParentPath is not null && path.Depth > target)
            path = path.ParentPath;
        return path;
    }

    public static ActorPath Parse(string path) =>
        TryParse(path, out ActorPath parsed) ? parsed : throw new UriFormatException($"'{path}' is no actor path.");

    /// <summary>The path with its address and uid, as it is written into messages.</summary>
    public string ToSerializationFormat() => AppendUid(ToStringWithAddress());

    public string ToSerializationFormatWithAddress(Address address) => AppendUid(ToStringWithAddress(address));

    public override string ToString() => ToStringWithAddress(Address);

    public string ToStringWithAddress() => ToStringWithAddress(Address);

    /// <summary>The path with this address in front, unless its own address already says where it is.</summary>
    public string ToStringWithAddress(Address address)
    {
        Address own = Address;
        return (own.HasGlobalScope ? own : address) + ToStringWithoutAddress();
    }

    public string ToStringWithUid() => AppendUid(ToStringWithAddress());

    public string ToStringWithoutAddress()
    {
        if (ParentPath is null)
            return Name.Length == 0 ? "/" : Name;
        int length = 0;
        for (ActorPath path = this; path.ParentPath is not null; path = path.ParentPath)
            length += path.Name.Length + 1;
        return string.Create(length, this, static (span, leaf) =>
        {
            for (ActorPath path = leaf; path.ParentPath is not null; path = path.ParentPath)
            {
                path.Name.CopyTo(span[^path.Name.Length..]);
                span[^(path.Name.Length + 1)] = '/';
                span = span[..^(path.Name.Length + 1)];
            }
        });
    }

    public static bool TryParse(string path, out ActorPath actorPath)
    {
        actorPath = null;
        return path is not null && Address.TryParse(path.AsSpan(), out Address address, out ReadOnlySpan<char> rest)
            && TryParse(new RootActorPath(address), rest, out actorPath);
    }

    public static bool TryParse(ActorPath basePath, string absoluteUri, out ActorPath actorPath) =>
        TryParse(basePath, absoluteUri.AsSpan(), out actorPath);

    /// <summary>Appends <c>/a/b#uid</c> to a base path.</summary>
    public static bool TryParse(ActorPath basePath, ReadOnlySpan<char> absoluteUri, out ActorPath actorPath)
    {
        actorPath = basePath;
        long uid = UndefinedUid;
        int hash = absoluteUri.IndexOf('#');
        if (hash >= 0)
        {
            if (!long.TryParse(absoluteUri[(hash + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out uid))
            {
                actorPath = null;
                return false;
            }

            absoluteUri = absoluteUri[..hash];
        }

        foreach (Range part in absoluteUri.Split('/'))
        {
            ReadOnlySpan<char> name = absoluteUri[part];
            if (!name.IsEmpty)
                actorPath = new ChildActorPath(actorPath, name.ToString(), UndefinedUid);
        }

        if (uid != UndefinedUid)
            actorPath = actorPath.WithUid(uid);
        return true;
    }

    public static bool TryParseAddress(string path, out Address address) => Address.TryParse(path, out address);

    public ActorPath WithUid(long uid)
    {
        if (uid == Uid)
            return this;
        return ParentPath is null
            ? throw new InvalidOperationException("A root path has no uid.") : new ChildActorPath(ParentPath, Name, uid);
    }

    /// <summary>A child of this path. A uid may follow the name, as in <c>name#42</c>.</summary>
    public static ActorPath operator /(ActorPath path, string name)
    {
        int hash = name.IndexOf('#', StringComparison.Ordinal);
        return hash < 0
            ? new ChildActorPath(path, name, UndefinedUid)
            : new ChildActorPath(
                path, name[..hash], long.Parse(name.AsSpan(hash + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
    }

    public static ActorPath operator /(ActorPath path, IEnumerable<string> name)
    {
        foreach (string element in name)
        {
            if (element.Length > 0)
                path /= element;
        }

        return path;
    }

    public static bool operator ==(ActorPath left, ActorPath right) => Equals(left, right);

    public static bool operator !=(ActorPath left, ActorPath right) => !Equals(left, right);

    private string AppendUid(string path) =>
        Uid == UndefinedUid ? path : new StringBuilder(path).Append('#').Append(Uid.ToString(CultureInfo.InvariantCulture)).ToString();
}

/// <summary>The root of a system's paths.</summary>
public sealed class RootActorPath : ActorPath
{
    public RootActorPath(Address address, string name = "")
        : base(address, name)
    {
    }
}

/// <summary>Any path below the root.</summary>
public sealed class ChildActorPath : ActorPath
{
    public ChildActorPath(ActorPath parentPath, string name, long uid)
        : base(parentPath, name, uid)
    {
    }
}

using System.Globalization;

namespace Akka.Actor;

/// <summary>Where an actor system lives: <c>protocol://system</c> for a local one, <c>protocol://system@host:port</c> otherwise.</summary>
public sealed class Address : IEquatable<Address>, IComparable<Address>, IComparable, ICloneable
{
    /// <summary>The address that stands for every system.</summary>
    public static readonly Address AllSystems = new("akka", "all-systems");

    public static readonly IComparer<Address> Comparer = Comparer<Address>.Create(Compare);

    private readonly int _hashCode;
    private string _text;

    public Address(string protocol, string system, string host = null, int? port = null)
    {
        Protocol = protocol;
        System = system;
        Host = host?.ToLowerInvariant();
        Port = port;
        _hashCode = HashCode.Combine(Protocol, System, Host, Port);
    }

    public bool HasGlobalScope => Host is { Length: > 0 };

    public bool HasLocalScope => !HasGlobalScope;

    public string Host { get; }

    public int? Port { get; }

    public string Protocol { get; }

    public string System { get; }

    public object Clone() => new Address(Protocol, System, Host, Port);

    public int CompareTo(Address other) => Compare(this, other);

    int IComparable.CompareTo(object obj) =>
        obj is Address other ? CompareTo(other) : throw new ArgumentException("An address compares only with an address.", nameof(obj));

    public bool Equals(Address other)
    {
        if (ReferenceEquals(this, other))
            return true;
        return other is not null && _hashCode == other._hashCode && Port == other.Port && Host == other.Host
            && System == other.System && Protocol == other.Protocol;
    }

    public override bool Equals(object obj) => obj is Address other && Equals(other);

    public override int GetHashCode() => _hashCode;

    /// <summary>The address without its protocol: <c>system@host:port</c>.</summary>
    public string HostPort() => ToString()[(Protocol.Length + 3)..];

    public static Address Parse(string address) =>
        TryParse(address, out Address parsed) ? parsed : throw new ArgumentException($"'{address}' is no address.", nameof(address));

    public override string ToString()
    {
        if (_text is not null)
            return _text;
        string text = $"{Protocol}://{System}";
        if (HasGlobalScope)
            text += "@" + Host;
        if (Port is { } port)
            text += ":" + port.ToString(CultureInfo.InvariantCulture);
        return _text = text;
    }

    public static bool TryParse(string path, out Address address) => TryParse(path.AsSpan(), out address, out _);

    public static bool TryParse(string path, out Address address, out string absolutUri)
    {
        bool parsed = TryParse(path.AsSpan(), out address, out ReadOnlySpan<char> rest);
        absolutUri = parsed ? rest.ToString() : null;
        return parsed;
    }

    public static bool TryParse(ReadOnlySpan<char> span, out Address address) => TryParse(span, out address, out _);

    /// <summary>Splits an address from what follows it; what follows is "/" when there is nothing.</summary>
    public static bool TryParse(ReadOnlySpan<char> span, out Address address, out ReadOnlySpan<char> absolutUri)
    {
        address = null;
        absolutUri = default;
        int scheme = span.IndexOf("://", StringComparison.Ordinal);
        if (scheme <= 0)
            return false;
        ReadOnlySpan<char> protocol = span[..scheme];
        if (!protocol.StartsWith("akka", StringComparison.OrdinalIgnoreCase))
            return false;
        ReadOnlySpan<char> rest = span[(scheme + 3)..];
        int slash = rest.IndexOf('/');
        absolutUri = slash < 0 ? "/" : rest[slash..];
        ReadOnlySpan<char> authority = slash < 0 ? rest : rest[..slash];
        int at = authority.IndexOf('@');
        if (at < 0)
        {
            if (authority.IsEmpty)
                return false;
            address = new Address(protocol.ToString(), authority.ToString());
            return true;
        }

        // The port is behind the last colon that is not inside the brackets of an IPv6 host.
        ReadOnlySpan<char> hostPort = authority[(at + 1)..];
        int colon = hostPort.LastIndexOf(':');
        if (at == 0 || colon <= hostPort.LastIndexOf(']') || colon <= 0
            || !ushort.TryParse(hostPort[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            return false;
        address = new Address(protocol.ToString(), authority[..at].ToString(), hostPort[..colon].ToString(), port);
        return true;
    }

    public Address WithHost(string host = null) => new(Protocol, System, host, Port);

    public Address WithPort(int? port = null) => new(Protocol, System, Host, port);

    public Address WithProtocol(string protocol) => new(protocol, System, Host, Port);

    public Address WithSystem(string system) => new(Protocol, system, Host, Port);

    public static bool operator ==(Address left, Address right) => Equals(left, right);

    public static bool operator !=(Address left, Address right) => !Equals(left, right);

    private static int Compare(Address left, Address right)
    {
        if (ReferenceEquals(left, right))
            return 0;
        if (left is null)
            return -1;
        if (right is null)
            return 1;
        int order = string.CompareOrdinal(left.Protocol, right.Protocol);
        if (order == 0)
            order = string.CompareOrdinal(left.System, right.System);
        if (order == 0)
            order = string.CompareOrdinal(left.Host, right.Host);
        return order != 0 ? order : (left.Port ?? 0).CompareTo(right.Port ?? 0);
    }
}

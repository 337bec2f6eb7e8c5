using Akka.Actor;

namespace Akka.Cluster;

/// <summary>One incarnation of a node: where it is, and a number that its next incarnation at the same address does not have.</summary>
public class UniqueAddress : IComparable<UniqueAddress>, IEquatable<UniqueAddress>, IComparable
{
    public UniqueAddress(Address address, int uid)
    {
        Address = address;
        Uid = uid;
    }

    public Address Address { get; }

    public int Uid { get; }

    public int CompareTo(UniqueAddress uniqueAddress)
    {
        ArgumentNullException.ThrowIfNull(uniqueAddress);
        int order = Address.Comparer.Compare(Address, uniqueAddress.Address);
        return order != 0 ? order : Uid.CompareTo(uniqueAddress.Uid);
    }

    int IComparable.CompareTo(object obj) => obj is UniqueAddress other
        ? CompareTo(other)
        : throw new ArgumentException("A unique address compares only with a unique address.", nameof(obj));

    public bool Equals(UniqueAddress other) =>
        ReferenceEquals(this, other) || (other is not null && Uid == other.Uid && Address.Equals(other.Address));

    public override bool Equals(object obj) => Equals(obj as UniqueAddress);

    public override int GetHashCode() => Uid;

    public override string ToString() => $"UniqueAddress: ({Address}, {Uid})";

    public static bool operator ==(UniqueAddress left, UniqueAddress right) => Equals(left, right);

    public static bool operator !=(UniqueAddress left, UniqueAddress right) => !Equals(left, right);
}

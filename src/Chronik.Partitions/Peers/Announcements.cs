using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Partitions.Peers;

/// <summary>
/// Which groups this node leads, numbered by change, so that each peer can be told what it has not heard yet. Thread-safe.
/// </summary>
internal sealed class Announcements
{
    private readonly Lock _lock = new();
    private readonly Dictionary<GroupId, Announcement> _current = [];
    private readonly SortedSet<Announcement> _byChange = new(Comparer<Announcement>.Create((a, b) => a.Change.CompareTo(b.Change)));
    private long _change;
    private int _renounced;

    /// <summary>The number of the last change; a peer that has heard it knows everything.</summary>
    public long LastChange
    {
        get { lock (_lock) return _change; }
    }

    /// <summary>From now on this is what there is to say of a group; null: this node leads it no longer.</summary>
    public bool Set(GroupId group, LeaderLocation? location)
    {
        lock (_lock)
        {
            bool isKnown = _current.TryGetValue(group, out Announcement? known);
            if (isKnown ? known!.Location is null && location is null : location is null) return false;
            if (isKnown) Forget(known!);
            Announcement announcement = new(++_change, group, location);
            _current.Add(group, announcement);
            _byChange.Add(announcement);
            if (location is null) _renounced++;
            return true;
        }
    }

    /// <summary>The oldest changes behind <paramref name="heard"/>, in order; at most <paramref name="limit"/>.</summary>
    public ImmutableArray<Announcement> After(long heard, int limit)
    {
        lock (_lock)
        {
            if (heard >= _change) return [];
            Announcement from = new(heard + 1, default, null);
            Announcement to = new(_change, default, null);
            return [.. _byChange.GetViewBetween(from, to).Take(limit)];
        }
    }

    /// <summary>Every peer has heard the changes up to here: what is led no longer need not be told any more.</summary>
    public void Heard(long byAll)
    {
        lock (_lock)
        {
            if (_renounced == 0) return;
            foreach (Announcement old in _byChange.TakeWhile(a => a.Change <= byAll).Where(a => a.Location is null).ToList())
            {
                _current.Remove(old.Group);
                Forget(old);
            }
        }
    }

    private void Forget(Announcement announcement)
    {
        _byChange.Remove(announcement);
        _current.Remove(announcement.Group);
        if (announcement.Location is null) _renounced--;
    }
}

/// <summary>One change of what a node leads.</summary>
/// <param name="Change">Its number.</param>
/// <param name="Group">The group.</param>
/// <param name="Location">What holds since; null: the node leads it no longer.</param>
internal sealed record Announcement(long Change, GroupId Group, LeaderLocation? Location);

/// <summary>A piece of <see cref="Announcements"/> on its way to a peer.</summary>
/// <param name="From">The peer must have heard everything up to here.</param>
/// <param name="Through">And has then heard everything up to here.</param>
/// <param name="Changes">What changed.</param>
internal sealed record LeaderChanges(long From, long Through, ImmutableArray<Announcement> Changes) : IPeerRecord
{
    private const int BytesWithoutIsr = 20 + sizeof(int) + 1;

    public FrameRecord Kind => FrameRecord.Leaders;

    public int Bytes =>
        (2 * sizeof(long)) + sizeof(int) + Changes.Sum(c => BytesWithoutIsr + ((c.Location?.Isr.Length ?? 0) * sizeof(int)));

    public void Write(ref FrameWriter writer)
    {
        writer.Long(From);
        writer.Long(Through);
        writer.Int(Changes.Length);
        foreach (Announcement change in Changes)
        {
            writer.Group(change.Group);
            writer.Int(change.Location?.Epoch.Value ?? LeaderEpoch.Unknown.Value);
            ImmutableArray<NodeId> isr = change.Location?.Isr ?? [];
            writer.Byte((byte)isr.Length);
            foreach (NodeId node in isr) writer.Int(node.Value);
        }
    }

    /// <summary>Reads what another node wrote; null when it is damaged.</summary>
    public static LeaderChanges? Read(ref FrameReader reader, NodeId leader)
    {
        long from = reader.Long();
        long through = reader.Long();
        int count = reader.Count(BytesWithoutIsr);
        ImmutableArray<Announcement>.Builder changes = ImmutableArray.CreateBuilder<Announcement>(count);
        for (int i = 0; i < count; i++)
        {
            GroupId group = reader.Group();
            LeaderEpoch epoch = new(reader.Int());
            NodeId[] isr = new NodeId[reader.Byte()];
            for (int n = 0; n < isr.Length; n++) isr[n] = new NodeId(reader.Int());
            changes.Add(new Announcement(0, group, epoch == LeaderEpoch.Unknown ? null : new LeaderLocation(leader, epoch, [.. isr])));
        }

        return reader.Failed ? null : new LeaderChanges(from, through, changes.MoveToImmutable());
    }
}

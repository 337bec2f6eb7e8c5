using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Operating;

/// <summary>How far the partitions are that are being moved, and how long what is left will take at the pace so far.</summary>
internal sealed class MoveTracker(TimeProvider time)
{
    /// <summary>How long nothing may move before what moves then has a pace of its own.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly Dictionary<GroupId, Move> _moves = [];
    private long _version = -1; // Of the image that was looked at last.
    private long _began; // When the first move began since nothing moved.
    private int _completed; // Since then.
    private long _movedAt; // When something moved last.

    /// <summary>How many partitions are being moved.</summary>
    public int Count => _moves.Count;

    /// <summary>Which they are.</summary>
    public IReadOnlyCollection<GroupId> Groups => _moves.Keys;

    /// <summary>Forgets everything: somebody else sees to it.</summary>
    public void Clear()
    {
        _moves.Clear();
        _version = -1;
        _completed = 0;
    }

    /// <summary>Looks which moves there are now.</summary>
    public void Follow(MetadataImage image)
    {
        if (_version == image.Version) return;
        _version = image.Version;
        HashSet<GroupId> now = [];
        foreach (TopicImage topic in image.Topics.Values)
        {
            for (int i = 0; i < topic.Partitions.Length; i++)
                if (topic.Partitions[i].IsMoving) now.Add(new GroupId(topic.Id, i));
        }

        if (_moves.Count == 0 && now.Count > 0 && !HasPace)
        {
            _began = time.GetTimestamp();
            _completed = 0;
        }

        if (_moves.Count > 0) _movedAt = time.GetTimestamp();
        foreach (GroupId gone in _moves.Keys.Where(group => !now.Contains(group)).ToList())
        {
            _moves.Remove(gone);
            _completed++;
        }

        foreach (GroupId group in now) _moves.TryAdd(group, new Move());
        if (now.Count > 0) _movedAt = time.GetTimestamp();
    }

    /// <summary>A leader says how far it is.</summary>
    public void Note(MoveProgress progress)
    {
        if (!_moves.TryGetValue(new GroupId(progress.Topic, progress.Partition), out Move? move)) return;
        if (move.Last is null)
        {
            move.FirstAt = time.GetTimestamp();
            move.FirstDone = progress.Done;
        }

        move.Last = progress;
    }

    /// <summary>The moves with their progress, in the order of topics and partitions.</summary>
    public IReadOnlyList<MoveStatus> Moves(MetadataImage image)
    {
        List<MoveStatus> moves = [];
        foreach ((GroupId group, Move move) in _moves)
        {
            if (!image.TopicsById.TryGetValue(group.Topic, out TopicImage? topic) || group.Partition >= topic.Partitions.Length) continue;
            PartitionImage partition = topic.Partitions[group.Partition];
            long left = move.Last is { } last ? Math.Max(0, last.Total - last.Done) : -1;
            moves.Add(new MoveStatus(
                topic.Name, group.Partition, partition.Origin, partition.Target,
                move.Last is { } known ? known.Total == 0 ? 1 : Math.Clamp((double)known.Done / known.Total, 0, 1) : null,
                left, SecondsOf(move, left)));
        }

        return [.. moves.OrderBy(move => move.Topic, StringComparer.Ordinal).ThenBy(move => move.Partition)];
    }

    /// <summary>How long these moves and as many more will take; null before the first has come to its end.</summary>
    public double? SecondsLeft(int more) => _completed == 0 || (Count == 0 && (more == 0 || !HasPace))
        ? null
        : time.GetElapsedTime(_began).TotalSeconds / _completed * (Count + more);

    private bool HasPace => time.GetElapsedTime(_movedAt) < Pause;

    private double? SecondsOf(Move move, long left)
    {
        if (left == 0) return 0;
        if (left < 0) return null;
        double elapsed = time.GetElapsedTime(move.FirstAt).TotalSeconds;
        long done = move.Last!.Done - move.FirstDone;
        return done > 0 && elapsed > 0 ? left / (done / elapsed) : null;
    }

    private sealed class Move
    {
        public long FirstAt { get; set; }

        public long FirstDone { get; set; }

        public MoveProgress? Last { get; set; }
    }
}

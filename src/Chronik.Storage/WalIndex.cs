using Chronik.Model;

namespace Chronik.Storage;

/// <summary>Where an entry's record lies.</summary>
internal readonly record struct WalLocation(uint Generation, uint Position, int PayloadBytes);

/// <summary>What the WAL holds of one group: where its entries behind the checkpoint lie, and which file it still needs.</summary>
/// <remarks>Guarded by the WAL's lock. An idle group without entries has no array.</remarks>
internal sealed class WalGroup(GroupId id)
{
    private WalLocation[] _locations = [];
    private int _head;
    private int _count;
    private long _first = 1;
    private HardState _hardState;
    private uint _hardStateGeneration;

    public GroupId Id { get; } = id;

    /// <summary>The first entry that no checkpoint covers, whether there is one or not.</summary>
    public LogIndex First => new(_first);

    /// <summary>The last entry written, or the checkpoint's index.</summary>
    public LogIndex Last => new(_first + _count - 1);

    /// <summary>The last entry that was handed to the disk, though not yet written: <see cref="Last"/> runs behind it.</summary>
    public LogIndex LastSubmitted { get; set; }

    /// <summary>
    /// Whether the record that deletes the group was handed to the disk: a checkpoint that was under way then means the group no more.
    /// </summary>
    public bool Deleted { get; set; }

    /// <summary>How often something was handed to the disk.</summary>
    public long Submissions { get; set; }

    /// <summary>The latest hard state, unless a checkpoint holds one that is as new.</summary>
    public HardState? PinnedHardState => _hardStateGeneration == 0 ? null : _hardState;

    /// <summary>Bytes of the entries behind the checkpoint.</summary>
    public long LiveBytes { get; private set; }

    /// <summary>At how many live bytes the owner is asked for the next checkpoint.</summary>
    public long WantedAt { get; set; }

    /// <summary>The oldest file that the group needs; <see cref="uint.MaxValue"/> when it needs none.</summary>
    public uint Pinned
    {
        get
        {
            uint entries = _count > 0 ? _locations[_head].Generation : uint.MaxValue;
            return Math.Min(entries, _hardStateGeneration == 0 ? uint.MaxValue : _hardStateGeneration);
        }
    }

    public void SetHardState(HardState state, uint generation)
    {
        _hardState = state;
        _hardStateGeneration = generation;
    }

    /// <summary>Forgets everything but the file that says so.</summary>
    public void Bury(uint generation)
    {
        _locations = [];
        _head = _count = 0;
        _first = 1;
        LiveBytes = 0;
        SetHardState(default, generation);
    }

    /// <summary>
    /// Adds an entry that was written. It is not kept when a checkpoint covers it by now: it may have been committed by others first.
    /// </summary>
    public void Add(LogIndex index, WalLocation location)
    {
        if (index < First) return;
        Invariant.Require(index == Last.Next);
        if (_head + _count == _locations.Length) MakeRoom();
        _locations[_head + _count++] = location;
        LiveBytes += WalFormat.RecordBytes(location.PayloadBytes);
    }

    public void TruncateFrom(LogIndex index)
    {
        while (_count > 0 && Last >= index) LiveBytes -= WalFormat.RecordBytes(_locations[_head + --_count].PayloadBytes);
    }

    /// <summary>Lets go of entries up to an index, and of the hard state when a checkpoint holds one that is as new.</summary>
    public void Release(LogIndex index, HardState hardState)
    {
        if (Deleted) return;
        while (_count > 0 && _first <= index.Value)
        {
            LiveBytes -= WalFormat.RecordBytes(_locations[_head++].PayloadBytes);
            _count--;
            _first++;
        }

        if (_count == 0)
        {
            _locations = [];
            _head = 0;
            _first = Math.Max(_first, index.Value + 1);
        }

        if (LastSubmitted < index) LastSubmitted = index;
        if (!IsNewer(_hardState, hardState)) _hardStateGeneration = 0;
    }

    public bool TryFind(LogIndex index, out WalLocation location)
    {
        long at = index.Value - _first;
        location = at >= 0 && at < _count ? _locations[_head + (int)at] : default;
        return at >= 0 && at < _count;
    }

    /// <summary>
    /// Whether <paramref name="a"/> says more than <paramref name="b"/>: terms only grow, and in a term there is one vote.
    /// </summary>
    public static bool IsNewer(HardState a, HardState b) => a.Term > b.Term || (a.Term == b.Term && a.Vote.IsSome && !b.Vote.IsSome);

    private void MakeRoom()
    {
        // Released entries leave room in front; it is used again before the array grows.
        bool inPlace = _head > 0 && _head >= _locations.Length / 2;
        WalLocation[] target = inPlace ? _locations : new WalLocation[Math.Max(4, _locations.Length * 2)];
        Array.Copy(_locations, _head, target, 0, _count);
        _locations = target;
        _head = 0;
    }
}

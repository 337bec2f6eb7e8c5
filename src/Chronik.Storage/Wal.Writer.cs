using System.Diagnostics;
using Chronik.Model;

namespace Chronik.Storage;

// The writer's half: what runs on the WAL's thread.
public sealed partial class Wal
{
    private readonly List<WalWrite> _group = [];
    private readonly List<Exception?> _refusals = [];
    private readonly List<PendingEntry> _entries = [];
    private readonly List<GroupId> _wanted = [];
    private uint _askedAt;

    /// <summary>The writer's thread: returns when <see cref="Stop"/> was called and everything queued before is done.</summary>
    internal void Run()
    {
        while (Wait()) WriteQueued();
        CloseCleanly();
    }

    /// <summary>Lets the writer finish what is queued and end.</summary>
    internal void Stop()
    {
        lock (_queueLock)
        {
            _stopping = true;
            Monitor.PulseAll(_queueLock);
        }
    }

    /// <summary>Writes whatever is queued, in one or more group commits; returns whether there was anything.</summary>
    internal bool WriteQueued()
    {
        lock (_queueLock)
        {
            (_queue, _taken) = (_taken, _queue);
            _takenNext = 0;
        }

        bool any = _taken.Count > 0;
        while (_takenNext < _taken.Count) WriteGroup();
        _taken.Clear();
        return any;
    }

    /// <summary>
    /// Ends with a write that says that everything before it is durable, so that the next start can tell damage at the end from a torn
    /// write.
    /// </summary>
    internal void CloseCleanly()
    {
        lock (_queueLock) _stopped = true;
        WriteQueued();
        try
        {
            if (_latch.Failure is null && _current is { End: > 0 })
            {
                SyncIfNeeded();
                _encoder.Begin(_current.Generation, _current.End);
                _folder.BeforeWrite(_current.End + _encoder.End(_durable));
                _current.File.Write(_encoder.Slices, _current.End);
                _current.File.Sync();
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            _latch.Fail(failure);
            _current?.File.DropCache();
        }

        _encoder.Dispose();
    }

    /// <summary>Closes the files, when neither of storage's threads runs any more.</summary>
    internal void CloseFiles()
    {
        lock (_indexLock)
        {
            foreach (WalFile file in _files.Values) file.File.Dispose();
        }
    }

    private bool Wait()
    {
        lock (_queueLock)
        {
            while (_queue.Count == 0)
            {
                if (_stopping) return false;
                _waiting = true;
                Monitor.Wait(_queueLock);
                _waiting = false;
            }
        }

        return true;
    }

    private void WriteGroup()
    {
        TakeGroup();
        bool written = false;
        Exception? failure = _latch.Failure;
        if (failure is null)
        {
            try
            {
                WriteAndSync();
                written = true;
            }
            catch (Exception e)
            {
                failure = _latch.Fail(e);

                // The system may take what it could not write for written, and show it to the next start, which would build on it.
                _current?.File.DropCache();
            }
        }

        if (written) Index();
        for (int i = 0; i < _group.Count; i++) Complete(_group[i], failure ?? _refusals[i]);
        foreach (GroupId wanted in _wanted) CheckpointWanted?.Invoke(wanted);
        _wanted.Clear();
        if (_folder.NeedsFill) MaintenanceWanted?.Invoke();
    }

    private void TakeGroup()
    {
        _group.Clear();
        _refusals.Clear();
        long bytes = 0;
        lock (_indexLock)
        {
            while (_takenNext < _taken.Count && (_group.Count == 0 || bytes + _taken[_takenNext].QueuedBytes <= _options.WalWriteBytes))
            {
                WalWrite write = _taken[_takenNext++];
                bytes += write.QueuedBytes;
                _group.Add(write);
                _refusals.Add(Submit(write));
            }
        }
    }

    /// <summary>Checks that a write continues its group's log; returns why not.</summary>
    private Exception? Submit(WalWrite write)
    {
        WalGroup group = GroupOf(write.Group);
        if (write.CarriedAt is { } at && at != group.Submissions)
            return new InvalidOperationException($"group {write.Group} was written to since its entries were read");
        group.Submissions++;
        if (write.DeletesGroup)
        {
            group.LastSubmitted = LogIndex.Zero;
            group.Deleted = true;
            return null;
        }

        LogIndex last = group.LastSubmitted;
        if (write.TruncateFrom is { } from && from <= last)
        {
            if (from < group.First)
                return new InvariantViolationException(
                    $"entry {from} of group {write.Group} is covered by a checkpoint: it holds for ever");
            last = from.Previous;
        }

        for (int i = 0; i < write.Entries.Count; i++)
        {
            if (!group.Deleted && write.Entries[i].Index < group.First) continue; // A checkpoint covered it while it was queued.
            if (write.Entries[i].Index != last.Next)
                return new InvariantViolationException($"entry {write.Entries[i].Index} of group {write.Group} cannot follow entry {last}");
            last = last.Next;
        }

        group.LastSubmitted = last;
        return null;
    }

    private void WriteAndSync()
    {
        long length = 0;
        bool sync = false;
        for (int i = 0; i < _group.Count; i++)
        {
            if (_refusals[i] is not null) continue;
            length += _group[i].QueuedBytes;
            sync |= _group[i].Sync;
        }

        if (length == 0) return;
        long started = Stopwatch.GetTimestamp();
        WalFile file = FileFor(length);
        Encode(file);
        long end = file.End + _encoder.End(_durable);
        _folder.BeforeWrite(end);
        file.File.Write(_encoder.Slices, file.End);
        _meters.Written(end - file.End, _group.Count, Stopwatch.GetElapsedTime(started));
        _encoder.Reset();
        lock (_indexLock) file.End = end;
        _unsynced = true;
        if (sync) SyncIfNeeded();
    }

    private void SyncIfNeeded()
    {
        if (!_unsynced || _current is null) return;
        long started = Stopwatch.GetTimestamp();
        _current.File.Sync();
        _meters.Synced(Stopwatch.GetElapsedTime(started));
        _durable = new WalPosition(_current.Generation, _current.End);
        _unsynced = false;
    }

    private WalFile FileFor(long length)
    {
        long bytes = WalFormat.HeaderBytes + length;
        if (_current is { } current && (current.End == 0 || current.End + bytes <= _options.WalFileBytes)) return current;

        // The next file's first write says that this one is durable to its end, so it has to be.
        SyncIfNeeded();
        WalFile file = _folder.Create(_nextGeneration);
        _nextGeneration++;
        lock (_indexLock)
        {
            _files.Add(file.Generation, file);
            _current = file;
            _mayRetire = true;
        }

        MaintenanceWanted?.Invoke();
        return file;
    }

    private void Encode(WalFile file)
    {
        _entries.Clear();
        _encoder.Begin(file.Generation, file.End);
        for (int i = 0; i < _group.Count; i++)
        {
            WalWrite write = _group[i];
            if (_refusals[i] is not null) continue;
            if (write.DeletesGroup) _encoder.Add(WalRecordType.DeleteGroup, write.Group, 0);
            if (write.HardState is { } state) _encoder.Add(WalRecordType.HardState, write.Group, state.Vote.Value, state.Term.Value);
            if (write.TruncateFrom is { } from) _encoder.Add(WalRecordType.Truncate, write.Group, from.Value);
            for (int n = 0; n < write.Entries.Count; n++)
            {
                LogEntry entry = write.Entries[n];
                long position = _encoder.Add(
                    WalRecordType.Entry, write.Group, entry.Index.Value, entry.Term.Value, entry.NextOffset.Value, entry.Kind,
                    entry.Payload);
                _entries.Add(new PendingEntry(entry.Index, new WalLocation(file.Generation, (uint)position, entry.Payload.Length)));
            }
        }
    }

    private void Index()
    {
        int next = 0;
        lock (_indexLock)
        {
            for (int i = 0; i < _group.Count; i++)
            {
                WalWrite write = _group[i];
                if (_refusals[i] is not null) continue;
                if (write.DeletesGroup)
                {
                    // The tombstone's file stays until the group's own files are gone.
                    GroupOf(write.Group).Bury(_current!.Generation);
                    continue;
                }

                WalGroup group = GroupOf(write.Group);
                if (write.HardState is { } state) group.SetHardState(state, _current!.Generation);
                if (write.TruncateFrom is { } from) group.TruncateFrom(from);
                for (int n = 0; n < write.Entries.Count; n++, next++) group.Add(_entries[next].Index, _entries[next].Location);
                if (write.CarriedAt is not null) _mayRetire = true;
                if (group.LiveBytes < group.WantedAt) continue;
                group.WantedAt = group.LiveBytes + _options.CheckpointBytes;
                _wanted.Add(write.Group);
            }

            WantPinnedGroups();
        }
    }

    /// <summary>When the WAL is over its bounds, asks the groups that pin its oldest files, once per file that is begun.</summary>
    private void WantPinnedGroups()
    {
        if (_current!.Generation == _askedAt) return;
        _askedAt = _current.Generation;
        long bytes = 0;
        int files = _files.Count;
        foreach (WalFile file in _files.Values) bytes += file.End;
        uint upTo = 0;
        foreach (WalFile file in _files.Values)
        {
            if (file == _current || (bytes <= _options.WalMaxBytes && files <= _options.WalMaxFiles)) break;
            upTo = file.Generation;
            bytes -= file.End;
            files--;
        }

        foreach (WalGroup group in _groups.Values)
        {
            if (group.Pinned <= upTo) _wanted.Add(group.Id);
        }
    }

    private readonly record struct PendingEntry(LogIndex Index, WalLocation Location);
}

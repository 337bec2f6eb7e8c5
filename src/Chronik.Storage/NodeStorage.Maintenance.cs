using System.Diagnostics;
using Chronik.Model;

namespace Chronik.Storage;

// What runs on the maintenance thread: zero-filling, checkpoints, deletions, WAL files that nobody needs any more.
public sealed partial class NodeStorage
{
    private readonly object _workLock = new();
    private List<CheckpointJob> _checkpoints = [];
    private List<DeletionJob> _deletions = [];
    private List<CarryOverJob> _carryOvers = [];
    private bool _workQueued;
    private bool _stopping;

    /// <summary>
    /// Makes a group's log durable, writes the checkpoint and lets go of the WAL up to its index, all on a background thread. Called
    /// by the group's one writer, when the log (if it has one) ends where the checkpoint says.
    /// </summary>
    /// <param name="group">The group, with or without a log.</param>
    /// <param name="checkpoint">What to remember. Its state must not change afterwards.</param>
    /// <param name="done">Told on the background thread: null, or why it failed.</param>
    public void Checkpoint(GroupId group, Checkpoint checkpoint, Action<Exception?>? done)
    {
        GroupFiles files = FilesOf(group);
        CheckpointJob job;
        lock (files)
        {
            if (files.Deleted)
            {
                done?.Invoke(new InvalidOperationException($"group {group} is deleted"));
                return;
            }

            LogCapture? capture = null;
            if (files.Log is { } log)
            {
                Invariant.Require(log.NextOffset == checkpoint.LogEndOffset);
                try
                {
                    capture = log.Capture();
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    done?.Invoke(_latch.Fail(e));
                    return;
                }
            }

            StoredCheckpoint stored = new(group, checkpoint, Wal.End, capture?.Segments ?? files.Stored?.Segments ?? []);
            files.Stored = stored.WithoutState();
            job = new CheckpointJob(stored, capture, done);
        }

        lock (_workLock)
        {
            if (!_stopping)
            {
                _checkpoints.Add(job);
                _workQueued = true;
                Monitor.Pulse(_workLock);
                return;
            }
        }

        if (job.Capture is { } unused) ReleaseSegments(unused);
        done?.Invoke(new ObjectDisposedException(nameof(NodeStorage)));
    }

    /// <summary>
    /// Removes a group for ever: a record in the WAL first, then its files. Nothing may be asked of the group until
    /// <paramref name="done"/> was called; after that it may be made anew.
    /// </summary>
    public void DeleteGroup(GroupId group, Action<Exception?>? done = null)
    {
        GroupFiles files = FilesOf(group);
        lock (files) files.Deleted = true;
        _recovered.TryRemove(group, out _);
        Wal.Append(new WalWrite { Group = group, DeletesGroup = true, Completion = new DeletionJob(this, group, files, done) });
    }

    /// <summary>
    /// Moves what the WAL holds of a group to the WAL's end, on a background thread: for a group that holds up the oldest files and has
    /// nobody who makes a checkpoint, because its owner has stopped for a reason of its own. A restart finds what it would have found.
    /// </summary>
    /// <param name="group">The group.</param>
    /// <param name="done">Told on one of storage's threads: null, or why it was not done; nothing was changed then.</param>
    public void CarryOver(GroupId group, Action<Exception?>? done = null)
    {
        lock (_workLock)
        {
            _carryOvers.Add(new CarryOverJob(this, group, done));
            _workQueued = true;
            Monitor.Pulse(_workLock);
        }
    }

    private void WakeMaintenance()
    {
        lock (_workLock)
        {
            _workQueued = true;
            Monitor.Pulse(_workLock);
        }
    }

    private void StopMaintenance()
    {
        lock (_workLock)
        {
            _stopping = true;
            Monitor.Pulse(_workLock);
        }
    }

    private void MaintenanceLoop()
    {
        while (true)
        {
            lock (_workLock)
            {
                while (!_workQueued && !_stopping) Monitor.Wait(_workLock);
                _workQueued = false;
            }

            RunMaintenance();
            lock (_workLock)
            {
                if (_stopping && !_workQueued) return;
            }
        }
    }

    private bool RunMaintenance()
    {
        List<CheckpointJob> checkpoints;
        List<DeletionJob> deletions;
        List<CarryOverJob> carryOvers;
        lock (_workLock)
        {
            (checkpoints, _checkpoints) = (_checkpoints, []);
            (deletions, _deletions) = (_deletions, []);
            (carryOvers, _carryOvers) = (_carryOvers, []);
        }

        Exception? failure = _latch.Failure;
        if (failure is null)
        {
            try
            {
                MakeDurable(checkpoints);
                foreach (DeletionJob deletion in deletions) deletion.RemoveFiles();
                foreach (CarryOverJob job in carryOvers) job.Begin();
                Wal.RetireFiles();
                _writeback.Run();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
            {
                failure = _latch.Fail(e);
            }
        }

        foreach (CheckpointJob job in checkpoints)
        {
            if (job.Capture is { } capture) ReleaseSegments(capture);
            job.Done?.Invoke(failure);
        }

        foreach (DeletionJob deletion in deletions) deletion.Done?.Invoke(failure);
        bool filled = failure is null && Fill();
        return filled || checkpoints.Count > 0 || deletions.Count > 0 || carryOvers.Count > 0;
    }

    /// <summary>
    /// Fills with zeros until there are enough or something else is to be done: a busy writer may keep it filling all the time. Returns
    /// whether it did anything.
    /// </summary>
    private bool Fill()
    {
        bool filled = false;
        try
        {
            for (; _walFiles.NeedsFill && !IsWanted(); filled = true) _walFiles.Fill();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _latch.Fail(e);
        }

        return filled;

        bool IsWanted()
        {
            lock (_workLock) return _stopping || _checkpoints.Count > 0 || _deletions.Count > 0 || _writeback.IsDue;
        }
    }

    private void MakeDurable(List<CheckpointJob> jobs)
    {
        if (jobs.Count == 0) return;
        long started = Stopwatch.GetTimestamp();
        string directory = Path.Combine(_options.DataDirectory, CheckpointsName);
        bool newLogs = false;
        foreach (CheckpointJob job in jobs)
        {
            if (job.Capture is not { } capture) continue;
            foreach (Segment segment in capture.Dirty)
            {
                segment.Log.Sync();
                segment.IndexFile.Sync();
            }

            if (!capture.NamesChanged) continue;
            _disk.SyncDirectory(capture.Directory);
            newLogs = true;
        }

        if (newLogs) _disk.SyncDirectory(Path.Combine(_options.DataDirectory, LogsName));
        foreach (CheckpointJob job in jobs)
        {
            CheckpointFile.WriteTemporary(_disk, directory, job.Stored);
            string temporary = Path.Combine(directory, job.Stored.Group + CheckpointFile.TemporarySuffix);
            _disk.Rename(temporary, CheckpointFile.PathOf(directory, job.Stored.Group));
        }

        _disk.SyncDirectory(directory);
        foreach (CheckpointJob job in jobs)
        {
            Wal.Release(job.Stored.Group, job.Stored.Checkpoint.Index, job.Stored.Checkpoint.HardState);
            foreach (Segment removed in job.Capture?.Removed ?? []) removed.Unlink();
        }

        _meters.Checkpointed(Stopwatch.GetElapsedTime(started));
    }

    private static void ReleaseSegments(LogCapture capture)
    {
        foreach (Segment segment in capture.Dirty) segment.Release();
        foreach (Segment segment in capture.Removed) segment.Release();
    }

    private sealed record CheckpointJob(StoredCheckpoint Stored, LogCapture? Capture, Action<Exception?>? Done);

    /// <summary>Reads on the maintenance thread, is done on the WAL's, and has files given up on the maintenance thread again.</summary>
    private sealed class CarryOverJob(NodeStorage storage, GroupId group, Action<Exception?>? done) : IWalCompletion
    {
        public void Begin()
        {
            try
            {
                storage.Wal.CarryOver(group, this);
            }
            catch (StorageException refusal)
            {
                done?.Invoke(refusal);
            }
        }

        public void Completed(WalWrite write, Exception? failure)
        {
            done?.Invoke(failure);
            storage.WakeMaintenance();
        }
    }

    /// <summary>Waits for the deletion's record to be durable, then for the maintenance thread.</summary>
    private sealed class DeletionJob(NodeStorage storage, GroupId group, GroupFiles files, Action<Exception?>? done) : IWalCompletion
    {
        public Action<Exception?>? Done => done;

        public void Completed(WalWrite write, Exception? failure)
        {
            if (failure is not null)
            {
                done?.Invoke(failure);
                return;
            }

            lock (storage._workLock) storage._deletions.Add(this);
            storage.WakeMaintenance();
        }

        public void RemoveFiles()
        {
            lock (files)
            {
                files.Log?.Close();
                files.Log = null;
            }

            NodeStorage.RemoveFiles(storage._disk, storage._options.DataDirectory, group);
            storage._groups.TryRemove(group, out _);
            storage.Wal.Forget(group);
        }
    }
}

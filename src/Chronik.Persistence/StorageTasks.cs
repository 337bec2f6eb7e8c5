using Chronik.Model;
using Chronik.Storage;

namespace Chronik.Persistence;

/// <summary>Checkpoints as tasks.</summary>
internal static class StorageTasks
{
    /// <summary>Remembers a state up to an index; completes when it is durable.</summary>
    public static Task CheckpointAsync(this NodeStorage storage, GroupId group, LogIndex index, byte[] state)
    {
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        HardState none = new(Term.Zero, NodeId.None);
        storage.Checkpoint(group, new Checkpoint(index, Term.Zero, KafkaOffset.Zero, KafkaOffset.Zero, none, state), failure =>
        {
            if (failure is null) done.SetResult();
            else done.SetException(failure);
        });
        return done.Task;
    }
}

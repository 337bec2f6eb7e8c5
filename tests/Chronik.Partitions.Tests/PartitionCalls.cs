using Chronik.Model;

namespace Chronik.Partitions.Tests;

/// <summary>What a gateway asks of a replica, as tasks.</summary>
internal static class PartitionCalls
{
    /// <summary>Appends a copy of a batch. Completes when the replica answers.</summary>
    /// <param name="partition">The replica.</param>
    /// <param name="buffers">Where the copy is.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="acks">What the producer asks for.</param>
    /// <param name="isForwarded">Whether another node passed it on.</param>
    /// <param name="whenAnswered">Called by the replica, behind its answer.</param>
    public static Task<AppendResult> AppendAsync(
        this Partition partition, BufferPool buffers, byte[] batch, RequiredAcks acks = RequiredAcks.All, bool isForwarded = false,
        Action? whenAnswered = null)
    {
        AppendAnswer answer = new(whenAnswered);
        BufferSlice copy = buffers.Copy(batch);
        partition.Append(new AppendRequest(copy, acks, answer, 0) { IsForwarded = isForwarded });
        copy.Release();
        return answer.Task;
    }

    /// <summary>Asks for a linearizable read. Completes with whether the view is current.</summary>
    public static Task<bool> ConfirmReadAsync(this Partition partition)
    {
        ReadAnswer answer = new();
        partition.ConfirmRead(answer);
        return answer.Task;
    }

    private sealed class AppendAnswer(Action? whenAnswered) : IAppendSink
    {
        private readonly TaskCompletionSource<AppendResult> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<AppendResult> Task => _result.Task;

        public void Appended(int slot, in AppendResult result)
        {
            _result.SetResult(result);
            whenAnswered?.Invoke();
        }
    }
}

/// <summary>What a reader is told.</summary>
internal sealed class ReadAnswer : IReadSink
{
    private readonly TaskCompletionSource<bool> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<bool> Task => _result.Task;

    public void Confirmed(bool isCurrent) => _result.SetResult(isCurrent);
}

namespace Chronik.Storage;

/// <summary>
/// The first failure of anything that writes. It is final: after a failed write or sync nobody knows what the disk holds.
/// </summary>
internal sealed class FailureLatch
{
    private Exception? _failure;

    public Exception? Failure => Volatile.Read(ref _failure);

    public event Action<Exception>? Failed;

    /// <summary>Remembers a failure, tells everybody once, and returns what stays the reason.</summary>
    public Exception Fail(Exception failure)
    {
        Exception? earlier = Interlocked.CompareExchange(ref _failure, failure, null);
        if (earlier is null) Failed?.Invoke(failure);
        return earlier ?? failure;
    }

    public void ThrowIfFailed()
    {
        if (Failure is { } failure) throw new StorageException($"storage has failed: {failure.Message}", failure);
    }
}

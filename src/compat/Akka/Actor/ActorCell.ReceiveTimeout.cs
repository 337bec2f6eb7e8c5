namespace Akka.Actor;

internal sealed partial class ActorCell
{
    private TimeSpan? _receiveTimeout;
    private ICancelable _receiveTimeoutTask;

    public TimeSpan? ReceiveTimeout => _receiveTimeout;

    public void SetReceiveTimeout(TimeSpan? timeout = null)
    {
        if (timeout is { } set && set <= TimeSpan.Zero)
            throw new ArgumentOutOfRangeException(nameof(timeout), "A receive timeout is longer than nothing.");
        _receiveTimeout = timeout;
        // The turn that sets it ends with a check, which starts the clock.
        CancelReceiveTimeout();
    }

    public void CheckReceiveTimeout(bool restart)
    {
        if (_receiveTimeout is { } timeout && !_isTerminating)
        {
            if (restart || _receiveTimeoutTask is null)
            {
                CancelReceiveTimeout();
                _receiveTimeoutTask = SystemImpl.Scheduler.ScheduleTellOnceCancelable(timeout, LocalSelf,
                    Akka.Actor.ReceiveTimeout.Instance, LocalSelf);
            }
        }
        else
        {
            CancelReceiveTimeout();
        }
    }

    private void CancelReceiveTimeout()
    {
        _receiveTimeoutTask?.Cancel();
        _receiveTimeoutTask = null;
    }
}

namespace Akka.Actor;

/// <summary>The way to call off what was scheduled.</summary>
public interface ICancelable
{
    bool IsCancellationRequested { get; }

    CancellationToken Token { get; }

    void Cancel();

    void Cancel(bool throwOnFirstException);

    void CancelAfter(TimeSpan delay);

    void CancelAfter(int millisecondsDelay);
}

public static class CancelableExtensions
{
    public static void CancelIfNotNull(this ICancelable cancelable) => cancelable?.Cancel();
}

/// <summary>
/// Most are never asked for their token, so that is made when it is; and most stand for one scheduled thing, which is taken out of the
/// scheduler at once when they are cancelled.
/// </summary>
public class Cancelable : ICancelable, IDisposable
{
    private readonly IActionScheduler _scheduler;
    private CancellationTokenSource _source;
    private IDisposable _registration;
    private ICancelable _delay;
    private volatile bool _cancelled;
    private volatile bool _disposed;

    public Cancelable(IActionScheduler scheduler, TimeSpan delay)
        : this(scheduler) => CancelAfter(delay);

    public Cancelable(IScheduler scheduler, TimeSpan delay)
        : this(scheduler.Advanced, delay)
    {
    }

    public Cancelable(IScheduler scheduler, int millisecondsDelay)
        : this(scheduler.Advanced, TimeSpan.FromMilliseconds(millisecondsDelay))
    {
    }

    public Cancelable(IScheduler scheduler)
        : this(scheduler.Advanced)
    {
    }

    public Cancelable(IActionScheduler scheduler) => _scheduler = scheduler;

    public bool IsCancellationRequested => _cancelled;

    public bool IsDisposed => _disposed;

    public CancellationToken Token
    {
        get
        {
            lock (this)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                if (_source is null)
                {
                    _source = new CancellationTokenSource();
                    if (_cancelled)
                        _source.Cancel();
                }

                return _source.Token;
            }
        }
    }

    public void Cancel() => Cancel(false);

    public void Cancel(bool throwOnFirstException)
    {
        CancellationTokenSource source;
        IDisposable registration;
        ICancelable delay;
        lock (this)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_cancelled)
                return;
            _cancelled = true;
            source = _source;
            registration = _registration;
            delay = _delay;
            _registration = null;
            _delay = null;
        }

        registration?.Dispose();
        delay?.Cancel();
        source?.Cancel(throwOnFirstException);
    }

    public void CancelAfter(TimeSpan delay)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        ObjectDisposedException.ThrowIf(_disposed, this);
        var timer = new Cancelable(_scheduler);
        _scheduler.ScheduleOnce(delay, () =>
        {
            if (!_disposed)
                Cancel(true);
        }, timer);
        Interlocked.Exchange(ref _delay, timer)?.Cancel();
    }

    public void CancelAfter(int millisecondsDelay) => CancelAfter(TimeSpan.FromMilliseconds(millisecondsDelay));

    public static ICancelable CreateCanceled() => AlreadyCancelled.Instance;

    /// <summary>Cancelled when one of the others is.</summary>
    public static ICancelable CreateLinkedCancelable(IScheduler scheduler, params ICancelable[] cancelables) =>
        CreateLinkedCancelable(scheduler.Advanced, cancelables);

    public static ICancelable CreateLinkedCancelable(IActionScheduler scheduler, params ICancelable[] cancelables) =>
        CreateLinkedCancelable(scheduler, Array.ConvertAll(cancelables, static c => c.Token));

    public static ICancelable CreateLinkedCancelable(IScheduler scheduler, params CancellationToken[] cancellationTokens) =>
        CreateLinkedCancelable(scheduler.Advanced, cancellationTokens);

    public static ICancelable CreateLinkedCancelable(IActionScheduler scheduler, params CancellationToken[] cancellationTokens)
    {
        var linked = new Cancelable(scheduler);
        foreach (CancellationToken token in cancellationTokens)
            token.Register(() => linked.Cancel(true));
        return linked;
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        lock (this)
        {
            _disposed = true;
            _source?.Dispose();
        }
    }

    /// <summary>
    /// What is scheduled is disposed of on cancellation. Only the first is kept; others notice the cancellation when they are due.
    /// </summary>
    internal void Attach(IDisposable registration)
    {
        lock (this)
        {
            if (!_cancelled)
            {
                _registration ??= registration;
                return;
            }
        }

        registration.Dispose();
    }

    private sealed class AlreadyCancelled : ICancelable
    {
        public static readonly AlreadyCancelled Instance = new();

        public bool IsCancellationRequested => true;

        public CancellationToken Token => new(canceled: true);

        public void Cancel()
        {
        }

        public void Cancel(bool throwOnFirstException)
        {
        }

        public void CancelAfter(TimeSpan delay)
        {
        }

        public void CancelAfter(int millisecondsDelay)
        {
        }
    }
}

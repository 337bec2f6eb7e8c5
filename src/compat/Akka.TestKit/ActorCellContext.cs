using Akka.Actor;

namespace Akka.TestKit;

/// <summary>
/// Keeps a test's thread in the place of its test actor, also after an await, which may continue on another thread: it sets the cell around
/// every continuation.
/// </summary>
internal sealed class ActorCellContext(ActorCell cell) : SynchronizationContext
{
    /// <summary>From here on the current thread and its continuations send as this actor; null for nobody.</summary>
    public static void StandIn(IActorRef actor)
    {
        if (actor == null)
        {
            ActorCell.Current = null;
            return;
        }

        var cell = ((LocalActorRef)actor).Cell;
        ActorCell.Current = cell;
        SetSynchronizationContext(new ActorCellContext(cell));
    }

    public override SynchronizationContext CreateCopy() => this;

    public override void Post(SendOrPostCallback d, object state) => ThreadPool.UnsafeQueueUserWorkItem(_ => Run(d, state), null);

    public override void Send(SendOrPostCallback d, object state) => Run(d, state);

    private void Run(SendOrPostCallback d, object state)
    {
        var (outerCell, outerContext) = (ActorCell.Current, Current);
        try
        {
            ActorCell.Current = cell;
            SetSynchronizationContext(this);
            d(state);
        }
        finally
        {
            ActorCell.Current = outerCell;
            SetSynchronizationContext(outerContext);
        }
    }
}

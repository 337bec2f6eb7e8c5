using Akka.Dispatch;
using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// The runtime of one actor: its mailbox, its current instance and behaviour, its children and watches. Everything but Post, PostSystem and
/// the reading of children happens on the one thread that runs the mailbox.
/// </summary>
internal sealed partial class ActorCell : IUntypedActorContext
{
    [ThreadStatic]
    private static ActorCell _current;

    private readonly Mailbox _mailbox;
    private ActorBase _actor;
    private Receive _behavior;
    private Stack<Receive> _behaviorStack;
    private object _currentMessage;
    private IActorRef _sender;
    private ActorTaskScheduler _taskScheduler;

    public ActorCell(ActorSystemImpl system, LocalActorRef self, Props props, MessageDispatcher dispatcher, MailboxType mailboxType,
        IInternalActorRef parent)
    {
        SystemImpl = system;
        LocalSelf = self;
        Props = props;
        Dispatcher = dispatcher;
        ParentRef = parent;
        _mailbox = new Mailbox(this, mailboxType.Create(self, system));
    }

    /// <summary>The cell whose mailbox this thread runs.</summary>
    public static ActorCell Current
    {
        get => _current;
        set => _current = value;
    }

    public ActorSystemImpl SystemImpl { get; }

    public LocalActorRef LocalSelf { get; }

    public IInternalActorRef ParentRef { get; }

    public Props Props { get; }

    public MessageDispatcher Dispatcher { get; }

    public Mailbox Mailbox => _mailbox;

    public ActorBase Actor => _actor;

    public IActorRef Self => LocalSelf;

    public IActorRef Parent => ParentRef;

    public ActorSystem System => SystemImpl;

    public IActorRef Sender => _sender;

    public object CurrentMessage => _currentMessage;

    public Envelope CurrentEnvelope => new(_currentMessage, _sender);

    /// <summary>Tells one turn of the actor from the next.</summary>
    public int CurrentEnvelopeId { get; private set; }

    public bool IsTerminated => _mailbox.IsClosed;

    public ActorTaskScheduler TaskScheduler => _taskScheduler ??= new ActorTaskScheduler(this);

    /// <summary>The event stream is told when the actor ends.</summary>
    public bool SubscribesToEventStream { get; set; }

    /// <summary>The cell that a reference leads to, when it is a local actor's.</summary>
    public static ActorCell Of(IActorRef actorRef) => (actorRef as LocalActorRef)?.Cell;

    public void Start() => _mailbox.PostSystem(new Create());

    public void SendMessage(object message, IActorRef sender) => _mailbox.Post(new Envelope(message, sender ?? SystemImpl.DeadLetters));

    public void SendSystemMessage(SystemMessage message) => _mailbox.PostSystem(message);

    public void Become(Receive receive)
    {
        ArgumentNullException.ThrowIfNull(receive);
        _behavior = receive;
    }

    public void BecomeStacked(Receive receive)
    {
        ArgumentNullException.ThrowIfNull(receive);
        (_behaviorStack ??= new Stack<Receive>()).Push(_behavior);
        _behavior = receive;
    }

    public void UnbecomeStacked()
    {
        // Below everything stacked is the behaviour that the actor began with; it stays.
        if (_behaviorStack is { Count: > 0 })
            _behavior = _behaviorStack.Pop();
    }

    public void Become(UntypedReceive receive) => Become(Wrap(receive));

    public void BecomeStacked(UntypedReceive receive) => BecomeStacked(Wrap(receive));

    public ActorSelection ActorSelection(ActorPath actorPath) => SelectionSupport.Select(actorPath, SystemImpl);

    public ActorSelection ActorSelection(string actorPath) => SelectionSupport.Select(actorPath, SystemImpl, LocalSelf);

    public void Stop(IActorRef child)
    {
        Children?.MarkDying(child);
        ((IInternalActorRef)child).Stop();
    }

    public void SetCurrent(Envelope envelope)
    {
        _currentMessage = envelope.Message;
        _sender = envelope.Sender;
    }

    /// <summary>One user message.</summary>
    public void Invoke(Envelope envelope)
    {
        _currentMessage = envelope.Message;
        _sender = envelope.Sender;
        unchecked
        {
            CurrentEnvelopeId++;
        }

        bool restartsTimeout = _receiveTimeout is not null && envelope.Message is not INotInfluenceReceiveTimeout;
        if (restartsTimeout)
            CancelReceiveTimeout();
        try
        {
            if (envelope.Message is IAutoReceivedMessage)
                AutoReceive(envelope.Message);
            else
                ReceiveMessage(envelope.Message);
            _currentMessage = null;
            _sender = null;
        }
        catch (Exception cause)
        {
            HandleInvokeFailure(cause, null);
        }
        finally
        {
            if (_receiveTimeout is not null || _receiveTimeoutTask is not null)
                CheckReceiveTimeout(restartsTimeout);
        }
    }

    public void ReceiveMessage(object message) => _actor.AroundReceiveInternal(_behavior, message);

    /// <summary>A step of an asynchronous handler: as if the message that began it were still being handled.</summary>
    public void InvokeTask(Action<object> step, object state, Envelope envelope)
    {
        SetCurrent(envelope);
        try
        {
            step(state);
            SetCurrent(default);
        }
        catch (Exception cause)
        {
            HandleInvokeFailure(cause, null);
        }
    }

    private static Receive Wrap(UntypedReceive receive)
    {
        ArgumentNullException.ThrowIfNull(receive);
        return message =>
        {
            receive(message);
            return true;
        };
    }

    private void AutoReceive(object message)
    {
        switch (message)
        {
            case TimerMessage timer:
                ReceiveTimer(timer);
                break;
            case Terminated terminated:
                ReceivedTerminated(terminated);
                break;
            case PoisonPill:
                LocalSelf.Stop();
                break;
            case Kill:
                throw new ActorKilledException("Kill");
            case ActorSelectionMessage selection:
                ReceiveSelection(selection);
                break;
            case Identify identify:
                _sender.Tell(new ActorIdentity(identify.MessageId, LocalSelf), LocalSelf);
                break;
            default:
                ReceiveMessage(message);
                break;
        }
    }

    private void ReceiveTimer(TimerMessage timer)
    {
        if (_actor is not IWithTimers { Timers: TimerScheduler timers } || !timers.TryTake(timer, out object message))
            return;
        // A stash takes the message from here.
        _currentMessage = message;
        if (message is IAutoReceivedMessage)
            AutoReceive(message);
        else
            ReceiveMessage(message);
    }

    private void ReceiveSelection(ActorSelectionMessage selection)
    {
        if (selection.Elements.Length > 0)
        {
            SelectionSupport.Deliver(LocalSelf, _sender, selection);
            return;
        }

        _currentMessage = selection.Message;
        if (selection.Message is IAutoReceivedMessage)
            AutoReceive(selection.Message);
        else
            ReceiveMessage(selection.Message);
    }

    private ActorBase NewActor()
    {
        _behavior = null;
        _behaviorStack = null;
        ActorBase actor = Props.NewActor() ?? throw new InvalidOperationException($"{Props} produced no actor.");
        _actor = actor;
        actor.SupervisorStrategyInternal = Props.SupervisorStrategy;
        if (actor is IActorStash stashing)
            stashing.Stash = this.CreateStash(stashing);
        if (actor is IWithTimers timed)
            timed.Timers = new TimerScheduler(this);
        // A constructor that called Become comes first; what the actor receives otherwise lies beneath.
        Receive initial = actor.InitialReceive();
        if (_behavior is null)
        {
            _behavior = initial;
        }

        return actor;
    }

    private void ClearActor()
    {
        if (_actor is null)
            return;
        try
        {
            if (_actor is IActorStash { Stash: { } stash })
                stash.UnstashAll();
        }
        catch (Exception e)
        {
            SystemImpl.EventStream.Publish(new Error(e, LocalSelf.Path.ToString(), _actor.GetType(), "The stash could not be emptied"));
        }

        if (_actor is IWithTimers { Timers: TimerScheduler timers })
            timers.CancelAll();
        Props.Release(_actor);
        _actor = null;
        _behavior = null;
        _behaviorStack = null;
        _currentMessage = null;
        _sender = null;
    }
}

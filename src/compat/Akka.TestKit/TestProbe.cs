using Akka.Actor;
using Akka.Dispatch.SysMsg;

namespace Akka.TestKit;

/// <summary>A test actor of its own, beside that of the test. It can be used wherever a reference to an actor is needed.</summary>
public class TestProbe : TestKitBase, INoImplicitSender, IInternalActorRef
{
    private readonly ITestKitAssertions _assertions;

    public TestProbe(ActorSystem system, ITestKitAssertions assertions, string testProbeName = null)
        : base(assertions, system, testProbeName)
    {
        _assertions = assertions;
    }

    /// <summary>The actor that receives what is sent to the probe.</summary>
    public IActorRef Ref => TestActor;

    /// <summary>Who sent the last message that was taken.</summary>
    public IActorRef Sender => LastSender;

    ActorPath IActorRef.Path => Ref.Path;

    bool IInternalActorRef.IsTerminated => Internal.IsTerminated;

    IInternalActorRef IInternalActorRef.Parent => Internal.Parent;

    ActorSystemImpl IInternalActorRef.SystemImpl => Internal.SystemImpl;

    private IInternalActorRef Internal => (IInternalActorRef)Ref;

    /// <summary>Sends as the probe.</summary>
    public void Send(IActorRef actor, object message) => actor.Tell(message, Ref);

    /// <summary>Sends on, with the sender of the last message.</summary>
    public void Forward(IActorRef actor, object message) => actor.Tell(message, Sender);

    /// <summary>Sends on the last message with its sender.</summary>
    public void Forward(IActorRef actor) => actor.Tell(LastMessage, Sender);

    /// <summary>Answers the last message.</summary>
    public void Reply(object message) => Sender.Tell(message, Ref);

    public override TestProbe CreateTestProbe(string name = null) => new(Sys, _assertions, name);

    public override bool Equals(object obj) => obj is IActorRef other && Ref.Equals(other);

    public override int GetHashCode() => Ref.GetHashCode();

    public override string ToString() => Ref.ToString();

    public int CompareTo(object obj) => Ref.CompareTo(obj);

    void ICanTell.Tell(object message, IActorRef sender) => Ref.Tell(message, sender);

    bool IEquatable<IActorRef>.Equals(IActorRef other) => Ref.Equals(other);

    int IComparable<IActorRef>.CompareTo(IActorRef other) => Ref.CompareTo(other);

    IActorRef IInternalActorRef.GetChild(ReadOnlySpan<string> names) => Internal.GetChild(names);

    void IInternalActorRef.SendSystemMessage(SystemMessage message) => Internal.SendSystemMessage(message);

    void IInternalActorRef.Stop() => Internal.Stop();
}

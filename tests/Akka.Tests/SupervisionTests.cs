namespace Akka.Tests;

public sealed class SupervisionTests : SystemTest
{
    private sealed class Child(Record seen) : UntypedActor
    {
        private int _count;

        protected override void PreStart() => seen.Add("start " + Self.Path.Name);

        protected override void PostStop() => seen.Add("stop " + Self.Path.Name);

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case Exception e:
                    throw e;
                case "count":
                    seen.Add(++_count);
                    break;
                default:
                    seen.Add(message);
                    break;
            }
        }
    }

    private sealed class BrokenChild : UntypedActor
    {
        public BrokenChild(Record seen)
        {
            seen.Add("constructor");
            throw new ExpectedException();
        }

        protected override void OnReceive(object message)
        {
        }
    }

    private sealed class Supervisor(SupervisorStrategy strategy, params (string Name, Props Props)[] children) : UntypedActor
    {
        protected override SupervisorStrategy SupervisorStrategy() => strategy;

        protected override void PreStart()
        {
            foreach ((string name, Props props) in children)
                Context.Watch(Context.ActorOf(props, name));
        }

        protected override void OnReceive(object message)
        {
            if (message is (string child, object inner))
                Context.Child(child).Tell(inner);
        }
    }

    private IActorRef Supervise(SupervisorStrategy strategy, params string[] names)
    {
        (string, Props)[] children = [.. names.Select(name => (name, Props.Create(() => new Child(Seen))))];
        IActorRef supervisor = Sys.ActorOf(Props.Create(() => new Supervisor(strategy, children)));
        foreach (string name in names)
            Seen.Next<string>();
        return supervisor;
    }

    [Theory]
    [InlineData(Directive.Resume, 2)]
    [InlineData(Directive.Restart, 1)]
    public void Resume_keeps_the_state_and_restart_does_not(Directive directive, int count)
    {
        IActorRef supervisor = Supervise(new OneForOneStrategy(_ => directive), "a");
        supervisor.Tell(("a", (object)"count"));
        supervisor.Tell(("a", (object)new ExpectedException()));
        supervisor.Tell(("a", (object)"count"));
        Seen.AssertNext(1);
        if (directive == Directive.Restart)
            Seen.AssertNext("stop a", "start a");
        Seen.AssertNext(count);
    }

    [Fact]
    public void The_default_decider_restarts_but_stops_what_was_killed_could_not_start_or_broke_a_death_pact()
    {
        IDecider decider = SupervisorStrategy.DefaultDecider;
        Assert.Equal(Directive.Restart, decider.Decide(new ExpectedException()));
        Assert.Equal(Directive.Stop, decider.Decide(new ActorKilledException("x")));
        Assert.Equal(Directive.Stop, decider.Decide(new ActorInitializationException("x")));
        Assert.Equal(Directive.Stop, decider.Decide(new DeathPactException(ActorRefs.Nobody)));
    }

    [Fact]
    public void An_actor_whose_constructor_throws_is_stopped()
    {
        IActorRef watcher = Acting((context, message) =>
        {
            if (message is Props props)
                context.Watch(context.ActorOf(props));
            else
                Seen.Add(message.GetType());
        });
        watcher.Tell(Props.Create(() => new BrokenChild(Seen)));
        Seen.AssertNext("constructor", typeof(Terminated));
    }

    [Fact]
    public async Task Kill_stops_under_the_default_strategy()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Child(Seen)), "k");
        actor.Tell(Kill.Instance);
        Assert.True(await actor.WatchAsync().WaitAsync(Long));
        Seen.AssertNext("start k", "stop k");
    }

    [Fact]
    public void Stop_stops_the_failed_child_alone()
    {
        IActorRef supervisor = Supervise(new OneForOneStrategy(_ => Directive.Stop), "a", "b");
        supervisor.Tell(("a", (object)new ExpectedException()));
        Seen.AssertNext("stop a");
        supervisor.Tell(("b", (object)"count"));
        Seen.AssertNext(1);
    }

    [Fact]
    public void All_for_one_restarts_the_siblings_too()
    {
        IActorRef supervisor = Supervise(new AllForOneStrategy(_ => Directive.Restart), "a", "b");
        supervisor.Tell(("b", (object)"count"));
        Seen.AssertNext(1);
        supervisor.Tell(("a", (object)new ExpectedException()));
        string[] seen = [.. Enumerable.Range(0, 4).Select(_ => Seen.Next<string>()).Order()];
        Assert.Equal(["start a", "start b", "stop a", "stop b"], seen);
        supervisor.Tell(("b", (object)"count"));
        Seen.AssertNext(1);
    }

    [Fact]
    public void Too_many_restarts_stop_the_child()
    {
        IActorRef supervisor = Supervise(new OneForOneStrategy(1, TimeSpan.FromMinutes(5), _ => Directive.Restart), "a");
        supervisor.Tell(("a", (object)new ExpectedException()));
        Seen.AssertNext("stop a", "start a");
        supervisor.Tell(("a", (object)new ExpectedException()));
        Seen.AssertNext("stop a");
    }

    [Fact]
    public void Escalation_restarts_the_supervisor()
    {
        IActorRef supervisor = Supervise(new OneForOneStrategy(_ => Directive.Escalate), "a");
        supervisor.Tell(("a", (object)new ExpectedException()));
        Seen.AssertNext("stop a", "start a");
        supervisor.Tell(("a", (object)"count"));
        Seen.AssertNext(1);
    }

    [Fact]
    public void A_child_that_is_created_again_with_the_same_name_does_not_pay_for_the_former_ones_failures()
    {
        // The failure of an earlier incarnation carries its uid; it must not stop or restart the one that has the name now.
        IActorRef parent = Acting((context, message) =>
        {
            switch (message)
            {
                case "make":
                    context.Watch(context.ActorOf(Props.Create(() => new Child(Seen)), "x"));
                    break;
                case Terminated:
                    context.Watch(context.ActorOf(Props.Create(() => new Child(Seen)), "x"));
                    break;
                case "fail and stop":
                    IActorRef child = context.Child("x");
                    child.Tell(new ExpectedException());
                    context.Stop(child);
                    break;
                default:
                    context.Child("x").Forward(message);
                    break;
            }
        });
        parent.Tell("make");
        Seen.AssertNext("start x");
        for (int i = 0; i < 20; i++)
        {
            parent.Tell("fail and stop");
            Seen.AssertNext("stop x", "start x");
        }
    }

    private sealed class FailingAfterRestart(Record seen) : UntypedActor
    {
        protected override void PostRestart(Exception reason)
        {
            seen.Add("PostRestart");
            throw new InvalidOperationException("again");
        }

        protected override void PostStop() => seen.Add("PostStop");

        protected override void OnReceive(object message) => throw (Exception)message;
    }

    [Fact]
    public async Task A_failure_of_PostRestart_stops_the_actor_under_the_default_strategy()
    {
        IActorRef actor = Sys.ActorOf(Props.Create(() => new FailingAfterRestart(Seen)));
        actor.Tell(new ExpectedException());
        Assert.True(await actor.WatchAsync().WaitAsync(Long));
        Seen.AssertNext("PostStop", "PostRestart");
    }

    [Fact]
    public async Task While_a_failed_actor_waits_for_the_decision_its_children_are_suspended_and_then_go_on()
    {
        var decide = new ManualResetEventSlim();
        var strategy = new OneForOneStrategy(_ =>
        {
            decide.Wait(Long);
            return Directive.Resume;
        });
        (string, Props)[] children = [("p", Props.Create(() => new WithChild(Seen)))];
        Sys.ActorOf(Props.Create(() => new Supervisor(strategy, children)), "g");
        Seen.AssertNext("start c");
        IActorRef child = await Sys.ActorSelection("/user/g/p/c").ResolveOne(Long);
        IActorRef parent = await Sys.ActorSelection("/user/g/p").ResolveOne(Long);
        parent.Tell(new ExpectedException());
        decide.Set();
        child.Tell("hello");
        Seen.AssertNext("hello");
        parent.Tell("still here");
        Seen.AssertNext("still here");
    }

    private sealed class WithChild(Record seen) : UntypedActor
    {
        protected override void PreStart() => Context.ActorOf(Props.Create(() => new Child(seen)), "c");

        protected override void OnReceive(object message)
        {
            if (message is Exception e)
                throw e;
            seen.Add(message);
        }
    }
}

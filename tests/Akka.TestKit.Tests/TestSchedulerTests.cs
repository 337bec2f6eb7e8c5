using Akka.Actor;
using Xunit;

namespace Akka.TestKit.Tests;

/// <summary>Time that passes only when the test says so. All of it also holds for the official package.</summary>
public class TestSchedulerTests : Xunit2.TestKit
{
    public TestSchedulerTests() : base("akka.scheduler.implementation = \"Akka.TestKit.TestScheduler, Akka.TestKit\"")
    {
    }

    private TestScheduler Scheduler => (TestScheduler)Sys.Scheduler;

    [Fact]
    public void A_message_comes_when_its_time_has_come()
    {
        Scheduler.ScheduleTellOnce(TimeSpan.FromHours(1), TestActor, "later", ActorRefs.NoSender);
        Scheduler.Advance(TimeSpan.FromMinutes(59));
        ExpectNoMsg(50);
        Scheduler.Advance(TimeSpan.FromMinutes(1));
        ExpectMsg("later", TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void What_repeats_comes_once_for_each_interval()
    {
        var cancelable = new Cancelable(Scheduler.Advanced);
        Scheduler.ScheduleTellRepeatedly(
            TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1), TestActor, "tick", ActorRefs.NoSender, cancelable);
        for (var i = 0; i < 3; i++)
        {
            Scheduler.Advance(TimeSpan.FromSeconds(1));
            ExpectMsg("tick", TimeSpan.FromSeconds(30));
        }

        cancelable.Cancel();
        Scheduler.Advance(TimeSpan.FromSeconds(5));
        ExpectNoMsg(50);
    }

    [Fact]
    public void An_action_runs_in_the_thread_that_advances_the_time()
    {
        var thread = 0;
        Scheduler.Advanced.ScheduleOnce(TimeSpan.FromSeconds(1), () => thread = Environment.CurrentManagedThreadId);
        var before = Scheduler.Now;
        Scheduler.AdvanceTo(before + TimeSpan.FromSeconds(1));
        Assert.Equal(Environment.CurrentManagedThreadId, thread);
        Assert.Equal(before + TimeSpan.FromSeconds(1), Scheduler.Now);
        Assert.Throws<InvalidOperationException>(() => Scheduler.AdvanceTo(before));
    }

    [Fact]
    public void Timers_of_actors_follow_it()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Ticking(TestActor)));
        actor.Tell("start");
        ExpectMsg("started", TimeSpan.FromSeconds(30));
        Scheduler.Advance(TimeSpan.FromDays(1));
        ExpectMsg("tick", TimeSpan.FromSeconds(30));
    }

    private sealed class Ticking : ReceiveActor, IWithTimers
    {
        public Ticking(IActorRef target)
        {
            Receive<string>(text => text == "start", _ =>
            {
                Timers.StartSingleTimer("key", 1, TimeSpan.FromDays(1));
                target.Tell("started");
            });
            Receive<int>(_ => target.Tell("tick"));
        }

        public ITimerScheduler Timers { get; set; }
    }
}

using System.Collections.Concurrent;
using Akka.Configuration;

namespace Akka.Tests;

public sealed class CoordinatedShutdownTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    private readonly ConcurrentQueue<string> _ran = new();

    private static ActorSystem NewSystem(string hocon = "") => ActorSystem.Create("shutdown",
        ConfigurationFactory.ParseString(
            "akka.loglevel = OFF\nakka.stdout-loglevel = OFF\nakka.coordinated-shutdown.default-phase-timeout = 30s\n" + hocon));

    private Func<Task<Done>> Say(string name) => () =>
    {
        _ran.Enqueue(name);
        return Task.FromResult(Done.Instance);
    };

    [Fact]
    public async Task The_phases_run_in_order_and_end_with_the_system()
    {
        ActorSystem system = NewSystem();
        CoordinatedShutdown shutdown = CoordinatedShutdown.Get(system);
        string[] phases =
        [
            CoordinatedShutdown.PhaseBeforeServiceUnbind, CoordinatedShutdown.PhaseServiceUnbind,
            CoordinatedShutdown.PhaseServiceRequestsDone, CoordinatedShutdown.PhaseServiceStop,
            CoordinatedShutdown.PhaseBeforeClusterShutdown, CoordinatedShutdown.PhaseClusterShardingShutdownRegion,
            CoordinatedShutdown.PhaseClusterLeave,
            CoordinatedShutdown.PhaseClusterExiting, CoordinatedShutdown.PhaseClusterExitingDone, CoordinatedShutdown.PhaseClusterShutdown,
            CoordinatedShutdown.PhaseBeforeActorSystemTerminate, CoordinatedShutdown.PhaseActorSystemTerminate,
        ];
        foreach (string phase in phases.Reverse())
            shutdown.AddTask(phase, "task", Say(phase));
        Assert.Null(shutdown.ShutdownReason);
        await shutdown.Run(CoordinatedShutdown.ClrExitReason.Instance).WaitAsync(Long);
        Assert.Equal(phases, _ran);
        Assert.Same(CoordinatedShutdown.ClrExitReason.Instance, shutdown.ShutdownReason);
        Assert.True(system.WhenTerminated.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Terminate_runs_it_and_it_runs_once()
    {
        ActorSystem system = NewSystem();
        CoordinatedShutdown shutdown = CoordinatedShutdown.Get(system);
        shutdown.AddTask(CoordinatedShutdown.PhaseServiceStop, "task", Say("task"));
        Task terminating = system.Terminate();
        await shutdown.Run(CoordinatedShutdown.ClrExitReason.Instance).WaitAsync(Long);
        await terminating.WaitAsync(Long);
        Assert.Same(CoordinatedShutdown.ActorSystemTerminateReason.Instance, shutdown.ShutdownReason);
        Assert.Equal(["task"], _ran);
    }

    [Fact]
    public async Task Tasks_of_one_phase_run_side_by_side()
    {
        ActorSystem system = NewSystem();
        CoordinatedShutdown shutdown = CoordinatedShutdown.Get(system);
        var first = new TaskCompletionSource<Done>();
        shutdown.AddTask(CoordinatedShutdown.PhaseServiceStop, "waits for the other", () => first.Task);
        shutdown.AddTask(CoordinatedShutdown.PhaseServiceStop, "the other", () =>
        {
            first.SetResult(Done.Instance);
            return Task.FromResult(Done.Instance);
        });
        await system.Terminate().WaitAsync(Long);
    }

    [Fact]
    public async Task A_task_that_fails_or_never_ends_does_not_hold_up_the_next_phase()
    {
        ActorSystem system = NewSystem("akka.coordinated-shutdown.phases.service-stop.timeout = 50ms");
        CoordinatedShutdown shutdown = CoordinatedShutdown.Get(system);
        Assert.Equal(TimeSpan.FromMilliseconds(50), shutdown.Timeout(CoordinatedShutdown.PhaseServiceStop));
        Assert.Equal(TimeSpan.FromSeconds(10), shutdown.Timeout(CoordinatedShutdown.PhaseActorSystemTerminate));
        shutdown.AddTask(CoordinatedShutdown.PhaseServiceUnbind, "fails", () => throw new ExpectedException());
        shutdown.AddTask(CoordinatedShutdown.PhaseServiceStop, "never ends", () => new TaskCompletionSource<Done>().Task);
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterShutdown, "last", Say("last"));
        await system.Terminate().WaitAsync(Long);
        Assert.Equal(["last"], _ran);
    }

    [Fact]
    public async Task Without_recover_a_failure_ends_the_shutdown()
    {
        ActorSystem system = NewSystem("akka.coordinated-shutdown.phases.service-stop.recover = off");
        CoordinatedShutdown shutdown = CoordinatedShutdown.Get(system);
        shutdown.AddTask(CoordinatedShutdown.PhaseServiceStop, "fails", () => Task.FromException<Done>(new ExpectedException()));
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterShutdown, "last", Say("last"));
        await Assert.ThrowsAnyAsync<Exception>(() => shutdown.Run(CoordinatedShutdown.ClrExitReason.Instance).WaitAsync(Long));
        Assert.Empty(_ran);
        ((ExtendedActorSystem)system).Abort();
        await system.WhenTerminated.WaitAsync(Long);
    }

    [Fact]
    public async Task A_task_may_add_a_task_to_a_later_phase()
    {
        ActorSystem system = NewSystem();
        CoordinatedShutdown shutdown = CoordinatedShutdown.Get(system);
        shutdown.AddTask(CoordinatedShutdown.PhaseServiceUnbind, "adds", () =>
        {
            shutdown.AddTask(CoordinatedShutdown.PhaseServiceStop, "added", Say("added"));
            return Task.FromResult(Done.Instance);
        });
        await system.Terminate().WaitAsync(Long);
        Assert.Equal(["added"], _ran);
    }

    [Fact]
    public async Task It_can_begin_at_a_later_phase()
    {
        ActorSystem system = NewSystem();
        CoordinatedShutdown shutdown = CoordinatedShutdown.Get(system);
        shutdown.AddTask(CoordinatedShutdown.PhaseServiceUnbind, "earlier", Say("earlier"));
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterShutdown, "later", Say("later"));
        await shutdown.Run(CoordinatedShutdown.UnknownReason.Instance, CoordinatedShutdown.PhaseClusterShutdown).WaitAsync(Long);
        Assert.Equal(["later"], _ran);
        Assert.True(system.WhenTerminated.IsCompleted);
    }

    [Fact]
    public async Task An_unknown_phase_is_refused()
    {
        ActorSystem system = NewSystem();
        Assert.Throws<ArgumentException>(() => CoordinatedShutdown.Get(system).AddTask("no-such-phase", "task", Say("x")));
        await system.Terminate().WaitAsync(Long);
    }

    [Fact]
    public async Task Actors_still_answer_while_the_services_are_stopped()
    {
        ActorSystem system = NewSystem();
        IActorRef echo = system.ActorOf<Echo>();
        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseBeforeActorSystemTerminate, "ask", async () =>
        {
            _ran.Enqueue(await echo.Ask<string>("alive", Long));
            return Done.Instance;
        });
        await system.Terminate().WaitAsync(Long);
        Assert.Equal(["alive"], _ran);
    }

    private sealed class Echo : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(message);
    }
}

using Akka.Event;

namespace Akka.Tests;

public sealed class AskAndTaskTests : SystemTest
{
    private IActorRef Answering(object answer) => Acting((context, _) => context.Sender.Tell(answer));

    [Fact]
    public async Task Ask_returns_the_answer() => Assert.Equal("answer", await Answering("answer").Ask<string>("question"));

    [Fact]
    public async Task Ask_waits_for_ever_unless_told_otherwise()
    {
        Assert.Equal(Timeout.InfiniteTimeSpan, Sys.Settings.AskTimeout);
        IActorRef late = Acting((context, message) =>
        {
            if (message is not string)
                return;
            IActorRef asker = context.Sender;
            context.System.Scheduler.Advanced.ScheduleOnce(TimeSpan.FromMilliseconds(50), () => asker.Tell("late"));
        });
        Assert.Equal("late", await late.Ask<string>("question").WaitAsync(Long));
    }

    [Fact]
    public async Task An_answer_that_does_not_come_in_time_is_a_timeout() =>
        await Assert.ThrowsAsync<AskTimeoutException>(() => Probe().Ask<string>("question", TimeSpan.FromMilliseconds(20)));

    [Fact]
    public async Task A_cancelled_ask_is_a_cancelled_task()
    {
        using var source = new CancellationTokenSource();
        Task<string> asking = Probe().Ask<string>("question", source.Token);
        source.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
    }

    [Fact]
    public async Task A_failure_as_the_answer_faults_the_task()
    {
        IActorRef failing = Answering(new Status.Failure(new ExpectedException()));
        await Assert.ThrowsAsync<ExpectedException>(() => failing.Ask<string>("question", Long));
    }

    [Fact]
    public async Task A_failure_that_is_what_was_asked_for_is_an_answer()
    {
        IActorRef failing = Answering(new Status.Failure(new ExpectedException()));
        Assert.IsType<Status.Failure>(await failing.Ask<object>("question", Long));
        Assert.IsType<Status.Failure>(await failing.Ask<Status.Failure>("question", Long));
    }

    [Fact]
    public async Task An_answer_of_another_type_is_an_argument_exception() =>
        await Assert.ThrowsAsync<ArgumentException>(() => Answering(42).Ask<string>("question", Long));

    [Fact]
    public async Task The_message_can_be_made_for_the_reference_that_takes_the_answer()
    {
        IActorRef actor = Acting((_, message) => ((IActorRef)message).Tell("to the reference"));
        Assert.Equal("to the reference", await actor.Ask<string>(replyTo => replyTo, Long, CancellationToken.None));
    }

    [Fact]
    public async Task The_reference_that_takes_the_answer_is_found_by_its_path()
    {
        IActorRef actor = Acting((context, _) => context.ActorSelection(context.Sender.Path.ToString()).Tell("by path"));
        Assert.Equal("by path", await actor.Ask<string>("question", Long));
    }

    [Fact]
    public void PipeTo_sends_the_result_or_the_failure()
    {
        IActorRef probe = Probe();
        Task.FromResult("result").PipeTo(probe);
        Seen.AssertNext("result");
        Task.FromException<string>(new ExpectedException()).PipeTo(probe);
        Assert.IsType<ExpectedException>(Seen.Next<Status.Failure>().Cause);
        Task.FromResult(20).PipeTo(probe, success: number => number + 1);
        Seen.AssertNext(21);
        Task.FromException(new ExpectedException("why")).PipeTo(probe, failure: e => e.Message);
        Seen.AssertNext("why");
        Task.CompletedTask.PipeTo(probe, success: () => "done");
        Seen.AssertNext("done");
    }

    private sealed class Async : ReceiveActor
    {
        private readonly Record _seen;

        public Async(Record seen, Task gate)
        {
            _seen = seen;
            ReceiveAsync<string>(async text =>
            {
                IActorRef sender = Sender;
                seen.Add("begin " + text);
                await gate;
                // The context is that of the message that began this.
                Assert.Equal(sender, Sender);
                Assert.NotNull(Context.Self);
                await Task.Yield();
                seen.Add("end " + text);
                if (text == "fail")
                    throw new ExpectedException();
            });
            ReceiveAny(message => seen.Add(message));
        }

        protected override void PreRestart(Exception reason, object message)
        {
            _seen.Add($"restart after {message}");
            base.PreRestart(reason, message);
        }

        protected override void PostStop() => _seen.Add("stop");
    }

    [Fact]
    public void An_asynchronous_handler_holds_user_messages_back_until_it_is_done()
    {
        var gate = new TaskCompletionSource();
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Async(Seen, gate.Task)));
        actor.Tell("a");
        actor.Tell(1);
        actor.Tell("b");
        actor.Tell(2);
        Seen.AssertNext("begin a");
        Seen.AssertNothingMore();
        gate.SetResult();
        Seen.AssertNext("end a", 1, "begin b", "end b", 2);
    }

    [Fact]
    public void System_messages_are_handled_while_an_asynchronous_handler_waits()
    {
        var gate = new TaskCompletionSource();
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Async(Seen, gate.Task)));
        actor.Tell("a");
        Seen.AssertNext("begin a");
        Sys.Stop(actor);
        Seen.AssertNext("stop");
        gate.SetResult();
    }

    [Fact]
    public void A_failed_asynchronous_handler_fails_the_actor_with_its_message()
    {
        var gate = new TaskCompletionSource();
        IActorRef actor = Sys.ActorOf(Props.Create(() => new Async(Seen, gate.Task)));
        actor.Tell("fail");
        actor.Tell(1);
        gate.SetResult();
        Seen.AssertNext("begin fail", "end fail", "restart after fail", "stop", 1);
    }

    [Fact]
    public async Task An_actor_that_has_left_its_context_has_no_Context()
    {
        var result = new TaskCompletionSource<Exception>();
        Sys.ActorOf(Props.Create(() => new Leaving(result))).Tell("go");
        Assert.IsType<NotSupportedException>(await result.Task.WaitAsync(Long));
    }

    private sealed class Leaving(TaskCompletionSource<Exception> result) : UntypedActor
    {
        protected override void OnReceive(object message) => Task.Run(() =>
        {
            try
            {
                _ = Context.Self;
                result.SetResult(null);
            }
            catch (Exception e)
            {
                result.SetResult(e);
            }
        });
    }

    [Fact]
    public async Task An_answer_that_comes_after_the_timeout_is_a_dead_letter()
    {
        var asker = new TaskCompletionSource<IActorRef>();
        IActorRef actor = Acting((context, _) => asker.TrySetResult(context.Sender));
        await Assert.ThrowsAsync<AskTimeoutException>(() => actor.Ask<string>("question", TimeSpan.FromMilliseconds(10)));
        Sys.EventStream.Subscribe(Probe(), typeof(DeadLetter));
        (await asker.Task).Tell("too late");
        Assert.Equal("too late", Seen.Next<DeadLetter>().Message);
    }
}

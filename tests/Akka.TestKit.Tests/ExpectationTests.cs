using Akka.Actor;
using Xunit;
using Xunit.Sdk;

namespace Akka.TestKit.Tests;

/// <summary>What a test sees of the messages to its test actor. All of it also holds for the official package.</summary>
public class ExpectationTests : Xunit2.TestKit
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    public ExpectationTests() : base("akka.test.single-expect-default = 30s")
    {
    }

    [Fact]
    public void The_test_actor_is_the_sender_of_what_the_test_tells()
    {
        var echo = Sys.ActorOf(Props.Create(() => new Echo()));
        echo.Tell("hello");
        Assert.Equal("hello", ExpectMsg<string>());
        Assert.Equal(echo, LastSender);
    }

    [Fact]
    public async Task It_is_still_the_sender_after_an_await()
    {
        var echo = Sys.ActorOf(Props.Create(() => new Echo()));
        await Task.Yield();
        echo.Tell("one");
        await ExpectMsgAsync("one");
        await Task.Run(static () => { });
        echo.Tell("two");
        await ExpectMsgFromAsync(echo, "two");
    }

    [Fact]
    public void A_message_is_expected_by_type_value_predicate_or_assertion()
    {
        foreach (var message in new object[] { "a", 1, "b", "c", 2, "d" }) TestActor.Tell(message);
        ExpectMsg<string>();
        ExpectMsg(1);
        ExpectMsg<string>(message => message == "b");
        ExpectMsg<string>(message => Assert.Equal("c", message));
        ExpectMsg<int>((message, sender) => message == 2 && sender.Equals(TestActor));
        ExpectMsg("D", (expected, actual) => string.Equals(expected, actual, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void The_wrong_message_fails_the_test()
    {
        TestActor.Tell("text");
        Assert.ThrowsAny<XunitException>(() => ExpectMsg<int>());
        TestActor.Tell("text");
        Assert.ThrowsAny<XunitException>(() => ExpectMsg("other"));
        TestActor.Tell("text");
        Assert.ThrowsAny<XunitException>(() => ExpectMsg<string>(message => message == "other"));
        TestActor.Tell("text");
        Assert.ThrowsAny<XunitException>(() => ExpectMsgFrom<string>(Sys.DeadLetters));
        TestActor.Tell("text");
        Assert.ThrowsAny<XunitException>(() => ExpectNoMsg(TimeSpan.FromSeconds(10)));
        Assert.ThrowsAny<XunitException>(() => ExpectMsg<string>(TimeSpan.FromMilliseconds(20)));
    }

    [Fact]
    public void No_message_is_no_message()
    {
        ExpectNoMsg(20);
        Assert.Null(ReceiveOne(TimeSpan.Zero));
        Assert.False(HasMessages);
    }

    [Fact]
    public async Task Messages_are_expected_without_blocking()
    {
        var pending = ExpectMsgAsync<string>(Long);
        Assert.False(pending.IsCompleted);
        TestActor.Tell("late");
        Assert.Equal("late", await pending);
        await ExpectNoMsgAsync(TimeSpan.FromMilliseconds(20));
        await Assert.ThrowsAnyAsync<XunitException>(async () => await ExpectMsgAsync<string>(TimeSpan.FromMilliseconds(20)));
    }

    [Fact]
    public async Task Several_messages_come_in_any_order()
    {
        foreach (var number in new[] { 3, 1, 2 }) TestActor.Tell(number);
        ExpectMsgAllOf(1, 2, 3);
        foreach (var number in new[] { 3, 1, 2 }) TestActor.Tell(number);
        var all = new List<int>();
        await foreach (var number in ExpectMsgAllOfAsync((IReadOnlyCollection<int>)[1, 2, 3])) all.Add(number);
        Assert.Equal([3, 1, 2], all);
        foreach (var number in new[] { 3, 1, 4 }) TestActor.Tell(number);
        Assert.ThrowsAny<XunitException>(() => ExpectMsgAllOf(1, 2, 3));
        TestActor.Tell(5);
        Assert.Equal(5, ExpectMsgAnyOf([4, 5]));
    }

    [Fact]
    public void Messages_are_received_in_numbers_or_as_long_as_they_fit()
    {
        for (var i = 0; i < 6; i++) TestActor.Tell(i);
        Assert.Equal([0, 1, 2], ReceiveN(3, Long).Cast<int>());
        Assert.Equal(["3", "4"], ReceiveWhile(Long, message => (int)message < 5 ? message.ToString() : null));
        // What did not fit is still there.
        Assert.Equal(5, PeekOne(Long));
        ExpectMsg(5);
        Assert.ThrowsAny<XunitException>(() => ReceiveN(1, TimeSpan.FromMilliseconds(20)));
    }

    [Fact]
    public void Fishing_passes_over_what_does_not_fit()
    {
        foreach (var message in new object[] { 1, "x", 2, "y" }) TestActor.Tell(message);
        Assert.Equal("y", FishForMessage<string>(message => message == "y", Long));
        Assert.False(HasMessages);
        TestActor.Tell("z");
        Assert.ThrowsAny<XunitException>(() => FishForMessage<string>(message => message == "y", TimeSpan.FromMilliseconds(20)));
    }

    [Fact]
    public void The_end_of_a_watched_actor_is_a_message()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Echo()));
        Watch(actor);
        Sys.Stop(actor);
        ExpectTerminated(actor, Long);
        var other = Sys.ActorOf(Props.Create(() => new Echo()));
        Watch(other);
        Unwatch(other);
        Sys.Stop(other);
        ExpectNoMsg(50);
    }

    [Fact]
    public void A_block_has_a_time()
    {
        Within(Long, () =>
        {
            TestActor.Tell("in time");
            ExpectMsg("in time");
            Assert.True(Remaining > TimeSpan.Zero && Remaining <= Long);
        });
        Assert.Equal(7, Within(Long, () => 7));
        Assert.Throws<InvalidOperationException>(() => Remaining);
        // A time-out inside of the block ends with the block.
        Assert.ThrowsAny<XunitException>(() => Within(TimeSpan.FromMilliseconds(50), () => ExpectMsg<string>()));
        Assert.ThrowsAny<XunitException>(() => Within(TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(10), () => { }));
    }

    [Fact]
    public async Task Conditions_and_assertions_are_tried_until_they_hold()
    {
        var calls = 0;
        AwaitCondition(() => ++calls == 3, Long);
        AwaitAssert(() => Assert.Equal(6, ++calls), Long, TimeSpan.FromMilliseconds(1));
        await AwaitConditionAsync(() => ++calls == 8, Long, "never");
        await AwaitAssertAsync(() => Assert.Equal(10, ++calls), Long, TimeSpan.FromMilliseconds(1));
        Assert.ThrowsAny<XunitException>(() => AwaitCondition(() => false, TimeSpan.FromMilliseconds(20)));
        Assert.ThrowsAny<XunitException>(() => AwaitAssert(() => Assert.Fail("no"), TimeSpan.FromMilliseconds(20)));
    }

    [Fact]
    public void Ignored_messages_are_not_seen()
    {
        IgnoreMessages(message => message is int);
        TestActor.Tell(1);
        TestActor.Tell("a");
        ExpectMsg("a");
        IgnoreNoMessages();
        TestActor.Tell(2);
        ExpectMsg(2);
    }

    [Fact]
    public void A_probe_is_an_actor_of_its_own()
    {
        var probe = CreateTestProbe();
        var echo = Sys.ActorOf(Props.Create(() => new Echo()));
        probe.Send(echo, "hello");
        probe.ExpectMsg("hello");
        probe.Reply("again");
        Assert.Equal("again", probe.ExpectMsg<string>());
        Assert.Equal(echo, probe.Sender);
        // It stands in wherever a reference is wanted.
        echo.Tell("direct", probe);
        probe.ExpectMsgFrom(echo, "direct");
        probe.Forward(TestActor);
        ExpectMsgFrom(echo, "direct");
        Assert.Equal(probe.Ref, probe);
        ExpectNoMsg(20);
    }

    [Fact]
    public void A_probe_can_be_watched_and_can_watch()
    {
        var probe = CreateTestProbe("watched");
        var other = CreateTestProbe();
        other.Watch(probe);
        Sys.Stop(probe);
        Assert.Equal(probe.Ref, other.ExpectTerminated(probe, Long).ActorRef);
    }

    [Fact]
    public void An_auto_pilot_answers_before_the_test_does()
    {
        var probe = CreateTestProbe();
        probe.SetAutoPilot(new Doubler());
        probe.Ref.Tell(21, TestActor);
        ExpectMsg(42);
        probe.ExpectMsg(21);
    }

    [Fact]
    public void A_latch_opens_after_its_counts()
    {
        var latch = CreateTestLatch(2);
        latch.CountDown();
        Assert.False(latch.IsOpen);
        Assert.Throws<TimeoutException>(() => latch.Ready(TimeSpan.FromMilliseconds(20)));
        latch.CountDown();
        latch.Ready();
        Assert.True(latch.IsOpen);
    }

    [Fact]
    public void A_child_of_the_test_actor_is_supervised_by_it()
    {
        var child = ChildActorOf(Props.Create(() => new Echo()), "child");
        Assert.Equal(TestActor.Path, child.Path.Parent);
    }

    private sealed class Echo : ReceiveActor
    {
        public Echo() => ReceiveAny(message => Sender.Tell(message));
    }

    private sealed class Doubler : AutoPilot
    {
        public override AutoPilot Run(IActorRef sender, object message)
        {
            sender.Tell((int)message * 2);
            return NoAutoPilot;
        }
    }
}

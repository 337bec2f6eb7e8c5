using Akka.Actor;
using Akka.Event;
using Xunit;
using Xunit.Sdk;

namespace Akka.TestKit.Tests;

/// <summary>Expecting log events. All of it also holds for the official package.</summary>
public class EventFilterTests : Xunit2.TestKit
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(50);

    public EventFilterTests() : base("akka.loglevel = DEBUG\nakka.logger-startup-timeout = 30s\nakka.test.filter-leeway = 30s")
    {
    }

    [Fact]
    public void An_event_is_found_by_level_and_text()
    {
        EventFilter.Debug("a debug text").ExpectOne(() => Sys.Log.Debug("a debug text"));
        EventFilter.Info(start: "an info").ExpectOne(() => Sys.Log.Info("an info text"));
        EventFilter.Warning(contains: "warn").ExpectOne(() => Sys.Log.Warning("to warn you"));
        EventFilter.Error(new System.Text.RegularExpressions.Regex("^err.r$")).ExpectOne(() => Sys.Log.Error("error"));
        EventFilter.Info("number 7").ExpectOne(() => Sys.Log.Info("number {0}", 7));
    }

    [Fact]
    public void The_number_of_events_is_exact()
    {
        EventFilter.Info("x").Expect(2, () =>
        {
            Sys.Log.Info("x");
            Sys.Log.Info("x");
        });
        Assert.ThrowsAny<XunitException>(() => EventFilter.Info("x").Expect(2, Short, () => Sys.Log.Info("x")));
        EventFilter.Info("x").Expect(0, Short, () => Sys.Log.Info("y"));
        Assert.ThrowsAny<XunitException>(() => EventFilter.Info("x").Expect(0, TimeSpan.FromSeconds(30), () => Sys.Log.Info("x")));
    }

    [Fact]
    public async Task Events_are_expected_without_blocking()
    {
        await EventFilter.Info("x").ExpectOneAsync(async () =>
        {
            await Task.Yield();
            Sys.Log.Info("x");
        });
        Assert.Equal(5, await EventFilter.Info("x").ExpectOneAsync(() =>
        {
            Sys.Log.Info("x");
            return Task.FromResult(5);
        }));
    }

    [Fact]
    public void An_exception_is_found_by_its_type()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Thrower()));
        EventFilter.Exception<InvalidOperationException>("broken").ExpectOne(() => actor.Tell("broken"));
        EventFilter.Exception(typeof(ArgumentException), checkInnerExceptions: true)
            .ExpectOne(() => Sys.Log.Error(new InvalidOperationException("outer", new ArgumentException("inner")), "failed"));
        Assert.ThrowsAny<XunitException>(() =>
            EventFilter.Exception<ArgumentException>().ExpectOne(Short, () => Sys.Log.Error(new InvalidOperationException(), "other")));
    }

    [Fact]
    public void Dead_letters_are_found_by_the_type_of_their_message()
    {
        EventFilter.DeadLetter<string>().ExpectOne(() => Sys.DeadLetters.Tell("nobody"));
        EventFilter.DeadLetter<int>(number => number == 3).ExpectOne(() => Sys.DeadLetters.Tell(3));
        EventFilter.DeadLetter().Expect(2, () =>
        {
            Sys.DeadLetters.Tell("a");
            Sys.DeadLetters.Tell(1);
        });
    }

    [Fact]
    public void Filters_are_made_of_anything_and_can_be_joined()
    {
        EventFilter.Custom(e => e is Info { Message: not null } && e.ToString().Contains("special"))
            .ExpectOne(() => Sys.Log.Info("special"));
        EventFilter.Custom<Warning>(e => e.Message.ToString() == "w").ExpectOne(() => Sys.Log.Warning("w"));
        EventFilter.Info("i").And.Warning("w").Expect(2, () =>
        {
            Sys.Log.Info("i");
            Sys.Log.Warning("w");
        });
    }

    [Fact]
    public void Muted_events_are_not_counted()
    {
        Assert.Equal(1, EventFilter.Error("loud").Mute(() =>
        {
            Sys.Log.Error("loud");
            return 1;
        }));
        using (EventFilter.Error("loud").Mute()) Sys.Log.Error("loud");
    }

    private sealed class Thrower : ReceiveActor
    {
        public Thrower() => Receive<string>(text => throw new InvalidOperationException(text));
    }
}

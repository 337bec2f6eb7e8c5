using System.Collections.Immutable;
using System.Runtime.Serialization;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Akka.Serialization;

namespace Akka.Tests;

public sealed class EventAndSerializationTests() : SystemTest("""
    akka.actor {
      serializers {
        note = "Akka.Tests.EventAndSerializationTests+NoteSerializer, Akka.Tests"
        marked = "Akka.Tests.EventAndSerializationTests+MarkedSerializer, Akka.Tests"
      }
      serialization-bindings {
        "Akka.Tests.EventAndSerializationTests+Note, Akka.Tests" = note
        "Akka.Tests.EventAndSerializationTests+IMarked, Akka.Tests" = marked
      }
      serialization-identifiers {
        "Akka.Tests.EventAndSerializationTests+MarkedSerializer, Akka.Tests" = 4712
      }
    }
    """)
{
    public record Note(string Text);

    public sealed record SpecialNote(string Text) : Note(Text);

    public interface IMarked;

    public sealed record Marked : IMarked;

    public sealed class NoteSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
    {
        public override int Identifier => 4711;

        public override object FromBinary(byte[] bytes, string manifest)
        {
            string text = System.Text.Encoding.UTF8.GetString(bytes);
            return manifest == "special" ? new SpecialNote(text) : new Note(text);
        }

        public override string Manifest(object o) => o is SpecialNote ? "special" : "plain";

        public override byte[] ToBinary(object obj) => System.Text.Encoding.UTF8.GetBytes(((Note)obj).Text);
    }

    public sealed class MarkedSerializer(ExtendedActorSystem system) : Serializer(system)
    {
        public override bool IncludeManifest => true;

        public override object FromBinary(byte[] bytes, Type type) => Activator.CreateInstance(type);

        public override byte[] ToBinary(object obj) => [];
    }

    [Fact]
    public void Events_go_to_those_who_subscribed_to_their_type_or_a_base()
    {
        IActorRef probe = Probe();
        Assert.True(Sys.EventStream.Subscribe(probe, typeof(Note)));
        Assert.False(Sys.EventStream.Subscribe(probe, typeof(Note)));
        Sys.EventStream.Publish(new SpecialNote("a"));
        Sys.EventStream.Publish("nobody's");
        Sys.EventStream.Publish(new Note("b"));
        Seen.AssertNext(new SpecialNote("a"), new Note("b"));
        Assert.True(Sys.EventStream.Unsubscribe(probe, typeof(Note)));
        Assert.False(Sys.EventStream.Unsubscribe(probe));
    }

    [Fact]
    public async Task A_dead_subscriber_is_taken_out()
    {
        IActorRef dying = Probe();
        Sys.EventStream.Subscribe<Note>(dying);
        Assert.True(await dying.GracefulStop(Long));
        Sys.EventStream.Subscribe<DeadLetter>(Probe());
        Sys.EventStream.Publish(new Note("for nobody"));
        dying.Tell("marker");
        Assert.Equal("marker", Seen.Next<DeadLetter>().Message);
    }

    [Fact]
    public void Loggers_publish_at_their_level_and_above()
    {
        IActorRef probe = Probe();
        Sys.EventStream.Subscribe(probe, typeof(LogEvent));
        Sys.EventStream.SetLogLevel(LogLevel.WarningLevel);
        ILoggingAdapter log = Logging.GetLogger(Sys, "source");
        Assert.False(log.IsInfoEnabled);
        log.Info("not logged");
        log.Warning("one {0} and {1}", 1, "two");
        log.Error(new ExpectedException(), "failed");
        var warning = Seen.Next<Warning>();
        Assert.Equal("one 1 and two", warning.Message.ToString());
        Assert.Equal(LogLevel.WarningLevel, warning.LogLevel());
        var error = Seen.Next<Error>();
        Assert.IsType<ExpectedException>(error.Cause);
        Assert.Equal("failed", error.Message.ToString());
        Sys.EventStream.SetLogLevel(Logging.LogLevelFor("OFF"));
    }

    public sealed class RecordingLogger : UntypedActor
    {
        public static readonly System.Collections.Concurrent.BlockingCollection<LogEvent> Logged = [];

        protected override void OnReceive(object message)
        {
            if (message is InitializeLogger)
                Sender.Tell(new LoggerInitialized());
            else if (message is LogEvent logEvent)
                Logged.Add(logEvent);
        }
    }

    [Fact]
    public async Task A_logger_of_the_configuration_gets_what_is_logged_and_knows_who_logged()
    {
        ActorSystem system = ActorSystem.Create("logging", ConfigurationFactory.ParseString("""
            akka.loggers = ["Akka.Tests.EventAndSerializationTests+RecordingLogger, Akka.Tests"]
            akka.loglevel = DEBUG
            akka.stdout-loglevel = OFF
            """));
        IActorRef talking = system.ActorOf<Talking>("talking");
        talking.Tell("said");
        LogEvent logged;
        do
            Assert.True(RecordingLogger.Logged.TryTake(out logged, Long));
        while (logged.Message.ToString() != "said");
        Assert.Equal(talking.Path.ToString(), logged.LogSource);
        Assert.Equal(typeof(Talking), logged.LogClass);
        Assert.IsType<Debug>(logged);
        await system.Terminate().WaitAsync(Long);
    }

    public sealed class Talking : UntypedActor
    {
        private readonly ILoggingAdapter _log = Context.GetLogger();

        protected override void OnReceive(object message) => _log.Debug("{0}", message);
    }

    [Fact]
    public void A_failure_is_logged_with_its_cause_by_the_supervisor()
    {
        Sys.EventStream.Subscribe(Probe(), typeof(Error));
        IActorRef failing = Acting((_, _) => throw new ExpectedException("logged"));
        failing.Tell("go");
        var error = Seen.Next<Error>();
        Assert.Equal("logged", error.Cause.Message);
        Assert.Equal(failing.Path.ToString(), error.LogSource);
    }

    [Fact]
    public void Bound_types_and_what_derives_from_them_are_serialized()
    {
        Serialization.Serialization serialization = Sys.Serialization;
        foreach (object message in new object[] { new Note("a"), new SpecialNote("b"), new Marked() })
        {
            Serializer serializer = serialization.FindSerializerFor(message);
            string manifest = Serialization.Serialization.ManifestFor(serializer, message);
            Assert.Equal(message, serialization.Deserialize(serializer.ToBinary(message), serializer.Identifier, manifest));
        }

        Assert.Equal(4712, serialization.FindSerializerForType(typeof(Marked)).Identifier);
        Assert.Equal("special", Serialization.Serialization.ManifestFor(serialization.FindSerializerFor(new SpecialNote("")),
            new SpecialNote("")));
    }

    [Fact]
    public void Bytes_need_no_configuration()
    {
        byte[] bytes = [1, 2, 3];
        Serializer serializer = Sys.Serialization.FindSerializerFor(bytes);
        Assert.Same(bytes, serializer.ToBinary(bytes));
        Assert.Equal(4, serializer.Identifier);
        Assert.Equal(string.Empty, Serialization.Serialization.ManifestFor(serializer, bytes));
        Assert.Same(bytes, Sys.Serialization.Deserialize(bytes, serializer.Identifier, string.Empty));
        Assert.IsType<NullSerializer>(Sys.Serialization.FindSerializerFor(null));
    }

    [Fact]
    public void An_unknown_serializer_is_an_error() =>
        Assert.Throws<SerializationException>(() => Sys.Serialization.Deserialize([], 987_654, string.Empty));

    [Fact]
    public void References_are_serialized_as_paths_and_found_again()
    {
        IActorRef probe = Probe();
        string path = Serialization.Serialization.SerializedActorPath(probe);
        Assert.Contains("#" + probe.Path.Uid, path, StringComparison.Ordinal);
        Assert.Equal(probe, Sys.Serialization.DeserializeActorRef(path));
    }

    [Fact]
    public async Task Serializers_can_be_given_in_code()
    {
        SerializationSetup serialization = SerializationSetup.Create(system =>
            [SerializerDetails.Create("code", new NoteSerializer(system), ImmutableHashSet.Create(typeof(Note)))]);
        BootstrapSetup bootstrap = BootstrapSetup.Create().WithConfig("akka.loglevel = OFF");
        ActorSystem system = ActorSystem.Create("setup", ActorSystemSetup.Create(bootstrap, serialization));
        Assert.IsType<NoteSerializer>(system.Serialization.FindSerializerForType(typeof(SpecialNote)));
        await system.Terminate().WaitAsync(Long);
    }
}

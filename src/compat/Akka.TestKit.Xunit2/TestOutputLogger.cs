using Akka.Actor;
using Akka.Event;
using Xunit.Abstractions;

namespace Akka.TestKit.Xunit2.Internals;

/// <summary>Writes log events to the output of a test.</summary>
public class TestOutputLogger : ReceiveActor
{
    private readonly ITestOutputHelper _output;

    public TestOutputLogger(ITestOutputHelper output)
    {
        _output = output;
        Receive<LogEvent>(log => Write(log.ToString()));
        Receive<InitializeLogger>(initialize =>
        {
            foreach (var level in (Type[])[typeof(Debug), typeof(Info), typeof(Warning), typeof(Error)])
                initialize.LoggingBus.Subscribe(Self, level);
            Sender.Tell(new LoggerInitialized());
        });
    }

    private void Write(string line)
    {
        try
        {
            _output.WriteLine(line);
        }
        catch (InvalidOperationException)
        {
            // The test is over; xunit takes no output for it any more.
        }
    }
}

using System.Text;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;
using Akka.Hosting.Logging;
using Microsoft.Extensions.Logging;
using LogLevel = Akka.Event.LogLevel;

namespace Akka.Hosting;

/// <summary>Which loggers the actor system starts, and from which level on.</summary>
public sealed class LoggerConfigBuilder
{
    private readonly List<Type> _loggers = [typeof(DefaultLogger)];
    private readonly AkkaConfigurationBuilder _builder;

    internal LoggerConfigBuilder(AkkaConfigurationBuilder builder)
    {
        _builder = builder;
    }

    public LogLevel LogLevel { get; set; } = LogLevel.InfoLevel;

    public bool LogConfigOnStart { get; set; }

    /// <summary>Leaves out the default logger, which writes to the console, and everything added before.</summary>
    public LoggerConfigBuilder ClearLoggers()
    {
        _loggers.Clear();
        return this;
    }

    public LoggerConfigBuilder AddLogger<T>()
        where T : IRequiresMessageQueue<ILoggerMessageQueueSemantics>
    {
        _loggers.Add(typeof(T));
        return this;
    }

    internal LoggerConfigBuilder WithFactory(ILoggerFactory factory)
    {
        _builder.AddSetup(new LoggerFactorySetup(factory));
        return this;
    }

    internal AkkaConfigurationBuilder Build()
    {
        var hocon = new StringBuilder()
            .Append("akka.loglevel = ").AppendLine(LogLevel.StringFor())
            .Append("akka.log-config-on-start = ").AppendLine(LogConfigOnStart ? "on" : "off")
            .Append("akka.loggers = [");
        foreach (var logger in _loggers) hocon.Append('"').Append(logger.AssemblyQualifiedName).AppendLine("\"");
        return _builder.AddHocon(ConfigurationFactory.ParseString(hocon.Append(']').ToString()), HoconAddMode.Prepend);
    }
}

public static class LoggingExtensions
{
    public static AkkaConfigurationBuilder ConfigureLoggers(this AkkaConfigurationBuilder builder, Action<LoggerConfigBuilder> configurator)
    {
        var loggers = new LoggerConfigBuilder(builder);
        configurator(loggers);
        return loggers.Build();
    }

    public static LoggerConfigBuilder AddDefaultLogger(this LoggerConfigBuilder configBuilder) => configBuilder.AddLogger<DefaultLogger>();

    /// <summary>Sends log events to the host's own logger factory.</summary>
    public static LoggerConfigBuilder AddLoggerFactory(this LoggerConfigBuilder configBuilder) =>
        configBuilder.AddLogger<LoggerFactoryLogger>();

    public static LoggerConfigBuilder AddLoggerFactory(this LoggerConfigBuilder configBuilder, ILoggerFactory loggerFactory) =>
        configBuilder.WithFactory(loggerFactory).AddLoggerFactory();
}

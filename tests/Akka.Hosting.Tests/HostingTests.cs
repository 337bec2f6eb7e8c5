using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Event;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Akka.Hosting.Tests;

/// <summary>An actor system as part of a host. All of it also holds for the official package.</summary>
public class HostingTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Actors_start_with_the_host_and_stop_with_it()
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var host = Build(builder => builder
            .WithActors((system, registry) =>
                registry.Register<Echo>(system.ActorOf(Props.Create(() => new Echo(stopped)), "echo")))
            .AddStartup((_, registry) => registry.Get<Echo>().Tell("started")));
        await host.StartAsync();
        var system = host.Services.GetRequiredService<ActorSystem>();
        Assert.Equal("test-system", system.Name);
        var echo = host.Services.GetRequiredService<IReadOnlyActorRegistry>().Get<Echo>();
        Assert.Equal("hello", await echo.Ask<string>("hello", Long));
        Assert.Equal(echo, host.Services.GetRequiredService<IRequiredActor<Echo>>().ActorRef);
        await host.StopAsync();
        await stopped.Task.WaitAsync(Long);
        await system.WhenTerminated.WaitAsync(Long);
        Assert.IsType<CoordinatedShutdown.ClrExitReason>(CoordinatedShutdown.Get(system).ShutdownReason);
    }

    [Fact]
    public async Task Coordinated_shutdown_runs_its_tasks_when_the_host_stops()
    {
        var ran = false;
        using var host = Build(builder => builder.AddStartup((system, _) =>
            CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseBeforeServiceUnbind, "task", () =>
            {
                ran = true;
                return Task.FromResult(Done.Instance);
            })));
        await host.StartAsync();
        await host.StopAsync();
        Assert.True(ran);
    }

    [Fact]
    public async Task The_host_stops_when_the_system_terminates()
    {
        using var host = Build(static _ => { });
        await host.StartAsync();
        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(() => stopping.TrySetResult());
        await host.Services.GetRequiredService<ActorSystem>().Terminate();
        await stopping.Task.WaitAsync(Long);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_start_that_fails_fails_the_host_however_slowly_the_system_stops(bool slowly)
    {
        using var host = Build(builder => builder.WithActors((system, _) =>
        {
            if (slowly)
                CoordinatedShutdown.Get(system).AddTask(
                    CoordinatedShutdown.PhaseServiceStop, "never ends", () => new TaskCompletionSource<Done>().Task);
            throw new InvalidOperationException("not today");
        }));
        var e = await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync());
        Assert.Equal("not today", e.Message);
    }

    [Fact]
    public async Task Settings_are_added_behind_or_in_front()
    {
        using var host = Build(builder => builder
            .AddHocon("my { a = first, b = first }", HoconAddMode.Append)
            .AddHocon("my { a = behind, c = behind }", HoconAddMode.Append)
            .AddHocon("my { b = in-front }", HoconAddMode.Prepend)
            .AddSetup(BootstrapSetup.Create().WithConfig("my.d = setup")));
        await host.StartAsync();
        var config = host.Services.GetRequiredService<ActorSystem>().Settings.Config.GetConfig("my");
        Assert.Equal("first", config.GetString("a"));
        Assert.Equal("in-front", config.GetString("b"));
        Assert.Equal("behind", config.GetString("c"));
        Assert.Equal("setup", config.GetString("d"));
        await host.StopAsync();
    }

    [Fact]
    public async Task Log_events_reach_the_logger_factory()
    {
        var lines = new Lines();
        using var host = Build(
            builder => builder.ConfigureLoggers(loggers =>
            {
                loggers.ClearLoggers();
                loggers.LogLevel = Akka.Event.LogLevel.InfoLevel;
                loggers.AddLoggerFactory();
            }),
            lines);
        await host.StartAsync();
        var log = host.Services.GetRequiredService<ActorSystem>().Log;
        log.Debug("below the level");
        log.Info("number {0}", 7);
        log.Error(new InvalidOperationException("cause"), "broken");
        Assert.Contains("number 7", await lines.Wait(Microsoft.Extensions.Logging.LogLevel.Information, "number"));
        Assert.Contains("broken", await lines.Wait(Microsoft.Extensions.Logging.LogLevel.Error, "broken"));
        await host.StopAsync();
        Assert.DoesNotContain(lines.All, line => line.Contains("below the level"));
    }

    [Fact]
    public async Task The_registry_waits_for_actors_that_are_not_there_yet()
    {
        using var host = Build(static _ => { });
        await host.StartAsync();
        var registry = host.Services.GetRequiredService<ActorRegistry>();
        var system = host.Services.GetRequiredService<ActorSystem>();
        var required = host.Services.GetRequiredService<IRequiredActor<Echo>>();
        Assert.Throws<MissingActorRegistryEntryException>(() => required.ActorRef);
        Assert.Throws<MissingActorRegistryEntryException>(() => registry.Get<Echo>());
        Assert.False(registry.TryGet<Echo>(out _));
        var waiting = required.GetAsync();
        using var cancelled = new CancellationTokenSource();
        var cancelledWait = registry.GetAsync<Echo>(cancelled.Token);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelledWait);
        Assert.False(waiting.IsCompleted);
        var echo = system.ActorOf(Props.Create(() => new Echo(null)));
        registry.Register<Echo>(echo);
        Assert.Equal(echo, await waiting.WaitAsync(Long));
        Assert.Equal(echo, required.ActorRef);
        Assert.Throws<DuplicateActorRegistryException>(() => registry.Register<Echo>(echo));
        Assert.False(registry.TryRegister<Echo>(echo));
        var other = system.ActorOf(Props.Create(() => new Echo(null)));
        registry.Register<Echo>(other, overwrite: true);
        Assert.Equal(other, registry.Get<Echo>());
        Assert.Equal([new KeyValuePair<Type, IActorRef>(typeof(Echo), other)], registry);
        await host.StopAsync();
    }

    [Fact]
    public async Task The_builder_sees_the_services()
    {
        using var host = new HostBuilder()
            .ConfigureServices(services => services.AddSingleton("service").AddAkka("test-system", (builder, provider) =>
                builder.AddHocon($"my.value = {provider.GetRequiredService<string>()}", HoconAddMode.Prepend)))
            .Build();
        await host.StartAsync();
        Assert.Equal("service", host.Services.GetRequiredService<ActorSystem>().Settings.Config.GetString("my.value"));
        await host.StopAsync();
    }

    private static IHost Build(Action<AkkaConfigurationBuilder> configure, ILoggerProvider logger = null) => new HostBuilder()
        .ConfigureLogging(logging =>
        {
            if (logger != null) logging.AddProvider(logger);
        })
        .ConfigureServices(services => services.AddAkka("test-system", configure))
        .Build();

    private sealed class Echo : ReceiveActor
    {
        private readonly TaskCompletionSource _stopped;

        public Echo(TaskCompletionSource stopped)
        {
            _stopped = stopped;
            ReceiveAny(message => Sender.Tell(message));
        }

        protected override void PostStop() => _stopped?.TrySetResult();
    }

    /// <summary>Keeps log lines, and completes who waits for one of them.</summary>
    private sealed class Lines : ILoggerProvider, ILogger
    {
        private readonly ConcurrentQueue<(Microsoft.Extensions.Logging.LogLevel Level, string Text)> _lines = new();
        private readonly SemaphoreSlim _added = new(0);

        public IEnumerable<string> All => _lines.Select(line => line.Text);

        public async Task<string> Wait(Microsoft.Extensions.Logging.LogLevel level, string part)
        {
            while (true)
            {
                foreach (var line in _lines)
                    if (line.Level == level && line.Text.Contains(part)) return line.Text;
                Assert.True(await _added.WaitAsync(Long), $"no line of level {level} with {part}");
            }
        }

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable BeginScope<TState>(TState state) => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(
            Microsoft.Extensions.Logging.LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception exception,
            Func<TState, Exception, string> formatter)
        {
            _lines.Enqueue((logLevel, formatter(state, exception)));
            _added.Release();
        }

        public void Dispose()
        {
        }
    }
}

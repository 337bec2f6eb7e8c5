using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Hosting.Logging;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Akka.Hosting;

/// <summary>Collects what an actor system is made of; after the start it changes nothing any more.</summary>
public sealed class AkkaConfigurationBuilder
{
    /// <summary>What the system is created with, beside its configuration.</summary>
    public readonly HashSet<Setup> Setups = [];

    private readonly string _actorSystemName;
    private readonly List<ActorStarter> _actorStarters = [];
    private readonly List<StartupTask> _startupTasks = [];
    private Config _configuration = Config.Empty;
    private bool _isStarted;

    public AkkaConfigurationBuilder(IServiceCollection serviceCollection, string actorSystemName)
    {
        ArgumentNullException.ThrowIfNull(serviceCollection);
        _actorSystemName = actorSystemName;
    }

    public AkkaConfigurationBuilder StartActors(Action<ActorSystem, IActorRegistry> starter) => StartActors((system, registry) =>
    {
        starter(system, registry);
        return Task.CompletedTask;
    });

    public AkkaConfigurationBuilder StartActors(ActorStarter starter)
    {
        if (!_isStarted) _actorStarters.Add(starter);
        return this;
    }

    public AkkaConfigurationBuilder AddStartup(Action<ActorSystem, IActorRegistry> startupTask) => AddStartup((system, registry) =>
    {
        startupTask(system, registry);
        return Task.CompletedTask;
    });

    public AkkaConfigurationBuilder AddStartup(StartupTask startupTask)
    {
        if (!_isStarted) _startupTasks.Add(startupTask);
        return this;
    }

    internal AkkaConfigurationBuilder AddSetup(Setup setup)
    {
        if (_isStarted) return this;
        if (setup is not BootstrapSetup bootstrap) Setups.Add(setup);
        else if (bootstrap.Config.HasValue) AddHocon(bootstrap.Config.Value, HoconAddMode.Prepend);
        return this;
    }

    internal AkkaConfigurationBuilder AddHocon(Config hocon, HoconAddMode addMode)
    {
        ArgumentNullException.ThrowIfNull(hocon);
        if (_isStarted) return this;
        _configuration = addMode switch
        {
            HoconAddMode.Append => _configuration.SafeWithFallback(hocon),
            HoconAddMode.Prepend or HoconAddMode.Replace => hocon.SafeWithFallback(_configuration),
            _ => throw new ArgumentOutOfRangeException(nameof(addMode), addMode, null),
        };
        return this;
    }

    /// <summary>Creates the system; the host's own logger factory is there for the logging bridge if none was given.</summary>
    internal ActorSystem Create(IServiceProvider provider)
    {
        var hasLoggerFactory = false;
        foreach (var setup in Setups) hasLoggerFactory |= setup is LoggerFactorySetup;
        if (!hasLoggerFactory && provider.GetService<ILoggerFactory>() is { } factory) Setups.Add(new LoggerFactorySetup(factory));
        var all = ActorSystemSetup.Empty.And(BootstrapSetup.Create().WithConfig(_configuration));
        foreach (var setup in Setups) all = all.And(setup);
        return ActorSystem.Create(_actorSystemName, all);
    }

    internal async Task StartAsync(ActorSystem system)
    {
        if (_isStarted) return;
        _isStarted = true;
        var registry = ActorRegistry.For(system);
        foreach (var starter in _actorStarters) await starter(system, registry).ConfigureAwait(false);
        foreach (var task in _startupTasks) await task(system, registry).ConfigureAwait(false);
    }
}

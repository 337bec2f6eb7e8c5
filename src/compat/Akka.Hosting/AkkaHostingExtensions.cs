using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Akka.Hosting;

/// <summary>How added settings relate to those that are there.</summary>
public enum HoconAddMode
{
    /// <summary>As a fallback: what is there wins.</summary>
    Append,

    /// <summary>In front: what is added wins.</summary>
    Prepend,

    /// <summary>The same as <see cref="Prepend"/>.</summary>
    Replace,
}

/// <summary>Starts actors and registers them.</summary>
public delegate Task ActorStarter(ActorSystem system, IActorRegistry registry);

/// <summary>Runs after all actors are started.</summary>
public delegate Task StartupTask(ActorSystem system, IActorRegistry registry);

public static class AkkaHostingExtensions
{
    public static IServiceCollection AddAkka(
        this IServiceCollection services, string actorSystemName, Action<AkkaConfigurationBuilder> builder) =>
        services.AddAkka(actorSystemName, (configuration, _) => builder(configuration));

    public static IServiceCollection AddAkka(
        this IServiceCollection services, string actorSystemName, Action<AkkaConfigurationBuilder, IServiceProvider> builder) =>
        services.AddAkka<AkkaHostedService>(actorSystemName, builder);

    /// <summary>Adds an actor system that lives as long as the host. The builder runs once, when the host starts.</summary>
    public static IServiceCollection AddAkka<T>(
        this IServiceCollection services, string actorSystemName, Action<AkkaConfigurationBuilder, IServiceProvider> builder)
        where T : AkkaHostedService
    {
        services.AddSingleton(provider =>
        {
            var configuration = new AkkaConfigurationBuilder(services, actorSystemName);
            builder(configuration, provider);
            return configuration;
        });
        services.AddSingleton(provider => provider.GetRequiredService<AkkaConfigurationBuilder>().Create(provider));
        services.AddSingleton(provider => ActorRegistry.For(provider.GetRequiredService<ActorSystem>()));
        services.AddSingleton<IActorRegistry>(provider => provider.GetRequiredService<ActorRegistry>());
        services.AddSingleton<IReadOnlyActorRegistry>(provider => provider.GetRequiredService<ActorRegistry>());
        services.AddSingleton(typeof(IRequiredActor<>), typeof(RequiredActor<>));
        return services.AddHostedService<T>();
    }

    public static AkkaConfigurationBuilder AddSetup(this AkkaConfigurationBuilder builder, Setup setup) => builder.AddSetup(setup);

    public static AkkaConfigurationBuilder AddHocon(this AkkaConfigurationBuilder builder, Config hocon, HoconAddMode addMode) =>
        builder.AddHocon(hocon, addMode);

    public static AkkaConfigurationBuilder AddHoconFile(
        this AkkaConfigurationBuilder builder, string hoconFilePath, HoconAddMode addMode) =>
        builder.AddHocon(ConfigurationFactory.ParseString(File.ReadAllText(hoconFilePath)), addMode);

    /// <summary>Starts actors when the host starts, in the order of the calls.</summary>
    public static AkkaConfigurationBuilder WithActors(
        this AkkaConfigurationBuilder builder, Action<ActorSystem, IActorRegistry> actorStarter) => builder.StartActors(actorStarter);

    public static AkkaConfigurationBuilder WithActors(this AkkaConfigurationBuilder builder, ActorStarter actorStarter) =>
        builder.StartActors(actorStarter);
}

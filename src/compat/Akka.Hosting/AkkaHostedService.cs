using Akka.Actor;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Akka.Hosting;

/// <summary>
/// Starts the actors with the host. The host's stop runs CoordinatedShutdown, and a system that terminates by itself stops the host.
/// </summary>
public class AkkaHostedService : IHostedService
{
    private static readonly TimeSpan StopAfterFailureTimeout = TimeSpan.FromSeconds(3);

    protected ActorSystem? ActorSystem;
    protected CoordinatedShutdown? CoordinatedShutdown;
    protected readonly IServiceProvider ServiceProvider;
    protected readonly AkkaConfigurationBuilder ConfigurationBuilder;
    protected readonly IHostApplicationLifetime? HostApplicationLifetime;
    protected readonly ILogger<AkkaHostedService> Logger;

    public AkkaHostedService(
        AkkaConfigurationBuilder configurationBuilder,
        IServiceProvider serviceProvider,
        ILogger<AkkaHostedService> logger,
        IHostApplicationLifetime? applicationLifetime)
    {
        ConfigurationBuilder = configurationBuilder;
        ServiceProvider = serviceProvider;
        Logger = logger;
        HostApplicationLifetime = applicationLifetime;
    }

    public virtual async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            ActorSystem = ServiceProvider.GetRequiredService<ActorSystem>();
            CoordinatedShutdown = CoordinatedShutdown.Get(ActorSystem);
            await ConfigurationBuilder.StartAsync(ActorSystem).ConfigureAwait(false);
            _ = StopHostAfter(ActorSystem.WhenTerminated);
        }
        catch (Exception e)
        {
            Logger.LogCritical(e, "The actor system could not be started");
            using var timeout = new CancellationTokenSource(StopAfterFailureTimeout);
            try
            {
                await StopAsync(timeout.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (timeout.IsCancellationRequested)
            {
                // It goes on stopping; what is thrown is why it did not start.
            }

            throw;
        }
    }

    public virtual async Task StopAsync(CancellationToken cancellationToken)
    {
        if (CoordinatedShutdown != null)
            await CoordinatedShutdown.Run(CoordinatedShutdown.ClrExitReason.Instance).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task StopHostAfter(Task terminated)
    {
        await terminated.ConfigureAwait(false);
        HostApplicationLifetime?.StopApplication();
    }
}

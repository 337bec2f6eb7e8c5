using Akka.Actor;
using Chronik.Gateway.Network;
using Microsoft.AspNetCore.Connections;

namespace Chronik.Gateway;

/// <summary>
/// What Kestrel calls for each connection on a Kafka listener: counts it, has an actor made for it, and reads from it until it ends.
/// </summary>
/// <param name="services">What all connections share.</param>
/// <param name="connections">The actor made of <see cref="ConnectionsActor.Props"/>.</param>
public sealed class KafkaConnectionHandler(GatewayServices services, IActorRef connections) : ConnectionHandler
{
    private long _lastId;

    /// <inheritdoc/>
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        long open = services.Metrics.ConnectionOpened();
        try
        {
            if (open > services.Limits.MaxConnections)
            {
                services.Metrics.Error("connections");
                if (open == services.Limits.MaxConnections + 1)
                    Log.TooManyConnections(
                        services.Log, connection.RemoteEndPoint, GatewayLimits.MaxConnectionsKey, services.Limits.MaxConnections);
                connection.Abort();
                return;
            }

            var kafka = new KafkaConnection(Interlocked.Increment(ref _lastId), connection, services);
            connections.Tell(kafka, ActorRefs.NoSender);
            await kafka.RunAsync().ConfigureAwait(false);
        }
        finally
        {
            services.Metrics.ConnectionClosed();
        }
    }
}

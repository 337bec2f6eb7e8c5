using Chronik.Gateway.Network;
using Chronik.Groups;
using Chronik.Model;
using Chronik.Protocol;

namespace Chronik.Gateway.Handlers;

/// <summary>Serves an API that a group's coordinator answers.</summary>
/// <typeparam name="TRequest">The request.</typeparam>
/// <typeparam name="TResponse">The response.</typeparam>
internal abstract class GroupHandler<TRequest, TResponse>(GatewayServices services, ApiKey key)
    : ApiHandler<TRequest, TResponse>(services, key)
    where TRequest : class, IRequestMessage<TResponse>, IMessage<TRequest>
    where TResponse : class, IResponseMessage
{
    /// <summary>The one group that a request is about; not called when <see cref="HandleAsync"/> is overridden.</summary>
    protected virtual string GroupIdOf(TRequest body) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override ValueTask<TResponse> HandleAsync(TRequest body, Request request) => AskAsync(GroupIdOf(body), body, request);

    /// <inheritdoc/>
    protected sealed override TResponse Failure(TRequest body, Request request, KafkaError error) =>
        (TResponse)GroupResponses.Error(body, request.Version, error);

    /// <summary>Asks the coordinator of a group; NOT_COORDINATOR when it is not here.</summary>
    protected async ValueTask<TResponse> AskAsync(string groupId, TRequest body, Request request)
    {
        IResponseMessage? response =
            await Services.Node.AskGroupCoordinatorAsync(groupId, body, request.Version, OriginOf(request)).ConfigureAwait(false);
        return (TResponse)(response ?? GroupResponses.Error(body, request.Version, KafkaError.NotCoordinator));
    }

    /// <summary>Who asks.</summary>
    protected static RequestOrigin OriginOf(Request request) => new(request.ClientId, request.Connection.ClientHost);
}

using Akka.Actor;
using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol;

namespace Chronik.Gateway.Handlers;

/// <summary>Serves one Kafka API.</summary>
internal abstract class ApiHandler(GatewayServices services, ApiKey key)
{
    /// <summary>The API.</summary>
    public ApiKey Key { get; } = key;

    /// <summary>The lowest version served: what Kafka 4.3 serves, unless a handler says otherwise.</summary>
    public virtual short MinVersion => ApiCatalog.Get(Key).MinServedVersion;

    /// <summary>The highest version served.</summary>
    public virtual short MaxVersion => ApiCatalog.Get(Key).MaxVersion;

    /// <summary>The lowest version advertised.</summary>
    public virtual short MinAdvertisedVersion => MinVersion;

    /// <summary>What all handlers share.</summary>
    protected GatewayServices Services { get; } = services;

    /// <summary>Whether a version is served.</summary>
    public bool Serves(short version) => version >= MinVersion && version <= MaxVersion;

    /// <summary>
    /// Starts to serve a request on its connection's thread. The request is completed exactly once, now or later. It must not block.
    /// </summary>
    /// <exception cref="ProtocolException">The request is malformed; its connection will be closed.</exception>
    public abstract void Handle(Request request);
}

/// <summary>Serves an API whose requests are answered by a value or a task.</summary>
/// <typeparam name="TRequest">The request.</typeparam>
/// <typeparam name="TResponse">The response.</typeparam>
internal abstract class ApiHandler<TRequest, TResponse>(GatewayServices services, ApiKey key) : ApiHandler(services, key)
    where TRequest : class, IRequestMessage<TResponse>, IMessage<TRequest>
    where TResponse : class, IResponseMessage
{
    /// <inheritdoc/>
    public sealed override void Handle(Request request)
    {
        TRequest body = request.Decode<TRequest>();
        ValueTask<TResponse> answer;
        try
        {
            answer = HandleAsync(body, request);
        }
        catch (Exception e)
        {
            Fail(body, request, e);
            return;
        }

        if (answer.IsCompletedSuccessfully) request.Complete(answer.Result);
        else _ = AwaitAsync(answer, body, request);
    }

    /// <summary>Answers. What the body points into stays valid until the task completes.</summary>
    protected abstract ValueTask<TResponse> HandleAsync(TRequest body, Request request);

    /// <summary>The response that carries an error for everything that was asked; null when the API has no such shape.</summary>
    protected abstract TResponse? Failure(TRequest body, Request request, KafkaError error);

    private async Task AwaitAsync(ValueTask<TResponse> answer, TRequest body, Request request)
    {
        TResponse response;
        try
        {
            response = await answer.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Fail(body, request, e);
            return;
        }

        request.Complete(response);
    }

    private void Fail(TRequest body, Request request, Exception e)
    {
        KafkaError error = e switch
        {
            TimeoutException or AskTimeoutException => KafkaError.RequestTimedOut,
            MetadataAppendException refused => refused.Error,
            _ => KafkaError.UnknownServerError,
        };
        Log.HandlerFailed(Services.Log, e, Key, request.Version);
        Services.Metrics.Error("handler");
        if (Failure(body, request, error) is { } response) request.Complete(response);
        else request.Close("the request failed");
    }
}

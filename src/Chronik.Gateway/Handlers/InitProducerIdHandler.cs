using Akka.Actor;
using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>InitProducerId for idempotent producers (KIP-98): an id that nobody else gets, at epoch 0.</summary>
/// <remarks>
/// Ids are taken from the metadata log in blocks, as a block costs a commit; what is left of a block at a restart is lost, as in
/// Kafka. A producer that asks for a new epoch of its id gets a new id, which serves it as well.
/// </remarks>
internal sealed class InitProducerIdHandler(GatewayServices services)
    : ApiHandler<InitProducerIdRequest, InitProducerIdResponse>(services, ApiKey.InitProducerId)
{
    private const int BlockSize = 1_000;

    /// <summary>How long a new controller is waited for: less than a client waits for an answer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly SemaphoreSlim _refill = new(1, 1);
    private readonly Lock _lock = new();
    private long _next;
    private long _end;
    private long _failedAt; // Whoever waited for that refill has waited long enough. Under the semaphore.

    /// <inheritdoc/>
    protected override async ValueTask<InitProducerIdResponse> HandleAsync(InitProducerIdRequest body, Request request)
    {
        // Transactions are not served; the error is one that clients give up on.
        if (body.TransactionalId is not null) return Refused(KafkaError.TransactionalIdAuthorizationFailed);
        if (TryTake() is { } id) return Granted(id);
        long began = Services.Time.GetTimestamp();
        await _refill.WaitAsync().ConfigureAwait(false);
        try
        {
            while (true)
            {
                if (TryTake() is { } taken) return Granted(taken);
                if (_failedAt > began || await AllocateAsync(began).ConfigureAwait(false) is not { } results)
                    return Refused(KafkaError.CoordinatorLoadInProgress); // One that every client tries again after.
                if (results[0] is not ProducerIdsResult { Error: KafkaError.None } block) return Refused(results[0].Error);
                lock (_lock) (_next, _end) = (block.First, block.First + block.Count);
            }
        }
        finally
        {
            _refill.Release();
        }
    }

    /// <inheritdoc/>
    protected override InitProducerIdResponse Failure(InitProducerIdRequest body, Request request, KafkaError error) => Refused(error);

    /// <summary>
    /// Asks for a block until a controller gives one; null when none did in time. A block that was given unheard is lost.
    /// </summary>
    private async Task<IReadOnlyList<ItemResult>?> AllocateAsync(long began)
    {
        for (TimeSpan left = Patience; left > TimeSpan.Zero; left = Patience - Services.Time.GetElapsedTime(began))
        {
            try
            {
                return await Services.Node.SubmitAsync(new AllocateProducerIds(BlockSize), left).ConfigureAwait(false);
            }
            catch (Exception e) when (e is TimeoutException or AskTimeoutException or MetadataAppendException)
            {
                await Task.Delay(Pause, Services.Time).ConfigureAwait(false);
            }
        }

        _failedAt = Services.Time.GetTimestamp();
        return null;
    }

    private static InitProducerIdResponse Granted(long id) => new() { ProducerId = id };

    private static InitProducerIdResponse Refused(KafkaError error) => new() { ErrorCode = (short)error, ProducerEpoch = -1 };

    private long? TryTake()
    {
        lock (_lock) return _next < _end ? _next++ : null;
    }
}

using System.Buffers.Binary;
using System.Diagnostics;
using Chronik.Cluster.Tests.Wire;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Cluster.Tests.Work;

/// <summary>
/// An idempotent producer of one partition: the numbers from 0 on, one record a batch, several in flight, each sent again until it is
/// acknowledged. As nobody else writes, the number of a record is also its offset.
/// </summary>
internal sealed class Writer(ClusterClient client, string topic, int partition, Findings findings)
{
    private const int InFlight = 5;
    private const short Version = 12;

    // Of each partition, so that a gap between acknowledgements that is longer than this means something.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    private readonly Queue<long> _unacknowledged = new();
    private readonly List<long> _acknowledgedAt = [];
    private (long Id, short Epoch)? _producer;
    private Address? _hint;
    private long _next;
    private long _end;
    private volatile bool _stopped;
    private volatile bool _abandoned;

    public int Partition => partition;

    /// <summary>Every number below it is acknowledged.</summary>
    public long AcknowledgedEnd => Volatile.Read(ref _end);

    /// <summary>Why it had to begin again last.</summary>
    public string Trouble { get; private set; } = "";

    public void Stop() => _stopped = true;

    /// <summary>Ends without waiting for what was not acknowledged.</summary>
    public void Abandon() => _abandoned = _stopped = true;

    /// <summary>
    /// The longest time without an acknowledgement between two moments, as timestamps of <see cref="Stopwatch"/>, in milliseconds.
    /// </summary>
    public double LongestGap(long from, long to)
    {
        long longest = 0, last = from;
        lock (_acknowledgedAt)
        {
            foreach (long at in _acknowledgedAt)
            {
                if (at < from || at > to) continue;
                longest = Math.Max(longest, at - last);
                last = at;
            }
        }

        return Stopwatch.GetElapsedTime(0, Math.Max(longest, to - last)).TotalMilliseconds;
    }

    public async Task RunAsync()
    {
        while (!_abandoned && (!_stopped || _unacknowledged.Count > 0))
        {
            try
            {
                _producer ??= await InitAsync();
                Address leader = _hint ?? (await client.LeaderAsync(topic, partition)).Address;
                _hint = null;
                using Connection connection = await Connection.OpenAsync(leader);
                await WriteAsync(connection);
            }
            catch (RetryException e)
            {
                Trouble = e.Message;

                // A client that retries at once would only load the cluster; 5 ms is much less than what is measured.
                await Task.Delay(Pause);
            }
        }
    }

    private async Task<(long, short)> InitAsync()
    {
        InitProducerIdRequest request = new() { TransactionalId = null, TransactionTimeoutMs = 60_000 };
        InitProducerIdResponse answer = await client.AskAnyAsync(request, 4);
        return answer.ErrorCode == 0
            ? (answer.ProducerId, answer.ProducerEpoch)
            : throw new RetryException($"no producer id: {(KafkaError)answer.ErrorCode}");
    }

    private async Task WriteAsync(Connection connection)
    {
        // What the last connection left open is sent again under the same sequence numbers.
        foreach (long value in _unacknowledged) await connection.SendAsync(Request(value), Version);
        Task<ProduceResponse>? receiving = null;
        long due = Environment.TickCount64;
        while (!_stopped || _unacknowledged.Count > 0)
        {
            long wait = due - Environment.TickCount64;
            if (!_stopped && wait <= 0 && _unacknowledged.Count < InFlight)
            {
                await connection.SendAsync(Request(_next), Version);
                _unacknowledged.Enqueue(_next++);
                due = Environment.TickCount64 + (long)Interval.TotalMilliseconds;
                continue;
            }

            if (_unacknowledged.Count > 0) receiving ??= connection.ReceiveAsync<ProduceResponse>();
            if (receiving is null) await Task.Delay((int)Math.Max(0, wait));
            else if (wait <= 0) await receiving;
            else await Task.WhenAny(receiving, Task.Delay((int)wait));
            if (receiving is not { IsCompleted: true }) continue;
            Settle(await receiving);
            receiving = null;
        }
    }

    private ProduceRequest Request(long value)
    {
        byte[] content = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(content, value);
        byte[] batch = new RecordBatchBuilder
        {
            ProducerId = _producer!.Value.Id,
            ProducerEpoch = _producer.Value.Epoch,
            BaseSequence = (int)value,
        }.Add(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), null, content).Build();
        return new ProduceRequest
        {
            Acks = -1,
            TimeoutMs = 30_000,
            TopicData = [new() { Name = topic, PartitionData = [new() { Index = partition, Records = new MemoryRecords(batch) }] }],
        };
    }

    private void Settle(ProduceResponse response)
    {
        ProduceResponse.PartitionProduceResponse answer = response.Responses[0].PartitionResponses[0];
        KafkaError error = (KafkaError)answer.ErrorCode;
        if (error != KafkaError.None)
        {
            // KIP-951: the answer says where to go.
            if (response.NodeEndpoints.Find(node => node.NodeId == answer.CurrentLeader.LeaderId) is { } leader)
                _hint = new Address(leader.Host, leader.Port);

            // What was sent behind a batch that was refused is out of order; the next connection begins with the oldest.
            if (!Errors.IsRetriable(error) && error != KafkaError.OutOfOrderSequenceNumber)
                findings.Add($"{topic}-{partition}: number {_unacknowledged.Peek()} was refused with {error} {answer.ErrorMessage}");
            throw new RetryException($"{topic}-{partition}: {error}");
        }

        long value = _unacknowledged.Dequeue();
        if (answer.BaseOffset != value)
            findings.Add($"{topic}-{partition}: number {value} was acknowledged at offset {answer.BaseOffset}");
        lock (_acknowledgedAt) _acknowledgedAt.Add(Stopwatch.GetTimestamp());
        Volatile.Write(ref _end, value + 1);
    }
}

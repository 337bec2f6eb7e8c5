using System.Buffers.Binary;
using Chronik.Cluster.Tests.Wire;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Cluster.Tests.Work;

/// <summary>Fetches from leaders and checks what it is given: the number of a record is its offset, and none is missing.</summary>
internal sealed class Reader(ClusterClient client, string topic, Func<int, long> acknowledgedEnd, Findings findings) : IDisposable
{
    private const short Version = 12;

    private readonly Dictionary<Address, Connection> _connections = [];
    private Dictionary<int, Address> _leaders = [];

    /// <summary>
    /// Reads what there is of each partition from its position on, and moves the positions. Partitions without a leader, or whose
    /// leader does not answer, are left as they are.
    /// </summary>
    public async Task ReadAsync(Dictionary<int, long> positions, int maxWaitMs)
    {
        foreach (IGrouping<Address, int> led in await ByLeaderAsync(positions.Keys))
        {
            try
            {
                await ReadFromAsync(led.Key, [.. led], positions, maxWaitMs);
            }
            catch (RetryException)
            {
                _connections.Remove(led.Key);
                _leaders = [];
            }
        }
    }

    public void Dispose()
    {
        foreach (Connection connection in _connections.Values) connection.Dispose();
    }

    private async Task<IEnumerable<IGrouping<Address, int>>> ByLeaderAsync(IReadOnlyCollection<int> partitions)
    {
        if (!partitions.All(_leaders.ContainsKey))
        {
            MetadataResponse response = await client.MetadataAsync(topic);
            Dictionary<int, Address> brokers = response.Brokers.ToDictionary(one => one.NodeId, one => new Address(one.Host, one.Port));
            _leaders = response.Topics[0].Partitions.Where(one => brokers.ContainsKey(one.LeaderId))
                .ToDictionary(one => one.PartitionIndex, one => brokers[one.LeaderId]);
            if (_leaders.Count < response.Topics[0].Partitions.Count) client.TryAnother();
        }

        return [.. partitions.Where(_leaders.ContainsKey).GroupBy(partition => _leaders[partition])];
    }

    private async Task ReadFromAsync(Address leader, List<int> partitions, Dictionary<int, long> positions, int maxWaitMs)
    {
        if (!_connections.TryGetValue(leader, out Connection? connection))
            _connections[leader] = connection = await Connection.OpenAsync(leader);
        FetchRequest request = new()
        {
            MaxWaitMs = maxWaitMs,
            MinBytes = 1,
            MaxBytes = 10 << 20,
            Topics =
            [
                new()
                {
                    Topic = topic,
                    Partitions =
                    [
                        .. partitions.Select(partition => new FetchRequest.FetchPartition
                        {
                            Partition = partition,
                            FetchOffset = positions[partition],
                            PartitionMaxBytes = 1 << 20,
                        }),
                    ],
                },
            ],
        };

        // Whatever was acknowledged by now must be below the high watermark of any answer to a question asked from now on.
        Dictionary<int, long> acknowledged = partitions.ToDictionary(partition => partition, acknowledgedEnd);
        FetchResponse response = await connection.CallAsync(request, Version);
        foreach (FetchResponse.PartitionData data in response.Responses.SelectMany(one => one.Partitions))
        {
            int partition = data.PartitionIndex;
            if (data.ErrorCode != 0)
            {
                KafkaError error = (KafkaError)data.ErrorCode;
                if (!Errors.IsRetriable(error)) findings.Add($"{topic}-{partition}: a fetch at {positions[partition]} is answered {error}");
                _leaders.Remove(partition);
                continue;
            }

            if (data.HighWatermark < 0 && data.Records is not { Length: > 0 })
            {
                // A replica that nobody could tell how far it may be read: it says nothing, and another may know more.
                _leaders.Remove(partition);
                continue;
            }

            if (data.HighWatermark < acknowledged[partition])
            {
                long before = acknowledged[partition];
                findings.Add($"{topic}-{partition}: {before} are acknowledged, the high watermark is {data.HighWatermark}");
            }

            positions[partition] = Check(partition, positions[partition], data.Records);
        }
    }

    private long Check(int partition, long position, Records? records)
    {
        if (records is not MemoryRecords { Memory: var bytes }) return position;
        while (bytes.Length >= RecordBatchView.HeaderSize)
        {
            RecordBatchView batch = new(bytes.Span);
            if (batch.Size > bytes.Length) break;
            foreach (RecordView record in batch.Records())
            {
                long offset = record.Offset.Value, value = BinaryPrimitives.ReadInt64BigEndian(record.Value);
                if (offset < position) continue;
                if (offset != position) findings.Add($"{topic}-{partition}: offset {position} is missing, {offset} comes next");
                if (value != offset) findings.Add($"{topic}-{partition}: number {value} is at offset {offset}");
                position = offset + 1;
            }

            bytes = bytes[(int)batch.Size..];
        }

        return position;
    }
}

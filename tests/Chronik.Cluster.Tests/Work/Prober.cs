using Chronik.Cluster.Tests.Wire;
using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Cluster.Tests.Work;

/// <summary>
/// Asks one partition after the other for its latest offset: never below what was acknowledged before the question, and never going
/// back. An answer that says "not now" is fine.
/// </summary>
internal sealed class Prober(ClusterClient client, string topic, int partitions, Func<int, long> acknowledgedEnd, Findings findings)
{
    private const long Latest = -1;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly long[] _last = new long[partitions];
    private volatile bool _stopped;

    /// <summary>How many answers had an offset.</summary>
    public long Answers { get; private set; }

    public void Stop() => _stopped = true;

    public async Task RunAsync()
    {
        for (int partition = 0; !_stopped; partition = (partition + 1) % partitions)
        {
            try
            {
                (_, Address leader) = await client.LeaderAsync(topic, partition);
                using Connection connection = await Connection.OpenAsync(leader);
                long acknowledged = acknowledgedEnd(partition);
                ListOffsetsResponse answer = await connection.CallAsync(
                    new ListOffsetsRequest
                    {
                        ReplicaId = -1,
                        Topics = [new() { Name = topic, Partitions = [new() { PartitionIndex = partition, Timestamp = Latest }] }],
                    },
                    7);
                Check(partition, acknowledged, answer.Topics[0].Partitions[0]);
            }
            catch (RetryException)
            {
                // The next partition may do better.
            }

            await Task.Delay(Pause);
        }
    }

    private void Check(int partition, long acknowledged, ListOffsetsResponse.ListOffsetsPartitionResponse answer)
    {
        if (answer.ErrorCode != 0)
        {
            if (!Errors.IsRetriable((KafkaError)answer.ErrorCode))
                findings.Add($"{topic}-{partition}: ListOffsets is answered {(KafkaError)answer.ErrorCode}");
            return;
        }

        Answers++;
        if (answer.Offset < acknowledged)
            findings.Add($"{topic}-{partition}: {acknowledged} are acknowledged, the latest offset is {answer.Offset}");
        if (answer.Offset < _last[partition])
            findings.Add($"{topic}-{partition}: the latest offset went back from {_last[partition]} to {answer.Offset}");
        _last[partition] = Math.Max(_last[partition], answer.Offset);
    }
}

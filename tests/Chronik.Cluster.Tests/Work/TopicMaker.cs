using Chronik.Cluster.Tests.Wire;

namespace Chronik.Cluster.Tests.Work;

/// <summary>Creates one topic after the other, whatever happens.</summary>
internal sealed class TopicMaker(ClusterClient client, string prefix)
{
    private const short Replicas = 3;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly List<string> _made = [];
    private volatile bool _stopped;

    /// <summary>The topics whose creation was acknowledged.</summary>
    public IReadOnlyList<string> Made
    {
        get
        {
            lock (_made) return [.. _made];
        }
    }

    public void Stop() => _stopped = true;

    public async Task RunAsync()
    {
        for (int i = 0; !_stopped; i++)
        {
            string name = $"{prefix}-{i}";
            await client.CreateTopicAsync(name, 1, Replicas);
            lock (_made) _made.Add(name);
            await Task.Delay(Pause);
        }
    }
}

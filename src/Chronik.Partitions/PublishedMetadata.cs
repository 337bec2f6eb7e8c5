using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>The metadata as far as it is committed and applied on this node. Thread-safe.</summary>
internal sealed class PublishedMetadata
{
    private readonly Lock _lock = new();
    private readonly List<(KafkaOffset End, TaskCompletionSource Reached)> _waiting = [];
    private volatile MetadataImage _image = MetadataImage.Empty;
    private KafkaOffset _end;

    /// <summary>Raised after each change, in order, by whoever makes it.</summary>
    public event Action<MetadataImage>? Changed;

    /// <summary>The latest image.</summary>
    public MetadataImage Image => _image;

    /// <summary>Replaces the image by one of the log up to <paramref name="end"/>.</summary>
    public void Set(MetadataImage image, KafkaOffset end)
    {
        List<TaskCompletionSource> reached = [];
        lock (_lock)
        {
            _image = image;
            _end = end;
            for (int i = _waiting.Count - 1; i >= 0; i--)
            {
                if (_waiting[i].End > end) continue;
                reached.Add(_waiting[i].Reached);
                _waiting.RemoveAt(i);
            }
        }

        foreach (TaskCompletionSource one in reached) one.SetResult();
        Changed?.Invoke(image);
    }

    /// <summary>Completes once the image holds everything before <paramref name="end"/>; fails after <paramref name="timeout"/>.</summary>
    public Task WaitForAsync(KafkaOffset end, TimeSpan timeout)
    {
        lock (_lock)
        {
            if (_end >= end) return Task.CompletedTask;
            TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((end, reached));
            return reached.Task.WaitAsync(timeout);
        }
    }
}

using System.Collections.Concurrent;

namespace Akka.Remote;

/// <summary>What nobody has heard of yet counts as available.</summary>
public class DefaultFailureDetectorRegistry<T> : IFailureDetectorRegistry<T>
{
    private readonly ConcurrentDictionary<T, FailureDetector> _detectors = new();
    private readonly Func<FailureDetector> _factory;
    private readonly Lock _creation = new();

    public DefaultFailureDetectorRegistry(Func<FailureDetector> factory) => _factory = factory;

    public void Heartbeat(T resource)
    {
        if (_detectors.TryGetValue(resource, out FailureDetector known))
        {
            known.HeartBeat();
            return;
        }

        lock (_creation)
        {
            // A detector is seen by others only once it has had its first heartbeat.
            if (!_detectors.TryGetValue(resource, out FailureDetector detector))
                detector = _factory();
            if (detector is PhiAccrualFailureDetector phi)
                phi.Address = resource.ToString();
            detector.HeartBeat();
            _detectors[resource] = detector;
        }
    }

    public bool IsAvailable(T resource) => !_detectors.TryGetValue(resource, out FailureDetector detector) || detector.IsAvailable;

    public bool IsMonitoring(T resource) => _detectors.TryGetValue(resource, out FailureDetector detector) && detector.IsMonitoring;

    public void Remove(T resource)
    {
        lock (_creation)
            _detectors.TryRemove(resource, out _);
    }

    public void Reset()
    {
        lock (_creation)
            _detectors.Clear();
    }

    internal FailureDetector GetFailureDetector(T resource) => _detectors.GetValueOrDefault(resource);
}

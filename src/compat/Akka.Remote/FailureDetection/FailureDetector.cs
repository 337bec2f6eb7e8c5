using System.Diagnostics;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.Remote;

/// <summary>Milliseconds from some point in the past on; it never goes back.</summary>
public delegate long Clock();

/// <summary>Says from the heartbeats of one resource whether it is likely to be alive. Thread-safe.</summary>
public abstract class FailureDetector
{
    public static readonly Clock DefaultClock = static () => Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1000);

    /// <summary>True as long as the resource seems alive, and before the first heartbeat.</summary>
    public abstract bool IsAvailable { get; }

    /// <summary>There was a heartbeat.</summary>
    public abstract bool IsMonitoring { get; }

    public abstract void HeartBeat();
}

/// <summary>A failure detector for each of many resources, made at its first heartbeat.</summary>
public interface IFailureDetectorRegistry<in T>
{
    void Heartbeat(T resource);

    bool IsAvailable(T resource);

    bool IsMonitoring(T resource);

    void Remove(T resource);

    void Reset();
}

/// <summary>Makes failure detectors by the name of their type.</summary>
public static class FailureDetectorLoader
{
    /// <summary>The type has a constructor that takes a <see cref="Config"/> and an <see cref="EventStream"/>.</summary>
    /// <exception cref="ConfigurationException">There is no such type, or it could not be made.</exception>
    public static FailureDetector Load(string fqcn, Config config, ActorSystem system)
    {
        Type type = TypeNames.Find(fqcn) ?? throw new ConfigurationException($"The failure detector [{fqcn}] is unknown.");
        try
        {
            return (FailureDetector)Activator.CreateInstance(type, config, system.EventStream);
        }
        catch (Exception e)
        {
            throw new ConfigurationException($"The failure detector [{fqcn}] could not be created: {e.Message}", e);
        }
    }

    public static FailureDetector LoadFailureDetector(this IActorContext context, string fqcn, Config config) =>
        Load(fqcn, config, context.System);
}

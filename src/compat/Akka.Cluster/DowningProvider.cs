using Akka.Actor;
using Akka.Configuration;

namespace Akka.Cluster;

/// <summary>
/// Decides what happens to members that cannot be reached. It is made with the constructor that takes an ActorSystem and a Cluster; its
/// actor runs beside the one that keeps the membership and calls <see cref="Cluster.Down"/>.
/// </summary>
public interface IDowningProvider
{
    /// <summary>How long survivors should wait after a removal until they take over what the removed member did.</summary>
    TimeSpan DownRemovalMargin { get; }

    /// <summary>The actor that decides; null for none.</summary>
    Props DowningActorProps { get; }
}

/// <summary>Nobody is downed except by <see cref="Cluster.Down"/>.</summary>
public sealed class NoDowning : IDowningProvider
{
    private readonly Cluster _cluster;

    public NoDowning(ActorSystem system, Cluster cluster) => _cluster = cluster;

    public TimeSpan DownRemovalMargin => _cluster.Settings.DownRemovalMargin;

    public Props DowningActorProps => null;
}

internal static class DowningProvider
{
    /// <exception cref="ConfigurationException">The type is no downing provider, or has no such constructor.</exception>
    public static IDowningProvider Load(Type type, ActorSystem system, Cluster cluster)
    {
        try
        {
            return (IDowningProvider)Activator.CreateInstance(type, system, cluster);
        }
        catch (Exception e) when (e is MissingMethodException or InvalidCastException or System.Reflection.TargetInvocationException)
        {
            throw new ConfigurationException($"The downing provider [{type}] could not be made: {(e.InnerException ?? e).Message}", e);
        }
    }
}

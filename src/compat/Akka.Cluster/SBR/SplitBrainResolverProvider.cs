using Akka.Actor;

namespace Akka.Cluster.SBR;

/// <summary>Downs one side of a partition, by the strategy in akka.cluster.split-brain-resolver.</summary>
public class SplitBrainResolverProvider : IDowningProvider
{
    private readonly SplitBrainResolverSettings _settings;
    private readonly Cluster _cluster;

    public SplitBrainResolverProvider(ActorSystem system, Cluster cluster)
    {
        _settings = new SplitBrainResolverSettings(system.Settings.Config);
        _cluster = cluster;
    }

    public TimeSpan DownRemovalMargin =>
        _cluster.Settings.DownRemovalMargin > TimeSpan.Zero ? _cluster.Settings.DownRemovalMargin : _settings.DowningStableAfter;

    public Props DowningActorProps => Props.Create(
        typeof(SplitBrainResolver), _cluster, Strategy(), _settings.DowningStableAfter, _settings.DownAllWhenUnstable);

    private DowningStrategy Strategy() => _settings.DowningStrategy switch
    {
        SplitBrainResolverSettings.StaticQuorumName =>
            new StaticQuorum(_settings.StaticQuorumSettings.Size, _settings.StaticQuorumSettings.Role),
        SplitBrainResolverSettings.KeepOldestName =>
            new KeepOldest(_settings.KeepOldestSettings.DownIfAlone, _settings.KeepOldestSettings.Role),
        SplitBrainResolverSettings.DownAllName => new DownAllNodes(),
        _ => new KeepMajority(_settings.KeepMajorityRole),
    };
}

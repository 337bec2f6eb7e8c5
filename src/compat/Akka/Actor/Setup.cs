using Akka.Configuration;
using Akka.Util;

namespace Akka.Actor.Setup
{
    /// <summary>A part of how a system is set up in code.</summary>
    public abstract class Setup
    {
        public ActorSystemSetup And(Setup other) => ActorSystemSetup.Create(this, other);
    }

    /// <summary>At most one setup of each type.</summary>
    public sealed class ActorSystemSetup
    {
        public static readonly ActorSystemSetup Empty = new([]);

        private readonly Dictionary<Type, Setup> _setups;

        private ActorSystemSetup(Dictionary<Type, Setup> setups) => _setups = setups;

        public ActorSystemSetup And<T>(T setup)
            where T : Setup => WithSetup(setup);

        public static ActorSystemSetup Create(params Setup[] setup)
        {
            var setups = new Dictionary<Type, Setup>();
            foreach (Setup one in setup)
                setups[one.GetType()] = one;
            return new ActorSystemSetup(setups);
        }

        public Option<T> Get<T>()
            where T : Setup => _setups.TryGetValue(typeof(T), out Setup setup) ? new Option<T>((T)setup) : Option<T>.None;

        public override string ToString() => $"ActorSystemSetup({string.Join(", ", _setups.Keys.Select(static type => type.FullName))})";

        public ActorSystemSetup WithSetup<T>(T setup)
            where T : Setup => new(new Dictionary<Type, Setup>(_setups) { [setup.GetType()] = setup });
    }
}

namespace Akka.Actor
{
    /// <summary>Which provider of actor references a system uses: whether it knows of other systems, and how.</summary>
    public abstract class ProviderSelection
    {
        private ProviderSelection(string fqn) => Fqn = fqn;

        internal string Fqn { get; }

        /// <summary>What akka.actor.provider says: local, remote, cluster or the name of a type.</summary>
        internal static ProviderSelection Named(string name) => name switch
        {
            "local" => Local.Instance,
            "remote" => Remote.Instance,
            "cluster" => Cluster.Instance,
            _ => new Custom(name),
        };

        public sealed class Local : ProviderSelection
        {
            public static readonly Local Instance = new();

            private Local()
                : base("Akka.Actor.LocalActorRefProvider, Akka")
            {
            }
        }

        public sealed class Remote : ProviderSelection
        {
            public static readonly Remote Instance = new();

            private Remote()
                : base("Akka.Remote.RemoteActorRefProvider, Akka.Remote")
            {
            }
        }

        public sealed class Cluster : ProviderSelection
        {
            public static readonly Cluster Instance = new();

            private Cluster()
                : base("Akka.Cluster.ClusterActorRefProvider, Akka.Cluster")
            {
            }
        }

        public sealed class Custom : ProviderSelection
        {
            public Custom(string fqn, string identifier = null, bool hasCluster = false)
                : base(fqn)
            {
            }
        }
    }

    /// <summary>The configuration of a system.</summary>
    public sealed class BootstrapSetup : Setup.Setup
    {
        private BootstrapSetup(Option<Config> config, Option<ProviderSelection> provider)
        {
            Config = config;
            ActorRefProvider = provider;
        }

        public Option<ProviderSelection> ActorRefProvider { get; }

        public Option<Config> Config { get; }

        public static BootstrapSetup Create() => new(Option<Config>.None, Option<ProviderSelection>.None);

        public BootstrapSetup WithActorRefProvider(ProviderSelection name) => new(Config, name);

        public BootstrapSetup WithConfig(Config config) => new(config, ActorRefProvider);

        public BootstrapSetup WithConfigFallback(Config config) =>
            new(Config.HasValue ? Config.Value.SafeWithFallback(config) : config, ActorRefProvider);
    }
}

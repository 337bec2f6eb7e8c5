using System.Reflection;
using Akka.Configuration.Hocon;

namespace Akka.Configuration;

/// <summary>Makes <see cref="Config"/> objects from HOCON text.</summary>
public class ConfigurationFactory
{
    private const string DefaultResource = "Akka.reference.conf";

    /// <summary>A configuration without any key.</summary>
    public static Config Empty => new(new HoconRoot(new HoconValue([new HoconObject()])));

    /// <summary>Parses a text that has no includes.</summary>
    public static Config ParseString(string hocon) => ParseString(hocon, null);

    /// <summary>Parses a text; <paramref name="includeCallback"/> turns the name behind an <c>include</c> into its content.</summary>
    public static Config ParseString(string hocon, Func<string, HoconRoot> includeCallback) => new(Parser.Parse(hocon, includeCallback));

    /// <summary>The defaults of every key that the actor core reads.</summary>
    public static Config Default() => FromResource(DefaultResource, typeof(ConfigurationFactory).Assembly);

    /// <summary>Parses a manifest resource of the assembly that is given, or of the given object's.</summary>
    public static Config FromResource(string resourceName, object instanceInAssembly) =>
        FromResource(resourceName, instanceInAssembly switch
        {
            Assembly assembly => assembly,
            Type type => type.Assembly,
            _ => instanceInAssembly.GetType().Assembly,
        });

    /// <summary>Parses a manifest resource of the assembly of <typeparamref name="TAssembly"/>.</summary>
    public static Config FromResource<TAssembly>(string resourceName) => FromResource(resourceName, typeof(TAssembly).Assembly);

    /// <summary>Parses a manifest resource.</summary>
    public static Config FromResource(string resourceName, Assembly assembly)
    {
        using var stream = assembly.GetManifestResourceStream(resourceName)
            ?? throw new ConfigurationException($"the assembly {assembly.GetName().Name} has no resource {resourceName}");
        using var reader = new StreamReader(stream);
        return ParseString(reader.ReadToEnd());
    }
}

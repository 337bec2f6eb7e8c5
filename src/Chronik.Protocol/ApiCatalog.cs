using System.Collections.Immutable;

namespace Chronik.Protocol;

/// <summary>What there is to know about one API without looking at its messages.</summary>
/// <param name="Key">The API.</param>
/// <param name="Name">Its name in the protocol.</param>
/// <param name="MinVersion">The lowest version that can be read and written.</param>
/// <param name="MaxVersion">The highest version that can be read and written.</param>
/// <param name="MinServedVersion">The lowest version that Kafka 4.3 serves; those below are only understood.</param>
/// <param name="FirstFlexibleVersion">The first version with compact encodings and tags, or <see cref="NeverFlexible"/>.</param>
public sealed record ApiInfo(
    ApiKey Key, string Name, short MinVersion, short MaxVersion, short MinServedVersion, short FirstFlexibleVersion)
{
    /// <summary>The <see cref="FirstFlexibleVersion"/> of an API that has no flexible version.</summary>
    public const short NeverFlexible = short.MaxValue;

    /// <summary>Whether messages of this version can be read and written.</summary>
    public bool Knows(short version) => version >= MinVersion && version <= MaxVersion;

    /// <summary>The version of the request header that goes with a version of the API, also one that is too new to be known.</summary>
    public short RequestHeaderVersion(short version) => version >= FirstFlexibleVersion ? (short)2 : (short)1;

    /// <summary>
    /// The version of the response header. ApiVersions always has 0: the client cannot know yet what the broker speaks (KIP-511).
    /// </summary>
    public short ResponseHeaderVersion(short version) =>
        Key != ApiKey.ApiVersions && version >= FirstFlexibleVersion ? (short)1 : (short)0;
}

/// <summary>Every API that Chronik can read and write, served or not.</summary>
public static partial class ApiCatalog
{
    /// <summary>All APIs in the order of their keys.</summary>
    public static ImmutableArray<ApiInfo> All { get; } = [.. Table()];

    private static readonly ApiInfo?[] ByKey = Index();

    /// <summary>Finds an API; null for a key that is not known.</summary>
    public static ApiInfo? Find(short key) => (uint)key < (uint)ByKey.Length ? ByKey[key] : null;

    /// <summary>What there is to know about <paramref name="key"/>.</summary>
    /// <exception cref="ProtocolException">The key is not known.</exception>
    public static ApiInfo Get(ApiKey key) => Find((short)key) ?? throw ProtocolException.UnknownApi((short)key);

    private static ApiInfo?[] Index()
    {
        var index = new ApiInfo?[(int)All[^1].Key + 1];
        foreach (ApiInfo api in All) index[(int)api.Key] = api;
        return index;
    }
}

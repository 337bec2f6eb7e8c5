using Xunit;

namespace Chronik.Compatibility.Tests;

/// <summary>One broker for all tests of clients: each uses topics and groups of its own.</summary>
public sealed class BrokerFixture : IAsyncLifetime
{
    private readonly string? _given = Environment.GetEnvironmentVariable("CHRONIK_BOOTSTRAP");
    private BrokerProcess? _broker;

    public string Bootstrap => _given ?? _broker!.Bootstrap;

    public static string NewName(string prefix) => $"{prefix}-{Guid.NewGuid():N}"[..(prefix.Length + 9)];

    public async Task InitializeAsync()
    {
        if (_given is null)
        {
            _broker = new BrokerProcess();
            await _broker.StartAsync();
        }
    }

    public async Task DisposeAsync()
    {
        if (_broker is not null)
        {
            await _broker.DisposeAsync();
        }
    }
}

[CollectionDefinition(Name)]
public sealed class BrokerCollection : ICollectionFixture<BrokerFixture>
{
    public const string Name = "broker";
}

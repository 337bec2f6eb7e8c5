using Xunit;

namespace Chronik.Compatibility.Tests;

/// <summary>Clients of other languages. A script ends with exit code 0, or says what went wrong and ends with another.</summary>
[Collection(BrokerCollection.Name)]
public sealed class ScriptTests(BrokerFixture broker)
{
    [ClientFact(Client.KafkaJs)]
    public Task Kafkajs_creates_produces_consumes_in_a_group_describes_and_deletes() =>
        Shell.RunAsync("node", [Script("kafkajs.js"), broker.Bootstrap, BrokerFixture.NewName("kafkajs")]);

    [ClientFact(Client.KafkaPython)]
    public Task Kafka_python_creates_produces_consumes_in_a_group_and_deletes() =>
        Shell.RunAsync(Clients.Python, [Script("kafka_python.py"), broker.Bootstrap, BrokerFixture.NewName("kafka-python")]);

    private static string Script(string name) => Path.Combine(AppContext.BaseDirectory, "Scripts", name);
}

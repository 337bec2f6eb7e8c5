using System.Diagnostics;
using Xunit;

namespace Chronik.Compatibility.Tests;

/// <summary>Which clients this machine has. A missing one is a reason to skip its tests, never to fail.</summary>
internal static class Clients
{
    public static string? KafkaHome { get; } = Environment.GetEnvironmentVariable("CHRONIK_KAFKA_HOME");

    private static readonly string? LibrdkafkaFolder = Environment.GetEnvironmentVariable("CHRONIK_LIBRDKAFKA");

    /// <summary>The native half of Confluent.Kafka.</summary>
    public static string Librdkafka => Path.Combine(LibrdkafkaFolder ?? string.Empty, "librdkafka.so.1");

    public const string Python = "/usr/bin/python3";

    private static readonly Lazy<string?> NoKcat = new(() => Missing("kcat", "kcat", "-V"));

    private static readonly Lazy<string?> NoKafkaJs = new(() => Missing("kafkajs (NODE_PATH)", "node", "-e", "require('kafkajs')"));

    private static readonly Lazy<string?> NoKafkaPython = new(() => Missing("python3-kafka", Python, "-c", "import kafka"));

    private static readonly Lazy<string?> NoJava = new(() =>
        KafkaHome is null ? "CHRONIK_KAFKA_HOME is not set"
        : !Directory.Exists(Path.Combine(KafkaHome, "libs")) ? $"CHRONIK_KAFKA_HOME={KafkaHome} has no libs/"
        : Missing("java", "java", "-version"));

    private static readonly Lazy<string?> NoLibrdkafka = new(() =>
        LibrdkafkaFolder is null ? "CHRONIK_LIBRDKAFKA is not set"
        : File.Exists(Librdkafka) ? null
        : $"CHRONIK_LIBRDKAFKA={LibrdkafkaFolder} has no librdkafka.so.1");

    public static string? WhyNot(Client client) => client switch
    {
        Client.Kcat => NoKcat.Value,
        Client.KafkaJs => NoKafkaJs.Value,
        Client.KafkaPython => NoKafkaPython.Value,
        Client.Java => NoJava.Value,
        Client.Confluent => NoLibrdkafka.Value,
        _ => throw new ArgumentOutOfRangeException(nameof(client)),
    };

    private static string? Missing(string name, string file, params string[] probe)
    {
        try
        {
            var start = new ProcessStartInfo(file, probe) { RedirectStandardOutput = true, RedirectStandardError = true };
            using var process = Process.Start(start);
            process!.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : $"{name} is not installed";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return $"{name} is not installed";
        }
    }
}

public enum Client
{
    Kcat,
    KafkaJs,
    KafkaPython,
    Confluent,
    Java,
}

/// <summary>A test that needs a client, skipped with the reason where it is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ClientFactAttribute : FactAttribute
{
    public ClientFactAttribute(Client client) => Skip = Clients.WhyNot(client);
}

/// <summary>As <see cref="ClientFactAttribute"/>, with data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ClientTheoryAttribute : TheoryAttribute
{
    public ClientTheoryAttribute(Client client) => Skip = Clients.WhyNot(client);
}

using System.Collections;
using System.Globalization;
using System.Text.Json;

namespace Chronik.Protocol.Tests;

/// <summary>What Apache Kafka's own classes read and write; Golden/README.md says how the files are made.</summary>
public class GoldenMessageTests
{
    private const string InputVariable = "CHRONIK_GOLDEN_INPUT";

    public static TheoryData<string> Messages => [.. Lines().Select(line => line.Split(' ')[0]).Distinct()];

    [Theory]
    [MemberData(nameof(Messages))]
    public void Kafka_reads_and_writes_the_same_bytes_with_the_same_meaning(string name)
    {
        MessageType type = MessageType.Named(name);
        foreach (string line in Lines().Where(line => line.StartsWith(name + " ", StringComparison.Ordinal)))
        {
            string[] words = line.Split(' ', 4);
            short version = short.Parse(words[1], CultureInfo.InvariantCulture);
            byte[] bytes = Convert.FromHexString(words[2]);
            IMessage message = type.Read(bytes, version);
            Assert.Equal(bytes, type.Write(message, version));
            using JsonDocument json = JsonDocument.Parse(words[3]);
            Compare(json.RootElement, message, $"{name} {version}");
        }
    }

    [Fact]
    public void Every_message_that_Kafka_knows_is_there()
    {
        Assert.Equal(MessageType.All.Select(type => type.Name), Lines().Select(line => line.Split(' ')[0]).Distinct());
    }

    /// <summary>Not a test unless asked: writes what the Java program reads.</summary>
    [Fact]
    public void Writes_the_input_for_Kafka_when_asked()
    {
        string? path = Environment.GetEnvironmentVariable(InputVariable);
        if (path is null) return;
        using var file = new StreamWriter(path);
        foreach (MessageType type in MessageType.All)
        {
            for (short version = type.MinVersion; version <= type.MaxVersion; version++)
            {
                foreach (int seed in new[] { version * 2, version * 2 + 1 })
                {
                    (_, byte[] bytes) = RandomMessage.Make(type, version, seed, longestArray: 2);
                    file.WriteLine($"{type.Name} {version} {Convert.ToHexString(bytes)}");
                }
            }
        }
    }

    private static string[] Lines() => File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Golden", "messages.txt"));

    private static void Compare(JsonElement json, object? value, string path)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in json.EnumerateObject()) CompareProperty(property, value, path);
                break;
            case JsonValueKind.Array:
                var list = Assert.IsAssignableFrom<IList>(value);
                Assert.True(json.GetArrayLength() == list.Count, path);
                for (int i = 0; i < list.Count; i++) Compare(json[i], list[i], $"{path}[{i}]");
                break;
            case JsonValueKind.Null:
                Assert.True(value is null, path);
                break;
            default:
                Assert.True(Text(json) == Text(value), $"{path}: Kafka has {Text(json)}, we have {Text(value)}");
                break;
        }
    }

    private static void CompareProperty(JsonProperty property, object? value, string path)
    {
        const string Size = "SizeInBytes";
        string name = char.ToUpperInvariant(property.Name[0]) + property.Name[1..];
        bool isSize = name.EndsWith(Size, StringComparison.Ordinal);
        if (isSize) name = name[..^Size.Length];
        object? ours = value?.GetType().GetProperty(name)?.GetValue(value);
        if (isSize) ours = (ours as Records)?.Length;
        Compare(property.Value, ours, $"{path}.{name}");
    }

    private static string Text(JsonElement json) => json.ValueKind == JsonValueKind.Number
        ? json.GetDouble().ToString(CultureInfo.InvariantCulture)
        : json.ToString();

    private static string Text(object? value) => value switch
    {
        bool flag => flag.ToString(),
        Guid uuid => Convert.ToBase64String(uuid.ToByteArray(bigEndian: true)).TrimEnd('=').Replace('+', '-').Replace('/', '_'),
        ReadOnlyMemory<byte> bytes => Convert.ToBase64String(bytes.Span),
        string text => text,
        null => "null",
        _ => Convert.ToDouble(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture),
    };
}

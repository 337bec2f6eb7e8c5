using System.Text.Json;
using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Peers;

namespace Chronik.Partitions.Watching;

/// <summary>
/// To /user/chronik/rpc of another node: what it shows of itself to whoever watches the cluster. Answered with
/// <see cref="NodeAnswered"/>.
/// </summary>
/// <param name="Version">The version of the question's form.</param>
/// <param name="Question">The question, in the form of who asks.</param>
internal sealed record AskNode(int Version, JsonElement Question) : IRpcMessage
{
    public const int CurrentVersion = 1;
}

/// <summary>What a node says of itself.</summary>
/// <param name="Answer">The answer; null when there is none.</param>
/// <param name="Refusal">Why there is none.</param>
internal sealed record NodeAnswered(JsonElement? Answer, string? Refusal) : IRpcMessage;

/// <summary>Asks other nodes about themselves and answers them. Thread-safe.</summary>
/// <remarks>
/// Questions and answers are bounded: one that is larger is not sent. A node that does not answer in time is a fact to be shown, never an
/// error.
/// </remarks>
internal sealed class NodeQuestions(NodeId self, PeerHub peers, PeerBook others, PublishedMetadata published)
{
    private const int AnswerBytesMax = 1 << 20;

    /// <summary>Answers a question about this node; null while nobody does.</summary>
    public Func<JsonElement, Task<JsonElement>>? Answers { get; set; }

    /// <summary>Asks a node, this one too.</summary>
    /// <returns>The answer, or why there is none.</returns>
    public async Task<(JsonElement? Answer, string? Why)> AskAsync(NodeId node, JsonElement question, TimeSpan timeout)
    {
        AskNode ask = new(AskNode.CurrentVersion, question);
        if (node == self) return Unpacked(await AnswerAsync(ask).ConfigureAwait(false));
        if (!peers.IsAlive(node) || others.Find(node) is not { } peer) return (null, "it cannot be reached");

        // It would take the question for damage.
        if (published.Image.Brokers.TryGetValue(node, out BrokerImage? broker) && broker.Protocol.Max < FeatureLevel.Operable)
            return (null, "it is of an older version, which cannot be asked");
        try
        {
            return await peer.Rpc.Ask<object>(ask, timeout).ConfigureAwait(false) is NodeAnswered answered
                ? Unpacked(answered)
                : (null, "its answer is not understood");
        }
        catch (Exception e) when (e is AskTimeoutException or TimeoutException)
        {
            return (null, $"it has not answered for {timeout.TotalSeconds:0.#} s");
        }
    }

    /// <summary>Answers a question that somebody asked this node.</summary>
    public async Task<NodeAnswered> AnswerAsync(AskNode ask)
    {
        if (ask.Version != AskNode.CurrentVersion) return new NodeAnswered(null, $"it does not know version {ask.Version} of the question");
        if (Answers is not { } answers) return new NodeAnswered(null, "it is starting");
        try
        {
            JsonElement answer = await answers(ask.Question).ConfigureAwait(false);
            return answer.GetRawText().Length <= AnswerBytesMax
                ? new NodeAnswered(answer, null)
                : new NodeAnswered(null, "its answer is too long");
        }
        catch (Exception failure)
        {
            return new NodeAnswered(null, $"it cannot answer: {failure.Message}");
        }
    }

    private static (JsonElement? Answer, string? Why) Unpacked(NodeAnswered answered) => (answered.Answer, answered.Refusal);
}

using Akka.Actor;
using Akka.Persistence;

namespace Chronik.Persistence.Tests;

/// <summary>The whole way: a persistent actor, its events and its snapshots, over restarts and crashes.</summary>
public sealed class PersistentActorTests
{
    [Fact]
    public async Task A_persistent_actor_comes_back_as_it_was()
    {
        await using Node node = new();
        Assert.Equal("a", await AskAsync(node, "a"));
        Assert.Equal("ab", await AskAsync(node, "b"));
        await node.CrashAsync();
        Assert.Equal("abc", await AskAsync(node, "c"));
        Assert.Equal("saved", await AskAsync(node, "save"));
        Assert.Equal("abcd", await AskAsync(node, "d"));
        await node.RestartAsync();
        Assert.Equal("abcde", await AskAsync(node, "e"));
        await node.CrashAsync();
        Assert.Equal("abcdef", await AskAsync(node, "f"));
    }

    private static Task<string> AskAsync(Node node, string message)
    {
        IActorRef actor = node.System.ActorOf(Props.Create(() => new Writer()));
        return ThenStop();

        async Task<string> ThenStop()
        {
            string answer = await actor.Ask<string>(message, TimeSpan.FromSeconds(30));
            await actor.GracefulStop(TimeSpan.FromSeconds(30));
            return answer;
        }
    }

    /// <summary>Strings its commands together; saving deletes the events that the snapshot covers.</summary>
    private sealed class Writer : ReceivePersistentActor
    {
        private string _text = "";
        private IActorRef? _saver;

        public Writer()
        {
            Recover<Happened>(happened => _text += happened.What);
            Recover<SnapshotOffer>(offer => _text = ((Happened)offer.Snapshot).What);
            Command<string>(message => message == "save", _ =>
            {
                _saver = Sender;
                SaveSnapshot(new Happened(_text));
            });
            Command<SaveSnapshotSuccess>(saved => DeleteMessages(saved.Metadata.SequenceNr));
            Command<DeleteMessagesSuccess>(_ => _saver.Tell("saved"));
            Command<string>(message => Persist(new Happened(message), happened =>
            {
                _text += happened.What;
                Sender.Tell(_text);
            }));
        }

        public override string PersistenceId => "writer";
    }
}

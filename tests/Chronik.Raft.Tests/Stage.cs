using System.Text;
using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>
/// Plays the commands of a transcript. `start voters=1` is one member, whose disk the script finishes by hand; `cluster voters=1,2,3
/// joining=4` is a group: there the first word of a command may be a member's number, `settle` lets messages and disks go on until nothing
/// moves, and every step that changed or said anything is shown.
/// </summary>
internal sealed class Stage
{
    private readonly StringBuilder _text = new();
    private readonly Dictionary<int, string> _shown = [];
    private Network? _network;
    private Member? _member;

    public string Do(string command)
    {
        _text.Clear();
        string[] words = command.Split(' ');
        if (words[0] == "cluster")
        {
            _network = new Network(Ids(words, "voters="), Ids(words, "joining="), options => options with { QuiesceTicks = 6 });
            foreach (Member member in _network.Members.Values) member.Stepped = Show;
            _text.Append($"{command}\n");
        }
        else if (_network is not null)
        {
            _text.Append($"{command}\n");
            Cluster(words);
        }
        else
        {
            One(words);
            _text.Append($"{command}: {Line(_member!)}\n");
            Effects(_member!.Effects);
        }

        return _text.ToString();
    }

    private static int[] Ids(string[] words, string key) =>
        [.. words.Where(word => word.StartsWith(key, StringComparison.Ordinal))
            .SelectMany(word => word[key.Length..].Split(',')).Select(int.Parse)];

    private static Membership Members(string[] words) =>
        new([.. Ids(words, "voters=").Select(id => new NodeId(id))], [], [.. Ids(words, "learners=").Select(id => new NodeId(id))]);

    private void One(string[] words)
    {
        if (words[0] == "start") _member = new Member(Ids(words, "voters="));
        else Act(_member!, words);
    }

    private void Cluster(string[] words)
    {
        switch (words[0])
        {
            case "elect": // As election.txt shows; not shown again.
                int before = _text.Length;
                _network![int.Parse(words[1])].Tick();
                _network.Settle();
                _text.Length = before;
                break;
            case "settle":
                _network!.Settle();
                break;
            case "tick":
                _network!.Tick(int.Parse(words[1]));
                break;
            case "isolate":
                _network!.Isolate(int.Parse(words[1]));
                break;
            case "heal":
                _network!.Heal();
                break;
            default:
                Act(_network![int.Parse(words[0])], words[1..]);
                break;
        }
    }

    private static void Act(Member member, string[] words)
    {
        switch (words[0])
        {
            case "tick":
                member.Tick(words.Length > 1 ? int.Parse(words[1]) : 1);
                break;
            case "propose":
                member.Propose([.. words[1].Split(',').Select(int.Parse)]);
                break;
            case "disk-done":
                member.FinishWrite();
                break;
            case "apply":
                member.Core.Applied(member.Core.CommitIndex);
                member.Effects.Clear();
                break;
            case "checkpoint":
                member.Checkpoint();
                member.Effects.Clear();
                break;
            case "crash":
                member.Crash();
                break;
            case "wipe":
                member.Wipe();
                break;
            case "read":
                member.Step(RaftInput.ReadIndex(ulong.Parse(words[1])));
                break;
            case "transfer":
                member.Step(RaftInput.TransferTo(new NodeId(int.Parse(words[1]))));
                break;
            case "lost":
                member.Step(RaftInput.PeerLost(new NodeId(int.Parse(words[1]))));
                break;
            case "back":
                member.Step(RaftInput.PeerBack(new NodeId(int.Parse(words[1]))));
                break;
            case "members":
                member.Step(RaftInput.ChangeMembership(Members(words)));
                break;
            default:
                throw new InvalidOperationException($"no command '{string.Join(' ', words)}'");
        }
    }

    private static string Line(Member member)
    {
        RaftCore core = member.Core;
        return $"{core.Role.ToString().ToLowerInvariant()} term={core.Term} leader={(core.Leader.IsSome ? core.Leader : "none")}"
            + $" log={core.FirstIndex}..{core.LastIndex} durable={core.DurableIndex} commit={core.CommitIndex}"
            + $" applied={core.AppliedIndex} next-offset={core.NextOffset}"
            + (core.IsRecovering ? " recovering" : "") + (core.IsAsleep ? " asleep" : "");
    }

    /// <summary>A step of a group's member: what is new about it.</summary>
    private void Show(Member member)
    {
        int before = _text.Length;
        Effects(member.Effects);
        string line = Line(member);
        if (_text.Length == before && _shown.GetValueOrDefault(member.Id.Value) == line) return;
        _shown[member.Id.Value] = line;
        _text.Insert(before, $"{member.Id}: {line}\n");
    }

    private void Effects(RaftEffects effects)
    {
        if (effects.HardState is { } hardState) _text.Append($"  write term={hardState.Term} vote={hardState.Vote}\n");
        if (effects.TruncateFrom is { } from) _text.Append($"  truncate {from}..\n");
        foreach (LogEntry entry in effects.Append) _text.Append($"  write {Show(entry)}\n");
        if (_network is not null)
        {
            foreach (RaftMessage message in effects.Messages) _text.Append($"  send {Show(message)}\n");
            foreach (RaftMessage message in effects.AfterWrite) _text.Append($"  after write {effects.WriteNumber} send {Show(message)}\n");
        }

        foreach (LogEntry entry in effects.Committed) _text.Append($"  commit {Show(entry)}\n");
        foreach (ReadGrant grant in effects.ReadsGranted) _text.Append($"  read {grant.Id} granted at {grant.Index}\n");
        foreach (ulong id in effects.ReadsRefused) _text.Append($"  read {id} refused\n");
        foreach (NodeId peer in effects.SnapshotsNeeded) _text.Append($"  snapshot for {peer}\n");
        if (effects.ProposalRefused) _text.Append("  refused\n");
        if (effects.Recovered) _text.Append("  recovered\n");
    }

    private static string Show(in LogEntry entry) =>
        $"{entry.Index}/{entry.Term} {entry.Kind.ToString().ToLowerInvariant()} ->{entry.NextOffset}"
        + (entry.Kind == EntryKind.Membership ? $" {Membership.Read(entry.Payload.Span)}" : "");

    private static string Show(in RaftMessage message)
    {
        StringBuilder text = new($"{message.Kind.ToString().ToLowerInvariant()} to {message.To} term={message.Term}");
        if (message.Index > LogIndex.Zero || message.LogTerm > Term.Zero) text.Append($" at {message.Index}/{message.LogTerm}");
        if (message.Entries is { Count: > 0 } entries) text.Append($" entries {entries[0].Index}..{entries[^1].Index}");
        if (message.LoadCount > 0) text.Append($" load {message.LoadFrom}+{message.LoadCount}");
        if (message.Commit > LogIndex.Zero) text.Append($" commit={message.Commit}");
        if (message.Hint > LogIndex.Zero) text.Append($" hint={message.Hint}");
        bool isQuestion = message.Kind is MessageKind.ReadIndex or MessageKind.ReadIndexReply; // Its number is random.
        if (message.Round > 0 && !isQuestion) text.Append($" round={message.Round}");
        if (message.Flags != MessageFlags.None) text.Append($" {message.Flags.ToString().ToLowerInvariant()}");
        return text.ToString();
    }
}

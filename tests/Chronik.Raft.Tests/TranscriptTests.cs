using System.Runtime.CompilerServices;
using System.Text;
using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>
/// Scripts with the whole output that they must give. Each file under testdata holds blocks: the commands, a line ----, the output, an
/// empty line. CHRONIK_UPDATE_TRANSCRIPTS=1 writes the output anew; the change is then reviewed as prose.
/// </summary>
public sealed class TranscriptTests
{
    public static TheoryData<string> Scripts() =>
        [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "testdata"), "*.txt").Select(path => Path.GetFileName(path)).Order()];

    [Theory]
    [MemberData(nameof(Scripts))]
    public void A_script_gives_its_transcript(string name)
    {
        string expected = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "testdata", name));
        string actual = Play(expected);
        if (Environment.GetEnvironmentVariable("CHRONIK_UPDATE_TRANSCRIPTS") == "1")
            File.WriteAllText(Path.Combine(SourceFolder(), name), actual);
        else
            Assert.Equal(expected, actual);
    }

    private static string Play(string script)
    {
        StringBuilder output = new();
        Member? member = null;
        bool inOutput = false;
        List<string> commands = [];
        foreach (string line in script.TrimEnd('\n').Split('\n').Append(""))
        {
            if (line.Length == 0)
            {
                if (inOutput) foreach (string command in commands) output.Append(Do(command, ref member));
                commands.Clear();
                inOutput = false;
                output.Append('\n');
            }
            else if (!inOutput)
            {
                output.Append(line).Append('\n');
                if (line == "----") inOutput = true;
                else if (!line.StartsWith('#')) commands.Add(line);
            }
        }

        return output.ToString().TrimEnd('\n') + "\n";
    }

    private static string Do(string command, ref Member? member)
    {
        string[] words = command.Split(' ');
        switch (words[0])
        {
            case "start":
                member = new Member([.. words[1]["voters=".Length..].Split(',').Select(int.Parse)]);
                break;
            case "tick":
                for (int i = words.Length > 1 ? int.Parse(words[1]) : 1; i > 0; i--) member!.Tick();
                break;
            case "propose":
                member!.Propose([.. words[1].Split(',').Select(int.Parse)]);
                break;
            case "disk-done":
                member!.FinishWrite();
                break;
            case "apply":
                member!.Core.Applied(member.Core.CommitIndex);
                member.Effects.Clear();
                break;
            case "checkpoint":
                member!.Checkpoint();
                member.Effects.Clear();
                break;
            case "crash":
                member!.Crash();
                break;
            default:
                throw new InvalidOperationException($"no command '{command}'");
        }

        return Describe(command, member!);
    }

    private static string Describe(string command, Member member)
    {
        RaftCore core = member.Core;
        RaftEffects effects = member.Effects;
        StringBuilder text = new();
        text.Append($"{command}: {core.Role.ToString().ToLowerInvariant()} term={core.Term}");
        text.Append($" leader={(core.Leader.IsSome ? core.Leader : "none")}");
        text.Append($" log={core.FirstIndex}..{core.LastIndex} durable={core.DurableIndex} commit={core.CommitIndex}");
        text.Append($" applied={core.AppliedIndex} next-offset={core.NextOffset}\n");
        if (effects.HardState is { } hardState) text.Append($"  write term={hardState.Term} vote={hardState.Vote}\n");
        foreach (LogEntry entry in effects.Append) text.Append($"  write {Show(entry)}\n");
        foreach (LogEntry entry in effects.Committed) text.Append($"  commit {Show(entry)}\n");
        if (effects.ProposalRefused) text.Append("  refused\n");
        return text.ToString();
    }

    private static string Show(LogEntry entry) =>
        $"{entry.Index}/{entry.Term} {entry.Kind.ToString().ToLowerInvariant()} ->{entry.NextOffset}";

    private static string SourceFolder([CallerFilePath] string path = "") => Path.Combine(Path.GetDirectoryName(path)!, "testdata");
}

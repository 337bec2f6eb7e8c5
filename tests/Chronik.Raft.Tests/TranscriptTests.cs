using System.Runtime.CompilerServices;
using System.Text;

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
        Stage stage = new();
        bool inOutput = false;
        List<string> commands = [];
        foreach (string line in script.TrimEnd('\n').Split('\n').Append(""))
        {
            if (line.Length == 0)
            {
                if (inOutput) foreach (string command in commands) output.Append(stage.Do(command));
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

    private static string SourceFolder([CallerFilePath] string path = "") => Path.Combine(Path.GetDirectoryName(path)!, "testdata");
}

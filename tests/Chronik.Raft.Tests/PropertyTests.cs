using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>Random inputs, crashes and checkpoints; whatever was committed once is there for ever, and the log never has a gap.</summary>
public sealed class PropertyTests
{
    [Fact]
    public void What_was_committed_survives_every_crash_in_order()
    {
        for (int seed = 0; seed < 300; seed++)
        {
            try
            {
                Run(new Random(seed), 400);
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"seed {seed}: {failure.Message}", failure);
            }
        }
    }

    [Fact]
    public void The_same_inputs_give_the_same_effects()
    {
        Assert.Equal(Run(new Random(7), 500), Run(new Random(7), 500));
    }

    private static List<LogEntry> Run(Random random, int steps)
    {
        Member member = new(1);
        List<LogEntry> committed = []; // By index - 1, over all restarts.
        for (int i = 0; i < steps; i++)
        {
            int seen = member.Committed.Count;
            switch (random.Next(12))
            {
                case 0:
                    member.Tick();
                    break;
                case <= 5:
                    member.Propose([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(1, 20))]);
                    break;
                case <= 9:
                    if (member.WritesUnderWay > 0) member.FinishWrite();
                    break;
                case 10:
                    member.Core.Applied(Between(random, member.Core.AppliedIndex, member.Core.CommitIndex));
                    if (random.Next(3) == 0) member.Checkpoint();
                    break;
                default:
                    if (random.Next(4) != 0) break;
                    while (member.WritesUnderWay > 0 && random.Next(2) == 0) member.Persist();
                    member.Crash();
                    seen = 0;
                    Assert.True(member.Core.LastIndex.Value >= committed.Count, "a committed entry is gone");
                    break;
            }

            foreach (LogEntry entry in member.Committed.Skip(seen)) Record(committed, entry);
            Assert.True(member.Core.CommitIndex <= member.Core.DurableIndex);
        }

        return committed;
    }

    private static void Record(List<LogEntry> committed, LogEntry entry)
    {
        int position = (int)entry.Index.Value - 1;
        if (position < committed.Count)
        {
            Assert.Equal(committed[position], entry);
            return;
        }

        Assert.Equal(committed.Count, position);
        KafkaOffset before = position == 0 ? KafkaOffset.Zero : committed[^1].NextOffset;
        Assert.True(entry.Kind == EntryKind.Batch ? entry.NextOffset > before : entry.NextOffset == before);
        committed.Add(entry);
    }

    private static LogIndex Between(Random random, LogIndex low, LogIndex high) => low + random.NextInt64((high - low) + 1);
}

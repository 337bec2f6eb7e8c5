namespace Chronik.Storage.Tests;

public class CrashTests
{
    public static TheoryData<int> Seeds => new(Enumerable.Range(1, 8));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Nothing_completed_is_lost_and_nothing_invented_whatever_write_the_power_fails_at(int seed)
    {
        long operations = Workload.Run(seed, failAt: long.MaxValue);
        for (long failAt = 1; failAt <= operations; failAt++)
        {
            try
            {
                Workload.Run(seed, failAt);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}, power lost at operation {failAt} of {operations}: {e.Message}", e);
            }
        }
    }
}

using System.ComponentModel;
using System.Diagnostics;
using Xunit;

namespace Chronik.Architecture.Tests;

/// <summary>Prometheus' own tool reads what is made for it; DashboardTests know only what names are in it.</summary>
public sealed class PromtoolTests
{
    [PromtoolTheory]
    [InlineData("rules", "alerts.yaml")]
    [InlineData("config", "prometheus.yaml")]
    public void Prometheus_takes_what_is_made_for_it(string kind, string file)
    {
        var (code, said) = Promtool.Run("check", kind, Path.Combine(Repository.Root, "deploy/prometheus", file));
        Assert.True(code == 0, said);
    }
}

/// <summary>A test that needs promtool; skipped where it is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PromtoolTheoryAttribute : TheoryAttribute
{
    public PromtoolTheoryAttribute()
    {
        try
        {
            Promtool.Run("--version");
        }
        catch (Win32Exception)
        {
            Skip = "promtool is not installed (Debian's package prometheus has it)";
        }
    }
}

internal static class Promtool
{
    public static (int Code, string Said) Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("promtool", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var said = process.StandardOutput.ReadToEnd() + errors.GetAwaiter().GetResult();
        process.WaitForExit();
        return (process.ExitCode, said);
    }
}

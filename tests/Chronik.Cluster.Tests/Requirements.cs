using System.Diagnostics;

namespace Chronik.Cluster.Tests;

/// <summary>What this machine lets a test do, and how long it may take.</summary>
internal static class Requirements
{
    private static readonly Lazy<string?> NoNamespaces = new(() => NotRoot() ?? Fails("ip", "netns", "list"));

    /// <summary>Whether the long variants run (CHRONIK_CLUSTER_LONG=1).</summary>
    public static bool IsLong { get; } = Environment.GetEnvironmentVariable("CHRONIK_CLUSTER_LONG") == "1";

    /// <summary>How long a stopped process or a cut network stays that way.</summary>
    public static TimeSpan Outage => TimeSpan.FromSeconds(IsLong ? 30 : 5);

    /// <summary>How often a fault that takes little time is repeated.</summary>
    public static int Rounds => IsLong ? 5 : 1;

    public static string? WhyNoKcat { get; } = Fails("kcat", "-V");

    public static string? WhyNoNamespaces => NoNamespaces.Value;

    public static string? WhyNoMounts => NotRoot();

    private static string? NotRoot() => Environment.UserName == "root" && OperatingSystem.IsLinux() ? null : "needs root on Linux";

    private static string? Fails(string file, params string[] arguments)
    {
        try
        {
            using Process? process = Process.Start(
                new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true });
            process!.WaitForExit();
            return process.ExitCode == 0 ? null : $"'{file} {string.Join(' ', arguments)}' does not work here";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return $"{file} is not installed";
        }
    }
}

/// <summary>A test that cuts the network between processes; skipped with the reason where that is not possible.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NetworkFactAttribute : FactAttribute
{
    public NetworkFactAttribute() => Skip = Requirements.WhyNoNamespaces;
}

/// <summary>A test that mounts a small disk; skipped with the reason where that is not possible.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MountFactAttribute : FactAttribute
{
    public MountFactAttribute() => Skip = Requirements.WhyNoMounts;
}

/// <summary>A test that lets a client of librdkafka read; skipped with the reason where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KcatFactAttribute : FactAttribute
{
    public KcatFactAttribute() => Skip = Requirements.WhyNoKcat;
}

using System.Diagnostics;

namespace Chronik.Server.Tests.Page;

/// <summary>A test that needs a browser; where there is none it is skipped and says so.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ChromiumFactAttribute : FactAttribute
{
    public ChromiumFactAttribute()
    {
        if (Chromium.Path is null) Skip = "there is no chromium on the PATH";
    }
}

/// <summary>A browser without a window.</summary>
internal static class Chromium
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static readonly string[] Names = ["chromium", "chromium-browser", "google-chrome"];

    public static string? Path { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(System.IO.Path.PathSeparator)
        .SelectMany(_ => Names, System.IO.Path.Combine).FirstOrDefault(File.Exists);

    /// <summary>What a page has become after its scripts ran for a while.</summary>
    public static async Task<string> DumpAsync(Uri page)
    {
        var profile = Directory.CreateTempSubdirectory("chronik-chromium-").FullName;
        try
        {
            var start = new ProcessStartInfo(Path!) { RedirectStandardOutput = true, RedirectStandardError = true };
            foreach (var argument in (string[])
                     [
                         "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                         $"--user-data-dir={profile}", "--virtual-time-budget=4000", "--dump-dom", page.ToString(),
                     ])
                start.ArgumentList.Add(argument);
            using var browser = Process.Start(start)!;
            try
            {
                var errors = browser.StandardError.ReadToEndAsync();
                var text = await browser.StandardOutput.ReadToEndAsync().WaitAsync(Patience);
                await browser.WaitForExitAsync().WaitAsync(Patience);
                return text.Length > 0 ? text : throw new InvalidOperationException($"chromium said nothing, but: {await errors}");
            }
            finally
            {
                if (!browser.HasExited) browser.Kill(entireProcessTree: true);
            }
        }
        finally
        {
            await DeleteAsync(profile);
        }
    }

    /// <summary>The browser's children may go on writing there for a moment. What cannot be deleted is left to the system.</summary>
    private static async Task DeleteAsync(string profile)
    {
        for (var tries = 0; tries < 50; tries++)
        {
            try
            {
                Directory.Delete(profile, recursive: true);
                return;
            }
            catch (IOException)
            {
                await Task.Delay(100);
            }
        }
    }
}

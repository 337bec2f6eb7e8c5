using System.Xml.Linq;
using Xunit;

namespace Chronik.Architecture.Tests;

/// <summary>The repository's folder and the files in it that people write.</summary>
internal static class Repository
{
    private static readonly HashSet<string> BuildOutput =
        ["bin", "obj", ".git", ".vs", ".idea", "node_modules", "TestResults", "artifacts", "data", "work", "BenchmarkDotNet.Artifacts"];

    public static string Root { get; } = FindRoot();

    /// <summary>Every file below a folder of the repository, as paths relative to the root with forward slashes.</summary>
    public static IReadOnlyList<string> Files(string folder, params string[] endings)
    {
        var files = new List<string>();
        var open = new Stack<string>([Path.Combine(Root, folder)]);
        while (open.TryPop(out var directory))
        {
            if (!Directory.Exists(directory))
            {
                continue;
            }

            foreach (var below in Directory.EnumerateDirectories(directory).Where(d => !BuildOutput.Contains(Path.GetFileName(d))))
            {
                open.Push(below);
            }

            files.AddRange(Directory.EnumerateFiles(directory)
                .Where(f => endings.Length == 0 || endings.Any(e => f.EndsWith(e, StringComparison.Ordinal)))
                .Select(Relative));
        }

        files.Sort(StringComparer.Ordinal);
        return files;
    }

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    public static string[] Lines(string path) => File.ReadAllLines(Path.Combine(Root, path));

    public static bool Exists(string path) => Path.Exists(Path.Combine(Root, path));

    /// <summary>The projects and packages that a project names; analyzers of our own count as projects.</summary>
    public static (string[] Projects, string[] Packages) References(string project)
    {
        var items = XDocument.Load(Path.Combine(Root, project)).Descendants()
            .ToLookup(e => e.Name.LocalName, e => (string?)e.Attribute("Include"));
        return (
            [.. items["ProjectReference"].OfType<string>().Select(p => Path.GetFileNameWithoutExtension(p.Replace('\\', '/')))],
            [.. items["PackageReference"].OfType<string>()]);
    }

    /// <summary>Fails with one line a place, so that one run shows everything that is to be mended.</summary>
    public static void Empty(IEnumerable<string> places, string rule)
    {
        var found = places.ToList();
        Assert.True(found.Count == 0, $"{rule}\n  {string.Join("\n  ", found)}");
    }

    private static string Relative(string path) => Path.GetRelativePath(Root, path).Replace('\\', '/');

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Chronik.Akka.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"No Chronik.Akka.sln above {AppContext.BaseDirectory}");
    }
}

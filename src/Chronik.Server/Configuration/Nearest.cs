namespace Chronik.Server.Configuration;

/// <summary>What somebody who wrote a word that does not exist may have meant.</summary>
internal static class Nearest
{
    /// <summary>The candidate that takes the fewest changes of a character.</summary>
    public static string To(string word, IEnumerable<string> candidates) => candidates.MinBy(c => Distance(word, c)) ?? string.Empty;

    // Levenshtein, one row at a time.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = a[i - 1] == b[j - 1] ? diagonal : 1 + Math.Min(diagonal, Math.Min(above, row[j - 1]));
                diagonal = above;
            }
        }

        return row[^1];
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Chronik.Model;

/// <summary>Checks that stay on in Release. A violation stops the partition it happened in, never the node.</summary>
public static class Invariant
{
    /// <summary>Throws <see cref="InvariantViolationException"/> unless <paramref name="condition"/> holds.</summary>
    public static void Require([DoesNotReturnIf(false)] bool condition, [CallerArgumentExpression(nameof(condition))] string? what = null)
    {
        if (!condition) Violated(what);
    }

    [DoesNotReturn]
    private static void Violated(string? what) => throw new InvariantViolationException($"invariant violated: {what}");
}

/// <summary>Something that must always hold did not. Whoever owns the state stops; nothing is repaired by guessing.</summary>
public sealed class InvariantViolationException(string message) : Exception(message);

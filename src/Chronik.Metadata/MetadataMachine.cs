namespace Chronik.Metadata;

/// <summary>Decides what a command comes to. Pure: the same image, command and context give the same decision.</summary>
public static partial class MetadataMachine
{
    /// <summary>
    /// Checks a command against an image and says which records carry it out. The image must hold every record decided before, committed
    /// or not, so that two commands under way at once cannot contradict each other.
    /// </summary>
    public static Decision Decide(MetadataImage image, MetadataCommand command, DecisionContext context) => command switch
    {
        _ => throw new ArgumentException($"no rule for {command.GetType().Name}", nameof(command)),
    };
}

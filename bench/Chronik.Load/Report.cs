namespace Chronik.Load;

/// <summary>What a run found, in the order in which it is printed.</summary>
internal sealed class Report : Dictionary<string, object>;

/// <summary>The broker answered, but not with what the run needs.</summary>
internal sealed class LoadException(string message) : Exception(message);

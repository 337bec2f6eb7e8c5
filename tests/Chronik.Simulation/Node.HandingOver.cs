namespace Chronik.Simulation;

// A planned stop: what this node leads goes to others first, the metadata last.
internal sealed partial class Node
{
    private const long HandOverMicros = 5_000_000;
    private const long PollMicros = 10_000;

    private readonly HashSet<int> _handed = []; // What it led when it began to hand over.
    private long _stopsBy;
    private Action? _stop;

    /// <summary>Whether nothing should be given to it any more.</summary>
    public bool IsStopping => _stop is not null;

    /// <summary>Hands over whatever others can lead, as long as a stop may take, and then does the rest.</summary>
    public void HandOver(Action stop)
    {
        if (!IsUp || IsStopping) return;
        _stop = stop;
        _handed.Clear();
        _stopsBy = _sim.Now + HandOverMicros;
        if (_sim.Trace.IsOn) Log("hands over everything");
        Plan(0, GoOnHandingOver);
    }

    private void GoOnHandingOver()
    {
        bool leads = false;
        for (int group = Replicas.Length - 1; group >= 0; group--)
        {
            if (Replicas[group] is not { } replica || !replica.CanBeLedElsewhere) continue;
            if (replica.IsLeading)
            {
                if (group == 0 && leads) break;
                leads = true;
                _handed.Add(group);
                replica.HandOver();
            }
            else if (_handed.Contains(group))
            {
                // Over when it is known who leads: whoever asks can be told.
                leads |= !replica.Core.Leader.IsSome || replica.Core.Leader == Self;
            }
        }

        if (leads && _sim.Now < _stopsBy) Plan(PollMicros, GoOnHandingOver);
        else _stop!();
    }
}

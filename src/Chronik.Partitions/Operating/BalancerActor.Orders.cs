using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;

namespace Chronik.Partitions.Operating;

/// <content>What operators ask of it, and what it tells them.</content>
internal sealed partial class BalancerActor
{
    private BalancerPlan? _plan; // The rest, as it was counted last.
    private long _plannedVersion = -1;
    private long _plannedAt;
    private TimeSpan _planTook;

    private void Take(BalancerRequest request)
    {
        if (!IsController)
        {
            Sender.Tell(new CommandRefused(KafkaError.NotController, "this node does not lead the metadata"));
            return;
        }

        NoteBrokers();
        _tracker.Follow(Image);
        switch (request.Order)
        {
            case BalancerOrder.Start:
                _isStopped = false;
                _isStarted = true;
                _refusal = null;
                _settledVersion = null;
                LookAround();
                break;
            case BalancerOrder.Stop:
                _isStopped = true;
                _isStarted = false;
                if (_tracker.Count > 0 && Image.Level >= FeatureLevel.Operable)
                {
                    CancelAsync().PipeTo(Sender);
                    return;
                }

                break;
        }

        Sender.Tell(Answer(null));
    }

    private Task<BalancerAnswer> CancelAsync()
    {
        AlterReassignments cancel = new([.. _tracker.Moves(Image).Select(move => new Reassignment(move.Topic, move.Partition, null))]);
        BalancerAnswer before = Answer(null);
        return SubmitAsync(cancel).ContinueWith(done => before with { Refused = done.Result.Refusal }, TaskScheduler.Default);
    }

    private BalancerAnswer Answer(string? refused) => new(Describe(), _tracker.Moves(Image), refused);

    private BalancerStatus Describe()
    {
        BalancerInput input = Input;
        (BalancerScope scope, string state, string? reason) = Scope(input);
        BalancerPlan rest = Rest(input);
        int left = rest.Moves.Count(move => move.MovesReplica);
        bool hasMore = rest.Moves.Count > 0;
        if (_isStopped) (state, reason) = ("stopped", "an operator stopped it; chronik cluster balance starts it again");
        else if (Image.Level < FeatureLevel.Operable)
            (state, reason) = ("off", $"moving needs {FeatureLevel.Name} {FeatureLevel.Operable}, the cluster is at {Image.Level}");
        else if (_refusal is not null) (state, reason) = ("paused", _refusal);
        else if (_tracker.Count > 0) state = "moving";
        else if (scope == BalancerScope.All && !hasMore) state = "balanced";
        else if (scope != BalancerScope.All && !hasMore && state == "waiting") (state, reason) = ("balanced", null);
        return new BalancerStatus(_setup.Balances, state, reason, left, _tracker.SecondsLeft(left));
    }

    /// <summary>
    /// What is left to move. Counting it takes long in a large cluster that is far from even, so that is not done more often than takes a
    /// tenth of the time. That nothing is left is never said of an image that is not the present one.
    /// </summary>
    private BalancerPlan Rest(BalancerInput input)
    {
        TimeProvider time = _setup.Node.Time;
        bool isRecent = _plan is { Moves.Count: > 0 } && time.GetElapsedTime(_plannedAt) < 10 * _planTook;
        if (_plan is not null && (_plannedVersion == Image.Version || isRecent)) return _plan;
        _plannedVersion = Image.Version;
        long began = time.GetTimestamp();
        _plan = Balancer.Plan(Image, input);
        _plannedAt = time.GetTimestamp();
        _planTook = time.GetElapsedTime(began, _plannedAt);
        return _plan;
    }
}

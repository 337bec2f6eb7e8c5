namespace Chronik.Metadata;

/// <content>The steps. Each looks for the best one of its kind, takes it, and says whether there was one.</content>
internal sealed partial class BalancerBoard
{
    /// <summary>Takes one replica off a broker that drains.</summary>
    /// <param name="onlyDead">Only off brokers that are dead, which mends what is under-replicated.</param>
    public bool Evacuate(bool onlyDead)
    {
        ref int next = ref onlyDead ? ref _nextOfDead : ref _nextOfDraining;
        for (; next < _seats.Count; next++)
        {
            Seat seat = _seats[next];
            if (!IsFree(seat)) continue;
            foreach (int from in seat.Replicas)
            {
                Broker broker = _brokers[from];
                if (!broker.IsDraining || (onlyDead && !broker.IsDead) || BestFor(seat, from) is not { } to) continue;
                Replace(seat, from, to.At, broker.IsDead ? $"broker {broker.Id} is gone" : $"broker {broker.Id} drains");
                return true;
            }
        }

        return false;
    }

    /// <summary>Moves one replica to a rack where its partition has fewer.</summary>
    public bool SpreadRacks()
    {
        for (; _nextOfRacks < _seats.Count; _nextOfRacks++)
        {
            Seat seat = _seats[_nextOfRacks];
            int crowding = IsFree(seat) ? Crowding(seat) : 0;
            if (crowding == 0) continue;
            (int From, Broker To, int Crowding)? best = null;
            foreach (int from in seat.Replicas.Where(replica => _brokers[replica].IsOpen))
            {
                if (BestFor(seat, from) is not { } to) continue;
                int after = Crowding(seat, from, to.At);
                if (after < (best?.Crowding ?? crowding)) best = (from, to, after);
            }

            if (best is not { } found) continue;
            Replace(seat, found.From, found.To.At, "racks");
            return true;
        }

        return false;
    }

    /// <summary>
    /// Moves one replica from a broker that holds more to one that holds less: the pair that differs most and can be helped. What is even
    /// in all but not by topic is moved as long as it leaves no more difference behind.
    /// </summary>
    public bool SpreadReplicas()
    {
        Broker[] open = [.. _brokers.Where(broker => broker.IsOpen)];
        int tolerance = Tolerance(_seats.Sum(seat => seat.Replicas.Length), open.Length);
        var pairs =
            from source in open
            from target in open
            where source.Seats.Count > target.Seats.Count && target.Seats.Count < _replicasMax
            orderby source.Seats.Count - target.Seats.Count descending, source.At, target.At
            select (source, target);
        foreach ((Broker source, Broker target) in pairs)
        {
            bool isUneven = source.Seats.Count - target.Seats.Count > tolerance;
            Seat? best = null;
            (int, double, int, int, int) bestRank = default;
            foreach (Seat seat in source.Seats)
            {
                int[] topic = _topicReplicas[seat.Topic];
                int difference = topic[source.At] - topic[target.At];
                if (!isUneven && difference <= Tolerance(_topicTotals[seat.Topic], open.Length)) continue;
                if (!IsFree(seat) || seat.Holds(target.At) || Crowding(seat, source.At, target.At) > Crowding(seat)) continue;
                bool leads = seat.Replicas[0] == source.At;
                bool helpsLeaders = leads && source.Leaders - target.Leaders >= 2;
                double share = (double)difference / _topicTotals[seat.Topic];
                (int, double, int, int, int) rank =
                    (leads && !helpsLeaders ? 1 : 0, -share, helpsLeaders ? 0 : 1, seat.Topic, seat.Partition);
                if (best is not null && rank.CompareTo(bestRank) >= 0) continue;
                best = seat;
                bestRank = rank;
            }

            if (best is null) continue;
            Replace(best, source.At, target.At, "replicas");
            return true;
        }

        return false;
    }

    /// <summary>Makes somebody else preferred wherever a broker that drains is: what cannot leave it need not be led by it.</summary>
    public void LeaveDraining()
    {
        foreach (Seat seat in _seats)
        {
            Broker leader = _brokers[seat.Replicas[0]];
            if (seat.IsFixed || !leader.IsDraining) continue;
            Broker? other = seat.Replicas.Select(replica => _brokers[replica]).Where(broker => broker.IsOpen)
                .OrderBy(broker => broker.Leaders).ThenBy(broker => broker.At).FirstOrDefault();
            if (other is not null) Prefer(seat, other.At, $"broker {leader.Id} drains");
        }
    }

    /// <summary>
    /// Makes leaders more even: along the shortest way from a broker that is preferred too often to one that is too rarely, by way of
    /// others where the two share no partition.
    /// </summary>
    public bool SpreadLeaders()
    {
        Broker[] open = [.. _brokers.Where(broker => broker.IsOpen)];
        foreach (Broker source in open.OrderByDescending(broker => broker.Leaders).ThenBy(broker => broker.At))
        {
            if (WayFrom(source) is not { } way) continue;

            // From its end, so that no broker on the way has one more than before in between.
            for (int i = way.Count - 2; i >= 0; i--) Prefer(SeatToHand(way[i], way[i + 1]), way[i + 1], "leaders");
            return true;
        }

        return SpreadLeadersOfTopics();
    }

    private bool SpreadLeadersOfTopics()
    {
        foreach (Seat seat in _seats)
        {
            if (seat.IsFixed || !_brokers[seat.Replicas[0]].IsOpen) continue;
            int from = seat.Replicas[0];
            int[] leaders = _topicLeaders[seat.Topic];
            foreach (int to in seat.Replicas)
            {
                if (!_brokers[to].IsOpen || _brokers[from].Leaders <= _brokers[to].Leaders || leaders[from] - leaders[to] < 2) continue;
                Prefer(seat, to, "leaders");
                return true;
            }
        }

        return false;
    }

    /// <summary>The brokers from one to another that is preferred at least two times less; null when there is none to be reached.</summary>
    private List<int>? WayFrom(Broker source)
    {
        int[] from = new int[_brokers.Length];
        Array.Fill(from, -1);
        from[source.At] = source.At;
        Queue<int> queue = new([source.At]);
        Broker? best = null;
        while (queue.TryDequeue(out int at))
        {
            foreach (Broker next in _brokers)
            {
                if (from[next.At] >= 0 || !next.IsOpen || _canLead[at][next.At] == 0) continue;
                from[next.At] = at;
                queue.Enqueue(next.At);
                if (source.Leaders - next.Leaders >= 2 && next.Leaders < (best?.Leaders ?? int.MaxValue)) best = next;
            }
        }

        if (best is null) return null;
        List<int> way = [best.At];
        while (way[^1] != source.At) way.Add(from[way[^1]]);
        way.Reverse();
        return way;
    }

    /// <summary>A partition that one broker is preferred for and another could be, of the topic where that helps most.</summary>
    private Seat SeatToHand(int from, int to) => _brokers[from].Seats
        .Where(seat => !seat.IsFixed && seat.Replicas[0] == from && seat.Holds(to))
        .OrderByDescending(seat => _topicLeaders[seat.Topic][from] - _topicLeaders[seat.Topic][to])
        .ThenBy(seat => seat.Topic).ThenBy(seat => seat.Partition)
        .First();

    /// <summary>Who could best take a replica of a partition over from a broker; null when nobody can.</summary>
    private Broker? BestFor(Seat seat, int from) => _brokers
        .Where(broker => broker.IsOpen && broker.Seats.Count < _replicasMax && !seat.Holds(broker.At))
        .OrderBy(broker => Crowding(seat, from, broker.At))
        .ThenBy(broker => broker.Seats.Count)
        .ThenBy(broker => _topicReplicas[seat.Topic][broker.At])
        .ThenBy(broker => broker.At)
        .FirstOrDefault();
}

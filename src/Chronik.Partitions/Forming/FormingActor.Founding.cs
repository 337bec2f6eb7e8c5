using Akka.Actor;
using Chronik.Storage;

namespace Chronik.Partitions.Forming;

/// <content>Founding a cluster: one proposes, all who are there accept, then it is written down.</content>
/// <remarks>
/// Foundings have an order, and whoever accepts one has it on disk before he says so, and never takes part in an earlier one again. A
/// founding whose proposer is out of sight may have come to be; a later one is accepted only if so many of the former's voters take part
/// that those who are left are no majority. As more than half of the seed nodes take part in every founding, any two have a node in
/// common, which knows of both while the seed nodes keep their folders. So whatever dies and comes back, at most one ever has a leader.
/// A seed node whose folder is lost has forgotten: that is not covered, because addresses are all that is known of nodes that are away.
/// </remarks>
internal sealed partial class FormingActor
{
    private Proposal? _proposed; // The founding that this node proposed; those from before it was started are off.
    private bool _wasTurnedDown; // Since everybody was greeted last: it is proposed again after the next greeting only.
    private long _round; // The highest that was heard of.

    private IReadOnlyList<FoundingPromise> Promises => Identity.Promises;

    /// <summary>
    /// A member knows everybody who was there before it. The first seed node, without which nobody becomes a member, may be gone for good;
    /// then it has to do that this node has been looking for others for a while.
    /// </summary>
    private bool KnowsWhoIsThere => _isMember || AgeMs >= 3 * _setup.Patience.TotalMilliseconds;

    /// <summary>What this node itself proposed before it was started was not written, and will not be.</summary>
    private void Recall()
    {
        _round = Promises.Select(promise => promise.Round).DefaultIfEmpty().Max();
        TakeBack();
    }

    /// <summary>
    /// Says once more what this node promised: the proposer may not have heard it, or has called off what this node still waits for.
    /// </summary>
    private void SayPromises()
    {
        foreach (FoundingPromise promise in Promises)
            if (promise.Proposer != Identity.DirectoryId && Find(promise.Proposer) is { } proposer)
                Tell(proposer, new Accepted($"{_setup.Self}", promise.ClusterId));
    }

    /// <summary>Proposes a founding when everybody is there and this node is the one to do so.</summary>
    private void Found()
    {
        if (_proposed is not null)
        {
            foreach (Address address in _proposed.Missing) Tell(address, _proposed.Message);
            return;
        }

        if (Identity.IsFormed || !KnowsWhoIsThere || _wasTurnedDown) return;
        NodeFacts self = Facts();
        List<NodeFacts> there = There(self);
        if (there.Count < _setup.Expect || there.Any(facts => facts.IsFormed || facts.Expect != _setup.Expect)) return;
        if (there.Any(facts => facts.Id.Value < self.Id.Value) || WhyNotYet(there) is not null) return;
        if (Promises.Any(promise => Find(promise.Proposer) is not null)) return; // Who proposed it goes on with it, or calls it off.
        Propose proposal = new(self, NodeIdentity.NewClusterId(), Founders(there)) { Round = ++_round, Participants = Folders(there) };
        if (!Promise([.. Promises, PromiseOf(proposal)])) return;
        _proposed = new Proposal(proposal, [.. _members.Where(member => member.Value.Facts is not null).Select(member => member.Key)]);
        foreach (Address address in _proposed.Missing) Tell(address, proposal);
        Complete();
    }

    private List<NodeFacts> There(NodeFacts self) => [self, .. _members.Values.Select(member => member.Facts).OfType<NodeFacts>()];

    private List<MetadataVoter> Founders(List<NodeFacts> there) =>
        Folders(there.OrderBy(facts => facts.Id.Value).Take(_setup.Expect));

    private static List<MetadataVoter> Folders(IEnumerable<NodeFacts> nodes) =>
        [.. nodes.Select(facts => new MetadataVoter(facts.Id, facts.Directory))];

    /// <summary>What is waited for, though as many as expected are there; null for nothing.</summary>
    private string? WhyNotYet(List<NodeFacts> there)
    {
        // A node that nothing is heard of may be founding a cluster itself, but only with more than half of the seed nodes.
        HashSet<string> addresses = [.. there.Select(facts => facts.Address)];
        if (there.Any(facts => facts.Seeds.Count > 0 && facts.Seeds.Count(addresses.Contains) * 2 <= facts.Seeds.Count))
            return "waiting for more than half of the seed nodes";
        if (_members.Values.Any(member => member.Facts is null && !IsGivenUp(member))) return "waiting for a node that was there before";
        List<MetadataVoter> participants = Folders(there);
        return Promises.FirstOrDefault(promise => Find(promise.Proposer) is null && !promise.EndsWith(participants)) is { } standing
            ? WaitingFor(standing)
            : null;
    }

    private static string WaitingFor(FoundingPromise standing) =>
        $"waiting for more of {string.Join(", ", standing.Voters.Select(voter => voter.Id))}, which may have formed a cluster";

    private bool IsGivenUp(Member member) => _setup.Node.Time.GetElapsedTime(member.HeardAt) >= _setup.Patience;

    /// <summary>
    /// While nothing is founded everybody greets everybody all the time. Whoever is not heard of is missed, also where the actor systems'
    /// cluster says nothing of it: this node, or the other one, may not have become a member yet.
    /// </summary>
    private void MissTheSilent()
    {
        foreach ((Address address, Member member) in _members)
            if (member.Facts is not null && IsGivenUp(member)) Miss(address);
    }

    private void Consider(Propose proposal)
    {
        if (!Meet(proposal.From) || Identity.IsFormed) return; // One that is formed has just said so.
        _round = Math.Max(_round, proposal.Round);
        Sender.Tell(Accepts(proposal)
            ? new Accepted($"{_setup.Self}", proposal.ClusterId)
            : Withdrawal(proposal.ClusterId));
    }

    private bool Accepts(Propose proposal)
    {
        // All who take part accept it, and only they: with another folder this would be a node that did not.
        MetadataVoter self = new(Identity.NodeId, Identity.DirectoryId);
        IReadOnlyList<MetadataVoter> participants = proposal.Participants ?? proposal.MetadataVoters;
        if (!participants.Contains(self) && (proposal.Participants is not null || participants.Any(voter => voter.Id == self.Id)))
            return false;
        FoundingPromise promise = PromiseOf(proposal);
        if (Promises.Any(known => known.ClusterId == promise.ClusterId)) return true;

        // Who proposes anew has called off what it proposed before, though that was not heard here.
        List<FoundingPromise> others = [.. Promises.Where(known => known.Proposer != promise.Proposer)];
        return Promises.All(known => known.Proposer == promise.Proposer
                ? known.Round < promise.Round
                : Find(known.Proposer) is null && known.IsBefore(promise) && known.EndsWith(participants))
            && Promise([.. others, promise]);
    }

    private static FoundingPromise PromiseOf(Propose proposal) =>
        new(proposal.Round, proposal.ClusterId, proposal.From.Directory, proposal.MetadataVoters);

    private void Count(Accepted accepted)
    {
        if (_proposed is null || _proposed.Message.ClusterId != accepted.ClusterId)
        {
            // That it is off was not heard; nor will this node ever write it, when it belongs to another cluster by now.
            if (Identity.ClusterId != accepted.ClusterId) Sender.Tell(Withdrawal(accepted.ClusterId));
            return;
        }

        _proposed.Missing.RemoveWhere(address => address.ToString() == accepted.Address);
        Complete();
    }

    private void Complete()
    {
        if (_proposed is not { Missing.Count: 0 } complete) return;
        // Everybody who is there has been met, and shall be able to stay.
        int level = _members.Values.Min(member => member.Facts?.Protocol.Max) is { } others
            ? Math.Min(_setup.Protocol.Max, others)
            : _setup.Protocol.Max;
        Join(complete.Message.ClusterId, complete.Message.MetadataVoters, level);
        if (_isRefused) return;
        Formed formed = new(complete.Message.ClusterId, complete.Message.MetadataVoters) { Level = level };
        foreach ((Address address, Member member) in _members)
            if (member.Facts is not null) Tell(address, formed);
    }

    /// <summary>Whether this node may become part of a cluster that was founded.</summary>
    private bool MayJoin(string clusterId, IReadOnlyList<MetadataVoter> voters)
    {
        if (_proposed is not null) CallOff();
        return StandsAgainst(clusterId, voters) is null;
    }

    /// <summary>
    /// What keeps this node from becoming part of a cluster, null for nothing: a later founding that it agreed to as well, which counts on
    /// it and may have come to be. It has not if its own voters belong to the cluster in question, for good as folders do: those who are
    /// left can never lead. Who is no voter of that cluster lends it nothing by joining; it waits only for a proposer that is there, which
    /// either completes the founding or calls it off.
    /// </summary>
    private FoundingPromise? StandsAgainst(string clusterId, IReadOnlyList<MetadataVoter> voters)
    {
        MetadataVoter self = new(Identity.NodeId, Identity.DirectoryId);
        FoundingPromise? agreed = Promises.FirstOrDefault(promise => promise.ClusterId == clusterId);
        IEnumerable<FoundingPromise> later =
            Promises.Where(promise => promise.ClusterId != clusterId && agreed?.IsBefore(promise) != false);
        if (!voters.Contains(self)) return later.FirstOrDefault(promise => IsUnderWay(promise.Proposer));
        List<MetadataVoter> inIt = [self];
        foreach (Member member in _members.Values)
            if (member.Facts is { } facts && facts.ClusterId == clusterId) inIt.Add(new MetadataVoter(facts.Id, facts.Directory));
        return later.FirstOrDefault(promise => !promise.EndsWith(inIt));
    }

    private bool IsUnderWay(Guid proposer) =>
        _members.Values.Any(member => member.Facts is { IsFormed: false } facts && facts.Directory == proposer);

    private void Withdraw(Withdrawn withdrawn)
    {
        _round = Math.Max(_round, withdrawn.Round);
        if (_proposed?.Message.ClusterId == withdrawn.ClusterId)
        {
            _wasTurnedDown = true;
            CallOff();
            return;
        }

        Guid proposer = withdrawn.Directory;
        if (proposer == Guid.Empty && Address.TryParse(withdrawn.Address, out Address address)
            && _members.TryGetValue(address, out Member? member)) proposer = member.Facts?.Directory ?? Guid.Empty;
        List<FoundingPromise> left =
            [.. Promises.Where(promise => promise.ClusterId != withdrawn.ClusterId || promise.Proposer != proposer)];
        if (left.Count < Promises.Count) Promise(left);
    }

    /// <summary>Somebody does not take part, or is gone: everybody is free again, and it is tried again in a while.</summary>
    private void CallOff()
    {
        string cluster = _proposed!.Message.ClusterId;
        _proposed = null;
        TakeBack();
        foreach (Address address in _members.Keys) Tell(address, Withdrawal(cluster));
    }

    private void TakeBack()
    {
        List<FoundingPromise> left = [.. Promises.Where(promise => promise.Proposer != Identity.DirectoryId)];
        if (left.Count < Promises.Count) Promise(left);
    }

    private bool Promise(List<FoundingPromise> promises)
    {
        try
        {
            _setup.Node.Storage.Promise(promises);
            return true;
        }
        catch (Exception failure)
        {
            Refuse($"what was agreed to cannot be written to the data directory: {failure.Message}");
            return false;
        }
    }

    private Withdrawn Withdrawal(string clusterId) =>
        new($"{_setup.Self}", clusterId) { Directory = Identity.DirectoryId, Round = _round };

    /// <summary>Where the node with a directory is, when it is there.</summary>
    private Address? Find(Guid directory)
    {
        if (directory == Identity.DirectoryId) return _setup.Self;
        foreach ((Address address, Member member) in _members)
            if (member.Facts?.Directory == directory) return address;
        return null;
    }

    private void Tell(Address address, object message) => Reach(address).Tell(message, Self);

    private sealed record Proposal(Propose Message, HashSet<Address> Missing);
}

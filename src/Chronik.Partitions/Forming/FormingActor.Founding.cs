using Akka.Actor;
using Chronik.Storage;

namespace Chronik.Partitions.Forming;

/// <content>Founding a cluster: one proposes, all accept, then it is written down.</content>
internal sealed partial class FormingActor
{
    private Promise? _promised; // The founding that this node takes part in, and in no other until it is off.
    private Proposal? _proposed; // The founding that this node proposed.

    /// <summary>
    /// Says once more what this node promised: the proposer may not have heard it, or has called off what this node still waits for.
    /// </summary>
    private void SayPromise()
    {
        if (_promised is { } promised && _proposed is null)
            Tell(Address.Parse(promised.Proposer), new Accepted($"{_setup.Self}", promised.ClusterId));
    }

    /// <summary>Proposes a founding when everybody is there and this node is the one to do so.</summary>
    private void Found()
    {
        if (_proposed is not null)
        {
            foreach (Address address in _proposed.Missing) Tell(address, _proposed.Message);
            return;
        }

        if (Identity.IsFormed || !_isMember || _promised is not null) return;
        if (_members.Values.Any(member => member.Facts is not { IsFormed: false } facts || facts.Expect != _setup.Expect)) return;
        NodeFacts self = Facts();
        List<NodeFacts> all = [self, .. _members.Values.Select(member => member.Facts!)];
        if (all.Count < _setup.Expect || all.Any(facts => facts.Id.Value < self.Id.Value)) return;
        IEnumerable<NodeFacts> founders = all.OrderBy(facts => facts.Id.Value).Take(_setup.Expect);
        Propose proposal = new(
            self, NodeIdentity.NewClusterId(), [.. founders.Select(facts => new MetadataVoter(facts.Id, facts.Directory))]);
        _promised = new Promise(proposal.ClusterId, self.Address);
        _proposed = new Proposal(proposal, [.. _members.Keys]);
        foreach (Address address in _proposed.Missing) Tell(address, proposal);
        Complete();
    }

    private void Consider(Propose proposal)
    {
        if (!Meet(proposal.From) || Identity.IsFormed) return; // One that is formed has just said so.
        // Who proposes anew has called off what it proposed before, though that was not heard here.
        bool accepts = _promised is null || _promised.ClusterId == proposal.ClusterId || _promised.Proposer == proposal.From.Address;
        if (accepts) _promised = new Promise(proposal.ClusterId, proposal.From.Address);
        Sender.Tell(accepts
            ? new Accepted($"{_setup.Self}", proposal.ClusterId)
            : new Withdrawn($"{_setup.Self}", proposal.ClusterId));
    }

    private void Count(Accepted accepted)
    {
        if (_proposed is null || _proposed.Message.ClusterId != accepted.ClusterId)
        {
            if (!Identity.IsFormed) Sender.Tell(new Withdrawn($"{_setup.Self}", accepted.ClusterId)); // That was not heard.
            return;
        }

        _proposed.Missing.RemoveWhere(address => address.ToString() == accepted.Address);
        Complete();
    }

    private void Complete()
    {
        if (_proposed is not { Missing.Count: 0 } complete) return;
        _proposed = null;
        if (Identity.IsFormed) return;
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

    private void Withdraw(Withdrawn withdrawn)
    {
        if (_promised == new Promise(withdrawn.ClusterId, withdrawn.Address)) _promised = null;
        else if (_proposed?.Message.ClusterId == withdrawn.ClusterId) CallOff();
    }

    /// <summary>Somebody takes part in another founding, or is gone: everybody is free again, and it is tried again in a while.</summary>
    private void CallOff()
    {
        string cluster = _proposed!.Message.ClusterId;
        _proposed = null;
        _promised = null;
        foreach (Address address in _members.Keys) Tell(address, new Withdrawn($"{_setup.Self}", cluster));
    }

    private void Tell(Address address, object message) => Reach(address).Tell(message, Self);

    private sealed record Promise(string ClusterId, string Proposer);

    private sealed record Proposal(Propose Message, HashSet<Address> Missing);
}

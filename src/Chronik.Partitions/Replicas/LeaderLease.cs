using System.Collections.Immutable;
using Chronik.Model;
using Chronik.Partitions.Peers;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Until when this node may believe that nobody else leads a group that it leads itself. Readers ask it, so that a process that stood
/// still shows nothing old as current when it goes on. Thread-safe; the replica extends it.
/// </summary>
/// <remarks>
/// While the group is awake the lease comes from rounds of heartbeats. While it sleeps there are none: its members then elect nobody
/// before their nodes have not heard of this one for the silence allowed, so the pings between nodes renew it, and only when somebody
/// asks.
/// </remarks>
internal sealed class LeaderLease(PeerHub peers)
{
    /// <summary>
    /// How much of the time in which nobody else can be elected a lease may last: timers of the others may be late in their favour, and
    /// clocks run at different speeds.
    /// </summary>
    public const double Caution = 0.8;

    private long _until;
    private ImmutableArray<NodeId> _sleeping;

    /// <summary>Whether it holds at this moment.</summary>
    public bool IsValid => peers.Now < Volatile.Read(ref _until) || RenewedBySleep();

    /// <summary>It holds up to a timestamp, unless it holds longer already.</summary>
    public void Extend(long until)
    {
        if (until > Volatile.Read(ref _until)) Volatile.Write(ref _until, until);
    }

    /// <summary>The group sleeps with these voters, or is awake (default).</summary>
    public void Sleep(ImmutableArray<NodeId> voters) => ImmutableInterlocked.InterlockedExchange(ref _sleeping, voters);

    /// <summary>It ends now.</summary>
    public void End()
    {
        Sleep(default);
        Volatile.Write(ref _until, 0);
    }

    // Nothing of it is kept: a reader that looks while the lease ends would make it last on, and awake the group has shorter ones.
    private bool RenewedBySleep()
    {
        ImmutableArray<NodeId> voters = _sleeping;
        if (voters.IsDefaultOrEmpty) return false;
        Span<long> confirmed = stackalloc long[voters.Length];
        for (int i = 0; i < voters.Length; i++) confirmed[i] = voters[i] == peers.Self ? long.MaxValue : peers.ConfirmedAt(voters[i]);
        confirmed.Sort();
        long since = confirmed[(voters.Length - 1) / 2];
        if (since is 0 or long.MaxValue) return since > 0;
        return peers.Now < since + (long)(peers.Options.Silence.TotalSeconds * Caution * peers.TimestampsPerSecond);
    }
}

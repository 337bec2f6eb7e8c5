namespace Chronik.Groups;

/// <summary>One way of assigning partitions that a member can take part in, with what it tells the leader about itself.</summary>
internal readonly record struct MemberProtocol(string Name, byte[] Metadata);

/// <summary>A request that waits inside the coordinator for its answer.</summary>
internal readonly record struct ParkedRequest(object Token, short Version);

/// <summary>One member of a group.</summary>
internal sealed class GroupMember
{
    private const int Overhead = 512;
    private const int ProtocolOverhead = 128;

    public GroupMember(string id, string? instanceId, string clientId, string clientHost)
    {
        Id = id;
        InstanceId = instanceId;
        ClientId = clientId;
        ClientHost = clientHost;
    }

    public string Id { get; }

    /// <summary>The group.instance.id of a static member (KIP-345), or null.</summary>
    public string? InstanceId { get; }

    public string ClientId { get; }

    public string ClientHost { get; }

    public int SessionTimeoutMs { get; set; }

    public int RebalanceTimeoutMs { get; set; }

    /// <summary>What it supports, in its order of preference.</summary>
    public List<MemberProtocol> Protocols { get; set; } = [];

    /// <summary>What the leader gave it in the current generation.</summary>
    public byte[] Assignment { get; set; } = [];

    /// <summary>It has not finished its first join, so it cannot heartbeat and may be timed out while it waits.</summary>
    public bool IsNew { get; set; }

    /// <summary>Its JoinGroup that waits for the others. Set through the group, which counts them.</summary>
    public ParkedRequest? Join { get; set; }

    /// <summary>Its SyncGroup that waits for the assignment.</summary>
    public ParkedRequest? Sync { get; set; }

    /// <summary>About how much memory it takes.</summary>
    public long Bytes => BytesOf(Id, InstanceId, ClientId, ClientHost, Protocols) + Assignment.Length;

    /// <summary>Whoever waits for us cannot heartbeat meanwhile.</summary>
    public bool IsExcusedFromHeartbeat => !IsNew && (Join is not null || Sync is not null);

    /// <summary>About how much memory a member takes before it is assigned anything.</summary>
    public static long BytesOf(string id, string? instanceId, string clientId, string clientHost, List<MemberProtocol> protocols)
    {
        long bytes = Overhead + (sizeof(char) * (id.Length + (instanceId?.Length ?? 0) + clientId.Length + clientHost.Length));
        foreach (MemberProtocol protocol in protocols)
            bytes += ProtocolOverhead + (sizeof(char) * protocol.Name.Length) + protocol.Metadata.Length;
        return bytes;
    }

    public byte[] MetadataOf(string? protocol)
    {
        foreach (MemberProtocol supported in Protocols)
        {
            if (supported.Name == protocol) return supported.Metadata;
        }

        return [];
    }

    /// <summary>Whether it still supports exactly this, in this order and with this metadata.</summary>
    public bool Supports(List<MemberProtocol> protocols)
    {
        if (protocols.Count != Protocols.Count) return false;
        for (int i = 0; i < protocols.Count; i++)
        {
            if (protocols[i].Name != Protocols[i].Name) return false;
            if (!protocols[i].Metadata.AsSpan().SequenceEqual(Protocols[i].Metadata)) return false;
        }

        return true;
    }
}

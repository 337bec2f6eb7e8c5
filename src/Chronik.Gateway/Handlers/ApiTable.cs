namespace Chronik.Gateway.Handlers;

/// <summary>
/// The one place that says which APIs are served. ApiVersions is answered from it, so what is not here is not advertised.
/// </summary>
internal sealed class ApiTable
{
    private readonly ApiHandler?[] _byKey;

    /// <summary>Makes the handlers of a node.</summary>
    public ApiTable(GatewayServices services)
    {
        All =
        [
            new ProduceHandler(services),
            new FetchHandler(services),
            new ListOffsetsHandler(services),
            new MetadataHandler(services),
            new OffsetCommitHandler(services),
            new OffsetFetchHandler(services),
            new FindCoordinatorHandler(services),
            new JoinGroupHandler(services),
            new HeartbeatHandler(services),
            new LeaveGroupHandler(services),
            new SyncGroupHandler(services),
            new DescribeGroupsHandler(services),
            new ListGroupsHandler(services),
            new ApiVersionsHandler(services, this),
            new CreateTopicsHandler(services),
            new DeleteTopicsHandler(services),
            new DeleteRecordsHandler(services),
            new InitProducerIdHandler(services),
            new OffsetForLeaderEpochHandler(services),
            new DescribeConfigsHandler(services),
            new AlterConfigsHandler(services),
            new DescribeLogDirsHandler(services),
            new CreatePartitionsHandler(services),
            new DeleteGroupsHandler(services),
            new ElectLeadersHandler(services),
            new IncrementalAlterConfigsHandler(services),
            new AlterPartitionReassignmentsHandler(services),
            new ListPartitionReassignmentsHandler(services),
            new OffsetDeleteHandler(services),
            new DescribeQuorumHandler(services),
            new UpdateFeaturesHandler(services),
            new DescribeClusterHandler(services),
            new DescribeProducersHandler(services),
            new UnregisterBrokerHandler(services),
            new ListConfigResourcesHandler(services),
            new DescribeTopicPartitionsHandler(services),
        ];
        _byKey = new ApiHandler?[All.Max(handler => (int)handler.Key) + 1];
        foreach (ApiHandler handler in All) _byKey[(int)handler.Key] = handler;
    }

    /// <summary>All handlers, in the order of their keys.</summary>
    public IReadOnlyList<ApiHandler> All { get; }

    /// <summary>The handler of an API; null when it is not served.</summary>
    public ApiHandler? Find(short key) => (uint)key < (uint)_byKey.Length ? _byKey[key] : null;
}

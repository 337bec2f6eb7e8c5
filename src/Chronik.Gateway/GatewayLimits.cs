namespace Chronik.Gateway;

/// <summary>
/// Every limit of the client-facing side, with its default and the HOCON key that changes it. A client that reaches one gets a Kafka
/// error, or waits, or loses its connection; nothing grows instead.
/// </summary>
/// <remarks>Keys are below <c>chronik.gateway</c>; what is called fixed has none. Sizes are bytes.</remarks>
public sealed record GatewayLimits
{
    /// <summary>Where the keys live in HOCON.</summary>
    public const string Section = "chronik.gateway";

    /// <summary>
    /// Connections open at once; one more is closed as soon as it is accepted. Too small: clients reconnect for ever. Too large: the
    /// process runs out of file descriptors, which hurts everybody. Key: <c>max-connections</c>.
    /// </summary>
    public int MaxConnections { get; init; } = 20_000;

    /// <summary>
    /// The largest request, Kafka's <c>socket.request.max.bytes</c>. A larger one closes the connection before its body is read. Too
    /// small: producers with many partitions in one request fail. Key: <c>max-request-bytes</c>.
    /// </summary>
    public int MaxRequestBytes { get; init; } = 100 << 20;

    /// <summary>
    /// Memory for the requests of all connections, from the first byte of a body until its response is sent. Whoever finds no room waits,
    /// which the client sees as a full socket. Never less than two of the largest requests. Key: <c>max-request-memory</c>.
    /// </summary>
    public long MaxRequestMemory { get; init; } = 512L << 20;

    /// <summary>
    /// Bytes of unanswered requests of one connection; beyond it the connection is not read. One request may be larger. Too small: one
    /// producer cannot fill the disk. Key: <c>max-in-flight-bytes-per-connection</c>.
    /// </summary>
    public int MaxInFlightBytesPerConnection { get; init; } = 16 << 20;

    /// <summary>
    /// Unanswered requests of one connection; beyond it the connection is not read. Key: <c>max-in-flight-requests-per-connection</c>.
    /// </summary>
    public int MaxInFlightRequestsPerConnection { get; init; } = 256;

    /// <summary>
    /// While requests wait for room in the request memory, one that has been arriving for longer than this is closed, as it holds memory
    /// that others could use. Fixed.
    /// </summary>
    public TimeSpan RequestMemoryPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Elements of all arrays in one request. A request with more is malformed. Small elements become much larger objects, so the bytes of
    /// a request do not bound what it costs. Too small: clients of many partitions fail. Fixed.
    /// </summary>
    public int MaxRequestElements { get; init; } = 100_000;

    /// <summary>
    /// Memory, over all connections, for what large requests are decoded into and for large answers until they have been sent. Small
    /// requests with small answers are not counted. Once three quarters are in use, room is made for newcomers by closing those that have
    /// held some for longest, beyond <see cref="AnswerMemoryGrace"/>, without reading or by long polls; once half of it is, those that have
    /// held some for longer than <see cref="RequestMemoryPatience"/> are closed. What finds no room even so costs its connection. Fixed.
    /// </summary>
    public long MaxAnswerMemory { get; init; } = 256L << 20;

    /// <summary>How long a client may take to read a large answer however many others want the memory. Fixed.</summary>
    public TimeSpan AnswerMemoryGrace { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// A connection on which no request has been completed for so long is closed, Kafka's <c>connections.max.idle.ms</c>. It also ends
    /// clients that send half a request, or never read their answers. Key: <c>max-idle</c>.
    /// </summary>
    public TimeSpan MaxIdle { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// The most record bytes in one fetch response, Kafka's <c>fetch.max.bytes</c>; one whole batch may exceed it.
    /// Key: <c>max-fetch-bytes</c>.
    /// </summary>
    public int MaxFetchBytes { get; init; } = 55 << 20;

    /// <summary>
    /// How long a fetch may wait on a node that does not lead what it asks for, whatever its client allows: longer, and a client that was
    /// sent to a follower learns late that there is a better place. Key: <c>chronik.follower-read.max-wait</c>.
    /// </summary>
    public TimeSpan FollowerFetchWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long what a fetch has found of other partitions is held back for those of which nobody has confirmed yet how far they may be
    /// read: usually a millisecond is enough, and where no leader is, no time is. The client's next fetch waits for what was left out up to
    /// <see cref="FollowerFetchWait"/>, so that no partition starves behind busier ones. Fixed.
    /// </summary>
    public TimeSpan FollowerFetchGrace { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// How long a leader that requests are passed on to may take to be connected to, and to answer beyond what the client lets it wait;
    /// then it counts as lost. One whose node is silent does sooner. Fixed.
    /// </summary>
    public TimeSpan ForwardPatience { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Fetch sessions (KIP-227) that the node remembers; without one a client is served all the same, with larger requests. Key:
    /// <c>fetch-sessions</c>.
    /// </summary>
    public int FetchSessions { get; init; } = 1_000;

    /// <summary>
    /// Partitions that one fetch session may hold; a request with more is served without a session. Fixed.
    /// </summary>
    public int FetchSessionPartitions { get; init; } = 10_000;

    /// <summary>
    /// Partitions in one DescribeTopicPartitions response; the rest is read with its cursor. Fixed.
    /// </summary>
    public int DescribePartitions { get; init; } = 2_000;

    /// <summary>
    /// How long an administrative request may take at most, whatever time-out its client asks for. Key: <c>admin-timeout</c>.
    /// </summary>
    public TimeSpan AdminTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The key of <see cref="MaxConnections"/>, for messages.</summary>
    internal const string MaxConnectionsKey = Section + ".max-connections";

    /// <summary>The key of <see cref="MaxRequestBytes"/>, for messages.</summary>
    internal const string MaxRequestBytesKey = Section + ".max-request-bytes";

    /// <summary>The key of <see cref="MaxRequestMemory"/>, for messages.</summary>
    internal const string MaxRequestMemoryKey = Section + ".max-request-memory";

    /// <summary>The key of <see cref="MaxIdle"/>, for messages.</summary>
    internal const string MaxIdleKey = Section + ".max-idle";

    /// <summary>How long an administrative request may take whose client gives it <paramref name="timeoutMs"/>.</summary>
    internal TimeSpan Bound(int timeoutMs)
    {
        var asked = TimeSpan.FromMilliseconds(Math.Max(0, timeoutMs));
        return asked < AdminTimeout ? asked : AdminTimeout;
    }

    /// <summary>The request memory that is really enforced.</summary>
    internal long EffectiveRequestMemory => Math.Max(MaxRequestMemory, 2L * MaxRequestBytes);
}

using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;

namespace Chronik.Load;

/// <summary>One blocking connection. One thread may send while another receives.</summary>
internal sealed class Connection : IDisposable
{
    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private byte[] _buffer = new byte[64 * 1024];
    private int _correlation;

    public Connection(LoadOptions options) : this(options.Host, options.Port)
    {
    }

    public Connection(string host, int port, int timeoutMs = 30_000)
    {
        _socket.SendTimeout = _socket.ReceiveTimeout = timeoutMs;
        _socket.Connect(host, port);
    }

    public void Send(byte[] frame)
    {
        RequestWriter.StampCorrelation(frame, ++_correlation);
        for (var sent = 0; sent < frame.Length;)
        {
            sent += _socket.Send(frame, sent, frame.Length - sent, SocketFlags.None);
        }
    }

    /// <summary>The next response's body, behind its correlation id; valid until the next call.</summary>
    public ReadOnlySpan<byte> Receive()
    {
        Fill(4);
        var length = BinaryPrimitives.ReadInt32BigEndian(_buffer);
        if (length > _buffer.Length)
        {
            _buffer = new byte[length + (length / 4)];
        }

        Fill(length);
        return _buffer.AsSpan(4, length - 4);
    }

    public ReadOnlySpan<byte> Ask(RequestWriter request)
    {
        Send(request.Frame());
        return Receive();
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>Makes sure that the topic is there and that each of its partitions has a leader; returns how many it has.</summary>
    public int EnsureTopic(LoadOptions options)
    {
        if (Locate(options.Topic).Leaders is { Length: > 0 } there && !there.Contains(-1))
        {
            return there.Length;
        }

        CreateTopics([options.Topic], options.Partitions, options.Configs, options.Replicas);
        var partitions = AwaitLeaders(options.Topic);
        // A leader that metadata names may still have to learn that it leads.
        Thread.Sleep(500);
        return partitions;
    }

    public void CreateTopics(
        IReadOnlyList<string> names, int partitions, IReadOnlyList<(string Key, string Value)> configs, short replicas = 1)
    {
        var request = new RequestWriter(Api.CreateTopics, 4).Int32(names.Count);
        foreach (var name in names)
        {
            request.String(name).Int32(partitions).Int16(replicas).Int32(0).Int32(configs.Count);
            foreach (var (key, value) in configs)
            {
                request.String(key).String(value);
            }
        }

        var response = new ResponseReader(Ask(request.Int32(30_000).Int8(0)));
        response.Int32();
        for (var topics = response.Int32(); topics > 0; topics--)
        {
            var name = response.String();
            var error = response.Int16();
            var message = response.String();
            const short AlreadyExists = 36;
            if (error is not (0 or AlreadyExists))
            {
                throw new LoadException($"create {name}: error {error} {message}");
            }
        }
    }

    public int AwaitLeaders(string topic)
    {
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30); Thread.Sleep(5))
        {
            if (Locate(topic).Leaders is { Length: > 0 } leaders && !leaders.Contains(-1))
            {
                return leaders.Length;
            }
        }

        throw new LoadException($"topic {topic} has no leaders after 30 s");
    }

    public long[] ListOffsets(string topic, int partitions, long timestamp)
    {
        var request = new RequestWriter(Api.ListOffsets, 2).Int32(-1).Int8(0).Int32(1).String(topic).Int32(partitions);
        for (var p = 0; p < partitions; p++)
        {
            request.Int32(p).Int64(timestamp);
        }

        var response = new ResponseReader(Ask(request));
        var offsets = new long[partitions];
        response.Int32();
        response.Int32();
        response.String();
        for (var left = response.Int32(); left > 0; left--)
        {
            var partition = response.Int32();
            if (response.Int16() is not 0 and var error)
            {
                throw new LoadException($"offsets of {topic}-{partition}: error {error}");
            }

            response.Int64();
            offsets[partition] = response.Int64();
        }

        return offsets;
    }

    public (long Id, short Epoch) InitProducerId()
    {
        short error = 0;
        for (var attempt = 0; attempt < 50; attempt++)
        {
            var response = new ResponseReader(Ask(new RequestWriter(Api.InitProducerId, 1).String(null).Int32(60_000)));
            response.Int32();
            error = response.Int16();
            if (error == 0)
            {
                return (response.Int64(), response.Int16());
            }

            // The coordinator may still be loading.
            Thread.Sleep(100);
        }

        throw new LoadException($"InitProducerId: error {error}");
    }

    /// <summary>The brokers, and the leader of each partition, -1 for none; no partitions for a topic that is not there.</summary>
    public (Dictionary<int, (string Host, int Port)> Brokers, int[] Leaders) Locate(string topic)
    {
        var known = new Dictionary<int, (string, int)>();
        var response = new ResponseReader(Ask(new RequestWriter(Api.Metadata, 4).Int32(1).String(topic).Int8(0)));
        response.Int32();
        for (var brokers = response.Int32(); brokers > 0; brokers--)
        {
            known[response.Int32()] = (response.String()!, response.Int32());
            response.String();
        }

        response.String();
        response.Int32();
        response.Int32();
        if (response.Int16() != 0)
        {
            return (known, []);
        }

        response.String();
        response.Int8();
        var leaders = new int[response.Int32()];
        for (var left = leaders.Length; left > 0; left--)
        {
            var error = response.Int16();
            var partition = response.Int32();
            var leader = response.Int32();
            leaders[partition] = error == 0 ? leader : -1;
            response.Skip(4 * response.Int32());
            response.Skip(4 * response.Int32());
        }

        return (known, leaders);
    }

    private void Fill(int count)
    {
        for (var filled = 0; filled < count;)
        {
            var received = _socket.Receive(_buffer, filled, count - filled, SocketFlags.None);
            filled += received > 0 ? received : throw new IOException("the broker closed the connection");
        }
    }
}

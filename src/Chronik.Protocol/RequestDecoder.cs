using Chronik.Protocol.Messages;

namespace Chronik.Protocol;

/// <summary>Reads the header and the body of a request, whatever API it calls.</summary>
public static partial class RequestDecoder
{
    /// <summary>Reads a request's header; the reader then stands at the body.</summary>
    /// <remarks>
    /// A version that is too new is not an error here: its header has the shape of the newest one, so that ApiVersions can be
    /// answered with what there is (KIP-511).
    /// </remarks>
    /// <exception cref="ProtocolException">The API is not known or the bytes are no header.</exception>
    public static RequestHeader ReadHeader(ref KafkaReader reader)
    {
        KafkaReader ahead = reader;
        short key = ahead.ReadInt16();
        short version = ahead.ReadInt16();
        ApiInfo api = ApiCatalog.Find(key) ?? throw ProtocolException.UnknownApi(key);
        return RequestHeader.Read(ref reader, api.RequestHeaderVersion(version));
    }

    /// <summary>Reads a request's body, which must fill the rest of the frame.</summary>
    /// <exception cref="ProtocolException">The API or version is not known, or the bytes are no such request.</exception>
    public static IRequestMessage Decode(ApiKey key, short version, ref KafkaReader reader)
    {
        IRequestMessage request = ReadRequest(key, version, ref reader);
        reader.RequireEnd();
        return request;
    }

    /// <summary>Reads a response's body, which must fill the rest of the frame.</summary>
    /// <exception cref="ProtocolException">The API or version is not known, or the bytes are no such response.</exception>
    public static IResponseMessage DecodeResponse(ApiKey key, short version, ref KafkaReader reader)
    {
        IResponseMessage response = ReadResponse(key, version, ref reader);
        reader.RequireEnd();
        return response;
    }
}

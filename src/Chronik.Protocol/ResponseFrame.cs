using Chronik.Protocol.Messages;

namespace Chronik.Protocol;

/// <summary>Puts whole frames into a writer: length, header, body.</summary>
public static class ResponseFrame
{
    /// <summary>Writes a response. The writer takes over the records in it.</summary>
    /// <param name="writer">Where to; nothing was written to it yet.</param>
    /// <param name="response">The body.</param>
    /// <param name="version">The version that the request had.</param>
    /// <param name="correlationId">The request's correlation id.</param>
    /// <exception cref="ProtocolException">The body cannot be written in this version.</exception>
    public static void Write(KafkaWriter writer, IResponseMessage response, short version, int correlationId)
    {
        int start = writer.BeginFrame();
        var header = new ResponseHeader { CorrelationId = correlationId };
        header.Write(writer, ApiCatalog.Get(response.ApiKey).ResponseHeaderVersion(version));
        response.Write(writer, version);
        writer.EndFrame(start);
    }
}

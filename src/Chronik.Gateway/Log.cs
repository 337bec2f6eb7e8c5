using System.Net;
using Microsoft.Extensions.Logging;

namespace Chronik.Gateway;

/// <summary>What the connection actors and handlers log.</summary>
internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Error, Message = "closing {Remote}: its connection failed")]
    public static partial void Failed(ILogger log, Exception e, EndPoint? remote);

    [LoggerMessage(Level = LogLevel.Warning, Message = "closing {Remote}: API {Key} version {Version} is not served")]
    public static partial void NotServed(ILogger log, EndPoint? remote, short key, short version);

    [LoggerMessage(Level = LogLevel.Warning, Message = "closing {Remote}: malformed request (API {Key} version {Version}): {What}")]
    public static partial void Malformed(ILogger log, EndPoint? remote, short key, short version, string what);

    [LoggerMessage(Level = LogLevel.Error, Message = "API {Api} version {Version} failed")]
    public static partial void HandlerFailed(ILogger log, Exception e, Protocol.ApiKey api, short version);

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "closing {Remote}: {Key} = {Limit} connections are open; said once until there are fewer")]
    public static partial void TooManyConnections(ILogger log, EndPoint? remote, string key, int limit);

    [LoggerMessage(Level = LogLevel.Warning, Message = "closing {Remote}: {What}")]
    public static partial void Foreign(ILogger log, EndPoint? remote, string what);

    [LoggerMessage(Level = LogLevel.Warning, Message = "closing {Remote}: a request of {Size} bytes is not between 8 and {Key} = {Limit}")]
    public static partial void WrongSize(ILogger log, EndPoint? remote, int size, string key, int limit);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "closing {Remote}: no room for its request or answer: large ones have {Bytes} bytes together")]
    public static partial void NoRoom(ILogger log, EndPoint? remote, long bytes);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "closing {Remote}: it has long held a large request or answer, and such are short of their {Bytes} bytes together")]
    public static partial void NotReading(ILogger log, EndPoint? remote, long bytes);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "closing {Remote}: its request has been arriving for longer than {Limit} while others wait for memory ({Key} = {Bytes})")]
    public static partial void TooSlow(ILogger log, EndPoint? remote, TimeSpan limit, string key, long bytes);
}

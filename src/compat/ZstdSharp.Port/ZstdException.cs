namespace ZstdSharp;

/// <summary>libzstd refused something; the message is its own name for the error.</summary>
public class ZstdException : Exception
{
    internal ZstdException(string message)
        : base(message)
    {
    }
}

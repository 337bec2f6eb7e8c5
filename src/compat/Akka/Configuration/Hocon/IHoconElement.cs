namespace Akka.Configuration.Hocon;

/// <summary>One piece of a value. A value is the concatenation of its pieces.</summary>
public interface IHoconElement
{
    bool IsString();

    string GetString();

    bool IsArray();

    IList<HoconValue> GetArray();
}

/// <summary>Something that an object may stand behind.</summary>
public interface IMightBeAHoconObject
{
    bool IsObject();

    HoconObject GetObject();
}

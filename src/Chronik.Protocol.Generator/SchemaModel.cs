namespace Chronik.Protocol.Generator;

/// <summary>An inclusive range of message versions.</summary>
internal readonly struct VersionRange
{
    public VersionRange(int low, int high)
    {
        Low = low;
        High = high;
    }

    public static VersionRange None => new(1, 0);

    public int Low { get; }

    public int High { get; }

    public bool IsEmpty => Low > High;

    public bool Contains(int version) => version >= Low && version <= High;

    public bool Covers(VersionRange other) => other.IsEmpty || (Low <= other.Low && High >= other.High);

    public VersionRange And(VersionRange other) => new(Math.Max(Low, other.Low), Math.Min(High, other.High));

    public override string ToString() => Low == High ? $"{Low}" : $"{Low} to {High}";
}

/// <summary>The wire types of the notation.</summary>
internal enum WireKind
{
    Bool, Int8, Int16, UInt16, Int32, Int64, Float64, Uuid, String, Bytes, Records, Struct,
}

/// <summary>One line of a schema: a field and, where its type is a struct that is written in place, the fields of that struct.</summary>
internal sealed class Field
{
    public Field(string name, int line)
    {
        Name = name;
        Line = line;
    }

    public string Name { get; }

    public int Line { get; }

    public WireKind Kind { get; set; }

    public string? StructName { get; set; }

    public bool IsArray { get; set; }

    /// <summary>The versions that carry the field, cut to those that carry its parent.</summary>
    public VersionRange Versions { get; set; }

    /// <summary>The versions in which null is allowed.</summary>
    public VersionRange Nullable { get; set; } = VersionRange.None;

    public int? Tag { get; set; }

    public string? Default { get; set; }

    /// <summary>Written the old way in flexible versions too.</summary>
    public bool Plain { get; set; }

    public List<Field> Fields { get; } = new();

    public bool IsNullable => !Nullable.IsEmpty || Kind == WireKind.Records && !IsArray;

    public bool DefaultsToNull => Default == "null";
}

/// <summary>A struct of a message: a nested class of the generated code.</summary>
internal sealed class StructType
{
    public StructType(string name, VersionRange versions, List<Field> fields)
    {
        Name = name;
        Versions = versions;
        Fields = fields;
    }

    public string Name { get; }

    public VersionRange Versions { get; }

    public List<Field> Fields { get; }

    /// <summary>Whether something asks whether an instance still has all its defaults (needed for tagged structs).</summary>
    public bool NeedsDefaultCheck { get; set; }

    /// <summary>The fewest bytes that an instance takes in any version.</summary>
    public int SmallestSize { get; set; }
}

/// <summary>What a message is used for.</summary>
internal enum MessageKind
{
    Request, Response, Header, Data, RecordKey, RecordValue,
}

/// <summary>One message: a top-level class of the generated code.</summary>
internal sealed class Message
{
    public Message(string name, MessageKind kind, Schema schema)
    {
        Name = name;
        Kind = kind;
        Schema = schema;
    }

    public string Name { get; }

    public MessageKind Kind { get; }

    public Schema Schema { get; }

    public List<Field> Fields { get; } = new();

    public List<StructType> Structs { get; } = new();
}

/// <summary>One schema file.</summary>
internal sealed class Schema
{
    public string Name { get; set; } = "";

    /// <summary>The API key, or the record type of a coordinator record.</summary>
    public int Key { get; set; }

    public bool IsApi { get; set; }

    public VersionRange Versions { get; set; }

    /// <summary>The first version that Kafka itself still serves.</summary>
    public int Served { get; set; }

    /// <summary>The versions with compact encodings and tag sections.</summary>
    public VersionRange Flexible { get; set; } = VersionRange.None;

    public List<Message> Messages { get; } = new();
}

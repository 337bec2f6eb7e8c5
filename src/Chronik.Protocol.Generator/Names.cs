namespace Chronik.Protocol.Generator;

/// <summary>How things of a schema are called in the generated code.</summary>
internal static class Names
{
    /// <summary>The C# type of one element of an array field, or of a field that is not an array.</summary>
    public static string ElementType(Field field) => field.Kind switch
    {
        WireKind.Bool => "bool",
        WireKind.Int8 => "sbyte",
        WireKind.Int16 => "short",
        WireKind.UInt16 => "ushort",
        WireKind.Int32 => "int",
        WireKind.Int64 => "long",
        WireKind.Float64 => "double",
        WireKind.Uuid => "Guid",
        WireKind.String => "string",
        WireKind.Bytes => "ReadOnlyMemory<byte>",
        WireKind.Records => "Records",
        _ => field.StructName!,
    };

    /// <summary>The type of the property.</summary>
    public static string TypeOf(Field field)
    {
        string type = field.IsArray ? $"List<{ElementType(field)}>" : ElementType(field);
        return field.IsNullable ? type + "?" : type;
    }

    /// <summary>Whether the property makes its object on first use: lists and structs that are never null.</summary>
    public static bool IsLazy(Field field) => !field.IsNullable && (field.IsArray || field.Kind == WireKind.Struct);

    /// <summary>The field behind a lazy property.</summary>
    public static string Backing(Field field) => "_" + char.ToLowerInvariant(field.Name[0]) + field.Name.Substring(1);

    /// <summary>The member to read when writing: never the lazy property, which would make an object.</summary>
    public static string Stored(Field field) => IsLazy(field) ? Backing(field) : field.Name;

    /// <summary>A name for a local that cannot be a keyword.</summary>
    public static string Local(Field field, string suffix) => char.ToLowerInvariant(field.Name[0]) + field.Name.Substring(1) + suffix;

    /// <summary>The condition that a version in <paramref name="within"/> lies in <paramref name="range"/>; empty when all do.</summary>
    public static string Condition(VersionRange range, VersionRange within)
    {
        if (range.Covers(within)) return "";
        if (range.IsEmpty) return "false";
        if (range.Low == range.High) return $"version == {range.Low}";
        if (range.Low <= within.Low) return $"version <= {range.High}";
        if (range.High >= within.High) return $"version >= {range.Low}";
        return $"version is >= {range.Low} and <= {range.High}";
    }

    /// <summary>The expression for whether the version is flexible.</summary>
    public static string Flexible(Message message, VersionRange within)
    {
        string condition = Condition(message.Schema.Flexible, within);
        return condition == "" ? "true" : condition == "false" ? "false" : condition;
    }
}

namespace Chronik.Protocol.Generator;

/// <summary>Writes default values and the questions about them that tagged fields ask.</summary>
internal static class DefaultEmitter
{
    /// <summary>The initial value of a property that is not lazy; empty when it is C#'s own default.</summary>
    public static string Initial(Field field)
    {
        if (field.DefaultsToNull) return "";
        if (field.IsArray) return "new()";
        return field.Kind switch
        {
            WireKind.String => "\"\"",
            WireKind.Bytes => field.IsNullable ? "ReadOnlyMemory<byte>.Empty" : "",
            WireKind.Struct => "new()",
            WireKind.Records => "",
            _ => field.Default ?? "",
        };
    }

    /// <summary>A condition that holds when the field differs from its default.</summary>
    public static string Differs(Field field)
    {
        string value = Names.Stored(field);
        if (field.DefaultsToNull) return $"{value} is not null";
        if (field.IsArray) return field.IsNullable ? $"{value} is not {{ Count: 0 }}" : $"{value} is {{ Count: > 0 }}";
        return field.Kind switch
        {
            WireKind.String => $"{value} is not \"\"",
            WireKind.Bytes => field.IsNullable ? $"{value} is not {{ Length: 0 }}" : $"!{value}.IsEmpty",
            WireKind.Records => $"{value} is not null",
            WireKind.Struct => $"{value} is not null && !{value}.IsDefault",
            WireKind.Bool => field.Default == "true" ? $"!{value}" : value,
            WireKind.Uuid => $"{value} != Guid.Empty",
            _ => $"{value} != {field.Default ?? "0"}",
        };
    }

    /// <summary>The property that says whether every field of a struct has its default.</summary>
    public static void Check(CodeText code, Message message, StructType type)
    {
        string any = string.Join(" || ", type.Fields.Select(Differs).Select(text => text.Contains("&&") ? $"({text})" : text));
        code.Line($"internal bool IsDefault => !({(any.Length == 0 ? "false" : any)});");
    }
}

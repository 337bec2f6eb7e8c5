namespace Chronik.Protocol.Generator;

/// <summary>Collects the structs of a parsed message, checks what the notation cannot express, and works out sizes.</summary>
internal static class SchemaChecker
{
    /// <summary>Completes <paramref name="message"/>.</summary>
    /// <exception cref="SchemaException">A name is missing, doubled, or would clash in the generated class.</exception>
    public static void Complete(Message message)
    {
        StructType[] declared = message.Structs.ToArray();
        Collect(message, message.Fields);
        foreach (StructType type in declared) Collect(message, type.Fields);

        var taken = new HashSet<string>(message.Structs.Select(type => type.Name));
        foreach (Field field in message.Fields)
        {
            if (!taken.Add(field.Name)) throw new SchemaException(field.Line, $"{field.Name} names two members of {message.Name}");
        }

        Check(message, message.Name, message.Fields);
        foreach (StructType type in message.Structs) Check(message, type.Name, type.Fields);
        foreach (StructType type in message.Structs) type.SmallestSize = SmallestSize(message, type.Fields, type.Versions);
    }

    /// <summary>The struct that a field's type names.</summary>
    public static StructType StructOf(Message message, Field field) =>
        message.Structs.Find(type => type.Name == field.StructName)
        ?? throw new SchemaException(field.Line, $"{field.StructName} is neither a type nor a struct of this message");

    /// <summary>The fewest bytes of one element of an array field, or of a field that is not an array.</summary>
    public static int SmallestElement(Message message, Field field, bool flexible) => field.Kind switch
    {
        WireKind.Bool or WireKind.Int8 => 1,
        WireKind.Int16 or WireKind.UInt16 => 2,
        WireKind.Int32 => 4,
        WireKind.Int64 or WireKind.Float64 => 8,
        WireKind.Uuid => 16,
        WireKind.String => flexible && !field.Plain ? 1 : 2,
        WireKind.Bytes or WireKind.Records => flexible ? 1 : 4,
        _ => Math.Max(1, StructOf(message, field).SmallestSize),
    };

    private static void Collect(Message message, List<Field> fields)
    {
        foreach (Field field in fields)
        {
            if (field.Fields.Count == 0) continue;
            if (field.Kind != WireKind.Struct) throw new SchemaException(field.Line, $"{field.Name} is not a struct and has no fields");
            if (message.Structs.Exists(type => type.Name == field.StructName))
            {
                throw new SchemaException(field.Line, $"struct {field.StructName} is there twice");
            }

            message.Structs.Add(new StructType(field.StructName!, field.Versions, field.Fields));
            Collect(message, field.Fields);
        }
    }

    private static void Check(Message message, string owner, List<Field> fields)
    {
        var names = new HashSet<string>();
        var tags = new HashSet<int>();
        foreach (Field field in fields)
        {
            if (!names.Add(field.Name) || field.Name == owner)
            {
                throw new SchemaException(field.Line, $"{field.Name} clashes with another name of {owner}");
            }

            if (field.Kind == WireKind.Struct)
            {
                StructType type = StructOf(message, field);
                if (field.Tag is not null && !field.IsArray) RequireDefaultCheck(message, type);
            }

            if (field.Tag is int tag)
            {
                if (!tags.Add(tag)) throw new SchemaException(field.Line, $"tag {tag} is there twice");
                if (!message.Schema.Flexible.Covers(field.Versions))
                {
                    throw new SchemaException(field.Line, $"{field.Name} is tagged in versions that have no tags");
                }
            }
        }
    }

    private static void RequireDefaultCheck(Message message, StructType type)
    {
        if (type.NeedsDefaultCheck) return;
        type.NeedsDefaultCheck = true;
        foreach (Field field in type.Fields)
        {
            if (field.Kind == WireKind.Struct && !field.IsArray) RequireDefaultCheck(message, StructOf(message, field));
        }
    }

    private static int SmallestSize(Message message, List<Field> fields, VersionRange versions)
    {
        int smallest = int.MaxValue;
        for (int version = versions.Low; version <= versions.High; version++)
        {
            bool flexible = message.Schema.Flexible.Contains(version);
            int size = flexible ? 1 : 0;
            foreach (Field field in fields)
            {
                if (field.Tag is not null || !field.Versions.Contains(version)) continue;
                if (field.IsArray) size += flexible ? 1 : 4;
                else if (field.Kind != WireKind.Struct) size += SmallestElement(message, field, flexible);
                else if (!field.Nullable.IsEmpty) size += 1;
                else size += SmallestSize(message, StructOf(message, field).Fields, new VersionRange(version, version));
            }

            smallest = Math.Min(smallest, size);
        }

        return smallest == int.MaxValue ? 0 : smallest;
    }
}

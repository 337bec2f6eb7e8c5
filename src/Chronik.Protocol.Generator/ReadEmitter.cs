namespace Chronik.Protocol.Generator;

/// <summary>Writes the Read method of a message or struct.</summary>
internal static class ReadEmitter
{
    public static void Emit(CodeText code, Message message, string name, List<Field> fields, VersionRange versions, bool isMessage)
    {
        code.Summary("Reads an instance; bytes and records are slices of what the reader walks.");
        code.Line("/// <exception cref=\"ProtocolException\">The bytes are not such a message in this version.</exception>");
        code.Open($"public static {name} Read(ref KafkaReader reader, short version)");
        if (isMessage) code.Line($"ProtocolException.RequireVersion(version, MinVersion, MaxVersion, nameof({name}));");
        string flexible = Names.Flexible(message, versions);
        if (flexible != "false") code.Line($"bool flexible = {flexible};");
        code.Line($"var value = new {name}();");
        foreach (Field field in fields.Where(field => field.Tag is null)) Positional(code, message, field, versions);
        if (flexible != "false") Tags(code, message, fields, versions);
        code.Line("return value;");
        code.Close();
    }

    private static void Positional(CodeText code, Message message, Field field, VersionRange versions)
    {
        string condition = Names.Condition(field.Versions, versions);
        if (condition == "")
        {
            Value(code, message, field, field.Versions);
            return;
        }

        code.Open($"if ({condition})");
        Value(code, message, field, field.Versions);
        code.Close();
    }

    private static void Tags(CodeText code, Message message, List<Field> fields, VersionRange versions)
    {
        List<Field> tagged = fields.Where(field => field.Tag is not null).OrderBy(field => field.Tag).ToList();
        if (tagged.Count == 0)
        {
            code.Line("if (flexible) reader.SkipTags();");
            return;
        }

        code.Open("if (flexible)");
        code.Line("TagSection tags = reader.ReadTags();");
        code.Open("while (reader.NextTag(ref tags))");
        code.Open("switch (tags.Tag)");
        foreach (Field field in tagged)
        {
            string condition = Names.Condition(field.Versions, versions.And(message.Schema.Flexible));
            code.Line($"case {field.Tag}{(condition == "" ? "" : $" when {condition}")}:");
            code.Open("");
            Value(code, message, field, field.Versions);
            code.Line("break;");
            code.Close();
        }

        code.Line("default: reader.SkipTag(ref tags); break;");
        code.Close().Line();
        code.Line("reader.EndTag(ref tags);");
        code.Close();
        code.Close();
    }

    private static void Value(CodeText code, Message message, Field field, VersionRange versions)
    {
        string target = "value." + Names.Stored(field);
        string flexible = FlexibleArgument(message, field);
        string nullable = Names.Condition(field.Nullable, versions);
        if (field.IsArray) Array(code, message, field, target, flexible, nullable);
        else if (field.Kind == WireKind.Struct) Struct(code, message, field, target, nullable);
        else code.Line($"{target} = {Scalar(field, flexible, nullable)};");
    }

    private static void Array(CodeText code, Message message, Field field, string target, string flexible, string nullable)
    {
        string count = Names.Local(field, "Count");
        string list = Names.Local(field, "List");
        int smallest = Math.Min(SchemaChecker.SmallestElement(message, field, true), SchemaChecker.SmallestElement(message, field, false));
        string allowed = nullable == "" ? "true" : nullable;
        code.Line($"int {count} = reader.ReadArrayLength({flexible}, {smallest}, \"{message.Name}.{field.Name}\", nullable: {allowed});");
        if (nullable != "false") code.Open($"if ({count} < 0)").Line($"{target} = null;").Close().Open("else");
        code.Line($"var {list} = new List<{Names.ElementType(field)}>({count});");
        string element = field.Kind == WireKind.Struct
            ? $"{message.Name}.{field.StructName}.Read(ref reader, version)" : Scalar(field, flexible, "false");
        code.Line($"for (int i = 0; i < {count}; i++) {list}.Add({element});");
        code.Line($"{target} = {list};");
        if (nullable != "false") code.Close();
    }

    private static void Struct(CodeText code, Message message, Field field, string target, string nullable)
    {
        string read = $"{message.Name}.{field.StructName}.Read(ref reader, version)";
        if (nullable == "false") code.Line($"{target} = {read};");
        else if (nullable == "") code.Line($"{target} = reader.ReadPresence() ? {read} : null;");
        else code.Line($"{target} = !({nullable}) || reader.ReadPresence() ? {read} : null;");
    }

    private static string Scalar(Field field, string flexible, string nullable)
    {
        string method = field.Kind switch
        {
            WireKind.Bool => "ReadBool",
            WireKind.Int8 => "ReadInt8",
            WireKind.Int16 => "ReadInt16",
            WireKind.UInt16 => "ReadUInt16",
            WireKind.Int32 => "ReadInt32",
            WireKind.Int64 => "ReadInt64",
            WireKind.Float64 => "ReadFloat64",
            WireKind.Uuid => "ReadUuid",
            WireKind.String => "ReadString",
            WireKind.Bytes => "ReadBytes",
            _ => "ReadRecords",
        };
        if (field.Kind < WireKind.String) return $"reader.{method}()";
        string sure = $"reader.{method}({flexible}, \"{field.Name}\")";
        string maybe = $"reader.{method.Replace("Read", "ReadNullable")}({flexible}, \"{field.Name}\")";
        return nullable switch { "" => maybe, "false" => sure, _ => $"{nullable} ? {maybe} : {sure}" };
    }

    private static string FlexibleArgument(Message message, Field field) =>
        field.Plain || message.Schema.Flexible.IsEmpty || message.Schema.Flexible.And(field.Versions).IsEmpty ? "false" : "flexible";
}

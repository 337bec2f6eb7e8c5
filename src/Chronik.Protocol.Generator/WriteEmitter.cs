namespace Chronik.Protocol.Generator;

/// <summary>Writes the Write method of a message or struct.</summary>
internal static class WriteEmitter
{
    public static void Emit(CodeText code, Message message, string name, List<Field> fields, VersionRange versions, bool isMessage)
    {
        code.Summary("Writes the instance; what this version does not carry is left out.");
        code.Line("/// <exception cref=\"ProtocolException\">Something is null that this version requires, or does not fit.</exception>");
        code.Open("public void Write(KafkaWriter writer, short version)");
        if (isMessage) code.Line($"ProtocolException.RequireVersion(version, MinVersion, MaxVersion, nameof({name}));");
        string flexible = Names.Flexible(message, versions);
        if (flexible != "false") code.Line($"bool flexible = {flexible};");
        foreach (Field field in fields.Where(field => field.Tag is null))
        {
            string condition = Names.Condition(field.Versions, versions);
            if (condition != "") code.Open($"if ({condition})");
            Value(code, message, name, field, field.Versions);
            if (condition != "") code.Close();
        }

        if (flexible != "false") Tags(code, message, name, fields, versions);
        code.Close();
    }

    private static void Tags(CodeText code, Message message, string owner, List<Field> fields, VersionRange versions)
    {
        List<Field> tagged = fields.Where(field => field.Tag is not null).OrderBy(field => field.Tag).ToList();
        if (tagged.Count == 0)
        {
            code.Line("if (flexible) writer.WriteUnsignedVarint(0);");
            return;
        }

        code.Open("if (flexible)");
        foreach (Field field in tagged)
        {
            string condition = Names.Condition(field.Versions, versions.And(message.Schema.Flexible));
            string differs = DefaultEmitter.Differs(field);
            code.Line($"bool {Names.Local(field, "Present")} = {(condition == "" ? differs : $"{condition} && ({differs})")};");
        }

        string count = string.Join(" + ", tagged.Select(field => $"({Names.Local(field, "Present")} ? 1u : 0u)"));
        code.Line($"writer.WriteUnsignedVarint({count});");
        foreach (Field field in tagged)
        {
            code.Open($"if ({Names.Local(field, "Present")})");
            code.Line($"int {Names.Local(field, "Start")} = writer.BeginTag({field.Tag});");
            Value(code, message, owner, field, field.Versions);
            code.Line($"writer.EndTag({Names.Local(field, "Start")});");
            code.Close();
        }

        code.Close();
    }

    private static void Value(CodeText code, Message message, string owner, Field field, VersionRange versions)
    {
        string source = Names.Stored(field);
        string flexible = FlexibleArgument(message, field);
        string nullable = Names.Condition(field.Nullable, versions);
        if (field.IsArray) Array(code, owner, field, source, flexible, nullable);
        else if (field.Kind == WireKind.Struct) Struct(code, owner, field, source, nullable);
        else code.Line(Scalar(field, owner, source, flexible, nullable) + ";");
    }

    private static void Array(CodeText code, string owner, Field field, string source, string flexible, string nullable)
    {
        string list = Names.Local(field, "List");
        string allowed = nullable == "" ? "true" : nullable;
        code.Line($"List<{Names.ElementType(field)}>? {list} = {source};");
        if (Names.IsLazy(field)) code.Line($"writer.WriteArrayLength({list}?.Count ?? 0, {flexible});");
        else code.Line($"writer.WriteArrayLength({list}?.Count ?? -1, {flexible}, nullable: {allowed}, \"{owner}.{field.Name}\");");
        code.Open($"if ({list} is not null)");
        string element = field.Kind == WireKind.Struct
            ? $"{list}[i].Write(writer, version)" : Scalar(field, owner, $"{list}[i]", flexible, "false");
        code.Line($"for (int i = 0; i < {list}.Count; i++) {element};");
        code.Close();
    }

    private static void Struct(CodeText code, string owner, Field field, string source, string nullable)
    {
        if (nullable == "false")
        {
            string value = Names.IsLazy(field)
                ? field.Name : $"({source} ?? throw ProtocolException.NullNotAllowed(\"{owner}.{field.Name}\"))";
            code.Line($"{value}.Write(writer, version);");
            return;
        }

        string presence = $"writer.WritePresence({source} is not null);";
        if (nullable == "") code.Line(presence);
        else code.Line($"if ({nullable}) {presence}");
        if (nullable != "") code.Line($"else if ({source} is null) throw ProtocolException.NullNotAllowed(\"{owner}.{field.Name}\");");
        code.Line($"{source}?.Write(writer, version);");
    }

    private static string Scalar(Field field, string owner, string source, string flexible, string nullable)
    {
        string method = field.Kind switch
        {
            WireKind.Bool => "WriteBool",
            WireKind.Int8 => "WriteInt8",
            WireKind.Int16 => "WriteInt16",
            WireKind.UInt16 => "WriteUInt16",
            WireKind.Int32 => "WriteInt32",
            WireKind.Int64 => "WriteInt64",
            WireKind.Float64 => "WriteFloat64",
            WireKind.Uuid => "WriteUuid",
            WireKind.String => "WriteString",
            WireKind.Bytes => "WriteBytes",
            _ => "WriteRecords",
        };
        if (field.Kind < WireKind.String) return $"writer.{method}({source})";
        if (!field.IsNullable || field.IsArray) return $"writer.{method}({source}, {flexible})";
        string allowed = nullable == "" ? "true" : nullable;
        return $"writer.{method.Replace("Write", "WriteNullable")}({source}, {flexible}, nullable: {allowed}, \"{owner}.{field.Name}\")";
    }

    private static string FlexibleArgument(Message message, Field field) =>
        field.Plain || message.Schema.Flexible.IsEmpty || message.Schema.Flexible.And(field.Versions).IsEmpty ? "false" : "flexible";
}

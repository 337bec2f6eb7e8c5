using System.Globalization;

namespace Chronik.Protocol.Generator;

/// <summary>A schema file that cannot be understood, and where.</summary>
internal sealed class SchemaException : Exception
{
    public SchemaException(int line, string message) : base(message) => Line = line;

    /// <summary>The line, counted from 0.</summary>
    public int Line { get; }
}

/// <summary>Reads the notation that Schemas/README.md describes.</summary>
internal sealed class SchemaParser
{
    private const int IndentWidth = 2;

    private readonly Schema _schema = new();
    private readonly Stack<Open> _open = new();
    private readonly Dictionary<Message, Dictionary<string, StructType>> _structs = new();
    private Message? _message;
    private MessageKind _kind;

    /// <summary>Parses one file.</summary>
    /// <exception cref="SchemaException">The text breaks a rule of the notation.</exception>
    public static Schema Parse(string text)
    {
        var parser = new SchemaParser();
        string[] lines = text.Replace("\r", "").Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i];
            int comment = line.IndexOf('#');
            if (comment >= 0) line = line.Substring(0, comment);
            if (line.Trim().Length == 0) continue;
            int indent = line.Length - line.TrimStart(' ').Length;
            if (indent == 0) parser.HeadLine(line.Trim(), i);
            else parser.FieldLine(line.Trim(), indent, i);
        }

        if (parser._schema.Messages.Count == 0) throw new SchemaException(0, "no message in this file");
        foreach (Message message in parser._schema.Messages) SchemaChecker.Complete(message);
        return parser._schema;
    }

    private void HeadLine(string line, int at)
    {
        string[] words = line.Split(new[] { ' ' }, StringSplitOptions.RemoveEmptyEntries);
        switch (words[0])
        {
            case "api":
                _schema.IsApi = true;
                Head(words, at, true);
                break;
            case "header" or "data":
                Head(words, at, false);
                break;
            case "record-key" or "record-value":
                Head(words, at, true);
                break;
            case "versions":
                _schema.Versions = Range(Word(words, 1, at), short.MaxValue, at);
                _schema.Served = _schema.Versions.Low;
                break;
            case "served":
                _schema.Served = Range(Word(words, 1, at), _schema.Versions.High, at).Low;
                break;
            case "flexible":
                if (Word(words, 1, at) != "none") _schema.Flexible = Range(words[1], _schema.Versions.High, at);
                break;
            case "request":
                Begin(_schema.Name + "Request", MessageKind.Request);
                break;
            case "response":
                Begin(_schema.Name + "Response", MessageKind.Response);
                break;
            case "fields":
                Begin(_schema.Name, _kind);
                break;
            case "struct":
                if (_message is null) throw new SchemaException(at, "a struct before any message");
                StructType type = Declare(Word(words, 1, at), _schema.Versions, new List<Field>(), at);
                _open.Clear();
                _open.Push(new Open(0, type.Fields, _schema.Versions));
                break;
            default:
                throw new SchemaException(at, $"'{words[0]}' is not a word that starts a line");
        }
    }

    private void Head(string[] words, int at, bool hasKey)
    {
        _schema.Name = Word(words, 1, at);
        if (hasKey) _schema.Key = int.Parse(Word(words, 2, at), CultureInfo.InvariantCulture);
        _kind = words[0] switch
        {
            "header" => MessageKind.Header,
            "record-key" => MessageKind.RecordKey,
            "record-value" => MessageKind.RecordValue,
            _ => MessageKind.Data,
        };
    }

    private void Begin(string name, MessageKind kind)
    {
        _message = new Message(name, kind, _schema);
        _structs[_message] = new Dictionary<string, StructType>();
        _schema.Messages.Add(_message);
        _open.Clear();
        _open.Push(new Open(0, _message.Fields, _schema.Versions));
    }

    private StructType Declare(string name, VersionRange versions, List<Field> fields, int at)
    {
        var type = new StructType(name, versions, fields);
        if (_structs[_message!].ContainsKey(name)) throw new SchemaException(at, $"struct {name} is there twice");
        _structs[_message!].Add(name, type);
        _message!.Structs.Add(type);
        return type;
    }

    private void FieldLine(string line, int indent, int at)
    {
        if (_message is null) throw new SchemaException(at, "a field before any message");
        if (indent % IndentWidth != 0) throw new SchemaException(at, "indent by two spaces for each level");
        while (_open.Count > 1 && _open.Peek().Indent >= indent) _open.Pop();
        Open parent = _open.Peek();
        if (indent != parent.Indent + IndentWidth) throw new SchemaException(at, "indented too far");

        string[] words = line.Split(new[] { ' ' }, 3, StringSplitOptions.RemoveEmptyEntries);
        var field = new Field(words[0], at) { Versions = parent.Versions };
        TypeOf(field, Word(words, 1, at));
        if (words.Length > 2)
        {
            foreach (string option in words[2].Split(',')) Option(field, option.Trim(), at);
        }

        parent.Fields.Add(field);
        _open.Push(new Open(indent, field.Fields, field.Versions));
    }

    private static void TypeOf(Field field, string type)
    {
        if (type.StartsWith("[]", StringComparison.Ordinal))
        {
            field.IsArray = true;
            type = type.Substring(2);
        }

        field.Kind = type switch
        {
            "bool" => WireKind.Bool,
            "int8" => WireKind.Int8,
            "int16" => WireKind.Int16,
            "uint16" => WireKind.UInt16,
            "int32" => WireKind.Int32,
            "int64" => WireKind.Int64,
            "float64" => WireKind.Float64,
            "uuid" => WireKind.Uuid,
            "string" => WireKind.String,
            "bytes" => WireKind.Bytes,
            "records" => WireKind.Records,
            _ => WireKind.Struct,
        };
        if (field.Kind == WireKind.Struct) field.StructName = type;
    }

    private void Option(Field field, string option, int at)
    {
        string[] words = option.Split(new[] { ' ' }, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0) throw new SchemaException(at, "an empty option");
        if (char.IsDigit(words[0][0]))
        {
            field.Versions = Range(words[0], _schema.Versions.High, at).And(field.Versions);
            return;
        }

        switch (words[0])
        {
            case "nullable":
                field.Nullable = words.Length > 1 ? Range(words[1], _schema.Versions.High, at).And(field.Versions) : field.Versions;
                break;
            case "tag":
                field.Tag = int.Parse(Word(words, 1, at), CultureInfo.InvariantCulture);
                break;
            case "default":
                field.Default = Word(words, 1, at);
                break;
            case "plain":
                field.Plain = true;
                break;
            default:
                throw new SchemaException(at, $"'{words[0]}' is not an option");
        }
    }

    private static string Word(string[] words, int index, int at) =>
        index < words.Length ? words[index] : throw new SchemaException(at, $"something is missing after '{words[words.Length - 1]}'");

    private static VersionRange Range(string text, int highest, int at)
    {
        string[] ends = text.Split('-');
        bool open = text.EndsWith("+", StringComparison.Ordinal);
        if (!int.TryParse(ends[0].TrimEnd('+'), NumberStyles.None, CultureInfo.InvariantCulture, out int low))
        {
            throw new SchemaException(at, $"'{text}' is not a range of versions");
        }

        if (ends.Length == 1) return new VersionRange(low, open ? highest : low);
        if (!int.TryParse(ends[1], NumberStyles.None, CultureInfo.InvariantCulture, out int high))
        {
            throw new SchemaException(at, $"'{text}' is not a range of versions");
        }

        return new VersionRange(low, high);
    }

    private readonly struct Open
    {
        public Open(int indent, List<Field> fields, VersionRange versions)
        {
            Indent = indent;
            Fields = fields;
            Versions = versions;
        }

        public int Indent { get; }

        public List<Field> Fields { get; }

        public VersionRange Versions { get; }
    }
}

using System.Text;

namespace Chronik.Protocol.Generator;

/// <summary>Generated code under construction: lines and braces.</summary>
internal sealed class CodeText
{
    private readonly StringBuilder _text = new();
    private int _depth;

    public CodeText Line(string line = "")
    {
        if (line.Length > 0) _text.Append(' ', _depth * 4).Append(line);
        _text.Append('\n');
        return this;
    }

    public CodeText Summary(string text) => Line($"/// <summary>{text}</summary>");

    public CodeText Open(string line)
    {
        if (line.Length > 0) Line(line);
        Line("{");
        _depth++;
        return this;
    }

    public CodeText Close(string after = "")
    {
        _depth--;
        return Line("}" + after);
    }

    public override string ToString() => _text.ToString();
}

using System.Text;

namespace Akka.Configuration.Hocon;

/// <summary>
/// A recursive-descent reader of HOCON that goes over the text once. What it builds still holds substitutions; they are
/// replaced in a second step (<see cref="HoconResolver"/>), because a path may be defined after it is used.
/// </summary>
public class Parser
{
    private const int MaxDepth = 200;

    private readonly string _text;
    private readonly Func<string, HoconRoot> _includeCallback;
    private int _position;
    private int _depth;
    private bool _anySubstitution;

    private Parser(string text, Func<string, HoconRoot> includeCallback)
    {
        _text = text;
        _includeCallback = includeCallback;
    }

    /// <summary>Parses a text and resolves its substitutions; every error names line and column.</summary>
    public static HoconRoot Parse(string text, Func<string, HoconRoot> includeCallback)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parser = new Parser(text, includeCallback);
        var root = new HoconValue([parser.ParseRoot()]);
        if (parser._anySubstitution) new HoconResolver(root, parser.Error).Resolve();
        return new HoconRoot(root);
    }

    private bool AtEnd => _position >= _text.Length;

    private char Current => _position < _text.Length ? _text[_position] : '\0';

    private HoconObject ParseRoot()
    {
        var root = new HoconObject();
        if (Current == '\uFEFF') _position++;
        SkipBlank();
        if (Current == '{')
        {
            ParseBraces(root);
            SkipBlank();
            if (!AtEnd) throw Error(_position, $"expected the end of the text after the closing brace, found {Found()}");
        }
        else
        {
            ParseMembers(root, openedAt: -1);
        }

        return root;
    }

    private void ParseBraces(HoconObject target)
    {
        var openedAt = _position++;
        Enter();
        ParseMembers(target, openedAt);
        _depth--;
    }

    /// <summary>Reads members up to the closing brace, or to the end of the text when no brace was opened.</summary>
    private void ParseMembers(HoconObject target, int openedAt)
    {
        while (true)
        {
            SkipBlank();
            if (AtEnd)
            {
                if (openedAt < 0) return;
                throw Error(_position, $"expected '}}' to close the brace of {Where(openedAt)}, found the end of the text");
            }

            if (Current == '}')
            {
                if (openedAt < 0) throw Error(_position, "expected a key, found '}' without an opening brace");
                _position++;
                return;
            }

            if (!TryParseInclude(target)) ParseMember(target);
            EndMember(openedAt >= 0 ? '}' : '\0', openedAt >= 0 ? "a new line, a comma or '}'" : "a new line or a comma");
        }
    }

    /// <summary>After a member or an element: a comma, a line end or the closing character has to follow.</summary>
    private void EndMember(char close, string expected)
    {
        SkipSpaces();
        if (AtEnd || Current == close || AtLineEnd()) SkipBlank();
        else if (Current != ',') throw Error(_position, $"expected {expected} after the value, found {Found()}{QuoteHint()}");
        if (Current != ',') return;
        _position++;
        SkipBlank();
        if (Current == ',') throw Error(_position, "expected a value after the comma, found another comma");
    }

    private bool TryParseInclude(HoconObject target)
    {
        const string keyword = "include";
        if (string.CompareOrdinal(_text, _position, keyword, 0, keyword.Length) != 0) return false;
        var start = _position;
        _position += keyword.Length;
        SkipSpaces();
        if (_position == start + keyword.Length || Current != '"')
        {
            _position = start;
            return false;
        }

        var name = ParseQuoted();
        if (_includeCallback == null) throw Error(start, $"include \"{name}\" is not possible here: no include resolver was given");
        HoconRoot included;
        try
        {
            included = _includeCallback(name);
        }
        catch (Exception e)
        {
            throw new ConfigurationException($"{Where(start)}: include \"{name}\": {e.Message}", e);
        }

        if (included?.Value?.GetObject() is not { } members) throw Error(start, $"include \"{name}\" found nothing");
        foreach (var (key, value) in HoconMerge.Copy(members).Items) HoconMerge.Assign(target, key, value);
        return true;
    }

    private void ParseMember(HoconObject target)
    {
        var start = _position;
        var path = ParsePath("a key");
        var keyEnd = _position;
        SkipBlank();
        var append = Current == '+' && _position + 1 < _text.Length && _text[_position + 1] == '=';
        if (append) _position += 2;
        else if (Current is '=' or ':') _position++;
        else if (Current != '{')
            throw Error(keyEnd, $"expected '=', ':', '+=' or '{{' after the key {string.Join('.', path)}, found {FoundAfter(keyEnd)}");

        SkipBlank();
        var value = new HoconValue();
        ParseValue(value, $"a value for {string.Join('.', path)}");
        if (append)
        {
            var array = new HoconArray { value };
            value = new HoconValue([new HoconSubstitution(path, optional: true, start) { AppendTarget = true }, array])
            {
                State = ResolveState.Deferred,
            };
            _anySubstitution = true;
        }

        for (var i = 0; i < path.Count - 1; i++)
        {
            var existing = target.GetKey(path[i]);
            if (existing is { State: ResolveState.Plain } && existing.GetObject() is { } child)
            {
                target = child;
                continue;
            }

            var inner = new HoconObject();
            HoconMerge.Assign(target, path[i], new HoconValue([inner]));
            target = inner;
        }

        HoconMerge.Assign(target, path[^1], value);
    }

    private void ParseValue(HoconValue value, string expected)
    {
        var start = _position;
        var pendingSpace = (Start: 0, End: 0);
        while (true)
        {
            var c = Current;
            if (AtEnd || c is ',' or '}' or ']' || AtLineEnd()) break;
            IHoconElement piece;
            if (c == '{')
            {
                var child = new HoconObject();
                ParseBraces(child);
                piece = child;
            }
            else if (c == '[') piece = ParseArray();
            else if (c == '"') piece = new HoconLiteral { Value = ParseQuoted(), Quoted = true };
            else if (c == '$') piece = ParseSubstitution(value);
            else if (!HoconText.IsReserved(c)) piece = new HoconLiteral { Value = ParseUnquoted() };
            else break;

            if (pendingSpace.End > pendingSpace.Start && value.Values.Count > 0)
                value.AppendValue(new HoconLiteral { Value = _text[pendingSpace.Start..pendingSpace.End] });
            value.AppendValue(piece);
            var spaceStart = _position;
            SkipSpaces();
            pendingSpace = (spaceStart, _position);
        }

        if (value.Values.Count == 0) throw Error(start, $"expected {expected}, found {Found()}{QuoteHint()}");
        if (value.State == ResolveState.Plain) HoconMerge.Join(value, message => Error(start, message));
    }

    private HoconArray ParseArray()
    {
        var openedAt = _position++;
        Enter();
        var array = new HoconArray();
        while (true)
        {
            SkipBlank();
            if (AtEnd) throw Error(_position, $"expected ']' to close the bracket of {Where(openedAt)}, found the end of the text");
            if (Current == ']')
            {
                _position++;
                _depth--;
                return array;
            }

            var element = new HoconValue();
            ParseValue(element, "an element or ']'");
            array.Add(element);
            EndMember(']', "a new line, a comma or ']'");
        }
    }

    private HoconSubstitution ParseSubstitution(HoconValue owner)
    {
        var start = _position++;
        if (Current != '{') throw Error(start, "expected '{' after '$'; a literal '$' has to be quoted");
        _position++;
        var optional = Current == '?';
        if (optional) _position++;
        SkipSpaces();
        var path = ParsePath("a path");
        SkipSpaces();
        if (Current != '}') throw Error(_position, $"expected '}}' to close the substitution, found {Found()}");
        _position++;
        owner.State = ResolveState.Deferred;
        _anySubstitution = true;
        return new HoconSubstitution(path, optional, start);
    }

    private List<string> ParsePath(string expected)
    {
        var path = new List<string>(2);
        while (true)
        {
            path.Add(Current == '"' ? ParseQuoted() : ParseUnquotedKey(expected));
            var end = _position;
            SkipSpaces();
            if (Current != '.')
            {
                _position = end;
                return path;
            }

            _position++;
            SkipSpaces();
            expected = "a key after the dot";
        }
    }

    /// <summary>An unquoted key may contain spaces, but neither begins nor ends with one.</summary>
    private string ParseUnquotedKey(string expected)
    {
        var start = _position;
        while (!AtEnd && Current != '.' && !AtLineEnd() && !HoconText.IsReserved(Current) && !AtAppend()) _position++;
        while (_position > start && IsSpace(_text[_position - 1])) _position--;
        if (_position == start) throw Error(start, $"expected {expected}, found {Found()}");
        return _text[start.._position];
    }

    private string ParseUnquoted()
    {
        var start = _position;
        while (!AtEnd && !IsSpace(Current) && !AtLineEnd() && !HoconText.IsReserved(Current)) _position++;
        return _text[start.._position];
    }

    private string ParseQuoted()
    {
        var start = _position;
        if (string.CompareOrdinal(_text, start, "\"\"\"", 0, 3) == 0) return ParseTripleQuoted();
        var end = _text.AsSpan(start + 1).IndexOfAny("\"\\\n");
        if (end >= 0 && _text[start + 1 + end] == '"')
        {
            _position = start + end + 2;
            return _text.Substring(start + 1, end);
        }

        var content = new StringBuilder();
        _position++;
        while (true)
        {
            if (AtEnd || Current == '\n') throw Error(start, "expected a closing quote in the same line");
            var c = _text[_position++];
            if (c == '"') return content.ToString();
            content.Append(c == '\\' ? ParseEscape() : c);
        }
    }

    private string ParseTripleQuoted()
    {
        var start = _position + 3;
        var end = _text.IndexOf("\"\"\"", start, StringComparison.Ordinal);
        if (end < 0) throw Error(_position, "expected three closing quotes");
        // Quotes directly before the closing three belong to the content.
        while (end + 3 < _text.Length && _text[end + 3] == '"') end++;
        _position = end + 3;
        return _text[start..end];
    }

    private char ParseEscape()
    {
        var at = _position - 1;
        var c = Current;
        _position++;
        switch (c)
        {
            case '"' or '\\' or '/': return c;
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'b': return '\b';
            case 'f': return '\f';
            case 'u' when _position + 4 <= _text.Length && ushort.TryParse(
                _text.AsSpan(_position, 4), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var code):
                _position += 4;
                return (char)code;
            default:
                throw Error(at, "expected one of \\\" \\\\ \\/ \\n \\r \\t \\b \\f \\uXXXX after the backslash");
        }
    }

    private static bool IsSpace(char c) => c is ' ' or '\t' or '\u00A0' or '\uFEFF' || (c > '\u007F' && char.IsWhiteSpace(c));

    private bool AtAppend() => Current == '+' && _position + 1 < _text.Length && _text[_position + 1] == '=';

    /// <summary>At a line break or at a comment, which lasts to the line break.</summary>
    private bool AtLineEnd() =>
        Current is '\n' or '\r' or '#' || (Current == '/' && _position + 1 < _text.Length && _text[_position + 1] == '/');

    private void SkipSpaces()
    {
        while (!AtEnd && IsSpace(_text[_position])) _position++;
    }

    private void SkipBlank()
    {
        while (!AtEnd)
        {
            var c = _text[_position];
            if (c is '\n' or '\r' || IsSpace(c)) _position++;
            else if (AtLineEnd())
            {
                var end = _text.IndexOf('\n', _position);
                _position = end < 0 ? _text.Length : end;
            }
            else return;
        }
    }

    private void Enter()
    {
        if (++_depth > MaxDepth) throw Error(_position - 1, $"more than {MaxDepth} levels of braces and brackets");
    }

    private string Found() => AtEnd ? "the end of the text" : AtLineEnd() ? "the end of the line" : $"'{Current}'";

    private string FoundAfter(int position)
    {
        _position = position;
        SkipSpaces();
        return Found();
    }

    private string QuoteHint() => !AtEnd && HoconText.IsReserved(Current) && Current is not ('}' or ']' or ',')
        ? "; if it belongs to the value, quote the value"
        : "";

    private string Where(int position)
    {
        var before = _text.AsSpan(0, Math.Min(position, _text.Length));
        return $"line {before.Count('\n') + 1}, column {before.Length - before.LastIndexOf('\n')}";
    }

    private ConfigurationException Error(int position, string message) => new($"{Where(position)}: {message}");
}

#:property PublishAot=false
#:property Nullable=disable
// Compares the public members of an assembly with an approved listing of the official one, and prints what the listing lacks.
//   dotnet run src/compat/check-api.cs -- LISTING ASSEMBLY
// Listings are the *.DotNet.verified.txt files of the official repositories. Parameter names and defaults are not compared.
using System.Reflection;
using System.Text.RegularExpressions;

if (args.Length != 2)
{
    Console.Error.WriteLine("usage: check-api.cs LISTING ASSEMBLY");
    return 2;
}

Dictionary<string, HashSet<string>> official = Listing.Read(File.ReadAllLines(args[0]));
int missing = 0;
foreach (Type type in Assembly.LoadFrom(Path.GetFullPath(args[1])).GetExportedTypes().Where(Members.IsVisible).OrderBy(t => t.FullName))
{
    string name = Members.TypeName(type, declaration: true);
    if (!official.TryGetValue(name, out HashSet<string> members))
    {
        Console.WriteLine($"type    {name}");
        missing++;
        continue;
    }

    foreach (string member in Members.Of(type))
    {
        // What the official type inherits it has as well.
        bool found = members.Contains(member);
        for (Type up = type.BaseType; !found && up is not null; up = up.BaseType)
        {
            string baseName = Members.TypeName(up.IsGenericType ? up.GetGenericTypeDefinition() : up, declaration: true);
            found = official.TryGetValue(baseName, out HashSet<string> ofBase) && ofBase.Contains(member);
        }

        if (found)
            continue;
        Console.WriteLine($"member  {name}: {member}");
        missing++;
    }
}

Console.WriteLine(missing == 0 ? "Everything public is in the listing." : $"{missing} are not in the listing.");
return missing == 0 ? 0 : 1;

internal static class Listing
{
    private static readonly Regex Modifiers = new(
        @"^(?:(?:public|protected|internal|static|abstract|virtual|override|sealed|readonly|const|new|delegate) )+");

    public static Dictionary<string, HashSet<string>> Read(string[] lines)
    {
        var types = new Dictionary<string, HashSet<string>>();
        var open = new Stack<string>();
        string pending = null, ns = string.Empty;
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            while (line.StartsWith('[') && !line.StartsWith("[assembly", StringComparison.Ordinal))
            {
                // An attribute before a member; it may go over several lines.
                while (Unclosed(line))
                    line += " " + lines[++i].Trim();
                line = line[(End(line) + 1)..].Trim();
                if (line.Length == 0)
                    line = lines[++i].Trim();
            }

            while (line.Contains('(') && Unclosed(line))
                line += " " + lines[++i].Trim();
            if (line.StartsWith("namespace ", StringComparison.Ordinal))
            {
                ns = line["namespace ".Length..];
                open.Clear();
                continue;
            }

            if (line == "{")
            {
                if (pending is not null)
                    open.Push(pending);
                pending = null;
                continue;
            }

            if (line == "}")
            {
                open.TryPop(out _);
                continue;
            }

            // The listing writes "class static"; a constraint belongs to the line before it.
            Match declared = Regex.Match(
                line, @"\b(?:class|struct|interface|enum)(?: static)? ([\w]+(?:<[^:]*?>)?)(?: :|$| \{)");
            if (declared.Success && !line.EndsWith(" { }", StringComparison.Ordinal) && !line.Contains('(')
                || (declared.Success && line.Contains(" interface ", StringComparison.Ordinal)))
            {
                string simple = Regex.Replace(declared.Groups[1].Value, @"\b(?:in|out) ", string.Empty);
                string name = open.TryPeek(out string outer) ? outer + "." + simple : ns + "." + simple;
                types.TryAdd(name, []);
                if (!line.EndsWith('}'))
                    pending = name;
                continue;
            }

            if (line.Contains(" delegate ", StringComparison.Ordinal))
            {
                string name = Regex.Match(line, @" (\w+(?:<[^(]*>)?)\(").Groups[1].Value;
                types.TryAdd(open.TryPeek(out string outer) ? outer + "." + name : ns + "." + name, []);
                continue;
            }

            if (open.TryPeek(out string type) && line.Length > 0 && !line.StartsWith("where ", StringComparison.Ordinal))
                types[type].Add(Normal(line));
        }

        return types;
    }

    private static string Normal(string line)
    {
        if (line.Contains(" const ", StringComparison.Ordinal))
            line = Regex.Replace(line, @" = .*$", string.Empty);
        line = Modifiers.Replace(line, string.Empty);
        int open = line.IndexOf('(');
        if (open < 0)
            return Regex.Replace(line, @"( =.*|;| \{.*)$", string.Empty);
        int close = End(line, open);
        IEnumerable<string> parameters = Split(line[(open + 1)..close]).Select(static p =>
        {
            while (p.StartsWith('['))
                p = p[(End(p) + 1)..].Trim();
            p = Regex.Replace(p, @" = .*$", string.Empty);
            p = Regex.Replace(p, @"^(?:(?:this|params|in) )+", string.Empty);
            int name = p.LastIndexOf(' ');
            return name < 0 ? p : p[..name];
        });
        return line[..open] + "(" + string.Join(", ", parameters) + ")";
    }

    private static IEnumerable<string> Split(string text)
    {
        int depth = 0, start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || (text[i] == ',' && depth == 0))
            {
                if (text[start..i].Trim() is { Length: > 0 } part)
                    yield return part;
                start = i + 1;
            }
            else
            {
                depth += text[i] is '<' or '[' or '(' or '{' ? 1 : text[i] is '>' or ']' or ')' or '}' ? -1 : 0;
            }
        }
    }

    private static bool Unclosed(string line) => line.Count(c => c is '(' or '[') > line.Count(c => c is ')' or ']');

    private static int End(string text, int from = 0)
    {
        int depth = 0;
        for (int i = from; i < text.Length; i++)
        {
            depth += text[i] is '(' or '[' ? 1 : text[i] is ')' or ']' ? -1 : 0;
            if (depth == 0)
                return i;
        }

        return text.Length - 1;
    }
}

internal static class Members
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(object)] = "object",
        [typeof(string)] = "string",
        [typeof(bool)] = "bool",
        [typeof(int)] = "int",
        [typeof(long)] = "long",
        [typeof(uint)] = "uint",
        [typeof(byte)] = "byte",
        [typeof(double)] = "double",
        [typeof(float)] = "float",
        [typeof(decimal)] = "decimal",
        [typeof(char)] = "char",
        [typeof(short)] = "short",
        [typeof(ulong)] = "ulong",
    };

    public static bool IsVisible(Type type) =>
        type.IsNested ? (type.IsNestedPublic || type.IsNestedFamily) && IsVisible(type.DeclaringType) : type.IsPublic;

    public static IEnumerable<string> Of(Type type)
    {
        if (typeof(Delegate).IsAssignableFrom(type))
            yield break;
        foreach (MemberInfo member in type.GetMembers(Declared))
        {
            switch (member)
            {
                case ConstructorInfo { IsStatic: false } constructor when Visible(constructor):
                    string simple = type.Name.Split('`')[0];
                    if (type.IsValueType && constructor.GetParameters().Length == 0)
                        continue;
                    yield return simple + Parameters(constructor);
                    break;
                case MethodInfo method when Visible(method)
                    && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)):
                    // An override adds nothing to what was checked where it was first declared.
                    if (method.GetBaseDefinition() != method)
                        continue;
                    string generic = method.IsGenericMethod
                        ? "<" + string.Join(", ", method.GetGenericArguments().Select(a => a.Name)) + ">" : "";
                    yield return TypeName(method.ReturnType) + " " + Operator(method.Name) + generic + Parameters(method);
                    break;
                case PropertyInfo property when property.GetAccessors(true).Any(Visible):
                    yield return TypeName(property.PropertyType) + " " + property.Name;
                    break;
                case FieldInfo field when !field.IsSpecialName && (field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly):
                    yield return type.IsEnum ? field.Name : TypeName(field.FieldType) + " " + field.Name;
                    break;
            }
        }
    }

    public static string TypeName(Type type, bool declaration = false)
    {
        if (type.IsByRef)
            return TypeName(type.GetElementType());
        if (type.IsArray)
        {
            // The listings leave out the arguments of a generic element.
            string element = TypeName(type.GetElementType());
            return (type.GetElementType().IsGenericType ? Regex.Replace(element, @"<[^,>]*(?:, [^,>]*)*>", m => "<" + string.Concat(
                Enumerable.Repeat(", ", m.Value.Count(c => c == ','))) + ">") : element) + "[]";
        }

        if (Keywords.TryGetValue(type, out string keyword))
            return keyword;
        if (type.IsGenericParameter)
            return type.Name;
        string prefix = type.DeclaringType is { } outer ? TypeName(outer, declaration) : type.Namespace;
        string name = prefix + "." + type.Name.Split('`')[0];
        Type[] own = type.GetGenericArguments()[(type.DeclaringType?.GetGenericArguments().Length ?? 0)..];
        return own.Length == 0 ? name : name + "<" + string.Join(", ", own.Select(a => TypeName(a))) + ">";
    }

    private static bool Visible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Parameters(MethodBase method) => "(" + string.Join(", ", method.GetParameters().Select(p =>
        (p.IsOut ? "out " : p.ParameterType.IsByRef ? "ref " : "") + TypeName(p.ParameterType))) + ")";

    private static string Operator(string name) => name switch
    {
        "op_Equality" => "==",
        "op_Inequality" => "!=",
        "op_Division" => "/",
        "op_Addition" => "+",
        _ => name,
    };
}

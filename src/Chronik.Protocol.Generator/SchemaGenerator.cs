using System.Collections.Immutable;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Chronik.Protocol.Generator;

/// <summary>
/// Turns every *.schema file among the additional files into a class per message, and all of them together into the catalogue of
/// APIs and the request decoder.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed class SchemaGenerator : IIncrementalGenerator
{
    private static readonly DiagnosticDescriptor BadSchema = new(
        "CHRP001", "Schema file cannot be read", "{0}", "Chronik.Protocol", DiagnosticSeverity.Error, isEnabledByDefault: true);

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        IncrementalValuesProvider<SchemaFile> files = context.AdditionalTextsProvider
            .Where(file => file.Path.EndsWith(".schema", StringComparison.OrdinalIgnoreCase))
            .Select((file, cancel) => new SchemaFile(file.Path, file.GetText(cancel)?.ToString() ?? ""));

        context.RegisterSourceOutput(files, Messages);
        context.RegisterSourceOutput(files.Collect(), Catalogue);
    }

    private static void Messages(SourceProductionContext context, SchemaFile file)
    {
        try
        {
            foreach (Message message in SchemaParser.Parse(file.Text).Messages)
            {
                context.AddSource(message.Name + ".g.cs", SourceText.From(MessageEmitter.Emit(message), Encoding.UTF8));
            }
        }
        catch (SchemaException e)
        {
            var at = new LinePosition(e.Line, 0);
            Location location = Location.Create(file.Path, default, new LinePositionSpan(at, at));
            context.ReportDiagnostic(Diagnostic.Create(BadSchema, location, e.Message));
        }
    }

    private static void Catalogue(SourceProductionContext context, ImmutableArray<SchemaFile> files)
    {
        var apis = new List<Schema>();
        foreach (SchemaFile file in files)
        {
            try
            {
                Schema schema = SchemaParser.Parse(file.Text);
                if (schema.IsApi) apis.Add(schema);
            }
            catch (SchemaException)
            {
                // Reported where the file's own messages are made.
            }
        }

        apis.Sort((a, b) => a.Key.CompareTo(b.Key));
        context.AddSource("ApiKey.g.cs", SourceText.From(CatalogEmitter.EmitKeys(apis), Encoding.UTF8));
        context.AddSource("ApiCatalog.g.cs", SourceText.From(CatalogEmitter.EmitCatalog(apis), Encoding.UTF8));
        context.AddSource("RequestDecoder.g.cs", SourceText.From(CatalogEmitter.EmitDecoder(apis), Encoding.UTF8));
    }

    /// <summary>A file by value, so that an unchanged file costs nothing when another one changes.</summary>
    private readonly struct SchemaFile : IEquatable<SchemaFile>
    {
        public SchemaFile(string path, string text)
        {
            Path = path;
            Text = text;
        }

        public string Path { get; }

        public string Text { get; }

        public bool Equals(SchemaFile other) => Path == other.Path && Text == other.Text;

        public override bool Equals(object? obj) => obj is SchemaFile other && Equals(other);

        public override int GetHashCode() => Text.GetHashCode();
    }
}

using System.CommandLine;
using System.Globalization;
using Gemma.Hub;
using Spectre.Console;

namespace Gemma.Cli.Verbs;

/// <summary>What is in the cache.</summary>
internal sealed class ListVerb : Verb
{
    private readonly Option<bool> _aliases = new("--aliases") { Description = "List the short names of models instead." };

    public ListVerb() : base("list", "The models in the Hugging Face cache of this machine.", "gemma list", "gemma list --aliases") => AddFlags(_aliases);

    public override Task<int> RunAsync(Invocation call)
    {
        if (call.Get(_aliases)) ListAliases(call.Screen);
        else List(call.Screen, ModelCache.FromEnvironment());
        return Task.FromResult(0);
    }

    private static void List(Screen screen, ModelCache cache)
    {
        IReadOnlyList<CachedModel> models = cache.List();
        if (screen.Json)
        {
            WriteJson(screen, cache, models);
            return;
        }
        if (models.Count == 0)
        {
            screen.Note($"no model in {cache.Folder}; fetch one with: gemma pull gemma-1.1-2b-it");
            return;
        }
        Table table = Screen.CreateTable("model", "revision", "size", "modified", "");
        foreach (CachedModel model in models)
        {
            foreach (CachedRevision revision in model.Revisions)
            {
                table.AddRow(new Text(model.Repository), new Text(revision.Refs.Count > 0 ? string.Join(", ", revision.Refs) : revision.Commit[..Math.Min(12, revision.Commit.Length)]),
                    new Text(Amount.Bytes(revision.Bytes)), new Text(revision.LastModifiedUtc.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)),
                    new Text(revision.Missing.Count > 0 ? $"only in part: gemma pull {model.Repository}" : revision.PackedBytes > 0 ? $"{Amount.Bytes(revision.PackedBytes)} of it packed weights" : ""));
            }
            if (model.Revisions.Count == 0)
                table.AddRow(new Text(model.Repository), new Text(""), new Text(Amount.Bytes(model.Bytes)), new Text(""), new Text($"only in part: gemma pull {model.Repository}"));
        }
        screen.Render(table);
        screen.Note($"{Amount.Bytes(models.Sum(model => (double)model.Bytes))} in {cache.Folder}");
    }

    private static void WriteJson(Screen screen, ModelCache cache, IReadOnlyList<CachedModel> models) => screen.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteString("folder", cache.Folder);
        json.WriteStartArray("models");
        foreach (CachedModel model in models)
        {
            json.WriteStartObject();
            json.WriteString("model", model.Repository);
            json.WriteNumber("bytes", model.Bytes);
            json.WriteNumber("partial_bytes", model.PartialBytes);
            json.WriteStartArray("revisions");
            foreach (CachedRevision revision in model.Revisions)
            {
                json.WriteStartObject();
                json.WriteString("commit", revision.Commit);
                json.WriteStartArray("refs");
                foreach (string name in revision.Refs) json.WriteStringValue(name);
                json.WriteEndArray();
                json.WriteString("path", revision.Folder);
                json.WriteNumber("bytes", revision.Bytes);
                json.WriteNumber("packed_bytes", revision.PackedBytes);
                json.WriteBoolean("complete", revision.Missing.Count == 0);
                json.WriteString("modified", revision.LastModifiedUtc);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static void ListAliases(Screen screen)
    {
        if (screen.Json)
        {
            screen.WriteJson(json =>
            {
                json.WriteStartObject();
                foreach (string alias in ModelAliases.All) json.WriteString(alias, ModelAliases.Find(alias));
                json.WriteEndObject();
            });
            return;
        }
        Table table = Screen.CreateTable("alias", "model");
        foreach (string alias in ModelAliases.All) table.AddRow(new Text(alias), new Text(ModelAliases.Find(alias)!));
        screen.Render(table);
    }
}

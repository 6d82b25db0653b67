namespace Gemma.Hub;

/// <summary>Gives files of the cache their names in one snapshot: a link where the system allows it, else the file itself, as huggingface_hub does.</summary>
internal sealed class Publication(ModelCache cache, RemoteModel model, IReadOnlySet<string> fetched, bool useSymlinks, Action<string>? notice)
{
    private readonly Dictionary<string, int> _names = model.Files.GroupBy(file => file.Etag).ToDictionary(group => group.Key, group => group.Count());
    private bool _linking = useSymlinks;

    public void Add(RemoteFile file)
    {
        string blob = cache.BlobPath(model.Reference.Repository, file), pointer = cache.PointerPath(model, file);
        bool last = --_names[file.Etag] == 0, isThere = File.Exists(blob);
        if (IsDone(pointer, blob, file)) return;
        if (!isThere) throw new GemmaException($"{model.Reference}: {file.Name} was removed while it was fetched; run: gemma pull {model.Reference}");
        Directory.CreateDirectory(Path.GetDirectoryName(pointer)!);
        if (_linking && TryLink(pointer, blob)) return;
        // A blob that no other name needs becomes the file, so that it does not take its place twice.
        if (last && fetched.Contains(file.Etag)) File.Move(blob, pointer, overwrite: true);
        else Copy(blob, pointer);
    }

    private static bool IsDone(string pointer, string blob, RemoteFile file)
    {
        var info = new FileInfo(pointer);
        return info.LinkTarget is string target
            ? File.Exists(blob) && Path.GetFullPath(Path.Combine(Path.GetDirectoryName(pointer)!, target)) == Path.GetFullPath(blob)
            : info.Exists && info.Length == file.Bytes;
    }

    private bool TryLink(string pointer, string blob)
    {
        string target = Path.GetRelativePath(Path.GetDirectoryName(pointer)!, blob);
        File.Delete(pointer);
        try
        {
            File.CreateSymbolicLink(pointer, target);
            return true;
        }
        catch (Exception) when (new FileInfo(pointer).LinkTarget == target)
        {
            return true; // another process was faster
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            _linking = false;
            notice?.Invoke($"{cache.Folder}: links are refused here ({failure.Message}); revisions of a model that share files will hold them twice");
            return false;
        }
    }

    private static void Copy(string blob, string pointer)
    {
        string temporary = $"{pointer}.{Guid.NewGuid().ToString("N")[..8]}.tmp";
        try
        {
            File.Copy(blob, temporary);
            using (var stream = new FileStream(temporary, FileMode.Open, FileAccess.ReadWrite)) stream.Flush(flushToDisk: true);
            File.Move(temporary, pointer, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}

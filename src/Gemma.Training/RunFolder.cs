using Gemma.Formats;

namespace Gemma.Training;

/// <summary>A run on the disk: <c>checkpoints/step-…</c>, <c>log.jsonl</c>, <c>tensorboard/</c>, <c>loss.svg</c> and, at the end, <c>model/</c>. One process at a time works in it.</summary>
internal sealed class RunFolder : IDisposable
{
    private const string LockName = ".lock", TemporaryPattern = ".step-*.tmp", DamagedSuffix = ".damaged";

    private readonly FileStream _lock;

    private RunFolder(string path, FileStream held)
    {
        Path = path;
        _lock = held;
    }

    public string Path { get; }

    public string Checkpoints => In("checkpoints");

    public string Model => In("model");

    /// <summary>The steps of which there are checkpoints, ascending.</summary>
    public IEnumerable<int> Steps => Directory.GetDirectories(Checkpoints).Select(folder => Checkpoint.StepOf(System.IO.Path.GetFileName(folder))).OfType<int>().Order();

    /// <summary>Makes the folder where there is none, and takes it for this process.</summary>
    /// <exception cref="GemmaException">Another process works in it, or the disk says no.</exception>
    public static RunFolder Open(string path)
    {
        if (File.Exists(path)) throw new UsageException($"{path}: expected a folder for the run, found a file; choose another name");
        return NewFile.Guard(path, () =>
        {
            Directory.CreateDirectory(System.IO.Path.Combine(path, "checkpoints"));
            FileStream held;
            try
            {
                held = new FileStream(System.IO.Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose);
            }
            catch (IOException failure) when (File.Exists(System.IO.Path.Combine(path, LockName)))
            {
                throw new GemmaException($"{path}: another process trains in this folder ({failure.Message}); wait for it, or choose another one", failure);
            }
            var folder = new RunFolder(path, held);
            folder.Sweep();
            return folder;
        });
    }

    public string In(string name) => System.IO.Path.Combine(Path, name);

    public string PathOf(int step) => System.IO.Path.Combine(Checkpoints, Checkpoint.NameOf(step));

    /// <summary>The latest checkpoint that is whole; null where there is none. Damaged ones are named on the way, and set aside once a whole one is found.</summary>
    /// <exception cref="GemmaException">There are checkpoints and all are damaged, or one cannot be read.</exception>
    public Checkpoint? FindLast(Action<string>? warning)
    {
        List<BadFileException> damages = [];
        foreach (int step in Steps.Reverse().ToArray())
        {
            try
            {
                Checkpoint found = Checkpoint.Open(PathOf(step));
                foreach (int damaged in Steps.Where(later => later > step).ToArray()) SetAside(damaged);
                if (damages.Count > 0) warning?.Invoke($"the run goes on from {found.Name}, the checkpoint before; what is damaged is kept under a name that ends in {DamagedSuffix}");
                return found;
            }
            catch (BadFileException damage)
            {
                damages.Add(damage);
                warning?.Invoke(damage.Message);
            }
        }
        if (damages.Count > 0)
            throw new GemmaException(FormattableString.Invariant($"{Checkpoints}: expected a checkpoint that is whole, found {damages.Count} damaged ones; begin anew in another folder"), damages[0]);
        return null;
    }

    /// <summary>Removes checkpoints other than the last ones and the best.</summary>
    public void Retire(int keep, int? best)
    {
        foreach (int step in Steps.SkipLast(keep).Where(step => step != best).ToArray())
        {
            // What is half removed must not look like a checkpoint.
            string leaving = System.IO.Path.Combine(Checkpoints, NewFile.TemporaryName(Checkpoint.NameOf(step)));
            NewFile.Guard(PathOf(step), () =>
            {
                Directory.Move(PathOf(step), leaving);
                Directory.Delete(leaving, recursive: true);
                return true;
            });
        }
    }

    public void Dispose() => _lock.Dispose();

    /// <summary>Gives a damaged checkpoint a name that is none of a checkpoint, so that it is neither gone on from nor counted.</summary>
    private void SetAside(int step) => NewFile.Guard(PathOf(step), () =>
    {
        string aside = PathOf(step) + DamagedSuffix;
        for (int number = 2; System.IO.Path.Exists(aside); number++) aside = FormattableString.Invariant($"{PathOf(step)}-{number}{DamagedSuffix}");
        Directory.Move(PathOf(step), aside);
        return true;
    });

    /// <summary>What a process that was killed has left: nobody else works here.</summary>
    private void Sweep()
    {
        foreach (string left in Directory.GetDirectories(Checkpoints, TemporaryPattern)) Directory.Delete(left, recursive: true);
        foreach (string left in Directory.GetFiles(Checkpoints, TemporaryPattern + "*")) File.Delete(left);
    }
}

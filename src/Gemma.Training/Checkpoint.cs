using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Gemma.Formats;

namespace Gemma.Training;

/// <summary>
/// A saved run: one folder that appears under its name whole or not at all. It holds the weights in the form that other programs load; <c>training.safetensors</c>, the
/// fp32 numbers of training itself and both moments of the optimizer; <c>trainer.json</c>, the step, the settings and the position in the data; and, written last,
/// <c>SHA256SUMS</c>, which <c>sha256sum -c</c> reads too.
/// </summary>
public sealed class Checkpoint
{
    internal const string StateName = "trainer.json", NumbersName = "training.safetensors", SumsName = "SHA256SUMS";

    private const string Prefix = "step-";
    private const int HashCharacters = 64;

    private static readonly SearchValues<char> HashDigits = SearchValues.Create("0123456789abcdef");

    private Checkpoint(string path, TrainerState state)
    {
        Path = path;
        State = state;
    }

    public string Path { get; }

    /// <summary>The last part of its path.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    internal TrainerState State { get; }

    /// <summary>The folder of a step.</summary>
    internal static string NameOf(int step) => FormattableString.Invariant($"{Prefix}{step:D8}");

    /// <summary>The step that a folder's name says; null for another folder.</summary>
    internal static int? StepOf(string name) => name.StartsWith(Prefix, StringComparison.Ordinal) && name.Length == Prefix.Length + 8
        && int.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int step) ? step : null;

    /// <summary>Writes one; an older one of that name is replaced in the moment in which this is whole.</summary>
    /// <exception cref="GemmaException">The disk says no; nothing is left of it.</exception>
    internal static void Write(string path, TrainerState state, ParameterSet trained, AdamW optimizer, Action<string> writeWeights)
    {
        using NewFolder folder = NewFolder.Create(path, replace: true, _ => true);
        string InFolder(string name) => System.IO.Path.Combine(folder.TemporaryPath, name);
        writeWeights(folder.TemporaryPath);
        SafetensorsWriter.Write(InFolder(NumbersName), [.. Tensors(trained, optimizer).Select(tensor => ModelWeights.Exact(tensor.Name, tensor.Parameter, tensor.Numbers))]);
        NewFile.Guard(path, () =>
        {
            NewFile.Write(InFolder(StateName), state.ToJson());
            var sums = new StringBuilder();
            foreach (string file in Directory.GetFiles(folder.TemporaryPath).Order(StringComparer.Ordinal)) sums.Append(HashOf(file)).Append("  ").Append(System.IO.Path.GetFileName(file)).Append('\n');
            NewFile.Write(InFolder(SumsName), Encoding.UTF8.GetBytes(sums.ToString()));
            NewFile.FlushFolder(folder.TemporaryPath);
            return true;
        });
        folder.Publish();
    }

    /// <summary>Opens one, and compares all its files with their hashes.</summary>
    /// <exception cref="GemmaException">It is damaged or cannot be read; the message names the file.</exception>
    public static Checkpoint Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string InFolder(string name) => System.IO.Path.Combine(path, name);
        if (!File.Exists(InFolder(SumsName))) throw Bad(InFolder(SumsName), "the hashes of a whole checkpoint", "no such file");
        Dictionary<string, string> sums = ReadSums(InFolder(SumsName));
        foreach (string needed in (string[])[StateName, NumbersName])
            if (!sums.ContainsKey(needed)) throw Bad(InFolder(SumsName), $"a hash of {needed}", "none");
        foreach ((string name, string expected) in sums)
        {
            if (!File.Exists(InFolder(name))) throw Bad(InFolder(name), $"a file of SHA-256 {expected}", "no such file");
            string actual = HashOf(InFolder(name));
            if (actual != expected) throw Bad(InFolder(name), $"SHA-256 {expected}", actual);
        }
        return new Checkpoint(path, TrainerState.Read(InFolder(StateName)));
    }

    /// <summary>The held-out loss of a checkpoint; null where it was not measured, or the folder is damaged, which going on from it will say.</summary>
    internal static double? ValidationLossOf(string path)
    {
        try
        {
            return TrainerState.Read(System.IO.Path.Combine(path, StateName)).ValidationLoss;
        }
        catch (GemmaException)
        {
            return null;
        }
    }

    /// <summary>Puts the numbers back.</summary>
    /// <exception cref="BadFileException">They are of other parameters.</exception>
    internal void Restore(ParameterSet trained, AdamW optimizer)
    {
        string path = System.IO.Path.Combine(Path, NumbersName);
        using var file = Safetensors.Open(path);
        int count = 0;
        foreach ((string name, Parameter parameter, Numbers numbers) in Tensors(trained, optimizer))
        {
            if (!file.Tensors.TryGetValue(name, out TensorInfo? tensor)) throw Bad(path, $"a tensor {name}", "none");
            if (tensor.Type != TensorType.F32 || !tensor.Shape.AsSpan().SequenceEqual([parameter.Spec.Rows, parameter.Spec.Columns]))
                throw Bad(path, FormattableString.Invariant($"{name} of F32 [{parameter.Spec.Rows}, {parameter.Spec.Columns}]"), FormattableString.Invariant($"{tensor.Type} {TensorInfo.ShapeToText(tensor.Shape)}"));
            Span<byte> destination = MemoryMarshal.AsBytes(numbers(parameter));
            int columns = parameter.Spec.Columns * sizeof(float);
            for (int row = 0; row < parameter.Spec.Rows; row++) file.RowBytes(tensor, row).CopyTo(destination.Slice(row * columns, columns));
            count++;
        }
        if (count != file.Tensors.Count) throw Bad(path, FormattableString.Invariant($"{count} tensors"), FormattableString.Invariant($"{file.Tensors.Count}"));
        optimizer.StepCount = State.OptimizerSteps;
        trained.MarkChanged();
        trained.ClearGradients();
    }

    private static IEnumerable<(string Name, Parameter Parameter, Numbers Numbers)> Tensors(ParameterSet trained, AdamW optimizer)
    {
        foreach (Parameter parameter in trained.Parameters)
        {
            yield return ("value." + parameter.Name, parameter, static parameter => parameter.Values);
            yield return ("mean." + parameter.Name, parameter, optimizer.Means);
            yield return ("square." + parameter.Name, parameter, optimizer.Squares);
        }
    }

    private static Dictionary<string, string> ReadSums(string path)
    {
        var sums = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string line in Encoding.UTF8.GetString(MappedFile.ReadSmall(path)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            bool isSum = line.Length > HashCharacters + 2 && line.AsSpan(HashCharacters, 2) is "  " && line.AsSpan(0, HashCharacters).IndexOfAnyExcept(HashDigits) < 0;
            string name = isSum ? line[(HashCharacters + 2)..] : "";
            // A name that leads elsewhere is damage or an attack.
            if (!isSum || name is "." or ".." || name.AsSpan().IndexOfAny("/\\:\0") >= 0 || !sums.TryAdd(name, line[..HashCharacters])) throw Bad(path, "a hash and a name a line", line);
        }
        return sums;
    }

    private static string HashOf(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new GemmaException($"{path}: cannot be read ({failure.Message}); check its permissions and the disk", failure);
        }
    }

    private static BadFileException Bad(string path, string expected, string actual) => new(path, null, expected, actual, "the checkpoint is damaged");
}

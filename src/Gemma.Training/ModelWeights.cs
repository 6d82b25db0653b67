using System.Runtime.InteropServices;
using Gemma.Formats;

namespace Gemma.Training;

/// <summary>The weights of a whole model between Hugging Face's files and training.</summary>
public static class ModelWeights
{
    /// <summary>Takes the weights of a model's files.</summary>
    /// <param name="files">Of a model of the same configuration.</param>
    /// <param name="parameters">Are overwritten.</param>
    /// <exception cref="BadFileException">A weight is no number.</exception>
    public static void Read(ModelFiles files, ParameterSet parameters)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(parameters);
        foreach (Parameter parameter in parameters.Parameters)
        {
            int columns = parameter.Spec.Columns;
            for (int row = 0; row < parameter.Spec.Rows; row++) files.ReadRow(parameter.Spec, row, parameter.Values.Slice(row * columns, columns));
            files.Forget(parameter.Spec);
        }
        parameters.MarkChanged();
    }

    /// <summary>The model as a folder in Hugging Face's layout, to be written.</summary>
    /// <param name="parameters">Their values are read when it is written.</param>
    /// <param name="type">F32, or F16 or BF16, to which they are rounded.</param>
    /// <param name="tokenizer">The bytes of tokenizer.model.</param>
    /// <param name="defaults">How it is to be sampled.</param>
    /// <param name="chatTemplate">The makers' chat template (Jinja).</param>
    public static HuggingFaceFolder Folder(ParameterSet parameters, TensorType type, byte[]? tokenizer = null, GenerationDefaults? defaults = null, string? chatTemplate = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return new HuggingFaceFolder
        {
            Config = parameters.Config,
            Tensors = [.. parameters.Parameters.Select(parameter => TensorContent.HuggingFace(parameter.Spec, type, (row, destination) => Published(parameter, row, destination)))],
            Tokenizer = tokenizer,
            Defaults = defaults,
            ChatTemplate = chatTemplate,
        };
    }

    /// <summary>What a <see cref="TrainerOptions.WriteWeights"/> of a whole model is: writes that folder's files.</summary>
    public static Action<string> Writer(ParameterSet parameters, TensorType type, byte[]? tokenizer = null, GenerationDefaults? defaults = null, string? chatTemplate = null)
    {
        HuggingFaceFolder model = Folder(parameters, type, tokenizer, defaults, chatTemplate);
        return folder => model.WriteInto(folder, folder, new WriteOptions(), CancellationToken.None);
    }

    /// <summary>A tensor of fp32 numbers as they are in memory.</summary>
    internal static TensorContent Exact(string name, Parameter parameter, Numbers numbers)
    {
        int columns = parameter.Spec.Columns;
        return new TensorContent(name, TensorType.F32, [parameter.Spec.Rows, columns],
            (row, destination) => MemoryMarshal.AsBytes(numbers(parameter).Slice((int)row * columns, columns)).CopyTo(destination));
    }

    private static void Published(Parameter parameter, long row, Span<float> destination)
    {
        parameter.Values.Slice((int)row * destination.Length, destination.Length).CopyTo(destination);
        if (!parameter.Spec.IsNorm) return;
        foreach (ref float weight in destination) weight -= 1;
    }
}

/// <summary>Numbers that belong to a parameter.</summary>
internal delegate Span<float> Numbers(Parameter parameter);

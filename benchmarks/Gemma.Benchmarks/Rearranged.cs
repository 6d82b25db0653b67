using System.Globalization;
using Gemma.Formats;

namespace Gemma.Benchmarks;

/// <summary>
/// <c>rearrange MODEL OUT.gguf [factor] [seed]</c>: a model that computes the same in another order, in fp32. The units of the residual stream and of the
/// feed-forward layers are permuted, and with a factor each is there so many times, as each query head is, with weights to match.
/// </summary>
/// <remarks>
/// Two uses. Blocks of other neighbours are rounded otherwise, so a few orders show what a format costs on average rather than for one draw, which matters for
/// perplexity: rounding noise in the rows of a few frequent tokens moves it either way. And a small trained model becomes wide enough for formats of 256 columns.
/// </remarks>
internal static class Rearranged
{
    public static int Run(string[] args)
    {
        if (args.Length < 3)
        {
            Console.Error.WriteLine("expected: rearrange MODEL OUT.gguf [factor] [seed]");
            return 2;
        }
        int factor = args.Length > 3 ? int.Parse(args[3], CultureInfo.InvariantCulture) : 1, seed = args.Length > 4 ? int.Parse(args[4], CultureInfo.InvariantCulture) : 1;
        using ModelFiles files = ModelFiles.Open(args[1]);
        GemmaConfig config = files.Config, to = config with { Width = config.Width * factor, HeadCount = config.HeadCount * factor, FeedForwardWidth = config.FeedForwardWidth * factor };
        var random = new Random(seed);
        int[] residual = Order(config.Width), hidden = Order(config.FeedForwardWidth);
        int[] queries = [.. Enumerable.Range(0, to.QueryWidth).Select(i => i / config.HeadDimension / factor * config.HeadDimension + i % config.HeadDimension)];
        // What is read from the stream is the sum over all copies of a unit.
        float read = 1f / factor, embedding = config.EmbeddingScale / to.EmbeddingScale;
        Dictionary<(TensorRole, int), TensorSpec> sources = TensorTable.For(config).ToDictionary(spec => (spec.Role, spec.Layer));
        TensorContent[] tensors = [.. TensorTable.For(to).Select(spec => TensorContent.Gguf(spec, TensorType.F32, (row, destination) => Row(spec, (int)row, destination)))];
        GgufMetadata metadata = GgufModel.Metadata(args[2], Path.GetFileNameWithoutExtension(args[2]), to);
        (files.ReadTokenizer()?.Model ?? throw new GemmaException($"{args[1]}: expected a tokenizer beside the model")).ToGguf(metadata);
        GgufModel.AddIds(metadata, to);
        metadata.Set("general.file_type", GgufTensorTypes.FileType(TensorType.F32));
        GgufWriter.Write(args[2], metadata, tensors, new WriteOptions { Force = true }, CancellationToken.None);
        return 0;

        int[] Order(int count)
        {
            int[] order = [.. Enumerable.Range(0, count * factor).Select(i => i % count)];
            random.Shuffle(order);
            return order;
        }

        void Row(TensorSpec spec, int row, Span<float> destination)
        {
            TensorSpec source = sources[(spec.Role, spec.Layer)];
            (int[]? rows, int[]? columns, float scale) = spec.Role switch
            {
                TensorRole.Embedding => (null, residual, embedding),
                TensorRole.Query => (queries, residual, read),
                TensorRole.Key or TensorRole.Value => (null, residual, read),
                TensorRole.AttentionOutput => (residual, queries, read),
                TensorRole.Gate or TensorRole.Up => (hidden, residual, read),
                TensorRole.Down => (residual, hidden, read),
                TensorRole.FinalNorm => (null, residual, read / embedding),
                TensorRole.QueryNorm or TensorRole.KeyNorm => (null, null, 1f),
                _ => ((int[]?)null, residual, 1f),
            };
            float[] values = new float[source.Columns];
            files.ReadRow(source, rows is null ? row : rows[row], values);
            for (int i = 0; i < destination.Length; i++) destination[i] = values[columns is null ? i : columns[i]] * scale;
        }
    }
}

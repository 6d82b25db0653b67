using System.Collections.Immutable;
using System.Text;
using Gemma.Formats;

namespace Gemma.Tests.Formats;

/// <summary>One parser under fire: small good files, how they are damaged, and what must hold of a damaged file that opens.</summary>
internal abstract class FuzzTarget
{
    /// <summary>By name, all of them.</summary>
    public static IReadOnlyDictionary<string, Func<FuzzTarget>> All { get; } = new Dictionary<string, Func<FuzzTarget>>
    {
        ["safetensors"] = () => new SafetensorsTarget(),
        ["index"] = () => new IndexTarget(),
        ["gguf"] = () => new GgufTarget(),
        ["config"] = () => new ConfigTarget(),
        ["generation"] = () => new GenerationTarget(),
        ["tokens"] = () => new TokensTarget(),
    };

    public abstract byte[] Mutant(int seed);

    /// <summary>Parses; a refusal is a <see cref="GemmaException"/>. The result says what must hold then.</summary>
    public abstract Action Open(byte[] mutant);

    /// <summary>Every tensor lies in its file, none lies over another, and every row can be read.</summary>
    private static void CheckTensors(ITensorFile file)
    {
        var ends = new Dictionary<MappedFile, long>();
        foreach (TensorInfo tensor in file.Tensors.Values.OrderBy(tensor => tensor.Offset))
        {
            Assert.True(tensor.Offset >= ends.GetValueOrDefault(tensor.File), $"{tensor.Name} overlaps another");
            Assert.InRange(tensor.ByteCount, 0, tensor.File.Length - tensor.Offset);
            ends[tensor.File] = tensor.Offset + tensor.ByteCount;
            Assert.Equal(tensor.Shape.Aggregate(1L, (product, dimension) => checked(product * dimension)), checked(tensor.Rows * tensor.Columns));
            Assert.Equal(tensor.ByteCount, checked(tensor.Rows * (tensor.Columns / tensor.Type.BlockLength()) * tensor.Type.BlockBytes()));
            if (tensor.ByteCount == 0) continue;
            float[] row = new float[tensor.Columns];
            for (long i = 0; i < tensor.Rows; i++) file.ReadRow(tensor, i, row);
        }
    }

    /// <summary>Every tensor of the table has its shape, and every row comes or is refused for what is in it.</summary>
    private static void CheckModel(ModelFiles files)
    {
        CheckConfig(files.Config);
        foreach (TensorSpec spec in TensorTable.For(files.Config))
        {
            TensorInfo tensor = files.Find(spec);
            Assert.Equal((spec.Rows, spec.Columns), (tensor.Rows, tensor.Columns));
            float[] row = new float[spec.Columns];
            for (int i = 0; i < spec.Rows; i++)
            {
                try
                {
                    files.ReadRow(spec, i, row);
                    Assert.All(row, value => Assert.True(float.IsFinite(value)));
                }
                catch (BadFileException failure)
                {
                    Assert.Contains("NaN or infinity", failure.Message, StringComparison.Ordinal);
                }
            }
        }
    }

    private static void CheckConfig(GemmaConfig config)
    {
        config.Validate("accepted");
        Assert.Equal(config.LayerCount, config.WindowedLayers.Length);
        Assert.True(config.HeadCount % config.KeyValueHeadCount == 0 && config.ParameterCount > 0);
    }

    private static GemmaConfig SmallConfig(GemmaArchitecture architecture) => SmallModels.Config(architecture, layers: 1, vocabulary: 8);

    private static byte[] FileOf(string name, Action<string> write)
    {
        using var temporary = new TemporaryFolder();
        write(temporary[name]);
        return File.ReadAllBytes(temporary[name]);
    }

    private static List<TensorContent> SafetensorsOf(GemmaConfig config, TensorType type) =>
        [.. TensorTable.For(config).Select(spec => TensorContent.HuggingFace(spec, type, SmallModels.Random(spec, 5)))];

    /// <summary>Damages the header and makes its length right again, mostly: what is behind the length is the harder test.</summary>
    private sealed class SafetensorsTarget : FuzzTarget
    {
        private static readonly GemmaConfig Model = SmallConfig(GemmaArchitecture.Gemma1);

        private readonly byte[] _file = FileOf("a.safetensors", path => SafetensorsWriter.Write(path, SafetensorsOf(Model, TensorType.BF16)));

        public override byte[] Mutant(int seed)
        {
            var mutator = new Mutator(seed);
            int header = (int)BitConverter.ToInt64(_file);
            if (seed % 4 == 0) return mutator.Mutate(_file, header + 8);
            byte[] json = mutator.MutateJson(_file[8..(8 + header)]);
            return [.. BitConverter.GetBytes((long)json.Length), .. json, .. _file.AsSpan(8 + header)];
        }

        public override Action Open(byte[] mutant)
        {
            var file = MappedFile.Of("mutant", mutant);
            try
            {
                var tensors = Safetensors.Of(file);
                return () =>
                {
                    CheckTensors(tensors);
                    using ModelFiles files = ModelFiles.Of("mutant", Model, tensors);
                    CheckModel(files);
                };
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
    }

    private sealed class IndexTarget : FuzzTarget
    {
        private static readonly GemmaConfig Model = SmallConfig(GemmaArchitecture.Gemma2);

        private readonly Dictionary<string, byte[]> _shards = [];
        private readonly byte[] _index;

        public IndexTarget()
        {
            using var temporary = new TemporaryFolder();
            SafetensorsWriter.WriteModel(temporary.Root, SafetensorsOf(Model, TensorType.BF16), shardBytes: 5000, new WriteOptions(), default);
            foreach (string shard in Directory.GetFiles(temporary.Root, "*.safetensors")) _shards.Add(Path.GetFileName(shard), File.ReadAllBytes(shard));
            _index = File.ReadAllBytes(temporary[Safetensors.IndexName]);
        }

        public override byte[] Mutant(int seed) => new Mutator(seed).MutateJson(_index);

        public override Action Open(byte[] mutant)
        {
            Dictionary<string, string> index = JsonFields.Parse("mutant", mutant, Safetensors.ReadIndex);
            // As on a disk: names of shards that are not there are a missing file.
            string[] shards = [.. index.Values.Distinct()];
            if (shards.Any(shard => !_shards.ContainsKey(shard))) throw new GemmaException("no such file");
            var tensors = Safetensors.Of("mutant", index, shards.Select(shard => MappedFile.Of(shard, _shards[shard])));
            return () =>
            {
                Assert.All(index, entry => Assert.Equal(entry.Value, tensors.PathOf(tensors.Tensors[entry.Key])));
                CheckTensors(tensors);
                using ModelFiles files = ModelFiles.Of("mutant", Model, tensors);
                CheckModel(files);
            };
        }
    }

    private sealed class GgufTarget : FuzzTarget
    {
        private readonly byte[] _file;
        private readonly int _head;

        public GgufTarget()
        {
            GemmaConfig config = SmallConfig(GemmaArchitecture.Gemma3);
            GgufMetadata metadata = GgufModel.Metadata("small", "small", config);
            metadata.Add("tokenizer.ggml.tokens", new[] { "<pad>", "<eos>", "<bos>", "<unk>", "a", "b", "▁c", "ß" });
            metadata.Add("tokenizer.ggml.scores", new float[8]);
            metadata.Add("tokenizer.ggml.token_type", new int[8]);
            metadata.Add("test.nested", new object[] { new[] { 1, 2 }, new[] { true } });
            TensorType[] types = [TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.Q8_0, TensorType.Q4_0];
            List<TensorContent> tensors = [.. TensorTable.For(config).Select((spec, i) => TensorContent.Gguf(spec, types[i % types.Length], SmallModels.Random(spec, 4)))];
            foreach (TensorType type in (TensorType[])[TensorType.Q5_0, TensorType.Q4_K, TensorType.Q5_K, TensorType.Q6_K])
                tensors.Add(new TensorContent($"extra.{type}", type, [2, 256], (_, destination) => destination.Clear()));
            _file = FileOf("a.gguf", path => GgufWriter.Write(path, metadata, tensors));
            _head = _file.Length - (int)tensors.Sum(tensor => tensor.ByteCount);
        }

        public override byte[] Mutant(int seed) => new Mutator(seed).Mutate(_file, _head);

        public override Action Open(byte[] mutant)
        {
            var file = MappedFile.Of("mutant", mutant);
            try
            {
                Gguf gguf = Gguf.Of(file);
                return () =>
                {
                    CheckTensors(gguf);
                    using ModelFiles files = ModelFiles.Of("mutant", gguf);
                    CheckModel(files);
                };
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
    }

    private sealed class ConfigTarget : FuzzTarget
    {
        private readonly byte[][] _files = [.. new[] { GemmaArchitecture.Gemma1, GemmaArchitecture.Gemma2, GemmaArchitecture.Gemma3 }
            .Select(architecture => HuggingFaceConfigWriter.Config(SmallConfig(architecture), TensorType.BF16)), Encoding.UTF8.GetBytes(Published)];

        // A multimodal configuration, and the fields of transformers 5.
        private const string Published = """
            {"model_type":"gemma3","eos_token_id":[1,106],"text_config":{"model_type":"gemma3_text","hidden_size":2560,"intermediate_size":10240,"num_hidden_layers":34,
            "sliding_window":1024,"rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":1000000.0},"sliding_attention":{"rope_type":"default",
            "rope_theta":10000.0}},"head_dim":256,"num_attention_heads":8,"num_key_value_heads":4,"vocab_size":262208},"vision_config":{"hidden_size":1152}}
            """;

        public override byte[] Mutant(int seed) => new Mutator(seed).MutateJson(_files[seed % _files.Length]);

        public override Action Open(byte[] mutant)
        {
            GemmaConfig config = JsonFields.Parse("mutant", mutant, HuggingFaceConfig.Read);
            return () => CheckConfig(config);
        }
    }

    private sealed class GenerationTarget : FuzzTarget
    {
        private readonly byte[] _file = HuggingFaceConfigWriter.Generation(SmallConfig(GemmaArchitecture.Gemma3),
            new GenerationDefaults { Sample = true, Temperature = 0.8f, TopK = 40, TopP = 0.95f });

        public override byte[] Mutant(int seed) => new Mutator(seed).MutateJson(_file);

        public override Action Open(byte[] mutant)
        {
            GenerationDefaults defaults = JsonFields.Parse("mutant", mutant, GenerationDefaults.Read);
            return () =>
            {
                Assert.True(defaults is { Temperature: null or (>= 0 and <= 100), TopP: null or (>= 0 and <= 1), TopK: null or >= 0 });
                Assert.NotEqual(default, (ImmutableArray<int>?)defaults.EosIds);
            };
        }
    }

    /// <summary>Without the comparison of hashes, which would refuse every mutant.</summary>
    private sealed class TokensTarget : FuzzTarget
    {
        private readonly byte[] _file = FileOf("a.tokens", path =>
        {
            using var writer = TokenShardWriter.Create(path, Tokenization.Vocabularies.Tiny.Model, TokenShardMarks.Begin);
            var random = new Random(1);
            for (int document = 0; document < 40; document++) writer.Add([.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(4096))]);
            writer.Finish();
        });

        public override byte[] Mutant(int seed) => new Mutator(seed).Mutate(_file, seed % 3 == 0 ? _file.Length : TokenShardHeader.Length);

        public override Action Open(byte[] mutant)
        {
            var shard = TokenShard.Of(MappedFile.Of("mutant", mutant), verify: false);
            return () =>
            {
                using (shard)
                {
                    long tokens = 0;
                    for (long document = 0; document < shard.DocumentCount; document++)
                    {
                        int[] ids = new int[shard.Length(document)];
                        Assert.Equal(tokens, shard.Start(document));
                        shard.Read(tokens, ids);
                        Assert.All(ids, id => Assert.InRange(id, 0, shard.VocabularySize - 1));
                        tokens += ids.Length;
                    }
                    Assert.Equal(shard.TokenCount, tokens);
                }
            };
        }
    }
}

using System.Buffers.Binary;
using System.Diagnostics;
using Gemma.Cpu;
using Gemma.Formats;
using Gemma.Generation;
using Gemma.Tests.Formats;

namespace Gemma.Tests.Cpu;

/// <summary>Packed weights that are kept give the very bits of those that are packed anew, and only for the weights they were packed from.</summary>
public sealed class WeightCacheTests : IDisposable
{
    private static readonly GemmaConfig Small = SmallModels.Config(GemmaArchitecture.Gemma3, width: 96, layers: 3, vocabulary: 60);

    private readonly TemporaryFolder _temporary = new();
    private readonly List<string> _notes = [];

    public static TheoryData<GemmaArchitecture, WeightType> Models
    {
        get
        {
            var data = new TheoryData<GemmaArchitecture, WeightType>();
            foreach (GemmaArchitecture architecture in Enum.GetValues<GemmaArchitecture>())
                foreach (WeightType type in KernelSets.Types) data.Add(architecture, type);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void The_second_start_maps_what_the_first_has_packed(GemmaArchitecture architecture, WeightType type)
    {
        GemmaConfig config = SmallModels.Config(architecture, width: 96, vocabulary: 60);
        SmallModels.WriteFolder(_temporary["folder"], config, shardBytes: 30_000);
        SmallModels.WriteGguf(_temporary["model.gguf"], config);
        string suffix = $"{type.ToString().ToLowerInvariant()}.packed";
        foreach ((string model, string kept) in (ReadOnlySpan<(string, string)>)[("folder", $"folder/model.{suffix}"), ("model.gguf", $"model.gguf.{suffix}")])
        {
            float[] expected = Logits(model, type, keep: false);
            Assert.False(File.Exists(_temporary[kept]));
            Assert.Equal(expected, Logits(model, type));
            Assert.Contains("kept here", Assert.Single(_notes), StringComparison.Ordinal);
            byte[] packed = File.ReadAllBytes(_temporary[kept]);
            _notes.Clear();
            Assert.Equal(expected, Logits(model, type));
            Assert.Empty(_notes);
            // Nothing but the head, which may have come to trust the files' times, is written to.
            Assert.Equal(packed[PackedHead.ByteCount..], File.ReadAllBytes(_temporary[kept])[PackedHead.ByteCount..]);
        }
    }

    [Fact]
    public void Weights_that_are_read_into_memory_are_those_that_are_mapped()
    {
        SmallModels.WriteFolder(_temporary["model"], Small);
        Logits("model", WeightType.Q8);
        using ModelFiles files = ModelFiles.Open(_temporary["model"]);
        using var team = new ThreadTeam(2);
        (PackedWeightsFile? mapped, _) = PackedWeightsFile.Open(_temporary["model/model.q8.packed"], files.WeightFiles, team, copy: false);
        (PackedWeightsFile? read, _) = PackedWeightsFile.Open(_temporary["model/model.q8.packed"], files.WeightFiles, team, copy: true);
        using (mapped)
        using (read)
            AssertSame(mapped!, read!);
    }

    private static unsafe void AssertSame(PackedWeightsFile mapped, PackedWeightsFile read)
    {
        int bytes = (int)PackedWeights.Bytes(WeightType.Q8, Small.VocabularySize, Small.Width);
        byte* left = mapped.Take(WeightType.Q8, Small.VocabularySize, Small.Width), right = read.Take(WeightType.Q8, Small.VocabularySize, Small.Width);
        Assert.True(left != right);
        Assert.True(new Span<byte>(left, bytes).SequenceEqual(new Span<byte>(right, bytes)));
        Assert.Throws<BadFileException>(() => mapped.Take(WeightType.Q8, 1, 1));
        Assert.Throws<BadFileException>(read.End);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Weights_that_have_changed_are_packed_again_whatever_the_file_times_say(bool inPlace)
    {
        SmallModels.WriteFolder(_temporary["model"], Small, seed: 1);
        SmallModels.WriteFolder(_temporary["other"], Small, seed: 2);
        string weights = _temporary["model/model.safetensors"];
        var old = new DateTime(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(weights, old);
        float[] first = Logits("model", WeightType.Q8), second = Logits("other", WeightType.Q8, keep: false);
        Assert.NotEqual(first, second);
        byte[] changed = File.ReadAllBytes(_temporary["other/model.safetensors"]);
        if (inPlace) Overwrite(weights, changed);
        else File.Move(_temporary["other/model.safetensors"], weights, overwrite: true);
        File.SetLastWriteTimeUtc(weights, old);
        _notes.Clear();
        Assert.Equal(second, Logits("model", WeightType.Q8));
        Assert.Contains(_notes, note => note.Contains("the model's files have changed", StringComparison.Ordinal));
        _notes.Clear();
        Assert.Equal(second, Logits("model", WeightType.Q8));
        Assert.Empty(_notes);
    }

    /// <summary>One weight, by one bit, in a file that has its old length and time again.</summary>
    [Fact]
    public void The_smallest_change_is_seen()
    {
        SmallModels.WriteGguf(_temporary["model.gguf"], Small);
        DateTime time = File.GetLastWriteTimeUtc(_temporary["model.gguf"]);
        Logits("model.gguf", WeightType.F32);
        byte[] bytes = File.ReadAllBytes(_temporary["model.gguf"]);
        bytes[^7] ^= 1;
        Overwrite(_temporary["model.gguf"], bytes);
        File.SetLastWriteTimeUtc(_temporary["model.gguf"], time);
        _notes.Clear();
        Assert.Equal(Logits("model.gguf", WeightType.F32, keep: false), Logits("model.gguf", WeightType.F32));
        Assert.Equal(2, _notes.Count); // packed again, kept again
    }

    [Fact]
    public void A_model_that_is_copied_takes_its_packed_weights_along()
    {
        SmallModels.WriteFolder(_temporary["model"], Small);
        float[] expected = Logits("model", WeightType.Q4);
        Directory.CreateDirectory(_temporary["copy"]);
        foreach (string file in Directory.GetFiles(_temporary["model"])) File.Copy(file, Path.Combine(_temporary["copy"], Path.GetFileName(file)));
        DateTime written = DateTime.UnixEpoch;
        File.SetLastWriteTimeUtc(_temporary["copy/model.q4.packed"], written);
        _notes.Clear();
        Assert.Equal(expected, Logits("copy", WeightType.Q4));
        Assert.Empty(_notes);
        File.SetAttributes(_temporary["copy/model.q4.packed"], FileAttributes.ReadOnly);
        Assert.Equal(expected, Logits("copy", WeightType.Q4));
        Assert.Empty(_notes);
    }

    [Fact]
    public void A_file_that_is_cut_or_damaged_is_packed_again()
    {
        SmallModels.WriteGguf(_temporary["model.gguf"], Small);
        float[] expected = Logits("model.gguf", WeightType.Q8);
        string kept = _temporary["model.gguf.q8.packed"];
        byte[] good = File.ReadAllBytes(kept);
        int[] lengths = [0, 1, 8, 100, PackedHead.ByteCount - 1, PackedHead.ByteCount, PackedHead.ByteCount + 5000, good.Length - 1];
        foreach (int length in lengths) Check(good[..length]);
        Check([.. good, 0]);
        Check(new byte[good.Length]);
        for (int seed = 0; seed < 60; seed++) Check(new Mutator(seed).Mutate(good, seed % 2 == 0 ? 600 : good.Length));

        void Check(byte[] bad)
        {
            File.WriteAllBytes(kept, bad);
            _notes.Clear();
            Assert.Equal(expected, Logits("model.gguf", WeightType.Q8));
            // Damage between the matrices, where nothing is read, may pass.
            if (_notes.Count > 0) Assert.Contains("not used", _notes[0], StringComparison.Ordinal);
            else Assert.True(bad.Length == good.Length);
        }
    }

    /// <summary>A head that lies, and whose checksum is right.</summary>
    [Fact]
    public void No_head_leads_out_of_its_file()
    {
        SmallModels.WriteGguf(_temporary["model.gguf"], Small);
        Logits("model.gguf", WeightType.Q8);
        byte[] good = File.ReadAllBytes(_temporary["model.gguf.q8.packed"]);
        int accepted = 0;
        var random = new Random(1);
        for (int mutant = 0; mutant < 3000; mutant++)
        {
            byte[] head = good[..PackedHead.ByteCount];
            for (int left = random.Next(1, 4); left > 0; left--)
            {
                Span<byte> field = head.AsSpan(random.Next(2, 300) * 4, 4);
                int value = BitConverter.ToInt32(field);
                BitConverter.TryWriteBytes(field, unchecked(random.Next(8) switch
                {
                    0 => 0,
                    1 => -1,
                    2 => int.MaxValue,
                    3 => int.MinValue,
                    4 => value + 1,
                    5 => value - 1,
                    6 => value + PackedHead.Alignment,
                    _ => random.Next(),
                }));
            }
            BinaryPrimitives.WriteUInt128LittleEndian(head.AsSpan(^16..), Checksum.Of(head.AsSpan(..^16)));
            (PackedHead? read, string? problem) = PackedHead.Read(head, good.Length);
            Assert.True(read is null != problem is null);
            if (read is null) continue;
            accepted++;
            long end = PackedHead.ByteCount;
            foreach (PackedSection section in read.Sections)
            {
                Assert.InRange(section.Offset, end, good.Length);
                Assert.InRange(section.Bytes, 1, good.Length - section.Offset);
                end = section.Offset + section.Bytes;
            }
        }
        Assert.InRange(accepted, 300, 2700);
    }

    /// <summary>The shape of another model, in a file that is whole and names the right sources.</summary>
    [Fact]
    public void Matrices_of_another_kind_are_not_taken()
    {
        SmallModels.WriteGguf(_temporary["model.gguf"], Small);
        float[] expected = Logits("model.gguf", WeightType.F32);
        Logits("model.gguf", WeightType.Q8);
        File.Move(_temporary["model.gguf.q8.packed"], _temporary["model.gguf.f32.packed"], overwrite: true);
        _notes.Clear();
        Assert.Equal(expected, Logits("model.gguf", WeightType.F32));
        Assert.Contains("packed again", _notes[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Another_process_at_the_same_file_is_left_in_peace()
    {
        SmallModels.WriteGguf(_temporary["model.gguf"], Small);
        using (NewFile.Create(_temporary["model.gguf.q8.packed"], 1000, replace: true))
        {
            float[] expected = Logits("model.gguf", WeightType.Q8, keep: false);
            Assert.Equal(expected, Logits("model.gguf", WeightType.Q8, elsewhere: _temporary["model.gguf"]));
        }
        Assert.Contains("another process is at it", Assert.Single(_notes), StringComparison.Ordinal);
        Assert.Equal(["model.gguf"], _temporary.Names);
    }

    [Fact]
    public void Where_the_folder_cannot_be_written_the_users_own_is()
    {
        SmallModels.WriteGguf(_temporary["model.gguf"], Small);
        Directory.CreateDirectory(_temporary["model.gguf.q8.packed"]); // a name that is taken, as no permission stops a superuser
        float[] expected = Logits("model.gguf", WeightType.Q8);
        string kept = Assert.Single(Directory.GetFiles(_temporary["cache"]));
        Assert.EndsWith(".q8.packed", kept, StringComparison.Ordinal);
        _notes.Clear();
        Assert.Equal(expected, Logits("model.gguf", WeightType.Q8));
        Assert.Empty(_notes);
        Assert.Equal(expected, Logits("model.gguf", WeightType.Q8, elsewhere: _temporary["model.gguf"])); // a file, in which no folder can be made
        Assert.Contains("are not kept", Assert.Single(_notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_disk_that_would_be_full_is_spared()
    {
        SmallModels.WriteGguf(_temporary["model.gguf"], Small);
        using ModelFiles files = ModelFiles.Open(_temporary["model.gguf"]);
        using var team = new ThreadTeam(1);
        using var cache = new WeightCache(files, WeightType.Q8, null, _notes.Add) { Elsewhere = _temporary["cache"], FreeBytes = _ => 2_200_000_000 };
        cache.Begin(10, 100_000_000, team);
        Assert.Contains("2.20 GB free would leave less than", Assert.Single(_notes), StringComparison.Ordinal);
        Assert.Equal(["cache", "model.gguf"], _temporary.Names);
        cache.Begin(10, 1_000_000, team);
        Assert.Single(_notes);
    }

    [Fact]
    public void Small_weights_and_weights_in_memory_are_not_kept_and_neither_are_any_that_nobody_asked_to_keep()
    {
        SmallModels.WriteFolder(_temporary["model"], Small);
        foreach (bool keep in (bool[])[false, true])
            using (GemmaModel.Load(_temporary["model"], new LoadOptions { WeightCache = keep, Notice = _notes.Add })) { }
        using ModelFiles memory = ModelFiles.FromMemory("memory", Directory.GetFiles(_temporary["model"]).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes));
        using (GemmaModel.Load(memory, Options(WeightType.Q8, _temporary["cache"]))) { }
        Assert.Empty(_notes);
        Assert.Equal(["config.json", "generation_config.json", "model.safetensors"], Directory.GetFiles(_temporary["model"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_process_that_is_killed_while_it_keeps_weights_leaves_them_whole_or_not_at_all() => Kill(8);

    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    public void However_often_such_a_process_is_killed_they_are_whole_or_not_there() => Kill(60);

    private void Kill(int kills)
    {
        GemmaConfig config = SmallModels.Config(GemmaArchitecture.Gemma1, width: 256, layers: 8, vocabulary: 4096);
        SmallModels.WriteFolder(_temporary["model"], config);
        float[] expected = Logits("model", WeightType.F32, keep: false);
        string kept = _temporary["model/model.f32.packed"];
        var random = new Random(kills);
        int interrupted = 0;
        for (int kill = 0; kill < kills; kill++)
        {
            File.Delete(kept);
            using Process child = ChildProgram.Start("keep", _temporary["model"]);
            for (var time = Stopwatch.StartNew(); Directory.GetFiles(_temporary["model"], "*.packed*").Length == 0 && Directory.GetFiles(_temporary["model"], ".*.tmp").Length == 0; Thread.Sleep(1))
            {
                if (child.HasExited) Assert.Fail($"the child ended: {child.StandardError.ReadToEnd()}");
                Assert.True(time.Elapsed < TimeSpan.FromSeconds(30), "the child wrote nothing");
            }
            Thread.Sleep(random.Next(40));
            child.Kill();
            child.WaitForExit();
            if (Directory.GetFiles(_temporary["model"], ".*.tmp").Length > 0) interrupted++;
            bool whole = File.Exists(kept);
            _notes.Clear();
            Assert.Equal(expected, Logits("model", WeightType.F32));
            if (whole) Assert.DoesNotContain(_notes, note => !note.Contains("head is damaged", StringComparison.Ordinal) && !note.Contains("kept here", StringComparison.Ordinal));
            else Assert.Contains("kept here", Assert.Single(_notes), StringComparison.Ordinal);
        }
        Assert.True(interrupted > 0, "no process was killed at work");
        Assert.Empty(Directory.GetFiles(_temporary["model"], ".*.tmp"));
    }

    /// <summary>
    /// The bytes that weights are packed into. Where this fails because they are meant to be others, raise <see cref="PackedWeights.Version"/> with the sums: what
    /// is on users' disks would otherwise be taken for what it no longer is.
    /// </summary>
    [Theory]
    [InlineData(WeightType.F32, "95c970d5")]
    [InlineData(WeightType.BF16, "08e1d3ae")]
    [InlineData(WeightType.Q8, "341e477f")]
    [InlineData(WeightType.Q4, "5b4bb090")]
    public unsafe void The_same_weights_are_packed_into_the_same_bytes_as_ever(WeightType type, string sum)
    {
        var synthetic = new SyntheticWeights(1);
        TensorSpec spec = TensorTable.For(Small)[0];
        using var team = new ThreadTeam(2);
        foreach (Gemma.Cpu.Kernels.CpuKernels kernels in Gemma.Cpu.Kernels.CpuKernels.Available)
        {
            using PackedWeights packed = PackedWeights.Pack(type, spec.Rows, spec.Columns, (row, destination) => synthetic.ReadRow(spec, row, destination), kernels, team);
            byte[] whole = new byte[16];
            BinaryPrimitives.WriteUInt128LittleEndian(whole, Checksum.Of(new ReadOnlySpan<byte>(packed.Panel(0), (int)packed.ByteCount)));
            Assert.Equal($"{sum} of version 2", $"{(uint)Checksum.Of(whole):x8} of version {PackedWeights.Version}");
        }
    }

    public void Dispose() => _temporary.Dispose();

    private static void Overwrite(string path, byte[] bytes)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write);
        stream.Write(bytes);
    }

    private LoadOptions Options(WeightType type, string elsewhere) =>
        new() { Type = type, Threads = 2, WeightCache = true, WeightCacheFrom = 0, WeightCacheElsewhere = elsewhere, Notice = _notes.Add };

    private float[] Logits(string name, WeightType type, bool keep = true, string? elsewhere = null)
    {
        using GemmaModel model = GemmaModel.Load(_temporary[name], Options(type, elsewhere ?? _temporary["cache"]) with { WeightCache = keep });
        using KvCache cache = model.CreateCache(64, KvType.Float32);
        using KvSequence sequence = cache.CreateSequence();
        var batch = new Batch();
        batch.Add(sequence, [2, 5, 9, 3, 11], LogitRows.All);
        Matrix logits = model.Forward(batch);
        return [.. Enumerable.Range(0, logits.Rows).SelectMany(row => logits.Row(row).ToArray())];
    }
}

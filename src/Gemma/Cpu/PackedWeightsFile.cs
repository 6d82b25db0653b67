using Gemma.Formats;

namespace Gemma.Cpu;

/// <summary>
/// A file of packed weights, mapped: nothing is copied, and processes that run the same model share its memory. Every byte was compared with its checksum when it
/// was opened, and the files it was packed from are the ones that are there now. Where the system maps the file in small pages only, which costs 5 to 10 % of
/// decode, it is read into memory on huge pages instead.
/// </summary>
internal sealed unsafe class PackedWeightsFile : IDisposable
{
    private readonly MappedFile _file;
    // Much less on huge pages is slower than all.
    private const double EnoughHugePages = 0.9;

    // A mapping of less has few pages or none, whatever the system does.
    private const long Large = 32 << 20;

    private const long PieceBytes = 64 << 20;

    private readonly PackedHead _head;
    private readonly List<NativeBuffer> _copies = [];
    private int _next;

    private PackedWeightsFile(MappedFile file, PackedHead head)
    {
        _file = file;
        _head = head;
    }

    /// <param name="path">Where it may be.</param>
    /// <param name="sources">The files the weights are read from, were they to be packed now.</param>
    /// <param name="team">Threads that check it.</param>
    /// <param name="copy">Whether it is read into memory; null where that depends on the pages it is mapped in.</param>
    /// <returns>Null where there is none, or none of these weights; then the problem says why, if there is a file.</returns>
    public static (PackedWeightsFile? File, string? Problem) Open(string path, IReadOnlyList<MappedFile> sources, ThreadTeam team, bool? copy = null)
    {
        if (!File.Exists(path)) return (null, null);
        MappedFile? file = null;
        try
        {
            file = MappedFile.Open(path);
            (PackedHead? head, string? problem) = PackedHead.Read(file.Bytes(0, (int)Math.Min(file.Length, PackedHead.ByteCount)), file.Length);
            problem ??= CheckSources(path, head!, sources, team) ?? CheckSections(file, head!, team);
            if (problem is not null)
            {
                file.Dispose();
                return (null, problem);
            }
            var kept = new PackedWeightsFile(file, head!);
            if (copy ?? IsOnSmallPages(file)) kept.Copy(team);
            return (kept, null);
        }
        catch (GemmaException failure)
        {
            file?.Dispose();
            return (null, failure.Message);
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <summary>The next section.</summary>
    /// <exception cref="BadFileException">It is of another kind: this program would pack these weights otherwise.</exception>
    public byte* Take(WeightType? type, int rows, int columns)
    {
        PackedSection section = _next < _head.Sections.Length ? _head.Sections[_next++] : default;
        if ((section.Type, section.Rows, section.Columns) == (type, rows, columns))
            return _copies.Count > 0 ? _copies[_next - 1].Pointer : _file.Start + section.Offset;
        throw Unlike(FormattableString.Invariant($"{type?.ToString() ?? "a gain"} of {rows} × {columns}"), FormattableString.Invariant($"{section.Type?.ToString() ?? "a gain"} of {section.Rows} × {section.Columns}"));
    }

    /// <summary>Says that no section is left to take.</summary>
    /// <exception cref="BadFileException">There is one.</exception>
    public void End()
    {
        if (_next < _head.Sections.Length) throw Unlike(FormattableString.Invariant($"{_next} matrices"), FormattableString.Invariant($"{_head.Sections.Length}"));
    }

    public void Dispose()
    {
        _file.Dispose();
        foreach (NativeBuffer copy in _copies) copy.Dispose();
    }

    /// <summary>The checksum of all bytes of a file.</summary>
    public static UInt128 Sum(MappedFile file, ThreadTeam team) => Checksum.Of(file.Start, file.Length, team, (offset, count) => file.Forget(offset, count));

    private static string? CheckSources(string path, PackedHead head, IReadOnlyList<MappedFile> sources, ThreadTeam team)
    {
        const string Changed = "the model's files have changed";
        if (head.Sources.Length != sources.Count) return Changed;
        List<PackedSource> found = [];
        for (int i = 0; i < sources.Count; i++)
        {
            (PackedSource packed, FileIdentity now) = (head.Sources[i], sources[i].Identity ?? default);
            if (packed.Identity.Length != sources[i].Length) return Changed;
            if (!now.IsCertain || now != packed.Identity)
            {
                // Copied, moved to another name and back, or on a system that has no time of the last change: only the content itself tells.
                if (Sum(sources[i], team) != packed.Sum) return Changed;
                packed = packed with { Identity = PackedWeightsWriter.Trusted(now) };
            }
            found.Add(packed);
        }
        if (!found.SequenceEqual(head.Sources)) Remember(path, head with { Sources = [.. found] });
        return null;
    }

    /// <summary>
    /// Writes down that the files of today have the content that was packed, so that the next start need not read them. A process that is killed meanwhile
    /// leaves a head that its checksum gives away.
    /// </summary>
    private static void Remember(string path, PackedHead head)
    {
        try
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.Write(handle, head.ToBytes(), 0);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Not ours to write, or in use: the next start compares the content again, which costs time and nothing else.
        }
    }

    private static bool IsOnSmallPages(MappedFile file) =>
        file.Length >= Large && HugePages.AreGranted && HugePages.ShareOfMapping(file.Start) is double share && share < EnoughHugePages;

    private void Copy(ThreadTeam team)
    {
        foreach (PackedSection section in _head.Sections)
        {
            var copy = new NativeBuffer((nuint)section.Bytes, zeroed: false);
            _copies.Add(copy);
            // A piece at a time, or the largest matrix would be in this process's memory twice.
            for (long done = 0; done < section.Bytes; done += PieceBytes)
            {
                long bytes = Math.Min(PieceBytes, section.Bytes - done);
                var work = new CopyWork(_file.Start + section.Offset + done, copy.Pointer + done, bytes);
                team.Run(ref work);
                _file.Forget(section.Offset + done, bytes);
            }
        }
        _file.Dispose();
    }

    private readonly struct CopyWork(byte* from, byte* to, long bytes) : IWork
    {
        public void Run(int part, int parts)
        {
            long begin = bytes * part / parts, end = bytes * (part + 1) / parts;
            Buffer.MemoryCopy(from + begin, to + begin, end - begin, end - begin);
        }
    }

    private BadFileException Unlike(string expected, string actual) => new(_file.Path, FormattableString.Invariant($"matrix {_next}"), expected, actual, "the weights are packed again");

    private static string? CheckSections(MappedFile file, PackedHead head, ThreadTeam team)
    {
        file.AdviseHugePages();
        foreach (PackedSection section in head.Sections)
            if (Checksum.Of(file.Start + section.Offset, section.Bytes, team) != section.Sum) return "it is damaged";
        return null;
    }
}

using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using Gemma.Formats;

namespace Gemma.Tokenization;

/// <summary>
/// Text to ids and back, exactly as the SentencePiece library does it with Gemma's vocabulary. Thread-safe. No id is added: a text that begins a sequence
/// needs <see cref="BosId"/> before it.
/// </summary>
public sealed class SentencePieceTokenizer
{
    internal const string FileName = "tokenizer.model";

    private const int LongestText = 700_000_000; // characters; three bytes each must fit an array

    private readonly PieceTable _table;
    private readonly uint[] _ranks; // of each piece; lower is merged sooner
    private readonly WordSplitter _splitter, _textSplitter; // that recognises all user-defined pieces; all but the markers
    private readonly ConcurrentBag<TextEncoder> _idle = []; // as many as ever encoded at the same time

    /// <exception cref="BadFileException">Two pieces have the same text, or an unused piece takes part in merges.</exception>
    public SentencePieceTokenizer(SentencePieceModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        _table = new PieceTable(model.Pieces.AsSpan());
        _ranks = new uint[model.Pieces.Length];
        int[] others = FillTable();
        CheckOthers(others);
        _splitter = WordSplitter.For(model.Pieces.AsSpan(), _table, new PrefixMatcher(UserDefined(others, withMarkers: true)));
        _textSplitter = _splitter.With(new PrefixMatcher(UserDefined(others, withMarkers: false)));
    }

    public SentencePieceModel Model { get; }

    public int VocabularySize => Model.Pieces.Length;

    /// <summary>The id before a text, or −1 where the vocabulary has none.</summary>
    public int BosId => Model.BosId;

    /// <summary>The id after a text, or −1 where the vocabulary has none.</summary>
    public int EosId => Model.EosId;

    /// <summary>The id that fills up a batch, or −1 where the vocabulary has none.</summary>
    public int PadId => Model.PadId;

    public int UnknownId => Model.UnknownId;

    /// <summary>The id that begins a turn of a conversation, where the vocabulary has one.</summary>
    public int? StartOfTurnId => Model.StartOfTurnId;

    /// <summary>The id that ends a turn of a conversation, where the vocabulary has one.</summary>
    public int? EndOfTurnId => Model.EndOfTurnId;

    /// <summary>Reads a <c>tokenizer.model</c>, a GGUF file, or a model folder with a <c>tokenizer.model</c>.</summary>
    /// <exception cref="GemmaException">It is missing, damaged, or asks for what this tokenizer does not do; the message says which.</exception>
    public static SentencePieceTokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            string file = Path.Combine(path, FileName);
            return File.Exists(file) ? Load(file)
                : throw new GemmaException($"{path}: expected {FileName}, found none; fetch it with the model, or name a GGUF file, which holds its own");
        }
        if (!IsGguf(path)) return new SentencePieceTokenizer(SentencePieceModel.Load(path));
        using var gguf = Gguf.Open(path);
        return new SentencePieceTokenizer(SentencePieceModel.FromGguf(gguf.Metadata));
    }

    /// <summary>
    /// The ids that the SentencePiece library gives: user-defined pieces are recognised, so <c>&lt;start_of_turn&gt;</c> in the text becomes the turn marker.
    /// For text that comes from outside use <see cref="EncodeText"/>. Half a surrogate pair counts as U+FFFD. A character without a piece becomes its bytes.
    /// </summary>
    /// <exception cref="UsageException">The text has more than 700 million characters.</exception>
    public int[] Encode(string text) => Encode(text, _splitter);

    /// <summary>
    /// For text from users and documents: the same, but markers (<see cref="SentencePiece.IsMarker"/>) stay text, as if they were not in the vocabulary.
    /// </summary>
    /// <exception cref="UsageException">The text has more than 700 million characters.</exception>
    public int[] EncodeText(string text) => Encode(text, _textSplitter);

    /// <summary>
    /// The text of these ids. Control pieces have none; bytes are put together to UTF-8, where each byte that is part of no character becomes U+FFFD. Gives
    /// back every well-formed text that was encoded, except that ▁ (U+2581), which is how the vocabulary writes a space, comes back as a space.
    /// </summary>
    /// <exception cref="UsageException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var text = new StringBuilder();
        var detokenizer = new Detokenizer(this);
        foreach (int id in ids) detokenizer.Append(id, text);
        return text.Append(detokenizer.Flush()).ToString();
    }

    /// <summary>For tests: tokenizes without the memory for words.</summary>
    internal int[] EncodeWithoutCache(string text) => new TextEncoder(_table, _ranks, Model.ByteIds) { UseCache = false }.Encode(text, _splitter);

    private int[] Encode(string text, WordSplitter splitter)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length > LongestText)
            throw new UsageException(FormattableString.Invariant($"the text has {text.Length} characters, more than {LongestText}; tokenize it in parts"));
        if (!_idle.TryTake(out TextEncoder? encoder)) encoder = new TextEncoder(_table, _ranks, Model.ByteIds);
        int[] ids = encoder.Encode(text, splitter);
        _idle.Add(encoder);
        return ids;
    }

    private static bool IsGguf(string path)
    {
        if (!File.Exists(path)) return false; // the reader says so
        using var file = MappedFile.Open(path);
        return file.Length >= 4 && file.Bytes(0, 4).SequenceEqual("GGUF"u8);
    }

    /// <summary>Puts what merges can make into the table; returns the ids of the pieces that are not normal.</summary>
    private int[] FillTable()
    {
        var others = new List<int>();
        for (int id = 0; id < _ranks.Length; id++)
        {
            SentencePiece piece = Model.Pieces[id];
            _ranks[id] = Rank(piece.Score);
            if (piece.Type != PieceType.Normal) others.Add(id);
            // A space in a piece never meets one in the text, where spaces are ▁.
            if (piece.Type is PieceType.Normal or PieceType.Unused && !piece.Text.Contains(' ') && !_table.TryAdd(id)) throw Twice(id);
        }
        return [.. others];
    }

    /// <summary>Text is the only way to a piece, so no two may share one; and what must not come out must not be made on the way.</summary>
    private void CheckOthers(int[] ids)
    {
        var texts = new HashSet<string>(StringComparer.Ordinal);
        foreach (int id in ids)
        {
            SentencePiece piece = Model.Pieces[id];
            if (piece.Type == PieceType.Unused && CanBeMade(id))
                throw Bad(id, "an unused piece that no merge makes", "one that merges make, which would have to be taken apart again");
            if (piece.Type == PieceType.Unused) continue;
            if (!texts.Add(piece.Text) || !piece.Text.Contains(' ') && _table.FindPart(id, 0, _table.Length(id)) >= 0) throw Twice(id);
        }
    }

    /// <summary>Whether the piece is two other pieces or characters side by side.</summary>
    private bool CanBeMade(int id)
    {
        ReadOnlySpan<byte> text = _table.Text(id);
        bool Exists(int from, int length, byte first) => length == BytePairMerger.CharacterLength(first) || _table.FindPart(id, from, length) >= 0;
        for (int cut = BytePairMerger.CharacterLength(text[0]); cut < text.Length; cut += BytePairMerger.CharacterLength(text[cut]))
            if (Exists(0, cut, text[0]) && Exists(cut, text.Length - cut, text[cut])) return true;
        return false;
    }

    private IEnumerable<(byte[] Text, int Id)> UserDefined(int[] ids, bool withMarkers) => ids
        .Where(id => Model.Pieces[id] is { Type: PieceType.UserDefined } piece && !piece.Text.Contains(' ') && (withMarkers || !piece.IsMarker))
        .Select(id => (_table.Text(id).ToArray(), id));

    /// <summary>Whole numbers in the order of falling scores; equal for equal scores.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Rank(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f); // −0 is 0
        return (bits & 0x8000_0000) != 0 ? bits : ~bits & 0x7FFF_FFFF;
    }

    private BadFileException Twice(int id) => Bad(id, "each text once", $"\"{SentencePieceModel.Printable(Model.Pieces[id].Text)}\" twice");

    private BadFileException Bad(int id, string expected, string actual) =>
        new(Model.File, FormattableString.Invariant($"piece {id}"), expected, actual, "the file is damaged or of another model family: take another copy");
}

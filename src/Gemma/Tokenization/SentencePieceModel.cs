using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;
using Gemma.Formats;

namespace Gemma.Tokenization;

/// <summary>
/// The contents of a <c>tokenizer.model</c> of the SentencePiece library, of the kind Gemma has: byte-pair encoding with byte fallback, text taken as it is
/// (no normalisation, no space put before it). A model that asks for anything else is refused, because its ids would come out wrong.
/// </summary>
public sealed class SentencePieceModel
{
    /// <summary>Longest text of a piece in characters; SentencePiece's own limit is 16 characters unless a trainer raises it.</summary>
    internal const int LongestPiece = 1024;

    private const int LargestFile = 256 << 20;
    private const string OtherTokenizer = "this is the tokenizer of another model family: take the tokenizer.model that belongs to the Gemma checkpoint";
    private const string Damaged = "the file is damaged: fetch it again";

    private readonly Lazy<string> _hash;
    private readonly byte[] _otherFields; // of the ModelProto, as in the file: how it was trained, how it normalises

    private SentencePieceModel(string file, ImmutableArray<SentencePiece> pieces, SentencePieceSettings settings, byte[] otherFields)
    {
        File = file;
        Pieces = pieces;
        _otherFields = otherFields;
        _hash = new Lazy<string>(ComputeHash);
        UnknownText = settings.UnknownText;
        ByteIds = FindSpecial(settings, out Special found);
        (UnknownId, BosId, EosId, PadId) = (found.Unknown, found.Bos, found.Eos, found.Pad);
        StartOfTurnId = found.StartOfTurn >= 0 ? found.StartOfTurn : null;
        EndOfTurnId = found.EndOfTurn >= 0 ? found.EndOfTurn : null;
    }

    /// <summary>Where it came from, for messages.</summary>
    public string File { get; }

    /// <summary>The vocabulary; the index is the id.</summary>
    public ImmutableArray<SentencePiece> Pieces { get; }

    /// <summary>Id of the control piece that begins a text, or −1 where the model has none.</summary>
    public int BosId { get; }

    /// <summary>Id of the control piece that ends a text, or −1.</summary>
    public int EosId { get; }

    /// <summary>Id of the control piece that fills up a batch, or −1.</summary>
    public int PadId { get; }

    public int UnknownId { get; }

    /// <summary>Id of the marker that begins a turn of a conversation, where the model has it.</summary>
    public int? StartOfTurnId { get; }

    /// <summary>Id of the marker that ends a turn of a conversation, where the model has it.</summary>
    public int? EndOfTurnId { get; }

    /// <summary>What the unknown piece decodes to.</summary>
    public string UnknownText { get; }

    /// <summary>
    /// SHA-256 over text, score and type of all pieces, in hexadecimal: which tokenizer made some ids, whether it lies in a <c>tokenizer.model</c> or in a GGUF file.
    /// </summary>
    public string Hash => _hash.Value;

    /// <summary>The piece of each byte, [256].</summary>
    internal ImmutableArray<int> ByteIds { get; }

    /// <summary>Reads a <c>tokenizer.model</c>.</summary>
    /// <exception cref="BadFileException">It is damaged, or asks for what this tokenizer does not do.</exception>
    /// <exception cref="GemmaException">It cannot be read.</exception>
    public static SentencePieceModel Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = MappedFile.Open(path);
        if (file.Length > LargestFile)
        {
            throw new BadFileException(path, null, FormattableString.Invariant($"a SentencePiece model of at most {LargestFile} bytes"),
                FormattableString.Invariant($"{file.Length}"), "this is another kind of file: name tokenizer.model");
        }
        return Parse(path, file.Bytes(0, (int)file.Length));
    }

    /// <summary>Reads the bytes of a <c>tokenizer.model</c>.</summary>
    /// <param name="fileName">For messages.</param>
    /// <exception cref="BadFileException">They are damaged, or ask for what this tokenizer does not do.</exception>
    public static SentencePieceModel Parse(string fileName, ReadOnlySpan<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(fileName);
        if (bytes.StartsWith("version https://git-lfs"u8))
            throw new BadFileException(fileName, null, "a SentencePiece model", "a Git LFS pointer to one", "run git lfs pull, or fetch the file itself");
        var pieces = ImmutableArray.CreateBuilder<SentencePiece>(bytes.Length / 16); // in Gemma's vocabulary, a piece takes 16.5 bytes
        var other = new ProtobufWriter();
        Span<char> characters = stackalloc char[LongestPiece];
        var settings = new SentencePieceSettings(fileName);
        var reader = new ProtobufReader(fileName, bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    pieces.Add(ReadPiece(fileName, pieces.Count, reader.Bytes(), characters));
                    continue;
                case 2: settings.ReadTrainer(reader.Bytes()); break;
                case 3: settings.ReadNormalizer(reader.Bytes()); break;
                case 5: settings.ReadDenormalizer(reader.Bytes()); break;
                default: reader.Skip(); break;
            }
            other.Raw(reader.Raw);
        }
        settings.Check();
        return new SentencePieceModel(fileName, pieces.DrainToImmutable(), settings, other.Written.ToArray());
    }

    /// <summary>A model of these pieces, which lists the special ones by id (−1 for none).</summary>
    /// <param name="file">Where they come from, for messages.</param>
    /// <param name="trained">How they were learnt, where that is known.</param>
    internal static SentencePieceModel Of(string file, ImmutableArray<SentencePiece> pieces, int unknownId, int bosId, int eosId, int padId, TokenizerTrainerOptions? trained = null)
    {
        string Text(int id) => id < 0 ? "" : pieces[id].Text;
        var settings = new SentencePieceSettings(file) { BosPiece = Text(bosId), EosPiece = Text(eosId), PadPiece = Text(padId) };
        return new SentencePieceModel(file, pieces, settings, SentencePieceSettings.Write(pieces.Length, [unknownId, bosId, eosId, padId],
            [Text(unknownId), Text(bosId), Text(eosId), Text(padId)], trained));
    }

    /// <summary>The tokenizer inside a GGUF file.</summary>
    /// <exception cref="BadFileException">There is none, or one of another kind.</exception>
    public static SentencePieceModel FromGguf(GgufMetadata metadata) => GgufTokenizer.Read(metadata);

    /// <summary>Writes the tokenizer into the metadata of a GGUF file, under the keys that llama.cpp reads.</summary>
    public void ToGguf(GgufMetadata metadata) => GgufTokenizer.Write(this, metadata);

    /// <summary>A <c>tokenizer.model</c> that the SentencePiece library reads; of a model that was read from one, the same settings.</summary>
    public byte[] ToBytes()
    {
        ProtobufWriter model = new(), piece = new();
        foreach ((string text, float score, PieceType type) in Pieces)
        {
            piece.Clear();
            piece.String(1, text);
            piece.Float(2, score);
            if (type != PieceType.Normal) piece.Int32(3, (int)type);
            model.Message(1, piece);
        }
        model.Raw(_otherFields);
        return model.Written.ToArray();
    }

    private string ComputeHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> bytes = stackalloc byte[12 + 3 * LongestPiece];
        foreach ((string text, float score, PieceType type) in Pieces)
        {
            int length = Encoding.UTF8.GetBytes(text, bytes[12..]);
            BinaryPrimitives.WriteInt32LittleEndian(bytes, length);
            BinaryPrimitives.WriteSingleLittleEndian(bytes[4..], score);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[8..], (int)type);
            hash.AppendData(bytes[..(12 + length)]);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static SentencePiece ReadPiece(string file, int id, ReadOnlySpan<byte> message, Span<char> characters)
    {
        ReadOnlySpan<byte> text = [];
        float score = 0;
        int type = (int)PieceType.Normal;
        var reader = new ProtobufReader(file, message);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: text = reader.Bytes(); break;
                case 2: score = reader.Float(); break;
                case 3: type = reader.Int32(); break;
                default: reader.Skip(); break;
            }
        }
        // One pass checks and converts: there may be a quarter of a million of these.
        return Utf8.ToUtf16(text, characters, out _, out int count, replaceInvalidSequences: false) switch
        {
            OperationStatus.Done => new SentencePiece(new string(characters[..count]), score, (PieceType)type),
            OperationStatus.DestinationTooSmall => throw BadPiece(file, id, FormattableString.Invariant($"a text of at most {LongestPiece} characters"), "a longer one"),
            _ => throw BadPiece(file, id, "text in UTF-8", "other bytes"),
        };
    }

    private static BadFileException BadPiece(string file, int id, string expected, string actual) =>
        new(file, FormattableString.Invariant($"piece {id}"), expected, actual, Damaged);

    /// <summary>Checks each piece by itself, and that there is one for each byte and for the unknown; returns the ids of the bytes.</summary>
    private ImmutableArray<int> FindSpecial(SentencePieceSettings settings, out Special found)
    {
        found = new Special();
        var bytes = new int[256];
        Array.Fill(bytes, -1);
        int present = 0;
        for (int id = 0; id < Pieces.Length; id++)
        {
            (string text, float score, PieceType type) = Pieces[id];
            if (text.Length == 0) throw BadPiece(File, id, "a text", "none");
            if (text.Length > LongestPiece)
                throw BadPiece(File, id, FormattableString.Invariant($"a text of at most {LongestPiece} characters"), FormattableString.Invariant($"{text.Length}"));
            if (!float.IsFinite(score)) throw BadPiece(File, id, "a finite score", FormattableString.Invariant($"{score}"));
            switch (type)
            {
                case PieceType.Normal or PieceType.Unused: break;
                case PieceType.Byte when ByteOf(text) is byte value && bytes[value] < 0:
                    bytes[value] = id;
                    present++;
                    break;
                case PieceType.Byte: throw BadPiece(File, id, "a byte piece <0x00> … <0xFF>, each once", Printable(text));
                case PieceType.Unknown when found.Unknown < 0: found.Unknown = id; break;
                case PieceType.Unknown: throw BadPiece(File, id, "one unknown piece", "a second one");
                case PieceType.Control:
                    if (text == settings.BosPiece) found.Bos = id;
                    if (text == settings.EosPiece) found.Eos = id;
                    if (text == settings.PadPiece) found.Pad = id;
                    break;
                case PieceType.UserDefined:
                    if (text == "<start_of_turn>") found.StartOfTurn = id;
                    if (text == "<end_of_turn>") found.EndOfTurn = id;
                    break;
                default: throw BadPiece(File, id, "a type from 1 to 6", FormattableString.Invariant($"{(int)type}"));
            }
        }
        if (present < 256) throw new BadFileException(File, null, "a piece for each of the 256 bytes", FormattableString.Invariant($"{present}"), OtherTokenizer);
        return found.Unknown >= 0 ? [.. bytes] : throw new BadFileException(File, null, "an unknown piece", "none", Damaged);
    }

    /// <summary>The value of a byte piece, which is written with capital letters.</summary>
    internal static byte? ByteOf(string text) =>
        text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>' && !text.AsSpan(3, 2).ContainsAnyInRange('a', 'f')
        && byte.TryParse(text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value) ? value : null;

    /// <summary>Text of a damaged or foreign file, fit for a message.</summary>
    internal static string Printable(string text)
    {
        string shortened = text.Length > 40 ? text[..40] + "…" : text;
        return string.Concat(shortened.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '\uFFFD' : c));
    }

    /// <summary>Ids of the pieces with a part of their own; −1 for none.</summary>
    private struct Special()
    {
        public int Unknown = -1, Bos = -1, Eos = -1, Pad = -1, StartOfTurn = -1, EndOfTurn = -1;
    }
}

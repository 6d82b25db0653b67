using System.Text;

namespace Gemma.Tokenization;

/// <summary>
/// The trainer's and the normaliser's settings in a <c>tokenizer.model</c>, as far as they decide how text is tokenized. Defaults are those of
/// sentencepiece_model.proto, which holds for what a file does not mention.
/// </summary>
/// <param name="file">Path of the file, for messages.</param>
internal sealed class SentencePieceSettings(string file)
{
    private const int BytePairEncoding = 2;
    private const string Remedy = "this is the tokenizer of another model family: take the tokenizer.model that belongs to the Gemma checkpoint";

    private static readonly string[] ModelTypes = ["none", "unigram", "byte-pair encoding", "word", "character"];

    private int _modelType = 1;
    private bool _byteFallback, _dummyPrefix = true, _removeWhitespace = true, _escapeWhitespace = true;
    private int _normalizationRules, _denormalizationRules;

    public string BosPiece { get; set; } = "<s>";

    public string EosPiece { get; set; } = "</s>";

    public string PadPiece { get; set; } = "<pad>";

    public string UnknownText { get; private set; } = " \u2047 ";

    public void ReadTrainer(ReadOnlySpan<byte> message)
    {
        var reader = new ProtobufReader(file, message);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 3: _modelType = reader.Int32(); break;
                case 35: _byteFallback = reader.Bool(); break;
                case 44: UnknownText = Encoding.UTF8.GetString(reader.Bytes()); break;
                case 46: BosPiece = Named(reader.Bytes(), "<s>"); break;
                case 47: EosPiece = Named(reader.Bytes(), "</s>"); break;
                case 48: PadPiece = Named(reader.Bytes(), "<pad>"); break;
                default: reader.Skip(); break;
            }
        }
    }

    public void ReadNormalizer(ReadOnlySpan<byte> message)
    {
        var reader = new ProtobufReader(file, message);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 2: _normalizationRules = reader.Bytes().Length; break;
                case 3: _dummyPrefix = reader.Bool(); break;
                case 4: _removeWhitespace = reader.Bool(); break;
                case 5: _escapeWhitespace = reader.Bool(); break;
                default: reader.Skip(); break;
            }
        }
    }

    public void ReadDenormalizer(ReadOnlySpan<byte> message)
    {
        var reader = new ProtobufReader(file, message);
        while (reader.Next())
        {
            if (reader.Field == 2) _denormalizationRules = reader.Bytes().Length;
            else reader.Skip();
        }
    }

    /// <exception cref="BadFileException">The model asks for what this tokenizer does not do.</exception>
    public void Check()
    {
        if (_modelType != BytePairEncoding)
            throw Bad("trainer_spec.model_type", ModelTypes[BytePairEncoding], _modelType is >= 0 and < 5 ? ModelTypes[_modelType] : FormattableString.Invariant($"{_modelType}"));
        if (!_byteFallback) throw Bad("trainer_spec.byte_fallback", "true", "false");
        if (_dummyPrefix) throw Bad("normalizer_spec.add_dummy_prefix", "false", "true");
        if (_removeWhitespace) throw Bad("normalizer_spec.remove_extra_whitespaces", "false", "true");
        if (!_escapeWhitespace) throw Bad("normalizer_spec.escape_whitespaces", "true", "false");
        if (_normalizationRules > 0) throw Bad("normalizer_spec.precompiled_charsmap", "no rules", FormattableString.Invariant($"{_normalizationRules} bytes of them"));
        if (_denormalizationRules > 0) throw Bad("denormalizer_spec.precompiled_charsmap", "no rules", FormattableString.Invariant($"{_denormalizationRules} bytes of them"));
    }

    /// <summary>Settings for a vocabulary that comes without: what Gemma's own tokenizer has. Ids and texts are of unknown, begin, end, padding.</summary>
    public static byte[] Write(int vocabularySize, ReadOnlySpan<int> ids, ReadOnlySpan<string> texts, TokenizerTrainerOptions? trained)
    {
        ProtobufWriter model = new(), trainer = new(), normalizer = new();
        trainer.Int32(3, BytePairEncoding);
        trainer.Int32(4, vocabularySize);
        if (trained is not null)
        {
            trainer.Float(10, trained.CharacterCoverage);
            trainer.Int32(20, trained.MaxPieceLength);
            trainer.Int32(25, trained.SplitDigits ? 1 : 0);
            foreach (string piece in trained.UserDefined) trainer.String(31, piece.Replace(' ', SentencePiece.Space));
        }
        trainer.Int32(35, 1);
        for (int i = 0; i < 4; i++) trainer.Int32(40 + i, ids[i]);
        for (int i = 0; i < 4; i++)
            if (ids[i] >= 0) trainer.String(45 + i, texts[i]);
        normalizer.String(1, "identity");
        normalizer.Int32(3, 0);
        normalizer.Int32(4, 0);
        normalizer.Int32(5, 1);
        model.Message(2, trainer);
        model.Message(3, normalizer);
        return model.Written.ToArray();
    }

    /// <summary>An empty name means the default, as in the library.</summary>
    private static string Named(ReadOnlySpan<byte> text, string otherwise) => text.IsEmpty ? otherwise : Encoding.UTF8.GetString(text);

    private BadFileException Bad(string field, string expected, string actual) => new(file, field, expected, actual, Remedy);
}

using System.Buffers;
using System.Collections.Immutable;
using System.Text;

namespace Gemma.Tokenization;

/// <summary>
/// Turns ids into text as they arrive. Only whole characters come out: bytes of a character wait until it is complete or cannot become one. What comes out
/// in all is <see cref="SentencePieceTokenizer.Decode"/> of all the ids. Belongs to one thread at a time.
/// </summary>
public sealed class Detokenizer(SentencePieceTokenizer tokenizer)
{
    private readonly byte[] _waiting = new byte[4]; // the beginning of a character
    private int _count;

    /// <summary>The text that has become certain with this id; may be empty.</summary>
    /// <exception cref="UsageException">The id is not in the vocabulary.</exception>
    public string Append(int id)
    {
        // Nearly always: a piece of text, and nothing waits. It costs its own text and no more.
        ImmutableArray<SentencePiece> pieces = tokenizer.Model.Pieces;
        if (_count == 0 && (uint)id < (uint)pieces.Length && pieces[id] is { Type: PieceType.Normal or PieceType.UserDefined } piece)
            return piece.Text.Replace(SentencePiece.Space, ' ');
        var text = new StringBuilder();
        Append(id, text);
        return text.ToString();
    }

    /// <summary>The ids ended: what waits will not become a character. Afterwards another text can begin.</summary>
    public string Flush()
    {
        // The library gives one U+FFFD for each byte, where .NET's decoder gives one for the beginning of a character as a whole.
        string text = new('\uFFFD', _count);
        _count = 0;
        return text;
    }

    internal void Append(int id, StringBuilder text)
    {
        SentencePieceModel model = tokenizer.Model;
        if ((uint)id >= (uint)model.Pieces.Length)
            throw new UsageException(FormattableString.Invariant($"id {id} is not in the vocabulary, which has ids from 0 to {model.Pieces.Length - 1}"));
        SentencePiece piece = model.Pieces[id];
        if (piece.Type == PieceType.Byte)
        {
            AppendByte(SentencePieceModel.ByteOf(piece.Text)!.Value, text);
            return;
        }
        text.Append(Flush()); // bytes on either side of another piece make no character together
        switch (piece.Type)
        {
            case PieceType.Control: break;
            case PieceType.Unknown: text.Append(model.UnknownText); break;
            default: text.Append(piece.Text).Replace(SentencePiece.Space, ' ', text.Length - piece.Text.Length, piece.Text.Length); break;
        }
    }

    private void AppendByte(byte next, StringBuilder text)
    {
        _waiting[_count++] = next;
        while (_count > 0)
        {
            OperationStatus status = Rune.DecodeFromUtf8(_waiting.AsSpan(0, _count), out Rune character, out int used);
            if (status == OperationStatus.NeedMoreData) return;
            if (status == OperationStatus.InvalidData) used = 1; // the library goes on at the very next byte
            text.Append(character.ToString());
            _count -= used;
            _waiting.AsSpan(used, _count).CopyTo(_waiting);
        }
    }
}

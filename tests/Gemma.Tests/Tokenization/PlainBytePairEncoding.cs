using System.Globalization;
using System.Text;
using Gemma.Tokenization;

namespace Gemma.Tests.Tokenization;

/// <summary>The rules of SentencePiece's byte-pair encoding, word for word: no tables, no words, no memory. Slow and obviously right.</summary>
internal static class PlainBytePairEncoding
{
    public static int[] Encode(SentencePieceModel model, string text)
    {
        text = text.Replace(' ', '▁');
        Dictionary<string, int> pieces = [], userDefined = [];
        for (int id = 0; id < model.Pieces.Length; id++)
        {
            if (model.Pieces[id].Type is PieceType.Normal or PieceType.UserDefined) pieces.Add(model.Pieces[id].Text, id);
            if (model.Pieces[id].Type is PieceType.UserDefined) userDefined.Add(model.Pieces[id].Text, id);
        }
        var symbols = new List<(string Text, bool Frozen)>();
        for (int at = 0; at < text.Length;)
        {
            string? longest = userDefined.Keys.Where(key => string.CompareOrdinal(text, at, key, 0, key.Length) == 0).MaxBy(key => key.Length);
            string next = longest ?? Rune.GetRuneAt(text, at).ToString();
            symbols.Add((next, longest is not null));
            at += next.Length;
        }
        while (Best(symbols, pieces, model) is int best)
        {
            symbols[best] = (symbols[best].Text + symbols[best + 1].Text, false);
            symbols.RemoveAt(best + 1);
        }
        return [.. symbols.SelectMany(symbol => pieces.TryGetValue(symbol.Text, out int id) ? [id] : Bytes(model, symbol.Text))];
    }

    /// <summary>The first of the pairs with the highest score.</summary>
    private static int? Best(List<(string Text, bool Frozen)> symbols, Dictionary<string, int> pieces, SentencePieceModel model)
    {
        int? best = null;
        float score = float.NegativeInfinity;
        for (int i = 0; i + 1 < symbols.Count; i++)
        {
            if (symbols[i].Frozen || symbols[i + 1].Frozen || !pieces.TryGetValue(symbols[i].Text + symbols[i + 1].Text, out int id)) continue;
            if (model.Pieces[id].Score > score) (best, score) = (i, model.Pieces[id].Score);
        }
        return best;
    }

    private static IEnumerable<int> Bytes(SentencePieceModel model, string text) => Encoding.UTF8.GetBytes(text)
        .Select(value => model.Pieces.IndexOf(new SentencePiece("<0x" + value.ToString("X2", CultureInfo.InvariantCulture) + ">", 0, PieceType.Byte)));
}

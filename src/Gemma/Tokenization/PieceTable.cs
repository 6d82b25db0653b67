using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Gemma.Tokenization;

/// <summary>
/// Finds the piece of a stretch of text: a hash table over UTF-8 with open addressing. The text of pieces is kept with a space where the vocabulary has ▁.
/// Not every piece needs to be in it, but every piece's text is.
/// </summary>
internal sealed class PieceTable
{
    /// <summary>So many bytes must follow a text that is looked up in its buffer; what they hold does not matter.</summary>
    public const int Slack = 8;

    private static readonly ulong Seed = (ulong)Random.Shared.NextInt64(); // so that no vocabulary can be made to collide; ids do not depend on it

    private readonly byte[] _text; // of all pieces, one after the other
    private readonly int[] _starts; // [pieces + 1]
    private readonly ulong[] _slots; // upper half of the hash, then id + 1; 0 is empty
    private readonly int _mask;

    public PieceTable(ReadOnlySpan<SentencePiece> pieces)
    {
        _starts = new int[pieces.Length + 1];
        long characters = 0;
        foreach (SentencePiece piece in pieces) characters += piece.Text.Length;
        _text = new byte[checked((int)(characters * 3)) + Slack];
        Span<char> spaced = stackalloc char[SentencePieceModel.LongestPiece];
        for (int id = 0; id < pieces.Length; id++)
        {
            ReadOnlySpan<char> text = pieces[id].Text;
            text.Replace(spaced, SentencePiece.Space, ' ');
            _starts[id + 1] = _starts[id] + Encoding.UTF8.GetBytes(spaced[..text.Length], _text.AsSpan(_starts[id]));
            LongestBytes = Math.Max(LongestBytes, _starts[id + 1] - _starts[id]);
        }
        Array.Resize(ref _text, _starts[^1] + Slack);
        _slots = new ulong[BitOperations.RoundUpToPowerOf2((uint)pieces.Length * 2 + 1)];
        _mask = _slots.Length - 1;
    }

    /// <summary>Length of the longest text in bytes.</summary>
    public int LongestBytes { get; }

    public ReadOnlySpan<byte> Text(int id) => _text.AsSpan(_starts[id], Length(id));

    public int Length(int id) => _starts[id + 1] - _starts[id];

    /// <summary>Puts a piece into the table; false where its text is there already.</summary>
    public bool TryAdd(int id)
    {
        ulong hash = Hash(_text, _starts[id], Length(id));
        int slot = (int)hash & _mask;
        for (; _slots[slot] != 0; slot = (slot + 1) & _mask)
            if ((_slots[slot] ^ hash) >> 32 == 0 && Text((int)(uint)_slots[slot] - 1).SequenceEqual(Text(id))) return false;
        _slots[slot] = hash >> 32 << 32 | (uint)(id + 1);
        return true;
    }

    /// <summary>The piece with exactly this text, or −1. At least <see cref="Slack"/> bytes follow the text in its buffer.</summary>
    public int Find(byte[] buffer, int start, int length)
    {
        ulong hash = Hash(buffer, start, length);
        for (int slot = (int)hash & _mask; _slots[slot] != 0; slot = (slot + 1) & _mask)
        {
            if ((_slots[slot] ^ hash) >> 32 != 0) continue;
            int id = (int)(uint)_slots[slot] - 1;
            if (Length(id) == length && buffer.AsSpan(start, length).SequenceEqual(_text.AsSpan(_starts[id], length))) return id;
        }
        return -1;
    }

    /// <summary>The piece of one character of a piece, or of any other part of it.</summary>
    public int FindPart(int id, int from, int length) => Find(_text, _starts[id] + from, length);

    private static ulong Hash(byte[] buffer, int start, int length)
    {
        ReadOnlySpan<byte> text = buffer.AsSpan(start, length + Slack);
        ulong hash = Seed ^ (ulong)length;
        for (; length >= 8; length -= 8, text = text[8..]) hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(text));
        return Mix(hash ^ (BinaryPrimitives.ReadUInt64LittleEndian(text) & (1UL << (8 * length)) - 1));
    }

    private static ulong Mix(ulong value)
    {
        ulong high = Math.BigMul(value, 0x9E3779B97F4A7C15, out ulong low);
        return high ^ low;
    }
}

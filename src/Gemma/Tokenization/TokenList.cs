namespace Gemma.Tokenization;

/// <summary>Ids as they are found. Belongs to one thread at a time.</summary>
internal sealed class TokenList
{
    private int[] _ids = new int[1024];

    public int Count { get; private set; }

    public int Capacity => _ids.Length;

    public void Add(int id)
    {
        if (Count == _ids.Length) Array.Resize(ref _ids, Count * 2);
        _ids[Count++] = id;
    }

    /// <summary>Room for at least so many more; those that were written are then counted with <see cref="Advance"/>.</summary>
    public Span<int> Free(int count)
    {
        if (count > _ids.Length - Count) Array.Resize(ref _ids, Math.Max(_ids.Length * 2, Count + count));
        return _ids.AsSpan(Count);
    }

    public void Advance(int count) => Count += count;

    /// <summary>Those from an index on.</summary>
    public ReadOnlySpan<int> From(int index) => _ids.AsSpan(index, Count - index);

    public int[] ToArray() => _ids.AsSpan(0, Count).ToArray();

    public void Clear() => Count = 0;
}

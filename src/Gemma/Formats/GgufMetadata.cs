using System.Collections;
using System.Numerics;

namespace Gemma.Formats;

/// <summary>
/// The key–value part of a GGUF file, in file order. Values are the .NET counterparts of GGUF's types (byte … ulong, float, double, bool, string) and
/// arrays of them; an array of arrays is an <c>object[]</c>.
/// </summary>
public sealed class GgufMetadata : IEnumerable<KeyValuePair<string, object>>
{
    private const string AlignmentKey = "general.alignment";
    private const int DefaultAlignment = 32, LargestAlignment = 1 << 16;

    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);
    private readonly List<string> _order = [];

    /// <param name="file">Path of the file, for messages.</param>
    public GgufMetadata(string file) => File = file;

    public string File { get; }

    public int Count => _order.Count;

    /// <summary>Adds a value under a new key.</summary>
    public void Add(string key, object value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (!_values.TryAdd(key, value)) throw new BadFileException(File, key, "each key once", "it twice", "fetch the file again");
        _order.Add(key);
    }

    /// <summary>Adds a value, or replaces the one of that key.</summary>
    public void Set(string key, object value)
    {
        if (_values.ContainsKey(key)) _values[key] = value;
        else Add(key, value);
    }

    /// <summary>Takes a value away, where there is one.</summary>
    public void Remove(string key)
    {
        if (_values.Remove(key)) _order.Remove(key);
    }

    public bool Has(string key) => _values.ContainsKey(key);

    public string? String(string key) => Find<string>(key, "a string");

    public bool? Bool(string key) => Find(key) switch
    {
        null => null,
        bool value => value,
        { } other => throw Wrong(key, "true or false", other),
    };

    /// <summary>Any of GGUF's whole-number types, where it fits.</summary>
    public int? Int(string key) => Find(key) switch
    {
        null => null,
        byte value => value,
        sbyte value => value,
        ushort value => value,
        short value => value,
        int value => value,
        uint value and <= int.MaxValue => (int)value,
        ulong value and <= int.MaxValue => (int)value,
        long value and >= int.MinValue and <= int.MaxValue => (int)value,
        { } other => throw Wrong(key, "a whole number", other),
    };

    /// <summary>A finite number of any type.</summary>
    public float? Float(string key) => Find(key) switch
    {
        null => null,
        float value when float.IsFinite(value) => value,
        double value when float.IsFinite((float)value) => (float)value,
        float or double or string or Array or bool => throw Wrong(key, "a number", Find(key)!),
        IConvertible value => value.ToSingle(null),
        { } other => throw Wrong(key, "a number", other),
    };

    public string[]? Strings(string key) => Find<string[]>(key, "a list of strings");

    public float[]? Floats(string key) => Find<float[]>(key, "a list of 32-bit numbers");

    public int[]? Ints(string key) => Find(key) switch
    {
        null => null,
        int[] values when values.GetType() == typeof(int[]) => values,
        uint[] values when values.GetType() == typeof(uint[]) && values.All(value => value <= int.MaxValue) => Array.ConvertAll(values, value => (int)value),
        { } other => throw Wrong(key, "a list of whole numbers", other),
    };

    /// <summary>What divides the offset of every tensor.</summary>
    internal int Alignment()
    {
        int alignment = Int(AlignmentKey) ?? DefaultAlignment;
        return alignment is >= 1 and <= LargestAlignment && BitOperations.IsPow2(alignment) ? alignment
            : throw Wrong(AlignmentKey, FormattableString.Invariant($"a power of two up to {LargestAlignment}"), alignment);
    }

    /// <summary>The value, or null where the key is absent.</summary>
    public object? Find(string key) => _values.GetValueOrDefault(key);

    /// <summary>For a key that must be there.</summary>
    public BadFileException Missing(string key, string expected) => new(File, key, expected, "no such key", "the file is incomplete: take another copy of the model");

    public BadFileException Wrong(string key, string expected, object actual)
    {
        string text = actual is Array array ? FormattableString.Invariant($"a list of {array.Length}") : FormattableString.Invariant($"{actual}");
        return new(File, key, expected, text, "take another copy of the model");
    }

    public IEnumerator<KeyValuePair<string, object>> GetEnumerator() => _order.Select(key => KeyValuePair.Create(key, _values[key])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private T? Find<T>(string key, string expected) where T : class => Find(key) switch
    {
        null => null,
        T value => value,
        { } other => throw Wrong(key, expected, other),
    };
}

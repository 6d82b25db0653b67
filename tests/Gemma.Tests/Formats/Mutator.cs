using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Gemma.Tests.Formats;

/// <summary>Damages files the way accidents and attackers do. The same seed does the same damage.</summary>
internal sealed partial class Mutator(int seed)
{
    private static readonly string[] JsonValues = ["-1", "0", "1", "2", "7", "4294967296", "9223372036854775807", "18446744073709551616", "1e400", "-0.5", "1.5", "300.5", "1e39", "1e-50", "null",
        "true", "\"\"", "[]", "{}", "[1,2]", "\"F32\"", "\"I64\"", "\"\\ud800\"", "\"../x\"", "[[[[[[[[]]]]]]]]"];

    private readonly Random _random = new(seed);

    /// <summary>One to four injuries, most of them in the first <paramref name="head"/> bytes, where a format keeps its structure.</summary>
    public byte[] Mutate(byte[] file, int head)
    {
        List<byte> bytes = [.. file];
        for (int left = _random.Next(1, 5); left > 0 && bytes.Count > 0; left--)
        {
            int at = _random.Next(_random.Next(10) > 0 ? Math.Min(head, bytes.Count) : bytes.Count);
            Injure(bytes, at);
        }
        return [.. bytes];
    }

    /// <summary>As <see cref="Mutate"/>, for text in JSON: values, names and punctuation.</summary>
    public byte[] MutateJson(byte[] json)
    {
        if (_random.Next(4) == 0) return Mutate(json, json.Length);
        string text = Encoding.UTF8.GetString(json);
        for (int left = _random.Next(1, 4); left > 0 && text.Length > 0; left--) text = InjureJson(text);
        return Encoding.UTF8.GetBytes(text);
    }

    private void Injure(List<byte> bytes, int at)
    {
        int length = _random.Next(1, Math.Min(64, bytes.Count - at) + 1);
        switch (_random.Next(11))
        {
            case 0: bytes[at] ^= (byte)(1 << _random.Next(8)); break;
            case 1: bytes[at] = Pick<byte>([0, 1, 2, 0x7F, 0x80, 0xFF, (byte)_random.Next(256)]); break;
            case 2: Put(bytes, at, BitConverter.GetBytes(Extreme(bytes.Count))); break;
            case 3: Put(bytes, at, BitConverter.GetBytes((int)Extreme(bytes.Count))); break;
            case 4: Put(bytes, at / 8 * 8, BitConverter.GetBytes(Extreme(bytes.Count))); break;
            case 5: bytes.RemoveRange(at, bytes.Count - at); break;
            case 6: bytes.RemoveRange(at, length); break;
            case 7: bytes.InsertRange(_random.Next(bytes.Count + 1), bytes.GetRange(at, length)); break;
            case 8: bytes.InsertRange(at, Noise(length)); break;
            case 9: bytes.AddRange(Noise(_random.Next(1, 200))); break;
            default: Put(bytes, _random.Next(bytes.Count), [.. bytes.GetRange(at, length)]); break;
        }
    }

    private string InjureJson(string text)
    {
        if (_random.Next(8) == 0) return RepeatMember(text);
        List<(int Start, int End)> tokens = Tokens(text);
        if (tokens.Count == 0) return text;
        (int start, int end) = Pick([.. tokens]);
        (int otherStart, int otherEnd) = Pick([.. tokens]);
        string other = text[otherStart..otherEnd];
        return _random.Next(7) switch
        {
            0 or 1 => text[..start] + Pick(JsonValues) + text[end..],
            2 => text[..start] + other + text[end..],
            3 => text[..start] + text[end..],
            4 => text[..end] + "," + other + text[end..],
            5 => text[..start] + _random.NextInt64(-2, 1L << _random.Next(1, 63)).ToString(CultureInfo.InvariantCulture) + text[end..],
            _ => text[..Math.Min(start, otherStart)] + text[Math.Max(end, otherEnd)..],
        };
    }

    /// <summary>The same thing once more, mostly under another name, before or after the first.</summary>
    private string RepeatMember(string text)
    {
        MatchCollection members = Members().Matches(text);
        if (members.Count == 0) return text;
        Match member = members[_random.Next(members.Count)];
        string copy = _random.Next(4) == 0 ? member.Value : $"\"x{member.Value[1..]}";
        return _random.Next(2) == 0 ? text.Insert(member.Index, copy + ",") : text.Insert(member.Index + member.Length, "," + copy);
    }

    [GeneratedRegex("""
        "[^"]*":\s*(\{[^{}]*\}|\[[^\[\]]*\]|"[^"]*"|[^,{}\[\]"]+)
        """)]
    private static partial Regex Members();

    /// <summary>Strings, numbers, words, and punctuation marks.</summary>
    private static List<(int Start, int End)> Tokens(string text)
    {
        var tokens = new List<(int, int)>();
        for (int i = 0; i < text.Length;)
        {
            int start = i++;
            if (char.IsWhiteSpace(text[start])) continue;
            if (text[start] == '"')
            {
                while (i < text.Length && text[i] != '"') i++;
                i = Math.Min(i + 1, text.Length);
            }
            else if (char.IsLetterOrDigit(text[start]) || text[start] == '-')
            {
                while (i < text.Length && (char.IsLetterOrDigit(text[i]) || text[i] is '.' or '-' or '+')) i++;
            }
            tokens.Add((start, i));
        }
        return tokens;
    }

    private long Extreme(int length) => Pick([0, 1, -1, 2, 3, 4, 31, 33, length, length - 1, length + 1, length / 2, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 31,
        1L << 32, 1L << 40, 1L << 60, 1L << 62, long.MaxValue, long.MinValue, long.MaxValue / 4, _random.NextInt64(), _random.Next(1 << 16)]);

    private byte[] Noise(int length)
    {
        byte[] noise = new byte[length];
        if (_random.Next(3) > 0) _random.NextBytes(noise);
        return noise;
    }

    private T Pick<T>(ReadOnlySpan<T> choices) => choices[_random.Next(choices.Length)];

    private static void Put(List<byte> bytes, int at, byte[] value)
    {
        for (int i = 0; i < value.Length && at + i < bytes.Count; i++) bytes[at + i] = value[i];
    }
}

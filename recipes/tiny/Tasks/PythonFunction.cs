using System.Globalization;

namespace Gemma.Recipes.Tiny;

/// <summary>A tiny Python function, what it does in words, and a call with what it gives.</summary>
/// <param name="Does">"doubles a number": behind "a Python function that".</param>
/// <param name="Call">"double(4)".</param>
/// <param name="Gives">What Python's <c>repr</c> shows for the call.</param>
internal sealed record PythonFunction(string Does, string Code, string Call, string Gives)
{
    public string Block => $"```python\n{Code}\n```";

    /// <summary>The result as a sentence.</summary>
    public string Reply => $"{Call} returns {Gives}.";

    public static PythonFunction Any(Chance chance)
    {
        string x = chance.Of("x", "n", "number", "value", "a"), s = chance.Of("text", "word", "s", "name", "line"), list = chance.Of("numbers", "items", "values", "xs", "things");
        int k = chance.Between(2, 9), m = chance.Between(2, 30), v = chance.Between(1, 20);
        string kWord = new[] { "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine" }[k];
        string word = chance.Of("apple", "river", "moon", "tiger", "bread", "garden", "stone", "kite", "winter", "boat", "lamp", "forest", "bird", "cloud", "king", "snow", "tree", "horse", "sun", "house");
        int[] numbers = [.. Enumerable.Range(0, chance.Between(2, 4)).Select(_ => chance.Between(1, 9))];
        string shown = "[" + string.Join(", ", numbers) + "]";
        return chance.Below(34) switch
        {
            0 => Of($"adds {k} to a number", $"add_{kWord}", x, $"{x} + {k}", v, v + k),
            1 => Of($"subtracts {k} from a number", chance.Of($"subtract_{kWord}", $"minus_{kWord}"), x, $"{x} - {k}", v, v - k),
            2 => Of($"multiplies a number by {k}", chance.Of($"times_{kWord}", $"multiply_by_{kWord}"), x, $"{x} * {k}", v % 10, v % 10 * k),
            3 => Of("doubles a number", chance.Of("double", "twice"), x, chance.Of($"2 * {x}", $"{x} * 2", $"{x} + {x}"), m, 2 * m),
            4 => Of("squares a number", "square", x, $"{x} * {x}", k, k * k),
            5 => Of("returns the cube of a number", "cube", x, $"{x} * {x} * {x}", k % 5 + 1, (k % 5 + 1) * (k % 5 + 1) * (k % 5 + 1)),
            6 => Of("changes the sign of a number", "negate", x, $"-{x}", m, -m),
            7 => Of("says whether a number is even", "is_even", x, $"{x} % 2 == 0", m, m % 2 == 0),
            8 => Of("says whether a number is odd", "is_odd", x, $"{x} % 2 == 1", m, m % 2 == 1),
            9 => Of("says whether a number is positive", "is_positive", x, $"{x} > 0", m - 12, m - 12 > 0),
            10 => Of($"says whether a number is greater than {k}", chance.Of($"is_greater_than_{kWord}", $"is_more_than_{kWord}"), x, $"{x} > {k}", v, v > k),
            11 => Of($"says whether a number can be divided by {k}", $"is_divisible_by_{kWord}", x, $"{x} % {k} == 0", m, m % k == 0),
            12 => Two("adds two numbers", chance.Of("add", "sum_of_two"), "a + b", v, k, v + k),
            13 => Two("subtracts one number from another", "subtract", "a - b", v + k, k, v),
            14 => Two("multiplies two numbers", "multiply", "a * b", k, v % 9 + 1, k * (v % 9 + 1)),
            15 => Two("returns the larger of two numbers", chance.Of("larger", "biggest", "maximum"), "max(a, b)", v, k, Math.Max(v, k)),
            16 => Two("returns the smaller of two numbers", chance.Of("smaller", "smallest", "minimum"), "min(a, b)", v, k, Math.Min(v, k)),
            17 => Named("returns the area of a rectangle", "area", "width, height", "width * height", $"{k}, {v % 9 + 1}", Number(k * (v % 9 + 1))),
            18 => Named("returns the perimeter of a rectangle", "perimeter", "width, height", "2 * (width + height)", $"{k}, {v}", Number(2 * (k + v))),
            19 => Named("says hello to somebody", chance.Of("greet", "hello", "say_hello"), "name", "\"Hello, \" + name", $"\"{Name(chance, out string who)}\"", $"'Hello, {who}'"),
            20 => Named("returns the length of a text", chance.Of("length", "count_letters"), s, $"len({s})", $"\"{word}\"", Number(word.Length)),
            21 => Named("returns the first letter of a word", "first_letter", s, $"{s}[0]", $"\"{word}\"", $"'{word[0]}'"),
            22 => Named("returns the last letter of a word", "last_letter", s, $"{s}[-1]", $"\"{word}\"", $"'{word[^1]}'"),
            23 => Named("writes a text in capital letters", chance.Of("shout", "to_upper"), s, $"{s}.upper()", $"\"{word}\"", $"'{word.ToUpperInvariant()}'"),
            24 => Named("turns a word around", chance.Of("reverse", "backward"), s, $"{s}[::-1]", $"\"{word}\"", $"'{new string([.. word.Reverse()])}'"),
            25 => Named($"repeats a word {k % 3 + 2} times", "repeat", s, $"{s} * {k % 3 + 2}", $"\"{word}\"", $"'{string.Concat(Enumerable.Repeat(word, k % 3 + 2))}'"),
            26 => Named("adds all numbers of a list", chance.Of("total", "sum_all"), list, $"sum({list})", shown, Number(numbers.Sum())),
            27 => Named("returns how many items a list has", "count", list, $"len({list})", shown, Number(numbers.Length)),
            28 => Named("returns the largest number of a list", "largest", list, $"max({list})", shown, Number(numbers.Max())),
            29 => Named("returns the first item of a list", "first", list, $"{list}[0]", shown, Number(numbers[0])),
            30 => Named("returns the last item of a list", "last", list, $"{list}[-1]", shown, Number(numbers[^1])),
            31 => new("adds the numbers from 1 to n", $"def sum_to(n):\n    total = 0\n    for i in range(1, n + 1):\n        total += i\n    return total", $"sum_to({k})", Number(k * (k + 1) / 2)),
            32 => new("counts how often a letter is in a word", $"def count_letter({s}, letter):\n    count = 0\n    for c in {s}:\n        if c == letter:\n            count += 1\n    return count", $"count_letter(\"{word}\", \"{word[1]}\")", Number(word.Count(c => c == word[1]))),
            _ => new("returns a number without its sign", $"def absolute({x}):\n    if {x} < 0:\n        return -{x}\n    return {x}", $"absolute({m - 15})", Number(Math.Abs(m - 15))),
        };
    }

    private static PythonFunction Of(string does, string name, string parameter, string body, int argument, int result) => Named(does, name, parameter, body, Number(argument), Number(result));

    private static PythonFunction Of(string does, string name, string parameter, string body, int argument, bool result) => Named(does, name, parameter, body, Number(argument), result ? "True" : "False");

    private static PythonFunction Two(string does, string name, string body, int a, int b, int result) => Named(does, name, "a, b", body, $"{Number(a)}, {Number(b)}", Number(result));

    private static PythonFunction Named(string does, string name, string parameters, string body, string arguments, string result) =>
        new(does, $"def {name}({parameters}):\n    return {body}", $"{name}({arguments})", result);

    private static string Name(Chance chance, out string name) => name = chance.Of<string>(chance.Is(0.5) ? Cast.Girls : Cast.Boys);

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}

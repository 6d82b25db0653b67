using System.Globalization;

namespace Gemma.Recipes.Tiny;

/// <summary>A sum or difference of numbers below 100, asked for and answered.</summary>
internal sealed record Sum(int First, int Second, bool Subtracts)
{
    public int Result => Subtracts ? First - Second : First + Second;

    public string Formula => string.Create(CultureInfo.InvariantCulture, $"{First} {(Subtracts ? '-' : '+')} {Second}");

    /// <summary>"27 + 58 = 85": the numbers stand right before the result.</summary>
    public string Equation => string.Create(CultureInfo.InvariantCulture, $"{Formula} = {Result}");

    /// <summary>As the model answers.</summary>
    public string Reply => Equation + ".";

    /// <summary>The question that models are measured by.</summary>
    public string Question => $"What is {Formula}?";

    /// <summary>As somebody may ask.</summary>
    public string Asked(Chance chance) => chance.Below(12) switch
    {
        < 6 => Question,
        6 => $"{Formula} =",
        7 => Formula,
        8 => Subtracts ? $"Take {Second} away from {First}." : $"Add {First} and {Second}.",
        9 => Subtracts ? $"How much is {First} minus {Second}?" : $"How much is {First} plus {Second}?",
        10 => $"Please calculate {Formula}.",
        _ => $"Can you tell me what {Formula} is?",
    };

    public bool IsHeldOut => Subtracts ? HeldOut.IsHeldOut(Result, Second) : HeldOut.IsHeldOut(First, Second);

    /// <summary>One that a model may learn from, or one that it must not.</summary>
    public static Sum Any(Chance chance, bool heldOut, double differences = 0.25)
    {
        while (true)
        {
            int first = Number(chance), second = Number(chance);
            var sum = new Sum(first, second, Subtracts: chance.Is(differences));
            if (sum is { Subtracts: true } && second > first) sum = sum with { First = second, Second = first };
            if (sum.IsHeldOut == heldOut) return sum;
        }
    }

    /// <summary>A question in words about things, with the equation and a sentence as its answer.</summary>
    public static (string Question, string Answer) Told(Chance chance, bool heldOut)
    {
        while (true)
        {
            int first = chance.Between(2, 60), second = chance.Between(2, 39);
            bool subtracts = chance.Is(0.5);
            if (subtracts && second > first) (first, second) = (second, first);
            var sum = new Sum(first, second, subtracts);
            if (sum.IsHeldOut != heldOut || sum.Result < 2) continue;
            string things = chance.Of<string>(Things.PluralFoods);
            if (chance.Is(0.3)) things = chance.Of("red", "small", "ripe", "fresh", "sweet") + " " + things;
            if (chance.Is(0.4)) things = chance.Of("shells", "stones", "marbles", "stamps", "coins", "buttons", "balloons", "books", "cards", "pencils", "ducks", "sheep", "feathers", "flowers");
            bool female = chance.Is(0.5);
            string name = chance.Of<string>(female ? Cast.Girls : Cast.Boys), other = chance.Of<string>(female ? Cast.Boys : Cast.Girls), he = female ? "She" : "He";
            string question = subtracts
                ? chance.Below(4) switch
                {
                    0 => $"{name} has {first} {things}. {he} gives {second} of them to {other}. How many {things} does {name} have now?",
                    1 => $"There are {first} {things} in a basket. {name} takes {second} of them out. How many {things} are in the basket now?",
                    2 => $"{name} had {first} {things} and lost {second}. How many {things} does {name} have now?",
                    _ => $"{name} has {first} {things}, and {other} has {second} fewer. How many {things} does {other} have?",
                }
                : chance.Below(4) switch
                {
                    0 => $"{name} has {first} {things}. {other} gives {name} {second} more. How many {things} does {name} have now?",
                    1 => $"There are {first} {things} in a basket. {name} puts {second} more into it. How many {things} are in the basket now?",
                    2 => $"{name} finds {first} {things} in the morning and {second} in the evening. How many {things} does {name} find in all?",
                    _ => $"{name} has {first} {things}, and {other} has {second} more than that. How many {things} does {other} have?",
                };
            string owner = question.Contains($"does {other} have", StringComparison.Ordinal) ? other : name;
            string answer = question.Contains("in the basket now", StringComparison.Ordinal) ? $"There are {sum.Result} {things} in the basket."
                : question.Contains("find in all", StringComparison.Ordinal) ? $"{name} finds {sum.Result} {things}." : $"{owner} has {sum.Result} {things}.";
            return (question, $"{sum.Equation}. {answer}");
        }
    }

    // Small numbers are rare among all below 100, and asked for often.
    private static int Number(Chance chance) => chance.Is(0.2) ? chance.Below(10) : chance.Below(100);
}

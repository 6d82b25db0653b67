namespace Gemma.Recipes.Tiny;

/// <summary>Who, what and where: questions that a story's events answer, each with one answer only.</summary>
internal static class StoryQuestions
{
    private enum Role
    {
        Actor,
        Other,
        What,
        Where,
    }

    private static readonly (EventKind Kind, Role Asks, string Text)[] Forms =
    [
        (EventKind.Live, Role.Where, "Where did {actor} live?"), (EventKind.Live, Role.Actor, "Who lived {where}?"),
        (EventKind.Own, Role.What, "What did {actor} have?"),
        (EventKind.Go, Role.Where, "Where did {actor} go?"),
        (EventKind.Meet, Role.Other, "Who did {actor} meet {where}?"), (EventKind.Meet, Role.Where, "Where did {actor} meet {other}?"),
        (EventKind.Lose, Role.Actor, "Who lost {what}?"), (EventKind.Lose, Role.What, "What did {actor} lose?"), (EventKind.Lose, Role.Where, "Where did {actor} lose {what}?"),
        (EventKind.Find, Role.Actor, "Who found {what}?"), (EventKind.Find, Role.What, "What did {actor} find {where}?"), (EventKind.Find, Role.Where, "Where did {actor} find {what}?"),
        (EventKind.Find, Role.Other, "Who did {actor} find {where}?"), (EventKind.Find, Role.Where, "Where did {actor} find {other}?"), (EventKind.Find, Role.Actor, "Who found {other}?"),
        (EventKind.Give, Role.Actor, "Who gave {what} to {other}?"), (EventKind.Give, Role.What, "What did {actor} give to {other}?"), (EventKind.Give, Role.Other, "Who did {actor} give {what} to?"),
        (EventKind.Make, Role.Actor, "Who made {what}?"), (EventKind.Make, Role.What, "What did {actor} make?"), (EventKind.Make, Role.Where, "Where did {actor} make {what}?"),
        (EventKind.Buy, Role.Actor, "Who bought {what}?"), (EventKind.Buy, Role.What, "What did {actor} buy?"), (EventKind.Buy, Role.Where, "Where did {actor} buy {what}?"),
        (EventKind.Hide, Role.Actor, "Who hid {what}?"), (EventKind.Hide, Role.What, "What did {actor} hide?"), (EventKind.Hide, Role.Where, "Where did {actor} hide {what}?"),
        (EventKind.Break, Role.Actor, "Who broke {what}?"), (EventKind.Break, Role.What, "What did {actor} break?"),
        (EventKind.Eat, Role.Actor, "Who ate {what}?"), (EventKind.Eat, Role.What, "What did {actor} eat?"),
        (EventKind.Help, Role.Actor, "Who helped {other}?"), (EventKind.Help, Role.Other, "Who did {actor} help?"),
        (EventKind.Teach, Role.Actor, "Who taught {other} {what}?"), (EventKind.Teach, Role.Other, "Who did {actor} teach {what}?"),
        (EventKind.Want, Role.What, "What did {actor} want?"), (EventKind.Want, Role.Actor, "Who wanted {what}?"),
        (EventKind.Fear, Role.What, "What was {actor} afraid of?"), (EventKind.Fear, Role.Actor, "Who was afraid of {what}?"),
        (EventKind.See, Role.What, "What did {actor} see?"), (EventKind.See, Role.Actor, "Who saw {what}?"),
        (EventKind.Hear, Role.What, "What did {actor} hear?"), (EventKind.Hear, Role.Actor, "Who heard {what}?"),
        (EventKind.Win, Role.Actor, "Who won {what}?"), (EventKind.Win, Role.What, "What did {actor} win?"),
        (EventKind.Plant, Role.Actor, "Who planted {what}?"), (EventKind.Plant, Role.What, "What did {actor} plant?"), (EventKind.Plant, Role.Where, "Where did {actor} plant {what}?"),
        (EventKind.Save, Role.Actor, "Who saved {other}?"), (EventKind.Save, Role.Other, "Who did {actor} save?"), (EventKind.Save, Role.Where, "Where did {actor} save {other}?"),
    ];

    /// <summary>All that can be asked of a story so that its text answers it in one way.</summary>
    public static List<Question> Of(Story story)
    {
        List<Question> questions = [];
        foreach (StoryEvent told in story.Events)
        {
            if (told.Sentence.Length == 0) continue;
            foreach ((EventKind kind, Role asks, string form) in Forms)
            {
                if (kind != told.Kind || Answer(told, asks) is not string answer || Fill(form, told) is not string text) continue;
                bool isOneWay = story.Events.All(other => other.Kind != kind || !Agrees(other, told, form) || Key(other, asks) == Key(told, asks));
                if (isOneWay && !text.Contains(answer, StringComparison.OrdinalIgnoreCase)) questions.Add(new Question(text, answer));
            }
        }
        return questions;
    }

    /// <summary>What stands in the sentence; null where it does not.</summary>
    private static string? Answer(StoryEvent told, Role asks)
    {
        IEnumerable<string?> words = asks switch
        {
            Role.Actor => [told.Actor.Name],
            Role.Other => [told.Other?.Name],
            Role.Where => [told.Where],
            _ when told.What is not null => [told.What],
            _ => told.Thing is { } thing ? [thing.The, thing.A] : [],
        };
        return words.FirstOrDefault(word => word is not null && told.Sentence.Contains(word, StringComparison.OrdinalIgnoreCase));
    }

    private static string? Fill(string form, StoryEvent told)
    {
        string text = form.Replace("{actor}", told.Actor.Name, StringComparison.Ordinal);
        if (Put("{other}", told.Other?.Name) && Put("{where}", told.Where) && Put("{what}", told.What ?? told.Thing?.The)) return text;
        return null;

        bool Put(string slot, string? word)
        {
            if (!text.Contains(slot, StringComparison.Ordinal)) return true;
            if (word is null) return false;
            text = text.Replace(slot, word, StringComparison.Ordinal);
            return true;
        }
    }

    /// <summary>Whether another event is as the question says.</summary>
    private static bool Agrees(StoryEvent other, StoryEvent told, string form) =>
        (!form.Contains("{actor}", StringComparison.Ordinal) || other.Actor == told.Actor)
        && (!form.Contains("{other}", StringComparison.Ordinal) || other.Other == told.Other)
        && (!form.Contains("{where}", StringComparison.Ordinal) || other.Where == told.Where)
        && (!form.Contains("{what}", StringComparison.Ordinal) || Key(other, Role.What) == Key(told, Role.What));

    private static string Key(StoryEvent happens, Role role) => role switch
    {
        Role.Actor => happens.Actor.Name,
        Role.Other => happens.Other?.Name ?? happens.Thing?.Bare ?? "",
        Role.Where => happens.Where ?? "",
        _ => happens.What ?? happens.Thing?.Bare ?? happens.Other?.Name ?? "",
    };
}

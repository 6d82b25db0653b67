namespace Gemma.Recipes.Tiny;

/// <summary>What somebody is: a girl, a baker, a fox.</summary>
/// <param name="IsAdult">Knows and owns what children look for.</param>
internal sealed record Kind(string Noun, bool IsAnimal = false, bool IsAdult = false);

/// <summary>Somebody in a story, and what is so at the moment.</summary>
/// <param name="Name">As the story calls them: "Anna", "the baker".</param>
internal sealed record Character(string Name, Kind Kind, bool IsFemale, string Trait)
{
    public Place? Place { get; set; }

    public HashSet<Thing> Has { get; } = new(ReferenceEqualityComparer.Instance);

    public string He => IsFemale ? "she" : "he";

    public string Him => IsFemale ? "her" : "him";

    public string His => IsFemale ? "her" : "his";

    public bool Equals(Character? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}

namespace Gemma.Recipes.Tiny;

/// <summary>Something that can be owned, lost, given, made.</summary>
/// <param name="Noun">"kite"; "apples" where there are several.</param>
/// <param name="Adjective">What tells it from others: "red".</param>
internal sealed record Thing(string Noun, string Adjective, bool IsPlural)
{
    public string Bare => Adjective.Length == 0 ? Noun : $"{Adjective} {Noun}";

    public string The => $"the {Bare}";

    public string A => IsPlural ? $"some {Bare}" : Sentences.A(Bare);

    public string It => IsPlural ? "they" : "it";

    public string Them => IsPlural ? "them" : "it";

    public bool Equals(Thing? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}

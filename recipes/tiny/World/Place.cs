namespace Gemma.Recipes.Tiny;

/// <summary>Where something happens.</summary>
/// <param name="Name">"the old mill".</param>
/// <param name="In">"at", "in", "on": what stands before the name.</param>
/// <param name="Spots">Where in it something can lie: "behind the wheel".</param>
/// <param name="Details">Sentences that are true there.</param>
internal sealed record Place(string Name, string In, string[] Spots, string[] Details)
{
    public string At => $"{In} {Name}";

    public string To => $"to {Name}";

    public bool Equals(Place? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}

using System.Collections.Immutable;

namespace Gemma.Formats;

/// <summary>How far a <see cref="TokenMixture"/> is: all that a checkpoint must keep to go on with the next document, and the exact receipt of what was seen.</summary>
/// <param name="Seed">Of the mixture.</param>
/// <param name="Sets">In the mixture's order.</param>
public sealed record TokenMixtureState(ulong Seed, ImmutableArray<TokenSetState> Sets);

/// <summary>How much of a set was seen.</summary>
/// <param name="Name">Of the set.</param>
/// <param name="Content">Hash over its shards: a set of this name with other documents is another set.</param>
/// <param name="Weight">That it had.</param>
/// <param name="Documents">Drawn so far, each time counted.</param>
/// <param name="Tokens">Of the documents drawn so far.</param>
/// <param name="Epochs">How often all documents were drawn; the part after the point is of the pass in progress.</param>
public sealed record TokenSetState(string Name, string Content, double Weight, long Documents, long Tokens, double Epochs);

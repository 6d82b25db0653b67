using System.Collections.Immutable;

namespace Gemma.Training;

/// <summary>
/// What an adapter adds to a linear map: scale · dropout(x) · downᵀ · up (LoRA: Hu et al., arXiv 2106.09685). Where the map is several published matrices in one,
/// such as query, key and value, each that is adapted is a part: they read the same input, with the same dropout, and write columns of their own.
/// </summary>
/// <typeparam name="T">A matrix on the tape's backend.</typeparam>
public sealed class LowRankUpdate<T> where T : class
{
    /// <summary>[ranks of all parts, inputs]: the published A matrices one behind the other.</summary>
    public required T Down { get; init; }

    public required T DownGradient { get; init; }

    public required ImmutableArray<LowRankPart<T>> Parts { get; init; }

    /// <summary>Factor on all of it: α / rank.</summary>
    public required float Scale { get; init; }

    /// <summary>The share of inputs that is dropped in training; the others are scaled up for it.</summary>
    public float Dropout { get; init; }

    /// <summary>Tells this update's dropout from the others'.</summary>
    public ulong Stream { get; init; }
}

/// <summary>One published matrix's part of a <see cref="LowRankUpdate{T}"/>.</summary>
/// <param name="Up">[rank, outputs]: the published B, transposed.</param>
/// <param name="UpGradient">Where its gradient is added up.</param>
/// <param name="FirstRank">Its first row of <see cref="LowRankUpdate{T}.Down"/>.</param>
/// <param name="FirstColumn">Its first column of the map's result.</param>
public sealed record LowRankPart<T>(T Up, T UpGradient, int FirstRank, int FirstColumn) where T : class;

using System.Collections.Immutable;

namespace Gemma;

/// <summary>
/// The settings of a low-rank adapter (LoRA: Hu et al., arXiv 2106.09685): W · x + scale · B · A · x for the matrices it adapts, with A [rank, inputs] and
/// B [outputs, rank]. The names are PEFT's.
/// </summary>
public sealed record LoraConfig
{
    /// <summary>PEFT's name of each matrix that can be adapted.</summary>
    public static ImmutableArray<(TensorRole Role, string Name)> Targetable { get; } =
    [
        (TensorRole.Query, "q_proj"), (TensorRole.Key, "k_proj"), (TensorRole.Value, "v_proj"), (TensorRole.AttentionOutput, "o_proj"), (TensorRole.Gate, "gate_proj"),
        (TensorRole.Up, "up_proj"), (TensorRole.Down, "down_proj"),
    ];

    /// <summary>Rows of each A, columns of each B (<c>r</c>).</summary>
    public int Rank { get; init; } = 8;

    /// <summary><c>lora_alpha</c>.</summary>
    public float Alpha { get; init; } = 16;

    /// <summary>The matrices that are adapted, in all layers; all of them by default.</summary>
    public ImmutableArray<TensorRole> Targets { get; init; } = [.. Targetable.Select(target => target.Role)];

    /// <summary>The share of an adapter's inputs that training drops (<c>lora_dropout</c>).</summary>
    public float Dropout { get; init; }

    /// <summary>α / √rank instead of α / rank (<c>use_rslora</c>; arXiv 2312.03732).</summary>
    public bool IsRankStabilized { get; init; }

    /// <summary>What the model is called that the adapter belongs to (<c>base_model_name_or_path</c>).</summary>
    public string? BaseModel { get; init; }

    /// <summary>The factor on B · A for a rank.</summary>
    public float ScaleOf(int rank) => IsRankStabilized ? Alpha / MathF.Sqrt(rank) : Alpha / rank;

    /// <summary>Reads a list of targets: PEFT's names with commas between them, or <c>all-linear</c>.</summary>
    /// <exception cref="UsageException">One is no name of a matrix that can be adapted.</exception>
    public static ImmutableArray<TensorRole> ParseTargets(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Trim().Equals("all-linear", StringComparison.OrdinalIgnoreCase)) return new LoraConfig().Targets;
        return [.. text.Split(',', StringSplitOptions.TrimEntries).Select(Parse).Distinct().Order()];

        static TensorRole Parse(string name)
        {
            foreach ((TensorRole role, string known) in Targetable)
                if (known.Equals(name, StringComparison.OrdinalIgnoreCase)) return role;
            throw new UsageException($"expected matrices to adapt, of {string.Join(", ", Targetable.Select(target => target.Name))}, or all-linear, found '{name}'");
        }
    }

    /// <exception cref="UsageException">A setting is out of its range.</exception>
    public void Validate()
    {
        if (Rank is < 1 or > 1024) throw new UsageException(FormattableString.Invariant($"the rank of the adapter is {Rank}; it must be from 1 to 1024"));
        if (!(Alpha > 0 && float.IsFinite(Alpha))) throw new UsageException(FormattableString.Invariant($"alpha of the adapter is {Alpha}; it must be a positive number"));
        if (Dropout is not (>= 0 and < 1)) throw new UsageException(FormattableString.Invariant($"dropout of the adapter is {Dropout}; it must be from 0 to less than 1"));
        if (Targets.IsDefaultOrEmpty) throw new UsageException("the adapter has nothing to adapt; name targets such as q_proj,v_proj, or all-linear");
    }

    internal static string NameOf(TensorRole role) => Targetable.First(target => target.Role == role).Name;
}

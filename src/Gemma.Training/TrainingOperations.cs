namespace Gemma.Training;

/// <summary>The operations that training needs, multiplications and additions counted each, however they are computed: what utilisation is measured by.</summary>
internal static class TrainingOperations
{
    /// <summary>
    /// For each token 2 for each weight forwards, 2 for the gradients of what it multiplied and 2 for its own where it is trained; attention as much, once for scores
    /// and once for values, over the positions that the token sees. Recomputed layers count once.
    /// </summary>
    public static double Of(TrainingModel model, TrainingBatch batch)
    {
        GemmaConfig config = model.Config;
        double matrices = model.Adapter is null ? 6.0 * config.ParameterCount : 4.0 * config.ParameterCount + 6.0 * model.Trained.Count;
        double all = 0, windowed = 0;
        foreach (int position in batch.Inputs.Positions)
        {
            all += position + 1;
            windowed += Math.Min(position + 1, config.SlidingWindow);
        }
        int windows = config.WindowedLayers.Count(isWindowed => isWindowed);
        return matrices * batch.TokenCount + 12.0 * config.QueryWidth * (windows * windowed + (config.LayerCount - windows) * all);
    }
}

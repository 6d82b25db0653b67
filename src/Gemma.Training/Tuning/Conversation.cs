using Gemma.Chat;

namespace Gemma.Training.Tuning;

/// <summary>A conversation to learn from, and which of the model's turns are learnt.</summary>
internal sealed class Conversation
{
    public List<ChatTurn> Turns { get; } = [];

    /// <summary>For each turn the weight of its tokens' loss: 0 for all that the model does not say.</summary>
    public List<float> Weights { get; } = [];

    public void Add(ChatTurn turn, float weight)
    {
        Turns.Add(turn);
        Weights.Add(turn.Role == ChatTurnRole.Model ? weight : 0);
    }

    /// <summary>Ids and for each the weight of its loss, up to the last that has one: what follows nobody learns.</summary>
    public (int[] Ids, float[] Weights) Encode(ChatTemplate template)
    {
        int[] ids = template.Encode(Turns, out int[] answers);
        float[] weights = [.. answers.Select(turn => turn < 0 ? 0 : Weights[turn])];
        int end = Array.FindLastIndex(weights, weight => weight != 0) + 1;
        return (ids[..end], weights[..end]);
    }
}

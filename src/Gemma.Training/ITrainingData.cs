using System.Text.Json;

namespace Gemma.Training;

/// <summary>
/// What a trainer learns from: documents of a mixture, conversations, pairs of answers. It gives the same batches in the same order each time, and goes on from a
/// position that was saved, bit for bit. Belongs to one thread at a time.
/// </summary>
public interface ITrainingData
{
    /// <summary>
    /// What decides which batches come: the files by their hashes, weights, seed, length of a sequence. A run goes on only with data of which all of this is equal;
    /// what differs is named by its key.
    /// </summary>
    IReadOnlyDictionary<string, string> Identity { get; }

    /// <summary>What the batch that <see cref="Next"/> filled last is made of, one place a document (a file and where in it), for messages about that batch.</summary>
    IReadOnlyList<string> Documents { get; }

    /// <summary>Clears the batch and puts the next documents into it, whole samples only.</summary>
    /// <param name="batch">The batch, used again from step to step.</param>
    /// <param name="tokens">Tokens it may read at most (<see cref="TrainingBatch.TokenCount"/>); only a single sample that is longer by itself may exceed it.</param>
    /// <returns>False, and the batch is empty, where the last epoch has ended. The last batch before that may be smaller than the others.</returns>
    bool Next(TrainingBatch batch, int tokens);

    /// <summary>Writes the position, which is also the receipt of what was seen so far, as one JSON object.</summary>
    void Save(Utf8JsonWriter json);

    /// <summary>Goes to a position that <see cref="Save"/> wrote: the next batch is the one that would have come then.</summary>
    /// <exception cref="GemmaException">It is no position in this data; the message says what differs.</exception>
    void Restore(JsonElement position);
}

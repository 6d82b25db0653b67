using System.Runtime.InteropServices;

namespace Gemma.Training;

/// <summary>
/// Runs the model's operations on a backend, notes them, and runs their gradients backwards: pretraining, fine-tuning and preference training are the one
/// <see cref="Transformer{T}"/> on a tape.
/// </summary>
/// <remarks>
/// Every matrix has a count of those that hold it: the variable until its layer is done, the records whose gradients read it. When nobody is left the backend has
/// it back, so after the forward pass only what gradients read exists, and a layer's part of that is gone when the backward pass leaves the layer. Records,
/// variables and matrices are used again from step to step: a steady state allocates nothing.
/// </remarks>
/// <typeparam name="T">A matrix on the backend.</typeparam>
public sealed class Tape<T> : IBackend<Variable<T>> where T : class
{
    private readonly IGradientBackend<T> _on;
    private readonly List<Record<T>> _records = [];
    private readonly List<Variable<T>> _variables = [];
    private readonly Stack<Held<T>> _spare = new();
    private readonly List<int> _numbers = [];
    private int _recordCount, _variableCount;

    /// <param name="backend">Computes.</param>
    /// <param name="recomputeLayers">Keep only the input of each layer, and compute it again in the backward pass.</param>
    public Tape(IGradientBackend<T> backend, bool recomputeLayers = false)
    {
        ArgumentNullException.ThrowIfNull(backend);
        _on = backend;
        RecomputesLayers = recomputeLayers;
    }

    public bool RecomputesLayers { get; }

    /// <summary>Whether operations are noted; off, the tape is a backend without gradients that holds one layer's values.</summary>
    public bool IsRecording { get; set; } = true;

    /// <summary>Whether adapters (<see cref="Variable{T}.Update"/>) count.</summary>
    public bool UsesUpdates { get; set; } = true;

    /// <summary>What dropout is drawn from in this pass, forwards and backwards; null drops nothing.</summary>
    public ulong? Seed { get; set; }

    public Variable<T> Embed(Variable<T> table, ReadOnlySpan<int> tokens, float scale)
    {
        Variable<T> result = New(_on.Embed(table.Value, tokens, scale), table.NeedsGradient);
        if (Note(Operation.Embed, result, table) is not { } record) return result;
        record.Factor = scale;
        Keep(record, tokens);
        return result;
    }

    public Variable<T> RmsNorm(Variable<T> x, Variable<T> gain)
    {
        Variable<T> result = New(_on.RmsNorm(x.Value, gain.Value), x.NeedsGradient || gain.NeedsGradient);
        if (Note(Operation.RmsNorm, result, x, gain) is { } record) record.InputValue = Hold(x.Data!);
        return result;
    }

    public Variable<T> Linear(Variable<T> x, Variable<T> weight)
    {
        T value = _on.Linear(x.Value, weight.Value);
        LowRankUpdate<T>? update = UpdateOf(weight);
        T? projected = update is null ? null : _on.AddLowRank(x.Value, update, Seed, value);
        Variable<T> result = New(value, x.NeedsGradient || weight.NeedsGradient || update is not null);
        if (Note(Operation.Linear, result, x, weight) is { } record) Keep(record, update, projected is null ? null : NewHeld(projected));
        else if (projected is not null) _on.Free(projected);
        return result;
    }

    public Variable<T> GatedLinear(Variable<T> x, Variable<T> gateUp)
    {
        LowRankUpdate<T>? update = UpdateOf(gateUp);
        bool needsGradient = x.NeedsGradient || gateUp.NeedsGradient || update is not null;
        if (update is null && (!IsRecording || !needsGradient)) return New(_on.GatedLinear(x.Value, gateUp.Value), needsGradient);
        T products;
        T? projected = null;
        Variable<T> result;
        if (update is null) result = New(_on.GatedLinear(x.Value, gateUp.Value, out products), true);
        else
        {
            products = _on.Linear(x.Value, gateUp.Value);
            projected = _on.AddLowRank(x.Value, update, Seed, products);
            result = New(_on.Gate(products), true);
        }
        if (Note(Operation.GatedLinear, result, x, gateUp) is { } record)
        {
            record.Extra = NewHeld(products);
            Keep(record, update, projected is null ? null : NewHeld(projected));
            return result;
        }
        _on.Free(products);
        _on.Free(projected!);
        return result;
    }

    public Variable<T> HeadNorm(Variable<T> qkv, Variable<T> queryGain, Variable<T> keyGain, in AttentionShape shape)
    {
        Variable<T> result = New(_on.HeadNorm(qkv.Value, queryGain.Value, keyGain.Value, shape),
            qkv.NeedsGradient || queryGain.NeedsGradient || keyGain.NeedsGradient);
        if (Note(Operation.HeadNorm, result, qkv, queryGain, keyGain) is not { } record) return result;
        record.Shape = shape;
        record.InputValue = Hold(qkv.Data!);
        return result;
    }

    public Variable<T> Rope(Variable<T> qkv, ReadOnlySpan<int> positions, in AttentionShape shape)
    {
        Held<T> taken = Take(qkv);
        taken.Value = _on.Rope(taken.Value, positions, shape);
        Variable<T> result = New(taken, qkv.NeedsGradient);
        if (Note(Operation.Rope, result, qkv) is not { } record) return result;
        record.Shape = shape;
        Keep(record, positions);
        return result;
    }

    public Variable<T> Attention(Variable<T> qkv, Batch batch, in AttentionShape shape)
    {
        if (!IsRecording || !qkv.NeedsGradient) return New(_on.Attention(qkv.Value, batch, shape), qkv.NeedsGradient);
        Variable<T> result = New(_on.Attention(qkv.Value, batch, shape, out T logSums), true);
        Record<T> record = Note(Operation.Attention, result, qkv)!;
        record.Shape = shape;
        record.Batch = batch;
        record.InputValue = Hold(qkv.Data!);
        record.ResultValue = Hold(result.Data!);
        record.Extra = NewHeld(logSums);
        return result;
    }

    public Variable<T> Add(Variable<T> x, Variable<T> y)
    {
        Variable<T> result = New(_on.Add(x.Value, y.Value), x.NeedsGradient || y.NeedsGradient);
        Note(Operation.Add, result, x, y);
        return result;
    }

    /// <inheritdoc/>
    /// <remarks>The rows are ascending, so as many as x has are all of them, and the result is x.</remarks>
    public Variable<T> Rows(Variable<T> x, ReadOnlySpan<int> rows)
    {
        T taken = _on.Rows(x.Value, rows);
        if (ReferenceEquals(taken, x.Value)) return x;
        Variable<T> result = New(taken, x.NeedsGradient);
        if (Note(Operation.Rows, result, x) is not { } record) return result;
        Keep(record, rows);
        record.Rows = _on.RowCount(x.Value);
        return result;
    }

    public Variable<T> SoftCap(Variable<T> x, float cap)
    {
        Held<T> taken = Take(x);
        taken.Value = _on.SoftCap(taken.Value, cap);
        Variable<T> result = New(taken, x.NeedsGradient);
        if (Note(Operation.SoftCap, result, x) is not { } record) return result;
        record.Factor = cap;
        record.ResultValue = Hold(taken);
        return result;
    }

    public Variable<T> Layer(Variable<T> x, int layer, Batch batch, LayerFunction<Variable<T>> function)
    {
        bool recomputes = RecomputesLayers && IsRecording;
        int first = _variableCount;
        if (recomputes) IsRecording = false;
        Variable<T> result;
        try
        {
            result = function(x, layer, batch);
        }
        finally
        {
            if (recomputes) IsRecording = true;
        }
        ReleaseValues(first, result);
        if (recomputes && Note(Operation.Layer, result, x) is { } record)
        {
            record.InputValue = Hold(x.Data!);
            record.Batch = batch;
            record.LayerIndex = layer;
            record.Function = function;
        }
        // As with the other backends, who runs a layer does not use its input again.
        ReleaseValue(x);
        return result;
    }

    /// <summary>
    /// The loss of predicting targets from hidden · headᵀ (<see cref="IGradientBackend{T}.CrossEntropy"/>). While recording, its gradients are computed at once and
    /// <see cref="Backward()"/> goes on from them.
    /// </summary>
    /// <param name="rowLosses">Takes each row's loss, not weighted, unless it is empty.</param>
    public Loss CrossEntropy(Variable<T> hidden, Variable<T> head, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, float softCap, float gradientScale,
        Span<double> rowLosses = default)
    {
        Loss loss = _on.CrossEntropy(hidden.Value, head.Value, targets, weights, softCap, IsRecording ? gradientScale : 0, out T? gradient, IsRecording ? head.Gradient : null, rowLosses);
        if (gradient is null) return loss;
        Held<T> held = NewHeld(gradient);
        if (hidden.NeedsGradient) Accumulate(hidden, held);
        Release(held);
        return loss;
    }

    /// <summary>Runs everything noted backwards from a result's gradient, which is copied.</summary>
    public void Backward(Variable<T> result, T gradient)
    {
        ArgumentNullException.ThrowIfNull(result);
        Held<T> held = NewHeld(_on.Copy(gradient));
        Accumulate(result, held);
        Release(held);
        Backward();
    }

    /// <summary>Runs everything noted backwards; the records are gone then.</summary>
    public void Backward() => BackwardTo(0);

    /// <summary>Drops all records, and gives back all values but the parameters'.</summary>
    public void Clear()
    {
        while (_recordCount > 0) Release(_records[--_recordCount]);
        ReleaseVariables(0);
        _numbers.Clear();
    }

    private void BackwardTo(int end)
    {
        while (_recordCount > end)
        {
            Record<T> record = _records[--_recordCount];
            if (record.Result.Sum is { } sum)
            {
                Backward(record, sum);
                record.Result.Sum = null;
            }
            Release(record);
        }
    }

    /// <summary>Passes the gradient of a record's result on to its arguments, and lets go of it.</summary>
    private void Backward(Record<T> record, Held<T> gradient)
    {
        Variable<T> x = record.Input;
        Variable<T>? second = record.Second, third = record.Third;
        ReadOnlySpan<int> numbers = CollectionsMarshal.AsSpan(_numbers).Slice(record.FirstNumber, record.NumberCount);
        switch (record.Operation)
        {
            case Operation.Embed:
                _on.EmbedGradient(gradient.Value, numbers, record.Factor, x.Gradient!);
                break;
            case Operation.RmsNorm:
                Give(x, _on.RmsNormGradient(record.InputValue!.Value, second!.Value, gradient.Value, SumOf(x), second.Gradient));
                break;
            case Operation.Linear:
                LinearBackward(record, gradient.Value);
                break;
            case Operation.GatedLinear:
                _on.GateGradient(record.Extra!.Value, gradient.Value);
                LinearBackward(record, record.Extra.Value);
                break;
            case Operation.HeadNorm:
                gradient = Own(gradient);
                _on.HeadNormGradient(record.InputValue!.Value, second!.Value, third!.Value, gradient.Value, record.Shape, second.Gradient, third.Gradient);
                Accumulate(x, gradient);
                break;
            case Operation.Rope:
                gradient = Own(gradient);
                _on.RopeGradient(gradient.Value, numbers, record.Shape);
                Accumulate(x, gradient);
                break;
            case Operation.Attention:
                T attention = _on.AttentionGradient(record.InputValue!.Value, record.ResultValue!.Value, record.Extra!.Value, gradient.Value, record.Batch!, record.Shape);
                Held<T> held = NewHeld(attention);
                Accumulate(x, held);
                Release(held);
                break;
            case Operation.Add:
                if (x.NeedsGradient) Accumulate(x, gradient);
                if (second!.NeedsGradient) Accumulate(second, gradient);
                break;
            case Operation.Rows:
                Give(x, _on.RowsGradient(gradient.Value, numbers, record.Rows, SumOf(x)));
                break;
            case Operation.SoftCap:
                gradient = Own(gradient);
                _on.SoftCapGradient(record.ResultValue!.Value, record.Factor, gradient.Value);
                Accumulate(x, gradient);
                break;
            case Operation.Layer:
                LayerBackward(record, gradient);
                break;
        }
        Release(gradient);
    }

    private void LinearBackward(Record<T> record, T gradient)
    {
        Variable<T> x = record.Input, weight = record.Second!;
        if (weight.NeedsGradient) Give(weight, _on.WeightGradient(record.InputValue!.Value, gradient, SumOf(weight)));
        if (x.NeedsGradient) Give(x, _on.LinearGradient(weight.Value, gradient, SumOf(x)));
        if (record.Update is { } update)
            _on.LowRankGradient(record.InputValue!.Value, record.Projected!.Value, update, Seed, gradient, x.NeedsGradient ? SumOf(x) : null);
    }

    private LowRankUpdate<T>? UpdateOf(Variable<T> weight) => UsesUpdates ? weight.Update : null;

    /// <summary>Computes the layer again, noting what it did the first time, and runs that backwards.</summary>
    private void LayerBackward(Record<T> record, Held<T> gradient)
    {
        int end = _recordCount, first = _variableCount, numbers = _numbers.Count;
        LayerFunction<Variable<T>> function = record.Function!;
        // The record of the layer itself is the first to be used again: what is needed of it is read before.
        Variable<T> x = record.Input, again = New(Hold(record.InputValue!), x.NeedsGradient);
        int layer = record.LayerIndex;
        Batch batch = record.Batch!;
        _recordCount++;
        end++;
        Variable<T> result = function(again, layer, batch);
        ReleaseValues(first, null);
        Accumulate(result, gradient);
        BackwardTo(end);
        _recordCount--;
        if (again.Sum is { } sum)
        {
            Accumulate(x, sum);
            Release(sum);
            again.Sum = null;
        }
        ReleaseVariables(first);
        CollectionsMarshal.SetCount(_numbers, numbers);
    }

    /// <summary>Adds to a variable's gradient; the first is shared, and copied when something is added to it while others hold it.</summary>
    private void Accumulate(Variable<T> variable, Held<T> gradient)
    {
        if (variable.Sum is null) variable.Sum = Hold(gradient);
        else _on.AddTo(SumOf(variable)!, gradient.Value);
    }

    /// <summary>The matrix that more may be added to in place; null where there is none yet.</summary>
    private T? SumOf(Variable<T> variable)
    {
        if (variable.Sum is null) return null;
        return (variable.Sum = Own(variable.Sum)).Value;
    }

    private void Give(Variable<T> variable, T sum)
    {
        if (variable.Sum is null) variable.Sum = NewHeld(sum);
    }

    /// <summary>The same matrix where nobody else holds it, else a copy.</summary>
    private Held<T> Own(Held<T> held)
    {
        if (held.Holders == 1) return held;
        Held<T> copy = NewHeld(_on.Copy(held.Value));
        Release(held);
        return copy;
    }

    /// <summary>A variable's matrix for an operation that computes in place.</summary>
    private Held<T> Take(Variable<T> variable)
    {
        _ = variable.Value;
        Held<T> held = Own(variable.Data!);
        variable.Data = null;
        return held;
    }

    private Record<T>? Note(Operation operation, Variable<T> result, Variable<T> input, Variable<T>? second = null, Variable<T>? third = null)
    {
        if (!IsRecording || !result.NeedsGradient) return null;
        if (_recordCount == _records.Count) _records.Add(new Record<T>());
        Record<T> record = _records[_recordCount++];
        record.Operation = operation;
        record.Result = result;
        record.Input = input;
        record.Second = second;
        record.Third = third;
        record.FirstNumber = record.NumberCount = 0;
        return record;
    }

    /// <summary>What the gradient of a linear map reads: its input, where something on the way learns.</summary>
    private static void Keep(Record<T> record, LowRankUpdate<T>? update, Held<T>? projected)
    {
        if (record.Second!.NeedsGradient || update is not null) record.InputValue = Hold(record.Input.Data!);
        record.Update = update;
        record.Projected = projected;
    }

    private void Keep(Record<T> record, ReadOnlySpan<int> numbers)
    {
        record.FirstNumber = _numbers.Count;
        record.NumberCount = numbers.Length;
        _numbers.AddRange(numbers);
    }

    private Variable<T> New(T value, bool needsGradient) => New(NewHeld(value), needsGradient);

    private Variable<T> New(Held<T> held, bool needsGradient)
    {
        if (_variableCount == _variables.Count) _variables.Add(new Variable<T>());
        Variable<T> variable = _variables[_variableCount++];
        variable.Reset(held, needsGradient);
        return variable;
    }

    private Held<T> NewHeld(T value)
    {
        if (!_spare.TryPop(out Held<T>? held)) return new Held<T>(value);
        held.Value = value;
        held.Holders = 1;
        return held;
    }

    private static Held<T> Hold(Held<T> held)
    {
        held.Holders++;
        return held;
    }

    private void Release(Held<T> held)
    {
        if (--held.Holders > 0) return;
        _on.Free(held.Value);
        held.Value = null!;
        _spare.Push(held);
    }

    private void Release(Record<T> record)
    {
        if (record.InputValue is { } input) Release(input);
        if (record.ResultValue is { } result) Release(result);
        if (record.Extra is { } extra) Release(extra);
        if (record.Projected is { } projected) Release(projected);
        record.InputValue = record.ResultValue = record.Extra = record.Projected = null;
        record.Update = null;
    }

    private void ReleaseValue(Variable<T> variable)
    {
        if (variable.Data is not { } data) return;
        variable.Data = null;
        Release(data);
    }

    /// <summary>Lets go of the values of all variables since <paramref name="first"/> but one.</summary>
    private void ReleaseValues(int first, Variable<T>? kept)
    {
        for (int i = first; i < _variableCount; i++)
            if (_variables[i] != kept) ReleaseValue(_variables[i]);
    }

    private void ReleaseVariables(int first)
    {
        ReleaseValues(first, null);
        for (int i = first; i < _variableCount; i++)
        {
            if (_variables[i].Sum is not { } sum) continue;
            Release(sum);
            _variables[i].Sum = null;
        }
        _variableCount = first;
    }
}

using Gemma.Benchmarks;

// `decode` and `prefill` time whole passes over a synthetic model; anything else is BenchmarkDotNet's: `--filter '*Gemv*'`.
if (args is ["decode" or "prefill" or "load", ..]) return Passes.Run(args);
BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(typeof(Passes).Assembly).Run(args);
return 0;

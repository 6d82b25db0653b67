using Gemma.Benchmarks;

// Whole passes over a synthetic model, and matrix products by themselves; anything else is BenchmarkDotNet's: `--filter '*Gemv*'`.
if (args is ["decode" or "prefill" or "load", ..]) return Passes.Run(args);
if (args is ["products", ..]) return Products.Run(args);
BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(typeof(Passes).Assembly).Run(args);
return 0;

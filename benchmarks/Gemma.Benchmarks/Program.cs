using Gemma.Benchmarks;

// Plain modes, described in README.md beside this project; anything else is BenchmarkDotNet's: `--filter '*Product*'`.
if (args is ["decode" or "prefill" or "rows" or "load", ..]) return Passes.Run(args);
if (args is ["prefix", ..]) return Prefixes.Run(args);
if (args is ["drafts", ..]) return Drafts.Run(args);
if (args is ["products", ..]) return Products.Run(args);
if (args is ["threads", ..]) return Threads.Run(args);
if (args is ["quality", ..]) return Quality.Run(args);
if (args is ["rearrange", ..]) return Rearranged.Run(args);
if (args is ["context", ..]) return Contexts.Run(args);
if (args is ["overhead", ..]) return Overhead.Run(args);
if (args is ["train", ..]) return TrainingSteps.Run(args);
if (args is ["lora", ..]) return LoraSteps.Run(args);
if (args is ["ceilings"]) return Ceilings.Run();
BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(typeof(Passes).Assembly).Run(args);
return 0;

using System.Diagnostics;
using System.Runtime.Intrinsics;
using Gemma.Cpu.Kernels;

namespace Gemma.Cpu;

/// <summary>
/// How fast this machine reads memory. Every token of an answer reads all weights once, so this divided by
/// <see cref="GemmaModel.WeightBytesPerToken"/> is the most tokens a second it can give.
/// </summary>
public static unsafe class MemoryBandwidth
{
    // Larger than the last-level cache of any processor this runs on by a factor that makes what the cache keeps from round to round unimportant.
    private const long BufferBytes = 512L << 20;
    private const int Rounds = 5;

    /// <summary>
    /// Reads half a gigabyte five times, on the kind of pages that weights lie on and in the order a product reads them, and gives the best round in bytes
    /// per second. Takes about a fifth of a second and 512 MiB.
    /// </summary>
    /// <param name="threads">Threads that read at once; 0 is one for each processor.</param>
    /// <exception cref="OutOfMemoryException">The buffer cannot be had.</exception>
    public static double Measure(int threads = 0)
    {
        using var buffer = new NativeBuffer((nuint)BufferBytes, zeroed: false);
        using var team = new ThreadTeam(threads);
        // Written first, each part by its reader: pages that were never touched are all the same page of zeros.
        var fill = new FillWork(buffer.Pointer);
        team.Run(ref fill);
        double best = 0;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            var read = new ReadWork(buffer.Pointer);
            team.Run(ref read);
            best = Math.Max(best, BufferBytes / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    private static (long Begin, long End) Share(int part, int parts) => (BufferBytes / 4096 * part / parts * 4096, BufferBytes / 4096 * (part + 1) / parts * 4096);

    private readonly struct FillWork(byte* buffer) : IWork
    {
        public void Run(int part, int parts)
        {
            (long begin, long end) = Share(part, parts);
            for (long start = begin; start < end; start += 1 << 30)
                new Span<byte>(buffer + start, (int)Math.Min(1 << 30, end - start)).Fill(1);
        }
    }

    private readonly struct ReadWork(byte* buffer) : IWork
    {
        public void Run(int part, int parts)
        {
            (long begin, long end) = Share(part, parts);
            Vector512<long> a = default, b = default, c = default, d = default;
            for (byte* p = buffer + begin; p < buffer + end; p += 256)
            {
                // As the products ask for it: without, the figure would not be the most that memory gives.
                Prefetch.After(p);
                Prefetch.After(p + 64);
                Prefetch.After(p + 128);
                Prefetch.After(p + 192);
                a += Vector512.Load((long*)p);
                b += Vector512.Load((long*)p + 8);
                c += Vector512.Load((long*)p + 16);
                d += Vector512.Load((long*)p + 24);
            }
            // The sum is known, so that what was read is also checked, and no compiler may leave the reading out.
            if (Vector512.Sum(a + b + c + d) != (end - begin) / 8 * 0x0101010101010101) throw new InvalidDataException("memory does not hold what was written into it");
        }
    }
}

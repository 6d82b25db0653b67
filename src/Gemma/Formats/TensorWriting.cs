using System.Buffers;
using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;

namespace Gemma.Formats;

/// <summary>
/// One run of writing tensors, to one file or many shards: encodes rows on all threads and puts them straight to their places, holding no more than a
/// chunk for each thread.
/// </summary>
internal sealed class TensorWriting(long totalBytes, WriteOptions options, CancellationToken cancellation)
{
    // A chunk is one system call; after a segment progress is told and the source may let go of the rows.
    private const int ChunkBytes = 1 << 20, SegmentBytes = 1 << 26;

    private readonly ParallelOptions _parallel = new()
    {
        MaxDegreeOfParallelism = options.Threads > 0 ? options.Threads : Environment.ProcessorCount,
        CancellationToken = cancellation,
    };

    private long _written;

    /// <summary>Writes the tensor's rows from <paramref name="offset"/> on.</summary>
    public void Write(SafeFileHandle file, TensorContent tensor, long offset)
    {
        long chunkRows = Math.Max(1, ChunkBytes / tensor.RowLength), segmentRows = chunkRows * (SegmentBytes / ChunkBytes);
        for (long first = 0; first < tensor.Rows; first += segmentRows)
        {
            long start = first, count = Math.Min(segmentRows, tensor.Rows - first);
            try
            {
                Parallel.For(0, (count + chunkRows - 1) / chunkRows, _parallel, chunk =>
                    WriteChunk(file, tensor, offset, start + chunk * chunkRows, Math.Min(chunkRows, count - chunk * chunkRows)));
            }
            catch (AggregateException failures)
            {
                ExceptionDispatchInfo.Throw(failures.Flatten().InnerExceptions[0]);
            }
            tensor.Done?.Invoke(start, count);
            _written += count * tensor.RowLength;
            options.Progress?.Report((double)_written / totalBytes);
        }
    }

    private static void WriteChunk(SafeFileHandle file, TensorContent tensor, long offset, long first, long count)
    {
        int length = (int)(count * tensor.RowLength);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(length);
        for (int i = 0; i < count; i++) tensor.Encode(first + i, buffer.AsSpan(i * tensor.RowLength, tensor.RowLength));
        RandomAccess.Write(file, buffer.AsSpan(0, length), offset + first * tensor.RowLength);
        ArrayPool<byte>.Shared.Return(buffer);
    }
}

using System.Globalization;
using Gemma.Cpu;
using Gemma.Formats;

namespace Gemma.Training;

/// <summary>Tells a model's weights from others: a checksum of the files that hold them, at the speed of memory.</summary>
public static class ModelChecksum
{
    /// <param name="files">The model.</param>
    /// <param name="threads">Threads that read; 0 is one for each processor.</param>
    public static unsafe string Of(ModelFiles files, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(files);
        using var team = new ThreadTeam(threads);
        return string.Join(' ', files.WeightFiles.Select(file =>
        {
            UInt128 sum = Checksum.Of(file.Start, file.Length, team);
            file.Forget(0, file.Length);
            return sum.ToString("x32", CultureInfo.InvariantCulture);
        }));
    }
}

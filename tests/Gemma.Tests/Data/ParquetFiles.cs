using Parquet;
using Parquet.Schema;

namespace Gemma.Tests.Data;

/// <summary>Parquet files of an "id" and a "body", of which each tenth is null and each tenth empty.</summary>
internal static class ParquetFiles
{
    public static async Task Write(string path, CompressionMethod compression, int groups, int rows)
    {
        DataField id = new DataField<int>("id"), body = new("body", typeof(string), isNullable: true);
        await using FileStream file = File.Create(path);
        await using ParquetWriter writer = await ParquetWriter.CreateAsync(new ParquetSchema(id, body), file, new ParquetOptions { CompressionMethod = compression });
        for (int group = 0; group < groups; group++)
        {
            using ParquetRowGroupWriter part = writer.CreateRowGroup();
            int[] ids = [.. Enumerable.Range(group * rows, rows)];
            await part.WriteAsync<int>(id, ids);
            await part.WriteAsync(body, [.. ids.Select(i => i % 10 == 0 ? null! : i % 10 == 1 ? "" : $"story {i} 日本")]);
            part.CompleteValidate();
        }
    }
}

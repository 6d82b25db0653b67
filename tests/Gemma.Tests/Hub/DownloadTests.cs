using System.Diagnostics;
using CsCheck;
using Gemma.Hub;

namespace Gemma.Tests.Hub;

public sealed class DownloadTests : IDisposable
{
    private const string Weights = "model.safetensors";

    private readonly FakeHub _hub = new();
    private readonly Dictionary<string, byte[]> _files = FakeFiles.Model();

    public void Dispose() => _hub.Dispose();

    private string Partial => Path.Combine(_hub.Cache, "models--google--gemma-2b-it", "blobs", FakeHub.Etag(Weights, _files[Weights]) + ".incomplete");

    private IReadOnlyList<FakeRequest> WeightRequests => [.. _hub.Requests.Where(IsWeights)];

    [Fact]
    public void Wherever_connections_break_the_file_comes_whole_and_no_byte_is_asked_for_twice()
    {
        Gen.Select(Gen.Int[0, 3_000], Gen.Int[0, 1_200].Array[0, 5], Gen.Bool).Sample((length, cuts, reset) =>
        {
            using var hub = new FakeHub();
            Dictionary<string, byte[]> files = FakeFiles.Model(length);
            hub.Commit(FakeFiles.Id, files);
            int attempt = 0;
            hub.Faults = request => IsWeights(request) && attempt < cuts.Length ? new Fault { CutAfter = cuts[attempt++], Reset = reset } : null;
            string folder = FakeFiles.PullAsync(hub.Options).GetAwaiter().GetResult();
            Assert.Equal(files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
            if (reset) return; // what lies in the buffers of a connection that is reset may be lost
            int from = 0;
            foreach ((FakeRequest request, int cut) in hub.Requests.Where(IsWeights).Zip(cuts.Append(0)))
            {
                Assert.Equal(from, request.From);
                from += cut;
            }
        }, seed: "0000000000001", iter: 60, threads: 1);
    }

    [Fact]
    public async Task A_download_goes_on_in_the_next_run()
    {
        _hub.Commit(FakeFiles.Id, _files);
        _hub.Faults = request => IsWeights(request) ? new Fault { CutAfter = request.From == 0 ? 40_000 : 0 } : null;
        var failure = await Assert.ThrowsAsync<GemmaException>(() => FakeFiles.PullAsync(_hub.Options));
        FakeFiles.AssertSays(failure, 1, "the connection to 127.0.0.1 broke", "what is here is kept");
        Assert.Equal(_files[Weights][..40_000], File.ReadAllBytes(Partial));
        CachedModel cached = new ModelCache(_hub.Options).List().Single();
        Assert.Equal(40_000, cached.PartialBytes);
        Assert.Empty(cached.Revisions);

        _hub.Faults = _ => null;
        List<DownloadProgress> reports = [];
        string folder = await FakeFiles.PullAsync(_hub.Options, progress: new OnProgress(reports.Add));
        Assert.Equal(40_000, WeightRequests[^1].From);
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        DownloadProgress[] weights = [.. reports.Where(report => report.File == Weights)];
        Assert.Equal(new DownloadProgress(Weights, 40_000, 100_000, 40_000), weights[0]);
        Assert.Equal(new DownloadProgress(Weights, 100_000, 100_000, 40_000), weights[^1]);
        Assert.Equal(weights.OrderBy(report => report.Done), weights);
    }

    [Fact]
    public async Task A_server_without_ranges_sends_all_of_it_again()
    {
        _hub.Commit(FakeFiles.Id, _files);
        _hub.Faults = request => IsWeights(request) ? new Fault { CutAfter = request.From == 0 ? 40_000 : null, IgnoreRange = true } : null;
        List<DownloadProgress> reports = [];
        string folder = await FakeFiles.PullAsync(_hub.Options, progress: new OnProgress(reports.Add));
        Assert.Equal([0, 40_000], WeightRequests.Select(request => request.From));
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Equal(new DownloadProgress(Weights, 100_000, 100_000, 0), reports[^1]);
    }

    [Theory]
    [InlineData("Content-Range", "bytes 39000-99999/100000")]
    [InlineData("Content-Range", "bytes 40000-99999/200000")]
    public async Task A_part_that_was_not_asked_for_is_not_used(string header, string value)
    {
        _hub.Commit(FakeFiles.Id, _files);
        _hub.Faults = request => !IsWeights(request) ? null
            : request.From == 0 ? new Fault { CutAfter = WeightRequests.Count == 1 ? 40_000 : null }
            : new Fault { Headers = [(header, value)] };
        List<string> notices = [];
        string folder = await FakeFiles.PullAsync(_hub.Options, notices: notices);
        Assert.Equal([0, 40_000, 0], WeightRequests.Select(request => request.From));
        Assert.Contains("another part than the one asked for", notices[^1], StringComparison.Ordinal);
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
    }

    [Theory]
    [InlineData(30_000)]
    [InlineData(100_000)]
    [InlineData(100_001)]
    public async Task A_partial_file_that_holds_something_else_is_found_out(int length)
    {
        _hub.Commit(FakeFiles.Id, _files);
        Directory.CreateDirectory(Path.GetDirectoryName(Partial)!);
        await File.WriteAllBytesAsync(Partial, FakeFiles.Bytes(length, 99));
        string folder = await FakeFiles.PullAsync(_hub.Options);
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Equal(0, WeightRequests[^1].From);
        Assert.False(File.Exists(Partial));
    }

    [Fact]
    public async Task A_whole_partial_file_is_only_checked()
    {
        _hub.Commit(FakeFiles.Id, _files);
        Directory.CreateDirectory(Path.GetDirectoryName(Partial)!);
        await File.WriteAllBytesAsync(Partial, _files[Weights]);
        string folder = await FakeFiles.PullAsync(_hub.Options);
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Empty(WeightRequests);
    }

    [Fact]
    public async Task A_wrong_hash_is_fetched_anew_once()
    {
        _hub.Commit(FakeFiles.Id, _files);
        byte[] wrong = [.. _files[Weights]];
        wrong[70_000] ^= 1;
        _hub.Faults = request => IsWeights(request) && WeightRequests.Count == 1 ? new Fault { Content = wrong } : null;
        List<string> notices = [];
        string folder = await FakeFiles.PullAsync(_hub.Options, notices: notices);
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Contains("fetching it anew", Assert.Single(notices), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Weights, "SHA-256", "cdn")]
    [InlineData("config.json", "git blob", "hub")]
    public async Task A_hash_that_stays_wrong_ends_with_code_4_and_leaves_nothing(string name, string hash, string host)
    {
        _hub.Commit(FakeFiles.Id, _files);
        byte[] wrong = [.. _files[name]];
        wrong[^1] ^= 1;
        bool Concerns(FakeRequest request) =>
            request.Method == "GET" && request.Host == host && request.Path.Split('?')[0].EndsWith("/" + name, StringComparison.Ordinal);
        _hub.Faults = request => !Concerns(request) ? null : host == "cdn" ? new Fault { Content = wrong } : new Fault { Status = 200, Content = wrong };
        var failure = await Assert.ThrowsAsync<BadFileException>(() => FakeFiles.PullAsync(_hub.Options));
        FakeFiles.AssertSays(failure, 4, $"google/gemma-2b-it/{name}", $"expected {hash} {FakeHub.Etag(name, _files[name])}", "twice");
        Assert.Equal(2, _hub.Requests.Count(Concerns));
        string[] tree = FakeFiles.Tree(_hub.Cache);
        Assert.DoesNotContain(tree, line => line.Contains("snapshots", StringComparison.Ordinal) || line.Contains(".incomplete", StringComparison.Ordinal));
        Assert.DoesNotContain(tree, line => line.Contains("blobs/" + FakeHub.Etag(name, _files[name]), StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_file_that_changes_in_the_store_is_not_glued_to_its_old_beginning()
    {
        // The store gives another file first, then the right one: If-Range makes it send all of that.
        _hub.Commit(FakeFiles.Id, _files);
        var other = new Fault { Content = FakeFiles.Bytes(100_000, 77), CutAfter = 40_000 };
        _hub.Faults = request => IsWeights(request) && WeightRequests.Count == 1 ? other : null;
        List<string> notices = [];
        string folder = await FakeFiles.PullAsync(_hub.Options, notices: notices);
        Assert.StartsWith("\"cdn-", WeightRequests[1].Headers["If-Range"], StringComparison.Ordinal);
        Assert.Equal(2, WeightRequests.Count);
        Assert.Contains("the connection to 127.0.0.1 broke", Assert.Single(notices), StringComparison.Ordinal);
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
    }

    [Fact]
    public async Task A_file_that_changes_on_the_hub_in_between_is_told_and_comes_with_the_next_run()
    {
        _hub.Commit(FakeFiles.Id, _files);
        string other = new('0', 64);
        _hub.Faults = request => IsWeights(request) ? new Fault { CutAfter = 40_000 }
            : WeightRequests.Count > 0 && request.Method == "GET" ? new Fault { Headers = [("X-Linked-Etag", $"\"{other}\"")] } : null;
        var failure = await Assert.ThrowsAsync<GemmaException>(() => FakeFiles.PullAsync(_hub.Options));
        FakeFiles.AssertSays(failure, 1, "changed on the hub", other, "run the same command again");

        _hub.Faults = _ => null;
        Dictionary<string, byte[]> changed = FakeFiles.Model(seed: 55);
        _hub.Commit(FakeFiles.Id, changed);
        string folder = await FakeFiles.PullAsync(_hub.Options);
        Assert.Equal(changed[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
        Assert.Equal(0, WeightRequests[^1].From);
    }

    [Fact]
    public async Task A_connection_that_falls_silent_is_made_anew()
    {
        _hub.Commit(FakeFiles.Id, _files);
        _hub.Faults = request => IsWeights(request) && request.From == 0 ? new Fault { StallAfter = 40_000 } : null;
        List<string> notices = [];
        string folder = await FakeFiles.PullAsync(_hub.Options with { StallTimeout = TimeSpan.FromMilliseconds(500) }, notices: notices);
        Assert.Equal([0, 40_000], WeightRequests.Select(request => request.From));
        Assert.Contains("no byte from 127.0.0.1 for 0.5 s", notices[^1], StringComparison.Ordinal);
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
    }

    [Fact]
    public async Task A_signed_address_that_ran_out_is_renewed_by_the_hub()
    {
        _hub.Commit(FakeFiles.Id, _files);
        Fault[] faults = [new Fault { CutAfter = 40_000 }, new Fault { Status = 403 }];
        _hub.Faults = request => IsWeights(request) ? faults.ElementAtOrDefault(WeightRequests.Count - 1) : null;
        string folder = await FakeFiles.PullAsync(_hub.Options);
        Assert.Equal([0, 40_000, 40_000], WeightRequests.Select(request => request.From));
        Assert.Equal(3, _hub.Requests.Count(request => request.Host == "hub" && request.IsFetch && request.Path.EndsWith("/" + Weights, StringComparison.Ordinal)));
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
    }

    [Fact]
    public async Task Bytes_that_arrive_start_the_count_of_attempts_again()
    {
        _hub.Commit(FakeFiles.Id, _files);
        _hub.Faults = request => IsWeights(request) ? new Fault { CutAfter = 5_000 } : null;
        string folder = await FakeFiles.PullAsync(_hub.Options with { Attempts = 3 });
        Assert.Equal(20, WeightRequests.Count);
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
    }

    [Fact]
    public async Task Cancelling_keeps_what_came()
    {
        _hub.Commit(FakeFiles.Id, _files);
        _hub.Faults = request => IsWeights(request) && request.From == 0 ? new Fault { StallAfter = 40_000 } : null;
        using var cancel = new CancellationTokenSource();
        var progress = new OnProgress(report =>
        {
            if (report.File == Weights && report.Done == 40_000) cancel.Cancel();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => FakeFiles.PullAsync(_hub.Options, progress: progress, cancellation: cancel.Token));
        Assert.Equal(40_000, new FileInfo(Partial).Length);
        await FakeFiles.PullAsync(_hub.Options);
        Assert.Equal([0, 40_000], WeightRequests.Select(request => request.From));
    }

    [Fact]
    public async Task A_full_disk_is_one_line_and_keeps_what_came()
    {
        _hub.Commit(FakeFiles.Id, _files);
        HubOptions options = _hub.Options;
        using var connection = new HubConnection(options);
        using var hub = new HuggingFaceHub(options);
        RemoteModel model = await hub.FindAsync(ModelReference.Parse(FakeFiles.Id));
        RemoteFile file = model.Files.Single(file => file.Name == Weights);
        var request = new HubRequest(model.Reference, $"/{FakeFiles.Id}/resolve/{model.Commit}/{Weights}", Weights);
        Directory.CreateDirectory(Path.GetDirectoryName(Partial)!);
        var download = new Download(connection, options, request, file, null, null) { Open = path => new SmallDisk(path, room: 30_000) };
        var failure = await Assert.ThrowsAsync<GemmaException>(() => download.RunAsync(Partial, CancellationToken.None));
        FakeFiles.AssertSays(failure, 1, "the disk is full", "what came is kept", "HF_HUB_CACHE");
        Assert.Equal(_files[Weights][..30_000], File.ReadAllBytes(Partial));
        await hub.PullAsync(model);
        Assert.Equal(30_000, WeightRequests[^1].From);
    }

    [Fact]
    public async Task Too_little_room_is_told_before_anything_is_fetched()
    {
        _hub.Commit(FakeFiles.Id, _files);
        using var hub = new HuggingFaceHub(_hub.Options) { FreeBytes = _ => 1000 };
        RemoteModel model = await hub.FindAsync(ModelReference.Parse(FakeFiles.Id));
        FakeFiles.AssertSays(await Assert.ThrowsAsync<GemmaException>(() => hub.PullAsync(model)), 1, "needs 0.00 GB more", "make room");
        Assert.DoesNotContain(_hub.Requests, request => request.Host == "cdn");
    }

    [Fact]
    public async Task Two_pulls_at_once_fetch_every_file_once()
    {
        _hub.Commit(FakeFiles.Id, _files);
        _hub.Faults = request =>
        {
            if (IsWeights(request)) Thread.Sleep(200);
            return null;
        };
        List<string> first = [], second = [];
        IEnumerable<List<string>> both = [first, second];
        string[] folders = await Task.WhenAll(both.Select(notices => Task.Run(() => FakeFiles.PullAsync(_hub.Options, notices: notices))));
        Assert.Equal(folders[0], folders[1]);
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folders[0], Weights)));
        Assert.Single(WeightRequests);
        Assert.Contains(first.Concat(second), notice => notice.Contains("another process is fetching it", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_process_killed_in_the_middle_leaves_what_the_next_one_needs()
    {
        _hub.Commit(FakeFiles.Id, _files);
        using var stalled = new SemaphoreSlim(0);
        _hub.Faults = request =>
        {
            if (!IsWeights(request) || request.From > 0) return null;
            stalled.Release();
            return new Fault { StallAfter = 40_000 };
        };
        using Process child = PullingChild.Start(_hub.Options);
        Assert.True(await stalled.WaitAsync(TimeSpan.FromSeconds(60)), "the child has not asked for the weights");
        while (!File.Exists(Partial) || new FileInfo(Partial).Length < 40_000) await Task.Delay(10);
        string held = Path.Combine(_hub.Cache, ".locks", "models--google--gemma-2b-it", FakeHub.Etag(Weights, _files[Weights]) + ".lock");
        Assert.Null(FileLock.TryAcquire(held));
        FakeFiles.AssertSays(Assert.Throws<GemmaException>(() => new ModelCache(_hub.Options).Remove(FakeFiles.Id)), 1, "another process is fetching it");
        child.Kill(); // SIGKILL: nothing of the child runs any more
        await child.WaitForExitAsync();

        FakeFiles.AssertSays(Assert.Throws<GemmaException>(() => new ModelCache(_hub.Options).ResolveModel(FakeFiles.Id)), 1, "gemma pull google/gemma-2b-it");
        string folder = await FakeFiles.PullAsync(_hub.Options);
        Assert.Equal([0, 40_000], WeightRequests.Select(request => request.From));
        Assert.Equal(_files[Weights], File.ReadAllBytes(Path.Combine(folder, Weights)));
    }

    private static bool IsWeights(FakeRequest request) => request.Host == "cdn" && request.Path.Contains(Weights, StringComparison.Ordinal);

    /// <summary>A file on a disk that has so much room: beyond it, the error that the system itself gives.</summary>
    private sealed class SmallDisk(string path, int room) : FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0)
    {
        public override void Write(byte[] array, int offset, int count)
        {
            base.Write(array, offset, (int)Math.Min(count, room - Position));
            if (Position == room) throw DiskFull();
        }

        private static Exception DiskFull()
        {
            if (!OperatingSystem.IsLinux()) return new IOException("No room", OperatingSystem.IsWindows() ? unchecked((int)0x80070070) : 28);
            using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            return Record.Exception(() => full.Write([1]))!;
        }
    }
}

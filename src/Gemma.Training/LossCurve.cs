using System.Globalization;
using System.Text;

namespace Gemma.Training;

/// <summary>Losses by step, drawn as SVG: the training loss as a line, each point the mean of neighbouring steps where there are more than the drawing is wide, and held-out losses as points.</summary>
internal sealed class LossCurve
{
    private const int Width = 800, Height = 420, Left = 56, Right = 16, Top = 40, Bottom = 40, Points = 360;

    private readonly List<Point> _training = [], _validation = [];

    public void AddTraining(int step, double loss) => _training.Add(new Point(step, loss));

    public void AddValidation(int step, double loss) => _validation.Add(new Point(step, loss));

    public string ToSvg()
    {
        Point[] line = Mean(_training);
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" height=\"{Height}\" font-family=\"sans-serif\" font-size=\"12\">\n");
        svg.Append(CultureInfo.InvariantCulture, $"<rect width=\"{Width}\" height=\"{Height}\" fill=\"white\"/>\n");
        if (line.Length > 0 || _validation.Count > 0) Draw(svg, line);
        return svg.Append("</svg>\n").ToString();
    }

    private void Draw(StringBuilder svg, Point[] line)
    {
        double[] losses = [.. line.Select(point => point.Loss), .. _validation.Select(point => point.Loss)];
        double last = Math.Max(1, _training.Concat(_validation).Max(point => point.Step)), low = losses.Min(), high = losses.Max(), tick = NiceTick((high - low) / 6);
        (low, high) = (Math.Floor(low / tick) * tick, Math.Max(Math.Ceiling(high / tick) * tick, Math.Floor(low / tick) * tick + tick));
        double X(double step) => Left + step / last * (Width - Left - Right);
        double Y(double loss) => Top + (high - loss) / (high - low) * (Height - Top - Bottom);

        svg.Append("<g stroke=\"#ddd\" fill=\"#555\" stroke-width=\"1\">\n");
        for (double loss = low; loss <= high + tick / 2; loss += tick)
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {Y(loss):0.0}H{Width - Right}\"/><text x=\"{Left - 6}\" y=\"{Y(loss) + 4:0.0}\" text-anchor=\"end\" stroke=\"none\">{loss:0.###}</text>\n");
        double steps = Math.Max(1, NiceTick(last / 8));
        for (double step = 0; step <= last; step += steps)
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{X(step):0.0}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\" stroke=\"none\">{step:0}</text>\n");
        svg.Append("</g>\n");
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left}\" y=\"22\" fill=\"#222\">{Title}</text>\n");
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Width - Right}\" y=\"{Height - 6}\" fill=\"#555\" text-anchor=\"end\">step</text>\n");
        if (line.Length > 0)
            svg.Append(CultureInfo.InvariantCulture, $"<path fill=\"none\" stroke=\"#1f6fb4\" stroke-width=\"1.5\" d=\"M{string.Join('L', line.Select(point => string.Create(CultureInfo.InvariantCulture, $"{X(point.Step):0.0} {Y(point.Loss):0.0}")))}\"/>\n");
        foreach ((double step, double loss) in _validation)
            svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{X(step):0.0}\" cy=\"{Y(loss):0.0}\" r=\"3\" fill=\"#d1592a\"><title>step {step}: {loss:0.0000}</title></circle>\n");
    }

    private string Title => string.Join(", ", new[]
    {
        _training.Count > 0 ? string.Create(CultureInfo.InvariantCulture, $"training loss (line): {Mean(_training)[^1].Loss:0.000} at step {_training[^1].Step}") : "",
        _validation.Count > 0 ? string.Create(CultureInfo.InvariantCulture, $"held-out loss (points): {_validation[^1].Loss:0.000} at step {_validation[^1].Step}") : "",
    }.Where(text => text.Length > 0)) + "; nats per token";

    /// <summary>At most <see cref="Points"/> points, each the mean of neighbouring ones.</summary>
    private static Point[] Mean(List<Point> points) => [.. points.Chunk(Math.Max(1, (points.Count + Points - 1) / Points))
        .Select(chunk => new Point(chunk.Average(point => point.Step), chunk.Average(point => point.Loss)))];

    /// <summary>1, 2 or 5 times a power of ten, from <paramref name="least"/> on.</summary>
    private static double NiceTick(double least)
    {
        if (!(least > 1e-9)) return 1e-3;
        double power = Math.Pow(10, Math.Floor(Math.Log10(least)));
        return power * (least / power <= 1 ? 1 : least / power <= 2 ? 2 : least / power <= 5 ? 5 : 10);
    }

    private readonly record struct Point(double Step, double Loss);
}

using System.Globalization;
using System.Xml.Linq;
using Gemma.Training;

namespace Gemma.Tests.Training;

public class LossCurveTests
{
    [Fact]
    public void A_point_higher_up_is_a_higher_loss_and_one_further_right_a_later_step()
    {
        var curve = new LossCurve();
        for (int step = 1; step <= 10_000; step++) curve.AddTraining(step, 2 + 6.0 / step);
        curve.AddValidation(5000, 7.5);
        curve.AddValidation(10_000, 2.5);
        XElement svg = XDocument.Parse(curve.ToSvg()).Root!;
        XElement[] circles = [.. svg.Elements().Where(element => element.Name.LocalName == "circle")];
        Assert.Equal(2, circles.Length);
        Assert.True(Number(circles[0], "cx") < Number(circles[1], "cx"));
        Assert.True(Number(circles[0], "cy") < Number(circles[1], "cy"));
        string line = svg.Elements().Single(element => element.Attribute("stroke-width")?.Value == "1.5").Attribute("d")!.Value;
        double[] heights = [.. line[1..].Split('L').Select(point => double.Parse(point.Split(' ')[1], CultureInfo.InvariantCulture))];
        Assert.InRange(heights.Length, 300, 400); // as many as the drawing can show
        Assert.All(heights.Zip(heights.Skip(1)), pair => Assert.True(pair.First <= pair.Second));
        Assert.All(heights, height => Assert.InRange(height, 40, 380));
        Assert.Equal("step 10000: 2.5000", circles[1].Value);
    }

    [Fact]
    public void Few_points_or_none_and_losses_that_are_all_the_same_can_be_drawn()
    {
        var curve = new LossCurve();
        Assert.NotNull(XDocument.Parse(curve.ToSvg()).Root);
        curve.AddTraining(1, 3);
        Assert.DoesNotContain("NaN", curve.ToSvg(), StringComparison.Ordinal);
        curve.AddTraining(2, 3);
        Assert.DoesNotContain("NaN", curve.ToSvg(), StringComparison.Ordinal);
    }

    private static double Number(XElement element, string name) => double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);
}

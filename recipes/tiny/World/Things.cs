namespace Gemma.Recipes.Tiny;

/// <summary>What things there are, and what can tell one from another.</summary>
internal static class Things
{
    private static readonly string[] Colors = [.. "red blue green yellow white black brown purple orange pink gray silver golden".Split(' ')];
    private static readonly string[] Sizes = [.. "little big small tiny round old new shiny pretty plain".Split(' ')];

    public static readonly string[] Toys =
        [.. "kite ball doll drum boat top puppet wagon whistle marble balloon sled hoop puzzle robot train teddy rocket horse".Split(' ')];

    public static readonly string[] Clothes = [.. "hat scarf coat ribbon ring necklace cap apron belt sweater shawl bracelet bonnet cloak".Split(' ')];

    public static readonly string[] PluralClothes = [.. "mittens boots gloves socks shoes slippers glasses".Split(' ')];

    public static readonly string[] Tools = [.. "key lantern rope basket spade hammer ladder net bucket brush broom umbrella needle cup bowl pot blanket pillow watch lamp mirror bag box jar spoon kettle saw clock".Split(' ')];

    public static readonly string[] Treasures = [.. "coin shell feather stone map medal pearl bell crystal button leaf horseshoe bottle statue chest".Split(' ')];

    public static readonly string[] Papers = [.. "book letter picture notebook card diary postcard".Split(' ')];

    public static readonly string[] Instruments = [.. "flute drum fiddle trumpet guitar horn harp".Split(' ')];

    public static readonly string[] Foods = [.. "cake loaf pie cookie sandwich pancake pear apple melon bun carrot cheese muffin tart pumpkin".Split(' ')];

    public static readonly string[] PluralFoods = [.. "apples berries nuts pears cherries plums cookies carrots beans eggs potatoes grapes buns mushrooms peas seeds tomatoes strawberries".Split(' ')];

    private static readonly string[] FoodAdjectives = [.. "fresh warm sweet ripe big small delicious juicy tasty golden".Split(' ')];
    private static readonly string[] ToolAdjectives = [.. "old new wooden heavy rusty shiny strong big small blue green red brass".Split(' ')];
    private static readonly string[] TreasureAdjectives = [.. "shiny golden silver strange old tiny blue green smooth round white beautiful lucky".Split(' ')];
    private static readonly string[] PaperAdjectives = [.. "old new thick thin little blue red green yellow secret torn".Split(' ')];
    private static readonly string[] InstrumentAdjectives = [.. "wooden old silver little golden new".Split(' ')];

    /// <summary>Something that a child can own and miss.</summary>
    public static Thing Belonging(Chance chance) => chance.Below(12) switch
    {
        < 4 => Toy(chance),
        < 6 => new Thing(chance.Of<string>(Clothes), Adjective(chance), false),
        6 => new Thing(chance.Of<string>(PluralClothes), Adjective(chance), true),
        7 => Tool(chance),
        8 or 9 => Treasure(chance),
        10 => Paper(chance),
        _ => Instrument(chance),
    };

    public static Thing Toy(Chance chance) => new(chance.Of<string>(Toys), Adjective(chance), false);

    public static Thing Tool(Chance chance) => new(chance.Of<string>(Tools), chance.Of<string>(ToolAdjectives), false);

    public static Thing Treasure(Chance chance) => new(chance.Of<string>(Treasures), chance.Of<string>(TreasureAdjectives), false);

    public static Thing Paper(Chance chance) => new(chance.Of<string>(Papers), chance.Of<string>(PaperAdjectives), false);

    public static Thing Instrument(Chance chance) => new(chance.Of<string>(Instruments), chance.Of<string>(InstrumentAdjectives), false);

    public static Thing Food(Chance chance)
    {
        bool plural = chance.Is(0.5);
        return new Thing(plural ? chance.Of<string>(PluralFoods) : chance.Of<string>(Foods), chance.Of<string>(FoodAdjectives), plural);
    }

    private static string Adjective(Chance chance) => chance.Is(0.65) ? chance.Of<string>(Colors) : chance.Of<string>(Sizes);
}

namespace Gemma.Recipes.Tiny;

/// <summary>Where stories happen. Places of one landscape lie near each other.</summary>
internal static class Places
{
    private static readonly Place[] Country =
    [
        new("the old mill", "at", ["behind the mill wheel", "under the wooden steps", "between two sacks of flour"],
            ["The big wheel turned slowly.", "White dust lay on everything.", "The water splashed over the wheel.", "It smelled of flour and wet wood."]),
        new("the farm", "at", ["under the hay cart", "behind the pigpen", "beside the milk cans"],
            ["The hens scratched in the dirt.", "A cow looked over the fence.", "Somewhere a rooster crowed.", "The farm dog wagged its tail."]),
        new("the barn", "in", ["in the hay", "behind an old wheel", "on a dusty shelf"],
            ["It was warm and dark inside.", "Mice rustled in the straw.", "Sunlight came through the cracks in the wall.", "A swallow had built its nest under the roof."]),
        new("the orchard", "in", ["under the pear tree", "in the tall grass", "beside the ladder"],
            ["The branches hung low with fruit.", "Bees hummed among the trees.", "Ripe apples lay in the grass.", "The leaves threw green shadows."]),
        new("the meadow", "in", ["among the daisies", "under a bush", "beside a molehill"],
            ["The grass came up to the knees.", "Butterflies danced over the flowers.", "A lark sang high above.", "Everything smelled of clover."]),
        new("the windy hill", "on", ["beside a big rock", "in the short grass", "under the lonely tree"],
            ["From there one could see the whole valley.", "The wind blew without a rest.", "The grass bent and rose like waves.", "Sheep stood on the slope like small clouds."]),
        new("the wheat field", "in", ["at the foot of the scarecrow", "beside the path", "under a wagon"],
            ["The wheat was as yellow as gold.", "A scarecrow waved its straw arms.", "Crickets sang in the heat.", "A mouse ran between the stalks."]),
        new("the stone bridge", "on", ["under the bridge", "behind the railing", "between two stones"],
            ["The water gurgled under the arches.", "Moss grew on the old stones.", "A fish jumped and was gone.", "Carts had worn deep lines into the stones."]),
        new("the village square", "in", ["under a bench", "beside the fountain", "behind the flower pots"],
            ["People stood in groups and talked.", "Pigeons picked at crumbs.", "The fountain splashed in the sun.", "Someone played a fiddle in a corner."]),
        new("the market", "at", ["under a fish stall", "between two baskets", "behind the cheese stand"],
            ["The sellers called out their prices.", "It smelled of fish, flowers and fresh bread.", "Everyone pushed and laughed.", "There were heaps of red and green apples."]),
        new("the bakery", "in", ["behind the flour bin", "under the counter", "on the window sill"],
            ["The smell of warm bread filled the air.", "Rows of buns stood in the window.", "The oven glowed like a small sun."]),
        new("the school", "at", ["under a desk", "behind the blackboard", "on the coat hook"],
            ["The bell rang twice.", "Chalk dust danced in the light.", "Children's drawings hung on the walls."]),
        new("the well", "at", ["behind the bucket", "under a flat stone", "beside the trough"],
            ["The water down there was dark and cold.", "The rope creaked.", "If one called into it, it answered."]),
        new("the rose garden", "in", ["under the rose bush", "behind the watering can", "beside the sundial"],
            ["Roses of every color climbed over the wall.", "A fat bee crawled into a flower.", "The gravel crunched under each step."]),
    ];

    private static readonly Place[] Forest =
    [
        new("the forest", "in", ["under a fern", "in a hollow log", "behind a mossy stone"],
            ["The trees stood close together.", "It was quiet except for a woodpecker.", "The light under the leaves was green.", "Pine needles made the ground soft."]),
        new("the clearing", "in", ["on a tree stump", "in the tall grass", "under a thorn bush"],
            ["The sun shone down as through a window.", "Deer had slept in the grass.", "Tiny white flowers grew everywhere."]),
        new("the cave", "in", ["behind a big rock", "in a crack in the wall", "at the very back"],
            ["Water dripped from the ceiling.", "Every word came back as an echo.", "Bats hung upside down and slept.", "The air was cold and damp."]),
        new("the stream", "by", ["between the reeds", "under a root", "behind a round stone"],
            ["The water was so clear that one could count the pebbles.", "Small fish darted here and there.", "A dragonfly stood in the air.", "The stream chattered to itself."]),
        new("the hollow oak", "at", ["inside the trunk", "under the roots", "on a low branch"],
            ["Nobody knew how old the tree was.", "Its bark was as rough as a crocodile.", "An owl lived in the top.", "Acorns covered the ground."]),
        new("the waterfall", "at", ["behind the falling water", "on a wet rock", "under the ferns"],
            ["The water roared and foamed.", "A small rainbow stood in the spray.", "It was so loud that one had to shout."]),
        new("the pond", "by", ["among the lilies", "under the willow", "in the reeds"],
            ["Frogs sat on the lily pads.", "The willow dipped its branches into the water.", "Rings spread where a fish had jumped.", "Ducks paddled along the edge."]),
        new("the berry patch", "in", ["under the thickest bush", "beside the path", "between the thorns"],
            ["The bushes were full of dark berries.", "Thorns caught at every sleeve.", "Wasps buzzed over the fallen fruit."]),
        new("the rocky path", "on", ["behind a stone", "under a dry bush", "in a hole"],
            ["The stones were sharp and loose.", "Lizards slept in the sun.", "The path went up and up."]),
        new("the hunter's cabin", "in", ["under the bed", "behind the stove", "on the shelf"],
            ["A small stove stood in the corner.", "The windows were gray with dust.", "It smelled of smoke and old wood."]),
        new("the fallen tree", "by", ["under the trunk", "between the roots", "in the moss"],
            ["Mushrooms grew along the trunk.", "Ants marched over it in a long line.", "It lay across the path like a sleeping giant."]),
        new("the swamp", "in", ["on a dry patch", "in the mud", "beside a crooked tree"],
            ["The mud sucked at every foot.", "Mist hung over the water.", "Something croaked and something splashed."]),
    ];

    private static readonly Place[] Seaside =
    [
        new("the beach", "on", ["in the sand", "behind a rock", "under some seaweed"],
            ["The waves rolled in and rolled out.", "Gulls cried over the water.", "The sand was warm and soft.", "Far out, a white sail moved along."]),
        new("the harbor", "at", ["between two barrels", "under a net", "behind the crates"],
            ["The boats rocked and creaked.", "It smelled of salt and tar.", "A sailor mended his nets.", "Ropes lay about like sleeping snakes."]),
        new("the lighthouse", "at", ["on the stairs", "behind the big lamp", "under the window"],
            ["The tower was white with a red stripe.", "The stairs went round and round.", "At night its light swept over the sea."]),
        new("the fish market", "at", ["under a bench", "between two crates", "beside the scales"],
            ["Silver fish lay on ice.", "A cat waited under every table.", "The sellers wore long aprons."]),
        new("the little island", "on", ["under a palm tree", "behind the tall grass", "in a hole"],
            ["Nobody lived there but birds.", "Crabs ran sideways over the sand.", "One could walk around it in an hour."]),
        new("the pier", "on", ["under the last plank", "beside a post", "behind a coil of rope"],
            ["The planks were wet and slippery.", "An old man sat fishing.", "Water slapped against the posts."]),
        new("the dunes", "in", ["in the dry grass", "beside a fence post", "under the sand"],
            ["The wind drew lines in the sand.", "Grass whispered on the slopes.", "It was easy to lose the way there."]),
        new("the rock pool", "at", ["under a flat stone", "among the mussels", "in the seaweed"],
            ["A tiny crab waved its claws.", "Starfish clung to the stones.", "The water was as still as glass."]),
        new("the boathouse", "in", ["behind an old boat", "under a sail", "on a nail by the door"],
            ["Oars leaned against the wall.", "It smelled of paint.", "Light from the water danced on the ceiling."]),
        new("the sea cave", "in", ["on a ledge", "behind a pile of driftwood", "in the wet sand"],
            ["The waves boomed inside it.", "The walls shone with salt.", "It could be reached only at low tide."]),
    ];

    private static readonly Place[] Town =
    [
        new("the park", "in", ["under a bench", "behind the swings", "in a flower bed"],
            ["Children played on the grass.", "Old men played chess under the trees.", "Squirrels ran up and down.", "A band was playing."]),
        new("the library", "in", ["between two books", "under the reading table", "on the top shelf"],
            ["It was so quiet that one could hear the pages turn.", "The shelves reached to the ceiling.", "It smelled of paper and wax."]),
        new("the train station", "at", ["under a bench", "beside the ticket window", "behind a suitcase"],
            ["The big clock ticked above the door.", "A train puffed and hissed.", "People hurried past with bags."]),
        new("the museum", "in", ["behind a statue", "under a glass case", "beside the stairs"],
            ["A dinosaur skeleton stood in the hall.", "Every step echoed.", "Kings and queens looked down from the walls."]),
        new("the toy shop", "in", ["behind the dolls", "under the counter", "in a box of blocks"],
            ["A little train ran round and round.", "The shelves were full of bears and balls.", "A puppet hung by the door."]),
        new("the playground", "at", ["under the slide", "in the sandbox", "behind the seesaw"],
            ["The swings went up and down.", "Somebody had built a castle of sand.", "Laughter came from everywhere."]),
        new("the zoo", "at", ["beside the monkey house", "under a sign", "behind the ticket booth"],
            ["The monkeys made faces.", "A lion yawned in the sun.", "The elephants threw dust over their backs."]),
        new("the rooftop", "on", ["behind the chimney", "under a loose tile", "beside the water tank"],
            ["All the town lay below.", "Pigeons cooed.", "Laundry flapped on a line."]),
        new("the bus stop", "at", ["under the seat", "behind the sign", "beside the bin"],
            ["The bus was late again.", "Cars hissed past on the road.", "A lady read a newspaper."]),
        new("the theater", "in", ["behind the curtain", "under the stage", "on a velvet seat"],
            ["Red curtains hung to the floor.", "Somebody was practicing a song.", "The lights were low."]),
        new("the workshop", "in", ["under the bench", "in a box of nails", "behind the paint cans"],
            ["Curls of wood lay on the floor.", "Tools hung in neat rows.", "It smelled of glue and sawdust."]),
        new("the post office", "at", ["behind the scales", "under a pile of letters", "beside the door"],
            ["Parcels stood in tall heaps.", "The stamp went thump, thump, thump.", "There was a long line."]),
    ];

    private static readonly Place[] House =
    [
        new("the kitchen", "in", ["behind the bread box", "under the table", "in a blue jar"],
            ["Soup bubbled on the stove.", "The cat slept beside the oven.", "Copper pans shone on the wall."]),
        new("the attic", "in", ["in an old trunk", "behind a broken chair", "under a dusty blanket"],
            ["Spiders had hung their webs everywhere.", "The floor creaked at every step.", "Rain drummed on the roof close above."]),
        new("the cellar", "in", ["behind the barrels", "on the lowest step", "under a sack"],
            ["It was cool and smelled of apples.", "Jars stood in long rows.", "One could hardly see a hand before one's eyes."]),
        new("the garden", "in", ["under the cabbages", "beside the fence", "behind the shed"],
            ["Beans climbed up their poles.", "A snail crossed the path.", "The tomatoes were almost red."]),
        new("the garden shed", "in", ["in a flower pot", "behind the rakes", "under a pile of bags"],
            ["Rakes and spades leaned in a corner.", "A wasp tapped at the window.", "Dry onions hung from a beam."]),
        new("the tree house", "in", ["under a loose board", "in a tin box", "behind the curtain"],
            ["The wind made it sway a little.", "One could see over all the roofs.", "A rope ladder hung down."]),
        new("the front porch", "on", ["under the steps", "behind the flower pots", "on the rocking chair"],
            ["The swing moved in the wind.", "A lamp burned beside the door.", "Moths danced around the light."]),
        new("the living room", "in", ["behind the sofa", "under a cushion", "on the piano"],
            ["A fire crackled.", "The clock on the wall ticked.", "The carpet was soft and warm."]),
    ];

    private static readonly Place[][] Wilds = [Forest, Country, [.. Forest, .. Country]];

    private static readonly Place[][] Landscapes = [Country, Forest, Seaside, Town, House, [.. Country, .. Forest], [.. Country, .. House], [.. Town, .. House]];

    private static readonly string[] HomeAdjectives = [.. "small little white blue tall narrow old stone wooden yellow green crooked pretty warm tiny low brown brick quiet red".Split(' ')];
    private static readonly string[] Buildings = [.. "house cottage cabin farmhouse hut tower room cottage house house village hamlet".Split(' ')];
    private static readonly string[] Beside = ["by", "near", "beside", "behind", "not far from", "close to", "next to", "opposite"];
    private static readonly string[] Landmarks =
        [.. "river,forest,lake,sea,mill,bridge,market,school,church,harbor,hills,park,station,orchard,old wall,bakery,water tower,canal,castle,meadow,crossroads,quarry,vineyard,railroad,lighthouse,waterfall,town gate,big oak".Split(',')];
    private static readonly string[] Dens = [.. "hole,hollow tree,burrow,nest of dry leaves,cave,den,hollow log,thick hedge,pile of stones,barn,haystack,old boot,heap of branches,bed of reeds,rabbit hole,wooden box,empty beehive,flower pot".Split(',')];
    private static readonly string[] DenAdjectives = [.. "small cozy deep dark warm dry narrow round soft hidden quiet big".Split(' ')];
    private static readonly string[] Surroundings = [.. "quiet old wide green sunny lonely big famous dark windy sleepy".Split(' ')], Insides = [.. "quiet old big famous dark empty".Split(' ')];
    private static readonly string[] Rooms = [.. "barn bakery school cabin boathouse library museum shop theater workshop office kitchen attic cellar shed house room station cave".Split(' ')];

    /// <summary>Where people live: "in a white cottage near the mill".</summary>
    public static string Home(Chance chance)
    {
        string near = $"{chance.Of<string>(Beside)} the {chance.Of<string>(Landmarks)}";
        return chance.Below(8) switch
        {
            0 => $"on a farm {near}",
            1 => $"in a village {near}",
            2 => $"in a house with {Sentences.A(chance.Of<string>(HomeAdjectives))} {chance.Of("roof", "door", "chimney", "garden", "fence", "gate", "porch")} {near}",
            _ => $"in {Sentences.A(chance.Of<string>(HomeAdjectives))} {chance.Of<string>(Buildings)} {near}",
        };
    }

    /// <summary>Where animals live.</summary>
    public static string Den(Chance chance) => $"in a {chance.Of<string>(DenAdjectives)} {chance.Of<string>(Dens)} {chance.Of<string>(Beside)} the {chance.Of<string>(Landmarks)}";

    /// <summary>A place by what its name ends with.</summary>
    public static Place Named(string noun) => Landscapes.SelectMany(landscape => landscape).First(place => place.Name.EndsWith(noun, StringComparison.Ordinal));

    /// <summary>The same with a word that tells more of it, perhaps: "the quiet forest".</summary>
    private static Place Described(Chance chance, Place place)
    {
        if (chance.Is(0.4) || place.Name.Count(c => c == ' ') > 1) return place;
        string word = chance.Of<string>(Rooms.Any(room => place.Name.EndsWith(room, StringComparison.Ordinal)) ? Insides : Surroundings);
        return place.Name.Contains(word, StringComparison.Ordinal) ? place : place with { Name = $"the {word} {place.Name[4..]}" };
    }

    /// <summary>Some places near each other.</summary>
    public static Place[] Near(Chance chance, int count, bool wild) => [.. chance.Some<Place>(count, wild ? chance.Of<Place[]>(Wilds) : chance.Of<Place[]>(Landscapes)).Select(place => Described(chance, place))];
}

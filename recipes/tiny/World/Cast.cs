namespace Gemma.Recipes.Tiny;

/// <summary>Who can be in a story. Names are those that an English dictionary has, so that what a model makes of them can be told from errors.</summary>
internal static class Cast
{
    public static readonly string[] Girls =
    [
        .. ("Abby Ada Alice Amy Anna Beth Bess Clara Cora Daisy Dora Edith Ella Ellen Elsa Emily Emma Eva Fay Fern Flora Grace Greta Gwen Hannah Hazel Helen Holly Ida Ingrid Iris Ivy "
            + "Jane Jenny Jill Josie Julia Kate Kitty Lena Leila Laura Leah Lily Lola Lucia Lucy Mabel Maggie Maria Marta Mary Maya Mia Mira Molly Mona Nancy Nell Nellie Nina Nora Olga "
            + "Olive Pam Pearl Peggy Penny Phoebe Polly Rachel Rita Rosa Rose Ruby Ruth Sally Sara Sofia Stella Susan Tanya Tess Trudy Vera Viola Violet Wendy Willa Winnie Zoe Fatima").Split(' '),
    ];

    public static readonly string[] Boys =
    [
        .. ("Adam Alan Albert Alex Alfred Ali Andy Anton Arthur Barney Ben Bert Billy Boris Brian Bruno Carl Carlos Charlie Colin Dan Daniel David Diego Eddie Edgar Eli Emil Eric Ethan "
            + "Felix Finn Frank Fred George Gus Hans Harry Hector Henry Hugo Ian Isaac Ivan Jack Jacob Jake James Jason Jim Joe Joel John Jonah Jose Karl Keith Kurt Lars Leo Lewis Louis "
            + "Luis Luke Marcus Mark Martin Matt Max Michael Mike Miles Milo Ned Nick Noah Norman Oliver Omar Oscar Otis Otto Owen Pablo Patrick Paul Pedro Percy Peter Philip Ralph Ray "
            + "Robert Robin Rufus Rupert Sam Sean Seth Sid Simon Steve Ted Theodore Thomas Tim Toby Tom Tony Victor Walter Will").Split(' '),
    ];

    public static readonly string[] PetNames =
    [
        .. ("Acorn Amber Berry Biscuit Blaze Bramble Brownie Button Buttons Chestnut Clover Coco Cookie Copper Cotton Dusty Feather Flash Fuzzy Ginger Goldie Honey Jasper Jumper Maple "
            + "Misty Mocha Muffin Nutmeg Patch Pebble Pepper Pip Poppy Puddle Pumpkin Rusty Shadow Smoky Snowball Socks Sparky Speckle Spot Sunny Thistle Tiny Twig Waffles Whiskers Willow Ziggy").Split(' '),
    ];

    public static readonly Kind Girl = new("girl"), Boy = new("boy");

    public static readonly Kind[] Animals =
    [
        .. "fox rabbit bear mouse squirrel hedgehog frog turtle owl duck goose cat dog kitten puppy lamb goat pony donkey otter beaver badger mole sparrow robin crow hen pig deer raccoon monkey elephant lion"
            .Split(' ').Select(noun => new Kind(noun, IsAnimal: true)),
    ];

    /// <summary>Animals that children keep.</summary>
    public static readonly string[] Pets = ["dog", "cat", "kitten", "puppy", "rabbit", "pony", "duck", "goat", "lamb", "hen"];

    public static readonly (string Name, bool? IsFemale)[] Adults =
    [
        ("the baker", null), ("the farmer", null), ("the teacher", null), ("the fisherman", false), ("the gardener", null), ("the miller", false), ("the carpenter", false), ("the shopkeeper", null),
        ("the librarian", null), ("the doctor", null), ("the tailor", null), ("the painter", null), ("the shepherd", null), ("the cook", null), ("the postman", false), ("the old woman", true),
        ("the old man", false), ("the blacksmith", false), ("the captain", null), ("the weaver", true), ("the neighbor", null), ("the beekeeper", null), ("the clockmaker", false), ("the potter", null),
    ];

    public static readonly (string Name, bool IsFemale)[] Family =
    [
        ("Grandma", true), ("Grandpa", false), ("Mother", true), ("Father", false), ("Mama", true), ("Papa", false),
    ];

    public static readonly string[] Traits =
    [
        .. ("kind brave shy curious clever cheerful quiet gentle careful lively patient honest stubborn playful friendly thoughtful merry hungry dreamy helpful proud busy eager sleepy polite "
            + "clumsy bold lonely funny generous serious impatient hopeful tidy messy noisy").Split(' '),
    ];

    /// <summary>What somebody with a trait does: sentences about {hero}.</summary>
    public static readonly Dictionary<string, string[]> Habits = new()
    {
        ["kind"] = ["{Hero} always had a kind word for everyone.", "{Hero} could not pass a crying child without stopping."],
        ["brave"] = ["{Hero} was not afraid of much.", "People said that {hero} had the heart of a lion."],
        ["shy"] = ["{Hero} did not like to speak when many people listened.", "When guests came, {hero} hid behind the door."],
        ["curious"] = ["{Hero} asked a hundred questions a day.", "{Hero} wanted to know what was behind every door.", "If there was a hole, {hero} looked into it."],
        ["clever"] = ["{Hero} could solve almost any riddle.", "{Hero} liked to think before {hero.he} spoke."],
        ["cheerful"] = ["{Hero} sang from morning to night.", "Even on gray days {hero} smiled."],
        ["quiet"] = ["{Hero} spoke little and listened much.", "{Hero} walked so softly that nobody heard {hero.him} come."],
        ["gentle"] = ["Even the birds were not afraid of {hero.him}.", "{Hero} never stepped on a snail or a flower."],
        ["careful"] = ["{Hero} looked twice before every step.", "{Hero} put every thing back in its place."],
        ["lively"] = ["{Hero} never walked when {hero.he} could run.", "{Hero} could not sit still for long."],
        ["patient"] = ["{Hero} could wait longer than anyone else.", "{Hero} never hurried."],
        ["honest"] = ["{Hero} always told the truth, even when it was hard.", "Everybody trusted {hero!}."],
        ["stubborn"] = ["When {hero} had an idea, nobody could talk {hero.him} out of it.", "{Hero} never gave up easily."],
        ["playful"] = ["{Hero} turned every job into a game.", "{Hero} played from breakfast until bedtime."],
        ["friendly"] = ["{Hero} said hello to everyone on the road.", "{Hero} had a friend in every house."],
        ["thoughtful"] = ["{Hero} remembered every birthday.", "{Hero} often sat by the window and thought."],
        ["merry"] = ["{Hero} laughed louder than anyone else.", "Wherever {hero} went, people began to laugh."],
        ["hungry"] = ["{Hero} thought about food all day.", "{Hero} always had a crumb on {hero.his} chin."],
        ["dreamy"] = ["{Hero} often looked at the clouds and forgot the time.", "{Hero} saw castles and ships in every cloud."],
        ["helpful"] = ["{Hero} carried bags and held doors for everyone.", "If something had to be done, {hero} did it."],
        ["proud"] = ["{Hero} thought that nobody could do things as well as {hero.he} did.", "{Hero} held {hero.his} head very high."],
        ["busy"] = ["{Hero} always had something to do.", "There were never enough hours in the day for {hero!}."],
        ["eager"] = ["{Hero} wanted to try everything at once.", "{Hero} was always the first to raise a hand."],
        ["sleepy"] = ["{Hero} yawned even after a long sleep.", "{Hero} could sleep anywhere, even on a fence."],
        ["polite"] = ["{Hero} never forgot to say please and thank you."],
        ["clumsy"] = ["{Hero} dropped things and fell over {hero.his} own feet.", "Cups and plates were not safe near {hero!}."],
        ["bold"] = ["{Hero} climbed the highest trees.", "{Hero} jumped first and looked later."],
        ["lonely"] = ["{Hero} had nobody to play with.", "{Hero} often wished for a friend."],
        ["funny"] = ["{Hero} knew more jokes than anyone else.", "{Hero} could make a stone laugh."],
        ["generous"] = ["{Hero} gave away half of everything.", "What {hero} had, {hero.he} shared."],
        ["serious"] = ["{Hero} did not laugh often, but when {hero.he} did, everyone joined in."],
        ["impatient"] = ["{Hero} hated to wait.", "For {hero!}, everything was too slow."],
        ["hopeful"] = ["{Hero} believed that tomorrow would be better."],
        ["tidy"] = ["Everything {hero} owned stood in neat rows."],
        ["messy"] = ["{Hero} never knew where {hero.his} things were."],
        ["noisy"] = ["You could hear {hero!} from the other end of the road."],
    };

    private static readonly (string Does, string[] What)[] Pleasures =
    [
        ("climb", ["tall trees", "old walls", "the apple tree", "steep rocks", "every fence", "the hay stack"]), ("look at", ["the stars", "old maps", "the clouds", "picture books", "the moon", "the boats", "strange insects"]),
        ("paint", ["pictures of horses", "flowers", "stones", "the sky", "faces", "ships on the wall"]), ("collect", ["white shells", "smooth stones", "colored leaves", "old coins", "feathers", "buttons", "bottle caps", "stamps", "pine cones", "funny words"]),
        ("tell", ["long stories", "jokes", "riddles", "ghost stories", "stories about pirates"]), ("sing", ["old songs", "funny songs", "sad songs", "in the rain", "in the kitchen", "with the birds"]),
        ("bake", ["bread", "small cakes", "apple pies", "cookies with nuts", "buns"]), ("watch", ["the birds", "the ants", "the trains", "the bakers at work", "the rain", "the fishermen", "the frogs in the pond"]),
        ("build", ["little boats", "towers of stones", "dams in the brook", "houses of cards", "huts of branches", "sand castles", "birdhouses"]), ("dance", ["in the rain", "on the table", "with the leaves", "in the kitchen", "alone in the moonlight"]),
        ("read", ["thick books", "old letters", "stories about lions", "until late at night", "under the blanket"]), ("pick", ["flowers", "berries", "mushrooms", "ripe plums", "herbs"]), ("run", ["through the grass", "down the hill", "along the beach", "after the geese", "barefoot"]),
        ("swim", ["in the pond", "in the river", "with the ducks", "before breakfast"]), ("listen to", ["the wind", "old people's stories", "the church bells", "the frogs", "music from the street"]), ("draw", ["maps", "cats", "ships", "funny faces", "with chalk on the road"]),
        ("play", ["hide and seek", "the flute", "with marbles", "with the dog", "at being a captain", "in the mud", "cards", "ball"]), ("feed", ["the ducks", "the hens", "the old horse", "the sparrows", "the goats"]), ("jump", ["over puddles", "from the wall", "into the hay", "rope"]),
        ("make", ["things out of wood", "paper birds", "necklaces of flowers", "soup out of grass", "music with spoons", "lanterns"]), ("dig", ["in the sand", "for treasure", "in the garden", "holes"]), ("catch", ["butterflies and let them go", "falling leaves", "raindrops", "crickets"]),
        ("write", ["letters", "poems", "long lists", "a diary"]), ("look for", ["four-leaf clovers", "fossils", "round stones", "birds' nests", "lost things"]), ("sit", ["by the fire", "in the old oak", "on the roof", "at the window", "on the steps in the sun"]), ("ride", ["through the fields", "on the hay wagon", "on the gate", "a bicycle"]),
        ("help", ["in the garden", "the neighbors", "in the kitchen", "with the hay"]), ("learn", ["new words", "strange songs", "card tricks", "the names of stars"]), ("walk", ["along the river", "in the fog", "on the wall", "in the woods", "to the harbor"]), ("eat", ["pancakes", "cherries", "warm bread", "honey from the spoon", "apples in bed"]),
    ];

    /// <summary>What somebody likes to do: "climb tall trees".</summary>
    public static string Pleasure(Chance chance)
    {
        (string does, string[] what) = chance.Of<(string, string[])>(Pleasures);
        return $"{does} {chance.Of<string>(what)}";
    }
}

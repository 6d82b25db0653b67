namespace Gemma.Recipes.Tiny;

/// <summary>Words that any story may use: <c>{then}</c>, <c>{said}</c>.</summary>
internal static class Words
{
    private static readonly Dictionary<string, string> All = new()
    {
        ["then"] = "[then|after that|soon|a little later|before long|a moment later|not long after|next|by and by|after a while]",
        ["at_last"] = "[at last|finally|in the end|after a long time]",
        ["suddenly"] = "[suddenly|all at once|all of a sudden|just then|at that moment|in that very moment]",
        ["one_day"] = "[one day|one morning|one afternoon|one fine day|one {season} [day|morning|afternoon]|on a {sky} [day|morning|afternoon]|early one morning|late one afternoon|one {sky} [day|morning|afternoon]|on the first day of {season}]",
        ["next_day"] = "[the next day|the next morning|the day after|on the following day|early the next morning|when the sun rose again|the following week|a few days later|two days later]",
        ["season"] = "[spring|summer|autumn|winter]",
        ["sky"] = "[sunny|cloudy|windy|warm|cool|bright|gray|foggy|quiet|cold|clear|golden]",
        ["said"] = "[said|said|said|said|said|declared|remarked]",
        ["asked"] = "[asked|asked|asked|asked|inquired]",
        ["cried"] = "[cried|called|shouted|exclaimed]",
        ["whispered"] = "[whispered|murmured|whispered|breathed]",
        ["smiled"] = "[smiled|laughed|beamed|grinned|smiled from ear to ear]",
        ["went"] = "[went|walked|ran|hurried|strolled|set off|wandered|skipped|marched]",
        ["happily"] = "[happily|with a smile|with shining eyes|with a laugh|full of joy]",
        ["sadly"] = "[sadly|with a sigh|in a small voice|with tears in the eyes|quietly]",
        ["very"] = "[very|so|really]",
        ["big"] = "[big|huge|large|great|enormous]",
        ["little"] = "[little|small|tiny]",
        ["old"] = "[old|ancient|very old]",
        ["thanks"] = "[thank you|thank you so much|thanks|many thanks|oh, thank you]",
        ["joyword"] = "[wonderful|splendid|how lovely|hurray|that is great|what luck|oh, how nice]",
        ["ohno"] = "[oh no|oh dear|goodness|dear me|alas|no, no]",
        ["look"] = "[look|see|look there|look at that|just look]",
        ["happy"] = "[happy|glad|pleased|full of joy|delighted|cheerful]",
        ["sad"] = "[sad|unhappy|very sad|close to tears|gloomy]",
        ["all_day"] = "[all day|for hours|until noon|until evening|the whole day|half the day]",
        ["animal"] = "[bird|squirrel|rabbit|butterfly|lizard|hedgehog|sparrow|beetle|frog|snail|crow|mouse|ladybug|robin]",
        ["flower"] = "[daisy|poppy|rose|violet|lily|tulip|bluebell|dandelion|sunflower]",
        ["tree"] = "[oak|willow|pine|poplar|apple tree|cherry tree|maple|elm|chestnut tree|fir|linden tree|walnut tree|pear tree]",
        ["meal"] = "[soup|bread and cheese|pancakes|baked potatoes|apple pie|warm milk|bread with honey|porridge|noodles|stew|tea and cake|roasted chestnuts|rice and beans|fried fish|plum cake]",
        ["time_of_day"] = "[morning|noon|afternoon|evening]",
        ["beast"] = "[bird|squirrel|rabbit|lizard|hedgehog|sparrow|frog|crow|mouse|robin|fox|deer|hare|owl|cat|dog|duck|goose|magpie|swallow|heron|weasel|toad|mole|lark|pigeon]",
        ["bug"] = "[beetle|bee|butterfly|snail|ladybug|ant|cricket|dragonfly|spider|moth|grasshopper|caterpillar|worm|firefly]",
        ["does"] = "[sat|slept|hopped|hid|waited|rested|scratched about|looked for food|sang|ate|yawned|played|cleaned itself|stood still|listened|dozed]",
        ["spot0"] = "[on a stone|under a leaf|in the grass|on a branch|beside a puddle|in the shade|on the fence|near the path|behind a bush|in the sun|under a {tree}|between two roots|on a post|by the wall|among the {flower} stalks|at the edge of the road|in a hole|on the roof]",
        ["cloud"] = "[a ship|a sheep|a castle|a whale|an old man|a tree|a horse|a feather|a mountain|a cake|a giant|a hat|a swan|an island|a dragon|a pillow]",
        ["noise"] = "[a dog barked|a bell rang|a cow mooed|a door slammed|a child laughed|a rooster crowed|a cuckoo called|a hammer rang|an axe fell|a cart rattled|a horse neighed|somebody sang|a gate creaked|a baby cried|an owl called|a train whistled|a flute played]",
        ["passer"] = "[a farmer|a woman|a man|an old lady|a boy|a girl|a soldier|a peddler|a milkmaid|a sailor|a hunter|a miller|a nun|a postman|a shepherd|a fiddler|a tailor|a chimney sweep]",
        ["carries"] = "[with a basket|with a red beard|on a bicycle|with a sack|with {number} goats|with a lantern|in a blue coat|with a sleeping child|with an umbrella|with a broom|on a donkey|with a big hat|with a stick|in a hurry|with wet shoes|with a bundle of wood|with a cage|with a drum]",
        ["touch"] = "[warm|cool|soft|rough|damp|smooth|cold|dusty|sticky|dry]",
        ["smell"] = "[wet earth|smoke|fresh bread|hay|salt|roses|pine trees|apples|honey|rain|mud|soap|mushrooms|leather|mint|old wood|flowers|soup]",
        ["far"] = "[far away|somewhere|in the distance|not far off|behind the trees|beyond the hill|down the road|over there|behind the houses|across the field]",
        ["number"] = "[two|three|four|five|six|seven|ten]",
    };

    public static string Of(string word) => All.TryGetValue(word, out string? template) ? template : throw new FormatException($"there is no role and no word '{word}'");
}

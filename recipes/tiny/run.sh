#!/usr/bin/env bash
# From nothing to models/tiny-pt and models/tiny-it: texts, tokenizer, shards, pretraining, tuning, measuring. Each stage is skipped where its result is there, and
# training goes on where it was, so the same command may be given again and again until it says that all is done.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

usage() {
  cat <<'END'
usage: recipes/tiny/run.sh [options]
  --work DIR      where everything is made (artifacts/tiny)
  --corpus DIR    texts of others beside the generator's (../shared/corpus); where there is none, the generator's alone are used
  --scale S       1 is about 30 million tokens of texts, and as many of conversations (1)
  --seed N        of the generator (1)
  --minutes M     train for so long at most, then save and leave; the same command goes on (no limit)
  --steps N       steps of pretraining, of tuning as many in proportion (as the settings say); for trials
  --until STAGE   stop after data, pretrain, tune or measure (measure)
  --publish       copy the models into models/ when all is done
END
}

work=artifacts/tiny corpus=../shared/corpus scale=1 seed=1 minutes= steps= until=measure publish=
while [ $# -gt 0 ]; do
  case $1 in
    --work) work=$2; shift 2 ;;
    --corpus) corpus=$2; shift 2 ;;
    --scale) scale=$2; shift 2 ;;
    --seed) seed=$2; shift 2 ;;
    --minutes) minutes=$2; shift 2 ;;
    --steps) steps=$2; shift 2 ;;
    --until) until=$2; shift 2 ;;
    --publish) publish=yes; shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "run.sh: there is no option $1" >&2; usage >&2; exit 2 ;;
  esac
done

mkdir -p "$work"
work=$(cd "$work" && pwd)
gemma() { dotnet "$root/src/Gemma.Cli/bin/Release/net10.0/Gemma.Cli.dll" "$@"; }
tiny() { dotnet "$root/recipes/tiny/bin/Release/net10.0/Gemma.Recipes.Tiny.dll" "$@"; }
stage() { printf '\n== %s (%ds)\n' "$1" "$SECONDS"; }
ends() { [ "$until" != "$1" ] || { echo "stopped after $1, as asked"; exit 0; }; }
# A trial of few steps warms up in fewer.
trial=()
[ -z "$steps" ] || trial=(--steps "$steps" --set "learning_rate.warm_up=$((steps / 20))")
left() { [ -z "$minutes" ] || awk -v m="$minutes" -v s="$SECONDS" 'BEGIN { m -= s / 60; print (m > 0.1 ? m : 0.1) }'; }

# A folder that was begun with other texts is another run.
settings="corpus=$corpus scale=$scale seed=$seed steps=$steps"
if [ -f "$work/settings" ] && [ "$(cat "$work/settings")" != "$settings" ]; then
  echo "run.sh: $work was begun with '$(cat "$work/settings")', not '$settings'; give the same options, or another --work" >&2
  exit 2
fi
echo "$settings" >"$work/settings"

stage "build"
dotnet build src/Gemma.Cli -c Release --nologo -v q
dotnet build recipes/tiny -c Release --nologo -v q

stage "texts and conversations of the generator"
[ -f "$work/texts/generated.json" ] || tiny generate "$work/texts" "$seed" "$scale"

stage "texts of others"
[ -f "$work/corpus/receipt.json" ] || tiny corpus "$corpus" "$work/corpus"

stage "tokenizer"
sets=(stories questions sums python facts)
for set in storybooks classics; do [ ! -s "$work/corpus/$set.jsonl" ] || sets+=("$set"); done
file_of() { if [ -f "$work/texts/$1.jsonl" ]; then echo "$work/texts/$1.jsonl"; else echo "$work/corpus/$1.jsonl"; fi; }
files=()
for set in "${sets[@]}"; do files+=("$(file_of "$set")"); done
[ -f "$work/tokenizer.model" ] || gemma tokenizer train "${files[@]}" --vocab-size 4096 --runs 8 -o "$work/tokenizer.model"

stage "shards"
mkdir -p "$work/shards"
for set in "${sets[@]}"; do
  [ -f "$work/shards/$set/receipt.json" ] || gemma data tokenize "$(file_of "$set")" -m "$work/tokenizer.model" -o "$work/shards/$set"
done
heldout=("$work"/texts/{stories,questions,sums,python,facts}.heldout.jsonl)
for set in storybooks classics; do [ ! -s "$work/corpus/$set.heldout.jsonl" ] || heldout+=("$work/corpus/$set.heldout.jsonl"); done
[ -f "$work/shards/heldout/receipt.json" ] || gemma data tokenize "${heldout[@]}" -m "$work/tokenizer.model" -o "$work/shards/heldout"
ends data

stage "pretraining"
if [ ! -d "$work/pretrain/model" ]; then
  # The settings with those sets only that are there.
  awk -v sets=" ${sets[*]} " '{ if (match($0, /"shards\/[a-z]+", "weight"/)) { s = substr($0, RSTART + 8); sub(/".*/, "", s); if (index(sets, " " s " ") == 0) next } print }' recipes/tiny/pretrain.json >"$work/pretrain.json"
  gemma train "$work/pretrain.json" --resume "${trial[@]}" ${minutes:+--max-minutes "$(left)"}
  [ -d "$work/pretrain/model" ] || { echo "pretraining is not done yet: give the same command again"; exit 0; }
fi
ends pretrain

stage "tuning"
if [ ! -d "$work/tune/model" ]; then
  cp recipes/tiny/sft.json "$work/sft.json"
  gemma tune --settings "$work/sft.json" --resume "${trial[@]}" ${minutes:+--max-minutes "$(left)"}
  [ -d "$work/tune/model" ] || { echo "tuning is not done yet: give the same command again"; exit 0; }
fi
ends tune

stage "held-out tests"
met=0
tiny measure "$work/tune/model" --json "$work/measured.json" || met=$?
if [ -n "$publish" ]; then
  stage "models/"
  tiny publish "$work" models
fi
exit $met

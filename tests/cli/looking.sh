#!/usr/bin/env bash
# looking.sh - a run that broke says what, where and when: in lines, in objects, and at its place in the timeline and in the trace.
set -uo pipefail
kiln=$(realpath "$1")
export COLUMNS=500 # a sentence a line
bugs=$(dirname "$kiln")/kiln-bugs
scenario=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../scenarios/disk/torn_tail.lua")
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-looking.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# A torn batch stays at the end of a log: the first seed with which that costs an acknowledged record.
"$bugs" run "$scenario" --bug torn_tail_kept --seeds 1-20 --json >runs.json 2>/dev/null
seed=$(python3 - <<'END'
import json
runs = [json.loads(line) for line in open("runs.json")]
found = [r["seed"] for r in runs if any(f["check"] == "A5" for f in r["findings"])]
for run in runs:
    broke = [f for f in run["findings"]]
    assert len(broke) == len(run["why"]), run
    assert (run["verdict"] == "held") == (broke == []), run
    for finding, line in zip(broke, run["why"]):
        assert line.startswith(finding["check"]), line
        if finding["check"] == "A5":
            assert finding["name"] == "CONFIRMED_LOSS" and finding["count"] > 0, finding
            assert finding["partition"] == "orders-0" and finding["offset"] >= 0, finding
            assert finding["node"].startswith("broker") and finding["time_s"] > 0, finding
print(min(found) if found else "")
END
) || die "runs.json is not as it must be"
[[ -n $seed ]] || die "no seed from 1 to 20 found the bug by A5"
printf 'ok  findings are objects, one a line of why; seed %s loses records\n' "$seed"

run=("$bugs" run "$scenario" --bug torn_tail_kept --seed "$seed")
"${run[@]}" -v 2>all.txt >/dev/null
[[ $(grep -c '^BROKE A5 ' all.txt) -eq 1 ]] || die "the timeline does not tell once that A5 broke"
grep -A1 '^BROKE A5 ' all.txt | tail -1 | grep -q ' -> ' || die "A5 stands at the end of the timeline, not at its place"
printf 'ok  what broke stands in the timeline\n'

"${run[@]}" --around A5 2>around.txt >/dev/null
grep -q '^BROKE A5 ' around.txt || die "--around A5 does not show it"
[[ $(wc -l <around.txt) -lt $(wc -l <all.txt) ]] || die "--around A5 shows everything"
"${run[@]}" -v --partition orders-0 --node broker1 --from 1s --to 3s 2>some.txt >/dev/null
"${run[@]}" -v --partition orders-0 --node broker0 --from 1s --to 3s 2>>some.txt >/dev/null
grep ' -> ' some.txt | grep -v '^BROKE' >rows.txt
[[ -s rows.txt ]] || die "no rows of orders-0 on its broker"
grep -vq ' broker[01] .*orders-0' rows.txt && die "rows of others: $(grep -v ' broker[01] .*orders-0' rows.txt | head -1)"
awk '{ for (i = 1; i <= NF; i++) if ($i == "->" && ($(i + 1) < 1 || $(i + 1) > 3)) exit 1 }' rows.txt || die "rows of other times"
"${run[@]}" --around L2 2>none.txt >/dev/null
[[ $? -eq 5 ]] || die "--around of what did not break is no exit 5"
grep -q 'L2 did not break in this run; what broke:' none.txt || die "it says: $(cat none.txt)"
printf 'ok  --around, --node, --partition, --from and --to\n'

"${run[@]}" --trace run.trace >/dev/null 2>&1
"$kiln" trace run.trace --around CONFIRMED_LOSS >trace.txt || die "kiln trace --around ended with $?"
grep -q 'BROKE: A5 CONFIRMED_LOSS' trace.txt || die "the trace does not say that A5 broke"
"$kiln" trace run.trace --json >trace.json || die "kiln trace --json ended with $?"
python3 - <<'END' || die "trace.json is not as it must be"
import json
def once(pairs):
    assert len({k for k, _ in pairs}) == len(pairs), pairs
    return dict(pairs)
rows = [json.loads(line, object_pairs_hook=once) for line in open("trace.json")]
assert any(r["row"] == "FINDING" and r["text"].startswith("A5 ") for r in rows)
assert any(r["row"] == "LOG_APPEND" and r["partition"] == "orders-0" for r in rows)
times = [r["time_s"] for r in rows if r["row"] != "FINDING"]
assert times == sorted(times)
END
head -c 1000 run.trace >cut.trace
"$kiln" trace cut.trace >/dev/null 2>cut.txt && die "a trace that was cut short is read without a word"
grep -q 'damaged' cut.txt || die "of a cut trace it says: $(cat cut.txt)"
printf 'ok  kiln trace\n'

# A filter that finds nothing says so; what broke elsewhere is no answer to it.
held=$(dirname "$scenario")/full.lua
for filter in '--node broker9' '--partition orders-9' '--from 23h'; do
    read -ra words <<<"$filter"
    "$kiln" trace run.trace "${words[@]}" >said.txt 2>&1
    [[ $? -eq 5 ]] || die "kiln trace $filter is no exit 5: $(tail -3 said.txt)"
    grep -q '^kiln: this trace has no rows ' said.txt || die "kiln trace $filter says: $(cat said.txt)"
    "$kiln" run "$held" --seed 7 "${words[@]}" >said.txt 2>&1
    [[ $? -eq 5 ]] || die "kiln run $filter is no exit 5: $(tail -3 said.txt)"
    grep -q '^kiln: this run has no rows ' said.txt || die "kiln run $filter says: $(cat said.txt)"
done
"$kiln" run "$held" --seed 7 --node broker1 >said.txt 2>&1 || die "--node broker1 ended with $?"
grep -q 'has no rows' said.txt && die "--node broker1 says: $(grep 'has no rows' said.txt)"
printf 'ok  a filter that finds nothing\n'

# The files beside a failure, each given to the wrong verb, and a replay file that lost its end.
rm -rf failures
"${run[@]}" >/dev/null 2>&1
replay=$(ls failures/*.replay)
wrong() {
    local pattern=$1
    shift
    "$kiln" "$@" >said.txt 2>&1
    [[ $? -eq 64 ]] || die "kiln $* is no exit 64: $(cat said.txt)"
    grep -qE "$pattern" said.txt || die "kiln $* says: $(cat said.txt)"
}
wrong "is a plan, not a replay file; .*kiln'? run SCENARIO --plan " replay "${replay%.replay}.plan"
wrong "is a trace, not a replay file; .*kiln'? trace run.trace" replay run.trace
head -c 200 "$replay" >cut.replay
wrong 'cut.replay is cut short or was changed by hand' replay cut.replay
printf 'ok  the right verb for each file\n'

# Who reads may go away.
rm -rf failures
"$kiln" run "$held" --seed 7 -v 2>&1 | head -1 >/dev/null
status=${PIPESTATUS[0]}
[[ $status -eq 0 ]] || die "a run whose reader has gone ended with $status"
[[ ! -e failures ]] || die "a run whose reader has gone leaves $(ls failures)"
printf 'ok  a reader that goes away\n'

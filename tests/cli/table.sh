#!/usr/bin/env bash
# table.sh - what a campaign prints fits the terminal, has colours only where they are wanted, groups what failed, and says where files are.
set -uo pipefail
kiln=$(realpath "$1")
scenarios=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../scenarios")
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-table.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$scenarios" scenarios
unset COLUMNS NO_COLOR

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# widest FILE: columns of its longest line.
widest() { wc -L <"$1"; }

for columns in 72 80 140; do
    COLUMNS=$columns "$kiln" run scenarios/network scenarios/regressions --seeds 1-2 >table.txt || die "ended with $?"
    [[ $(widest table.txt) -le $columns ]] || die "wider than $columns: $(cat table.txt)"
    grep -q '^scenarios/network$' table.txt || die "no folder: $(cat table.txt)"
    grep -q '^  every_split .* held$' table.txt || die "no file: $(cat table.txt)"
done
grep -q '^  every_split  *every split of every frame is understood .* held$' table.txt || die "no claim in 140 columns"
"$kiln" run scenarios/network --seeds 1-2 | grep -q $'\033' && die "colours in a pipe"
printf 'ok  the table fits\n'

# On a terminal: one of 120 columns, made for it.
cat >terminal.py <<'END'
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[1], sys.argv[1:])
out = b""
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    out += piece
os.waitpid(pid, 0)
sys.stdout.buffer.write(out)
END
python3 terminal.py "$kiln" run scenarios/network --seeds 1-2 >coloured.txt
grep -q $'\033\[32mheld\033\[m' coloured.txt || die "no colours on a terminal: $(cat -v coloured.txt)"
NO_COLOR=1 python3 terminal.py "$kiln" run scenarios/network --seeds 1-2 >plain.txt
grep -q $'\033\[3' plain.txt && die "colours in spite of NO_COLOR: $(cat -v plain.txt)"
grep 'every_split' plain.txt | tr -d '\r' >row.txt
[[ $(widest row.txt) -gt 80 && $(widest row.txt) -le 120 ]] || die "120 columns are not used: $(cat row.txt)"
printf 'ok  colours\n'

"$kiln" run scenarios/disk/torn_tail.lua scenarios/disk/new_segment.lua --bug torn_tail_kept --seeds 1-8 --time 1m >groups.txt 2>/dev/null
[[ $? -eq 1 ]] || die "the bug is not found: $(cat groups.txt)"
sed -n '/^what did not hold, by check and cause:$/,$p' groups.txt >causes.txt
grep -qE '^ +[0-9]+ (A5 CONFIRMED_LOSS|L14 UNHARMED_CORRUPT)$' causes.txt || die "no groups: $(cat groups.txt)"
grep -qE 'scenarios/disk/[a-z_]+.lua, seeds? [0-9]' causes.txt || die "no seeds: $(cat groups.txt)"
[[ $(widest groups.txt) -le 80 ]] || die "wider than 80: $(cat groups.txt)"
rm -rf failures
# What an expect found differs from seed to seed, and is one cause all the same; its line and its own numbers are part of it.
cat >found.lua <<'END'
scenario "what is found differs"
local c = Cluster {}
sleep(seconds(1))
local drawn = random(1000000)
expect(drawn == 0, "3 is not 4")
finally { "in order" }
END
"$kiln" run found.lua --seeds 1-6 >groups.txt 2>/dev/null
[[ $? -eq 1 ]] || die "an expect that failed is no exit 1: $(cat groups.txt)"
grep -qE '^ +6 EXPECT$' groups.txt || die "six seeds of one expect are not one cause: $(cat groups.txt)"
tr -s ' \n' ' ' <groups.txt | grep -q 'found.lua:5: 3 is not 4: expect(drawn == 0) found drawn = N' || die "its cause is not told: $(cat groups.txt)"
rm -rf failures
printf 'ok  failures by check and cause\n'

printf 'scenario "bad"\nlocal c = Cluster { brokers = 1 }\nsleep(seconds(1))\nerror("no")\n' >bad.lua
"$kiln" run bad.lua --seeds 1-9 >out.txt 2>err.txt
[[ $? -eq 64 ]] || die "a mistake is not exit 64: $(cat out.txt err.txt)"
[[ $(grep -c 'bad.lua:4' err.txt) -eq 1 ]] || die "a mistake is not told once: $(cat err.txt)"
[[ ! -e failures ]] || die "a mistake leaves files: $(ls failures)"
printf 'ok  a mistake is told once and leaves nothing\n'

# One run is on real files, which go when it held and stay when it did not; a campaign is in memory.
"$kiln" run scenarios/disk/full.lua --seed 7 >out.txt 2>&1 || die "it ended with $?: $(cat out.txt)"
grep -q 'disks: real files in failures/disk-full-7.disks, removed as it held' out.txt || die "it says: $(cat out.txt)"
[[ ! -e failures ]] || die "left behind: $(ls failures)"
files=$(grep '^hash=' out.txt)
memory=$("$kiln" run scenarios/disk/full.lua --seed 7 --disk memory | tee out.txt | grep '^hash=')
[[ -n $files && $files == "$memory" ]] || die "files give $files, memory $memory"
grep -q 'disks:' out.txt && die "--disk memory says: $(cat out.txt)"
"$kiln" run scenarios/disk/power_loss.lua --bug ack_without_sync --seed 1 >out.txt 2>&1
[[ $? -eq 1 ]] || die "the bug is not found: $(cat out.txt)"
disks=$(ls -d failures/*.disks) || die "no disks are kept: $(cat out.txt)"
grep -q "disks: $disks, kept" out.txt || die "it does not say where: $(cat out.txt)"
ls "$disks"/broker*/data/orders-0/*.log >/dev/null || die "no segments in $disks"
printf 'ok  the disks of a single run are files\n'

"$kiln" run scenarios/exactly_once scenarios/disk/corrupt_below_recovery_point.lua --seeds 1-2 --on-files 5 >out.txt 2>&1 ||
    die "it ended with $?: $(cat out.txt)"
tr '\n' ' ' <out.txt | grep -q ' 5 of 6 claims; 1 damage' || die "it says: $(cat out.txt)"
grep -q '^18 passed, 0 failed' out.txt || die "not three runs a claim: $(cat out.txt)"
[[ $(widest out.txt) -le 80 ]] || die "wider than 80: $(cat out.txt)"
printf 'ok  --on-files\n'

"$kiln" run scenarios/exactly_once scenarios/disk/corrupt_below_recovery_point.lua --seeds 1-2 --disk files >out.txt 2>&1 ||
    die "it ended with $?: $(cat out.txt)"
tr '\n' ' ' <out.txt | grep -q ' 10 of 12 runs; 2 damaged' || die "it says: $(cat out.txt)"
[[ $(find failures -name '*.disks') == "$disks" ]] || die "left behind: $(ls failures)"
printf 'ok  --disk files of a campaign\n'

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Flat memory: flat.sh BELT FAULT-FUNCTIONS [COUNT [--unordered]]
#
# Streams COUNT (10000000) small tasks through a broker, a worker with two slots and `belt map`, and reads the largest
# memory that each process ever had (VmHWM) after a third of the stream and near its end. Fails when one has grown by
# more than 8 MiB in between, or a result is missing or out of order.
set -eu
belt=$1 functions=$2 count=${3:-10000000} mode=${4:-}
dir=$(mktemp -d)
broker='' worker='' map=''
BELT_CONFIG=/dev/null
export BELT_CONFIG

clean() {
    for pid in $map $worker $broker; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    rm -rf "$dir"
}
trap clean EXIT
trap 'exit 130' INT TERM

"$belt" broker -q --clients "ipc://$dir/clients" --workers "ipc://$dir/workers" &
broker=$!
"$functions" "ipc://$dir/workers" 2 2>"$dir/worker.log" &
worker=$!
tries=0
until "$belt" workers -b "ipc://$dir/clients" f >/dev/null 2>&1 || "$belt" workers -b "ipc://$dir/clients" 2>/dev/null | grep -q ready; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "flat.sh: the worker does not come" >&2; exit 1; }
    sleep 0.1
done
slots=$(for keeper in $(pgrep -P "$worker"); do pgrep -P "$keeper" || true; done)

mkfifo "$dir/out"
started=$(date +%s)
seq -f '%.0f:0' 1 "$count" | "$belt" map -b "ipc://$dir/clients" $mode f >"$dir/out" &
map=$!
# shellcheck disable=SC2086 # a list of processes
awk -v count="$count" -v mode="$mode" -v pids="broker $broker worker $worker map $map $(echo $slots | sed 's/[0-9]*/slot &/g')" '
function high(pid,    line, kib, file) {
    file = "/proc/" pid "/status"
    while ((getline line < file) > 0)
        if (line ~ /^VmHWM:/) { split(line, words, " "); kib = words[2] }
    close(file)
    return kib + 0
}
function sample(into,    i) { for (i = 2; i <= n; i += 2) into[i] = high(p[i]) }
BEGIN { n = split(pids, p, " ") }
{ sum += $1 }
!mode && $1 != NR { print "flat.sh: " $1 " in place of " NR; bad = 1; exit }
NR == int(count / 3) { sample(first) }
NR == int(count * 0.95) { sample(last) }
END {
    if (!bad && (NR != count || sum != count * (count + 1) / 2)) { print "flat.sh: " NR " results of " count; bad = 1 }
    for (i = 2; i <= n && !bad; i += 2) {
        printf "%-7s %7d KiB after a third, %7d KiB near the end\n", p[i - 1], first[i], last[i]
        if (!first[i] || last[i] > first[i] + 8192) { print "flat.sh: " p[i - 1] " grows"; bad = 1 }
    }
    exit bad
}' <"$dir/out"
wait $map
map=''
echo "$count tasks in $(($(date +%s) - started)) s"

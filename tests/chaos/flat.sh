#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Flat memory: flat.sh BELT FAULT-FUNCTIONS [COUNT [--unordered]]
#
# Streams COUNT (10000000) small tasks through a broker, a worker with two slots and `belt map`, and reads the memory of
# each process at 21 points of the stream, the first after a quarter of it. Two things tell a leak from the steps of an
# allocator, which takes memory by the megabyte when a thread or a burst first needs it:
#
# - A leak of some bytes a task grows in every interval, a step in one: the median of the 20 intervals is at most two
#   bytes a task.
# - An array that doubles grows in steps: the largest memory that a process ever had (VmHWM) is at most 16 bytes a task
#   and 4 MiB larger at the end than after a quarter.
#
# The window is fixed (--buffersize): the one that Belt chooses follows the measured rate, and so grows, within its
# bounds, whenever a busy machine becomes a quieter one. Fails also when a result is missing or out of order.
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
seq -f '%.0f:0' 1 "$count" | "$belt" map --buffersize 4096 -b "ipc://$dir/clients" $mode f >"$dir/out" &
map=$!
# shellcheck disable=SC2086 # a list of processes
awk -v count="$count" -v mode="$mode" -v pids="broker $broker worker $worker map $map $(echo $slots | sed 's/[0-9]*/slot &/g')" '
function kib(pid, what,    line, words, value, file) {
    file = "/proc/" pid "/status"
    while ((getline line < file) > 0)
        if (index(line, what) == 1) { split(line, words, " "); value = words[2] }
    close(file)
    return value + 0
}
function sample(    i) {
    for (i = 2; i <= n; i += 2) {
        now = kib(p[i], "VmRSS:")
        if (points) grown[i, points] = now - before[i]
        else first[i] = kib(p[i], "VmHWM:")
        before[i] = now
        last[i] = kib(p[i], "VmHWM:")
    }
    points++
}
function median(i,    k, m, t, sorted) {
    for (k = 1; k < points; k++) {
        for (m = k; m > 1 && sorted[m - 1] > grown[i, k]; m--) sorted[m] = sorted[m - 1]
        sorted[m] = grown[i, k]
    }
    return sorted[int(points / 2)]
}
BEGIN { n = split(pids, p, " "); next_point = int(count / 4); interval = int(count * 0.7 / 20) }
{ sum += $1 }
!mode && $1 != NR { print "flat.sh: " $1 " in place of " NR; bad = 1; exit }
NR == next_point && points < 21 { sample(); next_point += interval }
END {
    if (!bad && (NR != count || sum != count * (count + 1) / 2)) { print "flat.sh: " NR " results of " count; bad = 1 }
    for (i = 2; i <= n && !bad; i += 2) {
        each = median(i) * 1024 / interval
        printf "%-7s %7d KiB after a quarter, %7d KiB near the end, %.1f bytes a task\n", p[i - 1], first[i], last[i], each
        if (!first[i] || each > 2 || last[i] - first[i] > 4096 + count * 16 / 1024) { print "flat.sh: " p[i - 1] " grows"; bad = 1 }
    }
    exit bad
}' <"$dir/out"
wait $map
map=''
echo "$count tasks in $(($(date +%s) - started)) s"

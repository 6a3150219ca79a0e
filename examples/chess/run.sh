#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Analyses the bundled games with `belt map` on two slots, ordered and then unordered, and tells when each result came.
#
#   examples/chess/run.sh [FILE.pgn]
#
# BELT names the program (default: build/belt of this checkout), SLOTS the number of slots (default 2).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
games=${1:-$here/games.pgn}
slots=${SLOTS:-2}
belt=${BELT:-$here/../../build/belt}
if [ ! -x "$belt" ]; then
    echo "run.sh: there is no program at $belt: run scripts/demo, or set BELT" >&2
    exit 1
fi

# Milliseconds of a clock; only differences are used.
now() {
    local t=$EPOCHREALTIME
    echo $((${t/[.,]/} / 1000))
}

seconds() {
    printf '%d.%02d' $(($1 / 1000)) $(($1 % 1000 / 10))
}

# One game is one record, ended by NUL.
records() {
    awk '/^\[Event / && NR > 1 { printf "%c", 0 } { print }' "$games"
}

# run TITLE OPTION…: prints each result with the time of its arrival; sets `first` and `last`.
run() {
    local start result
    printf '\n%s\n' "$1"
    shift
    first=
    start=$(now)
    while IFS= read -r -d '' result; do
        last=$(($(now) - start))
        first=${first:-$last}
        printf '%6s s  %s\n' "$(seconds "$last")" "$result"
    done < <(records | "$belt" map -j "$slots" -0 "$@" --coproc "python3 $here/analyse.py")
    wait $! # the pipe's own status: a failed task or program ends the script
}

run "In the order of the file (belt map):"
ordered=$first
blocking=$last
run "The moment each is done (belt map --unordered):" --unordered
printf '\nA map that returns the whole list shows nothing for %s s.\n' "$(seconds "$blocking")"
printf 'First result in order: %s s. First result as they finish: %s s.\n' "$(seconds "$ordered")" "$(seconds "$first")"

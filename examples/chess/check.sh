#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks that every bundled game is legal: pgn-extract replays each move on a board of its own. The games that it gives
# back must be as many as the file has, without one report of an error, and their moves must be those of the file
# (so a wrong check or mate sign is found too).
set -eu

cd "$(dirname "$0")"
file=${1:-games.pgn}
PATH=$PATH:/usr/games
if ! command -v pgn-extract >/dev/null; then
    echo "check.sh: pgn-extract is not installed: run scripts/install-deps" >&2
    exit 2
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

pgn-extract -s -7 -w78 -o"$scratch/games" "$file" 2>"$scratch/errors" || true
if [ -s "$scratch/errors" ]; then
    cat "$scratch/errors" >&2
    echo "check.sh: $file: pgn-extract reports errors" >&2
    exit 1
fi

tokens() {
    grep -v '^\[' "$1" | tr ' ' '\n' | sed '/^$/d'
}
want=$(grep -c '^\[Event ' "$file")
got=$(grep -c '^\[Event ' "$scratch/games")
tokens "$file" >"$scratch/want"
tokens "$scratch/games" >"$scratch/got"
if [ "$want" -ne "$got" ] || ! diff "$scratch/want" "$scratch/got" >&2; then
    echo "check.sh: $file: $got of $want games are legal and written as played" >&2
    exit 1
fi
echo "$got games, all legal"

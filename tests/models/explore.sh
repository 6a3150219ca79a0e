#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Explores every state of a model with spin. Succeeds when no process can sleep through what it waits for, and when
# each planted fault is found: a model that cannot fail says nothing.
#
#   tests/models/explore.sh MODEL.pml [PLANTED-FAULT…]
#
# Ends with 77 where spin is not installed.
set -eu
model=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
command -v spin >/dev/null || { echo "spin is not installed: scripts/install-deps"; exit 77; }
directory=$(mktemp -d "${TMPDIR:-/tmp}/belt-model-XXXXXX")
trap 'rm -rf "$directory"' EXIT
cd "$directory"

# Writes what pan says to `out`.
explore() {
    rm -f pan* ./*.trail out
    spin -a "$@" "$model" >generated 2>&1 || { cat generated; exit 1; }
    "${CC:-cc}" -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c
    ./pan -m1000000 -n >out 2>&1 || true
}

explore
if ! grep -q 'errors: 0$' out || grep -qE 'max search depth|out of memory|Search not completed' out; then
    cat out
    [ ! -f "$(basename "$model").trail" ] || spin -t -p -g "$model" | tail -80
    echo "$(basename "$model"): somebody sleeps through what he waits for"
    exit 1
fi
echo "$(basename "$model"): $(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' out) states, nobody sleeps with work"
for fault; do
    explore "-D$fault"
    if ! grep -q 'errors: [1-9]' out; then
        cat out
        echo "$(basename "$model") -D$fault: the planted fault is not found"
        exit 1
    fi
    echo "$(basename "$model") -D$fault: found"
done

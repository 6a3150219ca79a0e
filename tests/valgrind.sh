#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Broker, agents and clients under valgrind's memcheck: invalid reads and writes, use of what was not set, and what is
# definitely lost.
#
#   tests/valgrind.sh BELT [TASKS]
set -u
source=$(cd "$(dirname "$0")/.." && pwd)
belt=${1:-$source/build/belt}
logs=$(mktemp -d /tmp/belt-valgrind-XXXXXX)
trap 'rm -rf "$logs"' EXIT
status=0

"$source/tests/e2e/daemons.sh" "$belt" "${2:-60}" valgrind -q --leak-check=full --errors-for-leak-kinds=definite \
    --show-leak-kinds=definite --child-silent-after-fork=no --log-file="$logs/%p" || status=1
# "==" begins what memcheck found; "--" what valgrind says of itself (a system call that it does not know).
if grep -qs '^==' "$logs"/*; then
    grep -hs '^==' "$logs"/*
    status=1
fi
[ $status = 0 ] && echo "no error in $(ls "$logs" | wc -l) processes"
exit $status

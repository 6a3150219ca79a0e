#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Broker, agents and clients under ThreadSanitizer, driven from outside (Criterion aborts under it), and the library's
# own drivers. Fails when anything but libzmq, which is not instrumented, is reported.
#
#   tests/tsan.sh [BUILD-DIRECTORY [TASKS]]
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$source/build-tsan}
logs=$(mktemp -d /tmp/belt-tsan-XXXXXX)
trap 'rm -rf "$logs"' EXIT

cmake -S "$source" -B "$build" -G Ninja -DBELT_SANITIZE=thread >/dev/null
ninja -C "$build" belt drive_library drive_close drive_feed belt-round-trips >"$logs/build" || { cat "$logs/build"; exit 1; }
export TSAN_OPTIONS="suppressions=$source/tests/e2e/tsan.suppressions log_path=$logs/report exitcode=0 die_after_fork=0"
status=0
"$source/tests/e2e/daemons.sh" "$build/belt" "${2:-300}" || status=1
"$build/tests/e2e/drive_library" >/dev/null || status=1
"$build/tests/e2e/drive_close" >/dev/null || status=1
"$build/tests/e2e/drive_feed" >/dev/null || status=1
"$build/tests/wake/belt-round-trips" 3000 >/dev/null || status=1
if compgen -G "$logs/report*" >/dev/null; then
    cat "$logs"/report*
    status=1
fi
[ $status = 0 ] && echo "no report of ThreadSanitizer"
exit $status

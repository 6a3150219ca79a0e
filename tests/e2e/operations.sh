#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: operations.sh BELT OPERATIONS_MD
# Runs every command of the administrators' page, then backs a broker up under load, restores the copy and reads every
# result that was acknowledged.
set -eu
belt_program=$1
page=$2
dir=$(mktemp -d /tmp/belt-operations-XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
mkdir "$dir/bin" "$dir/lib" "$dir/backups"
ln -s "$belt_program" "$dir/bin/belt"
export PATH="$dir/bin:$PATH" BELT_CONFIG=/dev/null
export BELT_BROKER="ipc://$dir/c" BELT_BROKER_CLIENTS="ipc://$dir/c" BELT_BROKER_WORKERS="ipc://$dir/w" BELT_WORKER_BROKER="ipc://$dir/w"

sed -n '/^```sh$/,/^```$/{/^```/d;p}' "$page" | sed "s|/var/lib/belt|$dir/lib|g; s|/var/backups|$dir/backups|g" >"$dir/page.sh"
[ "$(wc -l <"$dir/page.sh")" -ge 15 ] || { echo "the page has hardly any commands"; exit 1; }
{
    echo 'set -eum'
    cat "$dir/page.sh"
    echo 'kill $(jobs -p) && wait'
} >"$dir/run.sh"
bash "$dir/run.sh" >"$dir/out" 2>&1 || { cat "$dir/out"; echo "a command of $page fails"; exit 1; }
for wanted in A B 'every record is as it was written' 'the new store is on disk' 'unused room was given back'; do
    grep -q "$wanted" "$dir/out" || { cat "$dir/out"; echo "missing: $wanted"; exit 1; }
done

# Under load: one job is acknowledged and partly read before the copy is made, another one is being handed in meanwhile.
# The reader writes to a pipe that nobody empties, so it is certain not to come to the job's end.
belt broker --state "$dir/live" --quiet &
broker=$!
belt worker --slots 2 --filter same=cat --quiet &
seq 20000 | belt submit --key before same >"$dir/id"
seq 1000000 | belt submit --key load same >/dev/null 2>&1 &
load=$!
mkfifo "$dir/pipe"
belt results --follow --reader night before >"$dir/pipe" &
reader=$!
exec 3<"$dir/pipe"
belt store backup --state "$dir/live" "$dir/copy" >/dev/null
kill -9 $broker $load $reader
wait $broker $load $reader 2>/dev/null || true
cat <&3 >"$dir/seen"

# The reader goes on where it had acknowledged when the copy was made, which is not beyond what it had written.
belt broker --state "$dir/copy" --quiet &
belt results --follow --reader night before >"$dir/rest"
first=$(head -n 1 "$dir/rest")
[ "$first" -le $(($(wc -l <"$dir/seen") + 1)) ] || { echo "the copy begins at $first, beyond what was written"; exit 1; }
seq "$first" 20000 | cmp - "$dir/rest" || { echo "not every acknowledged result is in the copy"; exit 1; }
echo "every command runs, and every acknowledged result came back"

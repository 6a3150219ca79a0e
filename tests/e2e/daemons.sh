#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The real broker, agents and clients, driven from a plain shell, for runs under ThreadSanitizer (tests/tsan.sh) and
# valgrind (tests/valgrind.sh); in the suite it runs the build as it is.
#
#   daemons.sh BELT [TASKS [PREFIX ...]]
#
# Durable and volatile maps of commands, a filter, a coprocess and several clients at once; a task that fails, one that
# kills its slot, a cancelled client, a drained worker, a broker that is killed and started anew, one that ends in order.
set -u
belt=$1
tasks=${2:-300}
shift $(($# < 2 ? $# : 2))
prefix=("$@")
dir=$(mktemp -d /tmp/belt-daemons-XXXXXX)
export BELT_CONFIG=/dev/null BELT_BROKER=ipc://$dir/clients BELT_WORKER_BROKER=ipc://$dir/workers
failed=0

run() { "${prefix[@]}" "$belt" "$@"; }
fail() { echo "daemons: $*" >&2; failed=1; }
finish() {
    for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null; done # only what still runs: a number may be another's by now
    rm -rf "$dir"
}
trap finish EXIT

start_broker() {
    "${prefix[@]}" "$belt" broker --clients "ipc://$dir/clients" --workers "ipc://$dir/workers" --state "$dir/state" 2>>"$dir/broker.log" &
    broker=$!
    run ping --connect-timeout 60 >/dev/null || fail "no broker answers: $(tail -2 "$dir/broker.log")"
}

start_worker() {
    "${prefix[@]}" "$belt" worker --slots 2 --command 'up=tr a-z A-Z' --filter 'id=cat' --coproc "co=$dir/coproc" --allow-commands 2>>"$dir/worker.log" &
    worker=$!
}

# map NAME EXPECTED-STATUS INPUT-COUNT ARGUMENTS...: the output must have as many lines as were fine
map() {
    local name=$1 status=$2 count=$3 got
    shift 3
    seq 1 "$count" | run map "$@" >"$dir/$name.out" 2>"$dir/$name.err"
    got=$?
    [ $got = "$status" ] || fail "$name: exit $got, not $status: $(tail -3 "$dir/$name.err")"
}

same() { [ "$(seq 1 "$2")" = "$(cat "$dir/$1.out")" ] || fail "$1: $(wc -l <"$dir/$1.out") lines, not the numbers 1 .. $2"; }

cat >"$dir/coproc" <<'END'
#!/bin/bash
echo "belt-slot 1"
while read -r _ _ _ _ argument payload; do
    read -r -N "$((argument + payload))" bytes
    printf 'ok %d\n%s' "${#bytes}" "$bytes"
done
END
chmod +x "$dir/coproc"

start_broker
start_worker

map filter 0 "$tasks" id
same filter "$tasks"
map volatile 0 "$tasks" --unordered --volatile id
sort -n "$dir/volatile.out" -o "$dir/volatile.out"
same volatile "$tasks"
map coproc 0 "$tasks" co
same coproc "$tasks"
map command 1 10 -- sh -c 'test $1 != 5 && echo $1' x {}
map lost 1 4 -- sh -c 'test $1 != 3 || kill -9 $$; echo $1' x {}

# Several at once, one of which is cancelled while the broker's state is asked for.
map one 0 "$tasks" id & first=$!
map two 0 "$tasks" --unordered id & second=$!
"${prefix[@]}" "$belt" map -- sh -c 'sleep 1000' < <(seq 1 100) >/dev/null 2>&1 & doomed=$!
for command in status workers jobs; do run $command --json >/dev/null || fail "$command"; done
kill -TERM $doomed # the shell lets children in the background ignore SIGINT
wait $first $second $doomed

# A worker that drains, and its successor; then a broker that is killed under a map.
kill -TERM "$worker"
wait "$worker" || fail "the worker ended with $?: $(tail -2 "$dir/worker.log")"
start_worker
seq 1 "$tasks" | run map --connect-timeout 60 id >"$dir/over.out" 2>"$dir/over.err" & over=$!
sleep 0.3
kill -KILL "$broker"
wait "$broker" 2>/dev/null
start_broker
wait $over || fail "a map over a restart ended with $?: $(tail -2 "$dir/over.err")"
same over "$tasks"

kill -TERM "$broker"
wait "$broker" || fail "the broker ended with $?: $(tail -2 "$dir/broker.log")"
kill -TERM "$worker"
wait "$worker" || fail "the worker ended with $?: $(tail -2 "$dir/worker.log")"

# And a private pool.
seq 1 "$tasks" | env -u BELT_BROKER "${prefix[@]}" "$belt" map -j2 --filter cat >"$dir/private.out" 2>"$dir/private.err" ||
    fail "a private pool: $(tail -2 "$dir/private.err")"
same private "$tasks"
exit $failed

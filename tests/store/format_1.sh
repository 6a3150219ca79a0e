#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: format_1.sh BELT DIRECTORY
# Makes DIRECTORY/state: a store with every kind of record of format 1. BELT is the program of Belt 0.1.0, which wrote
# that format. tests/store/format_1.sql is such a store as text:
#
#   format_1.sh belt-0.1.0 DIRECTORY
#   python3 -c "import sqlite3; print('\n'.join(sqlite3.connect('DIRECTORY/state/belt.sqlite').iterdump()))"
set -eu
belt=$1
mkdir -p "$2"
cd "$2"
clients=ipc://$PWD/clients
workers=ipc://$PWD/workers
export BELT_BROKER=$clients BELT_CONFIG=/dev/null
# Inputs that begin with "slow" never end, "big" gives 70,000 bytes.
cat >gated <<'END'
#!/bin/sh
case $1 in
slow*) exec sleep 600 ;;
big) head -c 70000 /dev/zero ;;
*) printf %s "$1" ;;
esac
END
cat >bad <<'END'
#!/bin/sh
echo "no: $1" >&2
exit 3
END
chmod +x gated bad
"$belt" broker --state state --clients "$clients" --workers "$workers" --failed-count 2 --drain 0 --quiet --name old &
broker=$!
"$belt" worker -b "$workers" -j 8 --name w --quiet --drain 0 --kill-after 0.1 \
    --command upper='tr a-z A-Z' --command gated="$PWD/gated {}" --command bad="$PWD/bad {}" &
worker=$!
trap 'kill $broker $worker 2>/dev/null || true' EXIT

# Waits until a command gives what is wanted.
until_is() {
    for _ in $(seq 100); do
        [ "$(eval "$2" 2>/dev/null || true)" = "$1" ] && return
        sleep 0.1
    done
    echo "no '$1' from: $2" >&2
    exit 1
}
done_of() {
    "$belt" jobs --json | python3 -c "import json, sys; print([j['done'] for j in json.load(sys.stdin)['jobs'] if j['key'] == '$1'][0])"
}

# Read to its end: a line of the history. Three failed tasks, one of which is let go.
"$belt" submit -q --key over upper ::: a b c
until_is 3 'done_of over'
"$belt" results -q over >/dev/null
"$belt" forget over >/dev/null
"$belt" submit -q --key failing --priority 5 bad ::: p q r
"$belt" results -q --follow failing >/dev/null || true
# A task that waits for its second try.
"$belt" submit -q --key trying --retries 3 --backoff 1h bad ::: x
# Results that were taken while a task of their record runs on: a record without payloads, and a mark.
"$belt" submit -q --key taken gated ::: slow big small
until_is 2 'done_of taken'
"$belt" results -q -u --reader early taken >/dev/null || true
# A mark with a digest: the records of what was read are gone.
(echo one; echo two; sleep 1; echo slow-three) | "$belt" submit -q --key read gated &
until_is 2 'done_of read'
wait $!
"$belt" results -q --reader first read >/dev/null || true
# The same without a key, and so without a digest.
nameless=$( (echo one; sleep 1; echo slow-two) | "$belt" submit -q gated)
"$belt" results -q --reader first "$nameless" >/dev/null || true
# A job with an argument and every option, whose input has not ended.
mkfifo more
"$belt" submit -q --key open --retries 1 --max-attempts 4 --backoff 0.5 --final-status 2,64-78 --keep 100d \
    --remember 2h --deadline 3500d --timeout 60 --chunksize 2 --priority -7 --durable --detail --after 3000d upper <more &
feeder=$!
exec 9>more
printf 'un\ndeux\n' >&9
until_is 2 "$belt jobs --json | python3 -c \"import json, sys; print([j['total'] for j in json.load(sys.stdin)['jobs'] if j['key'] == 'open'][0])\""
kill -9 $feeder
exec 9>&-
sleep 1
kill -9 $worker
kill $broker
wait $broker || true

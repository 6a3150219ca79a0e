#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A slot in shell: answers each text with the same text in capitals.
#
# Serve it, and use it:
#
#   belt worker --broker tcp://127.0.0.1:7879 --coproc 'shout=bash examples/coproc/handler.sh'
#   belt map --broker tcp://127.0.0.1:7878 shout < words.txt
#
# The protocol is worker/SLOTS.md. Lengths are in bytes, hence LC_ALL=C. Payloads with NUL bytes are beyond
# the shell: take another language for those.
export LC_ALL=C

take() { # take LENGTH: reads exactly so many bytes into $bytes
    bytes=
    [ "$1" -eq 0 ] || IFS= read -r -d '' -N "$1" bytes
}

echo 'belt-slot 1'
while read -r _ id function attempt argument_len payload_len; do
    take "$argument_len"
    argument=$bytes
    take "$payload_len"
    result=${bytes^^}
    printf 'ok %d id=%s\n%s' "${#result}" "$id" "$result"
done

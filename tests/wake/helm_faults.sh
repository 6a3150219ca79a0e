#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Plants faults in the machine that says who drives a connection, one at a time, and has the explorer look for them: an
# explorer that finds none of them says nothing.
#
#   tests/wake/helm_faults.sh SOURCE-DIRECTORY [FAULT]
set -eu
source=$1
wanted=${2:-}
directory=$(mktemp -d "${TMPDIR:-/tmp}/belt-helm-XXXXXX")
trap 'rm -rf "$directory"' EXIT
mkdir "$directory/client"
cp "$source/client/helm.h" "$directory/client/"
"${CC:-cc}" -O2 -w -std=c11 -I"$source" -r -nostdlib -o "$directory/explore.o" \
    "$source/tests/wake/helm_explore.c" "$source/tests/wake/helm_threads.c"

# What the explorer must say, by itself or with two readers.
look() {
    "${CC:-cc}" -O2 -w -std=c11 -I"$directory" "$1" "$directory/client/helm.c" -o "$directory/explore"
    for size in '1 1 1' '2 1 0'; do
        rc=0
        # shellcheck disable=SC2086 # two words and more are meant
        "$directory/explore" $size >"$directory/out" 2>&1 || rc=$?
        [ "$rc" = 0 ] || break
    done
}

# A fault's name and the change of the source that plants it.
plant() {
    local name=$1 change=$2
    [ -z "$wanted" ] || [ "$wanted" = "$name" ] || return 0
    sed -E "$change" "$source/client/helm.c" >"$directory/client/helm.c"
    if cmp -s "$source/client/helm.c" "$directory/client/helm.c"; then
        echo "$name: the text that it changes has moved"
        exit 1
    fi
    look "$directory/explore.o"
    if [ "$rc" != 1 ]; then
        cat "$directory/out"
        echo "$name: the planted fault is not found"
        exit 1
    fi
    echo "$name: found: $(tail -1 "$directory/out")"
}

plant kick-leaves-no-word 's/^    helm->work = true;//'
plant kick-lets-sleep 's/helm->sleep == CLIENT_HELM_AWAKE \|\| \(/helm->sleep != CLIENT_HELM_NAP || (/'
plant take-from-anybody '/^uint32_t client_helm_take\(/,/^}/s/!= CLIENT_HELM_NOBODY/== CLIENT_HELM_IO_THREAD/'
plant reader-takes-from-io-thread '/^uint32_t client_helm_take_reader\(/,/^}/s/!= CLIENT_HELM_NOBODY/== CLIENT_HELM_READER/'
plant leave-keeps '/^uint32_t client_helm_leave\(/,/^}/s/^    stop\(helm\);//'
plant leave-does-not-ring 's/helm->aside == CLIENT_HELM_DISTANT \? CLIENT_HELM_RING_ASIDE : 0/0/'
plant give-keeps '/^uint32_t client_helm_give\(/,/^}/s/helm->driver = CLIENT_HELM_NOBODY;/;/'
plant hand-over-keeps '/^uint32_t client_helm_hand_over\(/,/^}/s/^    stop\(helm\);//'
plant release-keeps '/^uint32_t client_helm_release\(/,/^}/s/helm->driver = CLIENT_HELM_NOBODY;/;/'
plant sleeps-with-word '/^uint32_t client_helm_begin_wait\(/,/^}/s/^        return 0;/        ;/'
plant does-not-say-it-sleeps '/^uint32_t client_helm_begin_wait\(/,/^}/s/helm->sleep = [^;]*;/;/'
plant sleeps-though-nobody-drives 's/helm->drove \|\| helm->driver == CLIENT_HELM_NOBODY/helm->drove/'
plant does-not-say-it-is-distant 's/helm->aside = CLIENT_HELM_DISTANT;/;/'

if [ -z "$wanted" ] || [ "$wanted" = works-first ]; then
    cp "$source/client/helm.c" "$directory/client/helm.c"
    "${CC:-cc}" -O2 -w -std=c11 -I"$source" -DWORK_FIRST -r -nostdlib -o "$directory/first.o" \
        "$source/tests/wake/helm_explore.c" "$source/tests/wake/helm_threads.c"
    look "$directory/first.o"
    [ "$rc" = 1 ] || { echo "works-first: the planted fault is not found"; exit 1; }
    echo "works-first: found: $(tail -1 "$directory/out")"
fi

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Plants the bugs of a room's mutations.txt, one at a time, in a copy of the cores and expects the room's program to find
# each: the simulator, or with ROOM=tests/mixes the mixes.
#
#     mutate.sh SOURCE BUILD-DIRECTORY [SEEDS [EVERY]]     EVERY n: each n-th bug only
set -u
source=$1
build=$2
seeds=${3:-500}
every=${4:-1}
cc=${CC:-cc}
flags="-O1 -g -std=c11 -D_GNU_SOURCE -fno-strict-aliasing -w"
room=${ROOM:-tests/sim}
list=${LIST:-$source/$room/mutations.txt}

mkdir -p "$build/objects" || exit 2
rm -rf "$build/tree" && mkdir -p "$build/tree" || exit 2
for folder in proto broker worker client cli tests/sim tests/mixes tests/core; do
    [ -d "$source/$folder" ] || continue
    mkdir -p "$build/tree/$folder" && cp -R "$source/$folder/." "$build/tree/$folder/" || exit 2
done
cd "$build/tree" || exit 2
files="$(ls proto/*.c proto/util/*.c | grep -v -e link.c -e signals.c) $(ls broker/core/*.c broker/core/*/*.c) $(ls worker/table/*.c) $(ls "$room"/*.c)"
case $room in
tests/sim) files="$files $(ls broker/record/*.c) client/stream.c client/stream_send.c client/window.c tests/core/invariants.c" ;;
tests/mixes) files="$files cli/mix.c" ;;
esac
libraries="$(pkg-config --libs msgpack 2>/dev/null || pkg-config --libs msgpack-c) -lzmq -lpthread"

compile() { # FILE OBJECT
    $cc $flags -I. -Iproto/include -Iclient/include -c "$1" -o "$2"
}
object() {
    echo "$build/objects/$(echo "$1" | tr / _).o"
}
objects=
for file in $files; do
    objects="$objects $(object "$file")"
    compile "$file" "$(object "$file")" || exit 2
done
# shellcheck disable=SC2086
$cc -o "$build/sim" $objects $libraries || exit 2
if ! "$build/sim" 1 "$seeds" -x >"$build/out" 2>&1; then
    echo "the simulator fails without any planted bug:"
    cat "$build/out"
    exit 1
fi

planted=0 caught=0 number=0
count=$(grep -c '^name:' "$list")
while [ $number -lt "$count" ]; do
    number=$((number + 1))
    [ $((number % every)) -eq 0 ] || continue
    # Prints the file's name and plants the bug; 3: the text is not there, or not once.
    file=$(NUMBER=$number LIST=$list perl -e '
        local $/; open F, "<", $ENV{LIST}; my @all = split /^(?=name:)/m, <F>; my $bug = $all[$ENV{NUMBER}];
        my ($name) = $bug =~ /^name: (.*)$/m; my ($file) = $bug =~ /^file: (.*)$/m;
        my @old = map { s/^\s+//r } $bug =~ /^- ?(.*)$/mg; my @new = $bug =~ /^\+ ?(.*)$/mg;
        my $pattern = join "\\s*\\n\\s*", map { quotemeta } @old;
        open F, "<", $file or exit 3; my $text = <F>; my $to = join "\n", @new;
        my $n = () = $text =~ /$pattern/g; exit 3 if $n != 1;
        $text =~ s/$pattern/$to/; open F, ">", "planted.c" or exit 3; print F $text; close F;
        print "$file|$name";')
    if [ $? -ne 0 ]; then
        echo "FAILED   bug $number does not fit its file"
        planted=$((planted + 1))
        continue
    fi
    name=${file#*|} file=${file%%|*}
    planted=$((planted + 1))
    cp planted.c "$(dirname "$file")/planted.c"
    others=$(echo "$objects" | tr ' ' '\n' | grep -vx "$(object "$file")")
    # shellcheck disable=SC2086
    if ! compile "$(dirname "$file")/planted.c" "$build/planted.o" || ! $cc -o "$build/sim" $others "$build/planted.o" $libraries; then
        echo "FAILED   $name: does not compile"
        rm -f "$(dirname "$file")/planted.c"
        continue
    fi
    rm -f "$(dirname "$file")/planted.c"
    timeout 120 "$build/sim" 1 "$seeds" -x >"$build/out" 2>&1
    rc=$?
    if [ $rc -eq 0 ]; then
        echo "MISSED   $name ($seeds seeds)"
    else
        caught=$((caught + 1))
        printf 'caught   %-75s %s\n' "$name" "$(grep -aE '^(seed|FAILED)' "$build/out" | head -1 | cut -c1-110 || true)"
    fi
done
echo "$planted planted, $caught caught"
[ "$planted" -eq "$caught" ]

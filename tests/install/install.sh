#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What somebody gets who installs Belt: install.sh SOURCE BUILD CC
#
# Installs BUILD into a prefix of its own, then: the libraries export nothing but belt_*; a C program finds the library by
# pkg-config, shared and static, and runs; a program that uses names of Belt's inside links the static library; the
# licence, the documents and the man pages are there; BUILD_SHARED_LIBS chooses a library; uninstalling leaves nothing.
set -eu
source=$1 build=$2 cc=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

DESTDIR="$dir/root" cmake --install "$build" >"$dir/log" 2>&1 || { cat "$dir/log" >&2; fail "cmake --install failed"; }
prefix=$dir/root$(sed -n 's/^CMAKE_INSTALL_PREFIX:[A-Z]*=//p' "$build/CMakeCache.txt")
libdir=$(dirname "$(find "$prefix" -name 'libbelt.a')")
PKG_CONFIG_PATH=$libdir/pkgconfig
export PKG_CONFIG_PATH

# What the libraries export.
others=$({ nm -D --defined-only "$libdir/libbelt.so"; nm -g --defined-only "$libdir/libbelt.a"; } |
    awk 'NF == 3 && $3 !~ /^(belt_|__asan|__odr_asan|__emutls)/ { print $3 }')
[ -z "$others" ] || fail "the libraries export what is not theirs:" $others

# The name of the shared library promises what the version promises: changes of the interface come with a minor version.
version=$(pkg-config --modversion belt)
soname=$(objdump -p "$libdir/libbelt.so" | awk '$1 == "SONAME" { print $2 }')
[ "$soname" = "libbelt.so.${version%.*}" ] || fail "version $version has the SONAME $soname"

# The program of the README, and names of Belt's inside that a program may use as well.
awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' "$source/README.md" >"$dir/squares.c"
grep -q belt_pool_open "$dir/squares.c" || fail "the README has no C program"
echo 'int core_step(void); int core_step(void) { return 1; } int belt_error_set(void); int belt_error_set(void) { return 2; }' >"$dir/names.c"
sanitize=$(sed -n 's/^BELT_SANITIZE:[A-Z]*=//p' "$build/CMakeCache.txt")
flags=${sanitize:+-fsanitize=$sanitize}
# shellcheck disable=SC2046,SC2086 # lists of options
{
    "$cc" $flags -o "$dir/shared" "$dir/squares.c" $(pkg-config --cflags --libs belt)
    "$cc" $flags -o "$dir/static" "$dir/squares.c" "$dir/names.c" $(pkg-config --static --cflags --libs belt | sed 's/-lbelt/-l:libbelt.a/')
    "$cc" $flags -o "$dir/both" "$dir/squares.c" $(pkg-config --static --cflags --libs belt)
}
squares='1 4 9 16 25 36 49 64 81 100 '
for program in shared static both; do
    got=$(LD_LIBRARY_PATH=$libdir "$dir/$program" | tr '\n' ' ')
    [ "$got" = "$squares" ] || fail "the README's program ($program) prints: $got"
done

for file in bin/belt share/doc/*/LICENSE share/doc/*/README.md share/doc/*/proto/PROTOCOL.md share/doc/*/examples/imap.c \
    share/man/man1/belt.1; do
    # shellcheck disable=SC2086 # a pattern
    [ -n "$(ls $prefix/$file 2>/dev/null)" ] || fail "$file is not installed"
done

# One library or the other.
for wanted in ON:so OFF:a; do
    cmake -S "$source" -B "$dir/${wanted%:*}" -G Ninja -DBELT_TESTS=OFF -DCMAKE_C_COMPILER="$cc" \
        -DBUILD_SHARED_LIBS="${wanted%:*}" >"$dir/log" 2>&1 || { cat "$dir/log" >&2; fail "BUILD_SHARED_LIBS=$wanted"; }
    made=$(ninja -C "$dir/${wanted%:*}" -t targets all | sed -n 's,^client/libbelt\.\(so\|a\): .*,\1,p')
    [ "$made" = "${wanted#*:}" ] || fail "BUILD_SHARED_LIBS=${wanted%:*} builds '$made'"
done

DESTDIR="$dir/root" cmake -P "$build/packaging/uninstall.cmake" >/dev/null
left=$(find "$dir/root" ! -type d)
[ -z "$left" ] || fail "uninstalling leaves $left"
[ -z "$(find "$dir/root" -ipath '*/belt*' -type d)" ] || fail "uninstalling leaves folders of its own"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: purity.sh NM OBJECT...
# Pure code decides; it asks the system for memory and nothing else. Fails when an object file needs a symbol that is
# neither on this list nor defined by one of the objects.
set -eu
nm=$1
shift
allowed='^(malloc|calloc|realloc|free|mem(cpy|move|set|cmp|chr)|str[a-z]+|__str[a-z_]+|(__)?v?snprintf(_chk)?|__(memcpy|memmove|memset|strcpy|strcat|explicit_bzero)_chk|abort|__assert_fail|__assert|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer|lsan|gcov|llvm)_.*|__start_.*|__stop_.*|__isoc23_strto.*|__isoc99_sscanf|sscanf|__ctype_.*|toupper|tolower|bsearch|qsort|ceil|floor|fmod|pow)$'
# What the pure part of proto offers to all.
proto='^(belt_(buf|payload|code|batch|digest|msg|session)_[a-z_]+|terminal_text(_width)?|text_(cut|cut_at|format|print)|(pack|scan)_[a-z0-9_]+|heap_(add|move|remove|free))$'
defined=$(mktemp)
trap 'rm -f "$defined"' EXIT
"$nm" --defined-only -g "$@" | awk 'NF == 3 { print $3 }' | sort -u >"$defined"
impure=$("$nm" -u "$@" | awk 'NF == 2 { print $2 }' | sed 's/@.*//' | sort -u | grep -vxF -f "$defined" | grep -Ev "$allowed" | grep -Ev "$proto" | grep -vxE "${PURITY_MORE:--}" || true)
if [ -n "$impure" ]; then
    echo "pure code needs: $impure"
    exit 1
fi
echo "$# object files ask for memory and nothing else"

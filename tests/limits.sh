#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: limits.sh LIMITS_H TESTS
# Every bound has a test: fails when a name of LIMITS_H stands in no file under TESTS.
set -eu
names=$(sed -n 's/^#define \(BELT_[A-Z0-9_]*\) .*/\1/p' "$1")
[ -n "$names" ]
missing=
for name in $names; do
    grep -rqw --include='*.[ch]' --include='*.sh' "$name" "$2" || missing="$missing $name"
done
if [ -n "$missing" ]; then
    echo "bounds without a test:$missing"
    exit 1
fi
echo "$(echo "$names" | wc -l) bounds, each named by a test"

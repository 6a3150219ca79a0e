#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: text_cuts.sh DIRECTORY
# Text is cut at characters, by proto/text_cut.h, and never at a byte: fails when a source says "%.300s".
set -eu
cd "$1"
cuts=$(grep -rnE --include='*.[ch]' '%-?[0-9]*\.[0-9]+s' broker client cli proto worker || true)
if [ -n "$cuts" ]; then
    echo "text that may be cut within a character; use TEXT_UP_TO() or text_print():"
    echo "$cuts"
    exit 1
fi

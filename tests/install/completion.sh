#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The completion scripts in their shells: completion.sh BELT
#
# Each of bash, zsh and fish that is installed loads its script without a word and completes commands, options, verbs and
# what is run behind `--`. A shell that is not there is skipped, and said so.
set -u
belt=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
export HOME=$dir LC_ALL=C.UTF-8
failed=0

in_bash() {
    bash --norc -c 'eval "$("$0" completion bash)"; line=$1; read -ra COMP_WORDS <<<"$line"
        [[ $line == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _belt; printf "%s\n" "${COMPREPLY[@]}"' "$belt" "$1" 2>&1
}

in_fish() {
    fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$dir/belt.fish" "$1" 2>&1 | cut -f 1
}

# zsh completes on a terminal only: on a pseudo-terminal of its own, read until each word has come.
in_zsh() {
    timeout 20 zsh -f -c 'zmodload zsh/zpty; zpty z zsh -f -i
        zpty -w z "PS1=READY; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=10000; COLUMNS=200; stty -echo"
        zpty -w z "bindkey \"^I\" list-choices; echo BEG\"\"UN"
        zpty -r z all "*BEGUN*READY*"
        zpty -w -n z "$2"$'"'\t'"'; line=$2; shift 2; all=
        for word; do
            [[ $all == *[^a-z-]${word}[^a-z-]* ]] && continue
            zpty -r z part "*[^a-z-]${word}[^a-z-]*" || break
            all+=$part
        done
        print -r -- "$all"; zpty -d z' zsh "$dir" "$@" 2>&1 | sed 's/\x1b\[[0-9;?]*[A-Za-z]/\n/g' | tr '\r' '\n' |
        tr -s ' ' '\n' | tr -d '\033'
}

# expect SHELL LINE WORD…: the line can be completed by each of the words.
expect() {
    local shell=$1 line=$2 got word
    shift 2
    command -v "$shell" >/dev/null || return 0
    got=$("in_$shell" "$line" "$@")
    for word; do
        grep -qxF -e "$word" <<<"$got" || {
            echo "completion.sh: $shell: '$line' does not offer '$word' but: $(head -20 <<<"$got")" >&2
            failed=1
        }
    done
}

"$belt" completion fish >"$dir/belt.fish"
"$belt" completion zsh >"$dir/_belt"
for shell in bash fish zsh; do
    command -v "$shell" >/dev/null || { echo "$shell is not installed: skipped"; continue; }
    expect "$shell" "belt " map submit failed
    expect "$shell" "belt failed " list show retry drop
    expect "$shell" "belt store " check backup
    expect "$shell" "belt submit --" --arg-file --priority
    expect "$shell" "belt completion " bash zsh fish
    expect "$shell" "belt help f" failed forget
    expect "$shell" "belt map -- mk" mkdir mkfifo
done
exit $failed

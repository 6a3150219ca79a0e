#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main example in Python: the results of historic chess games, as soon as each is known.

    examples/python/chess.py [GAMES.pgn]

What analyses a game here only counts what was played: it needs no engine. The program runs with the standard library's
import line as well.
"""

import re
import sys
from pathlib import Path

from belt import Pool  # from multiprocessing import Pool

GAMES = Path(__file__).resolve().parent.parent / "chess" / "games.pgn"


def games(path):
    """The games of a file, one after the other."""
    game = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("[Event ") and game:
                yield "".join(game)
                game = []
            game.append(line)
    if game:
        yield "".join(game)


def analyze_match(game):
    """Who played, how many moves, captures and checks, and how it ended."""
    tags = dict(re.findall(r'^\[(\w+) "([^"]*)"\]', game, re.MULTILINE))
    moves = re.sub(r"\{[^}]*\}|\([^)]*\)|^\[.*\]$", " ", game, flags=re.MULTILINE)
    played = re.findall(r"\b(?:O-O(?:-O)?|[KQRBN]?[a-h]?[1-8]?x?[a-h][1-8](?:=[QRBN])?)[+#]?", moves)
    names = f"{tags.get('White', '?')} - {tags.get('Black', '?')}"
    captures, checks = (sum(sign in move for move in played) for sign in "x+")
    return names, (len(played) + 1) // 2, captures, checks, tags.get("Result", "*")


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else GAMES
    with Pool(4) as pool:
        for names, moves, captures, checks, result in pool.imap(analyze_match, games(path)):
            print(f"{names:45} {moves:3} moves {captures:3} captures {checks:3} checks  {result}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A coprocess slot that analyses chess games: one game in PGN per task, one line of text per result.

Speaks the slot protocol (worker/SLOTS.md) on standard input and output, so it runs under `belt map --coproc` and
`belt worker --coproc`. Each slot keeps one engine alive. Every position gets the same number of nodes, on one thread
and from an empty hash: the verdict on a game is the same on every machine, and a game takes time in proportion to its
length. Needs stockfish and pgn-extract; the environment variable NODES sets the nodes per position.
"""
import math
import os
import re
import subprocess
import sys
import time

NODES = int(os.environ.get("NODES", "8000"))
MOST = 1000  # centipawns: beyond this a position is simply won
ENVIRONMENT = dict(os.environ, PATH=os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/games")


class Engine:
    """One stockfish process, asked one position at a time."""

    def __init__(self):
        self.process = subprocess.Popen(["stockfish"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        encoding="utf-8", env=ENVIRONMENT)
        self.ask("uci", "uciok")
        self.send("setoption name Threads value 1")
        self.send("setoption name Hash value 4")

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line, answer):
        """Sends a line, returns what comes back up to the line that starts with `answer`."""
        self.send(line)
        lines = []
        for reply in self.process.stdout:
            lines.append(reply)
            if reply.startswith(answer):
                return lines
        raise RuntimeError("the engine ended unexpectedly")

    def new_game(self):
        self.send("ucinewgame")
        self.ask("isready", "readyok")

    def score(self, moves):
        """Centipawns for the side that is to move after `moves`."""
        self.send("position startpos moves " + " ".join(moves))
        found = 0
        for line in self.ask(f"go nodes {NODES}", "bestmove"):
            match = re.search(r" score (cp|mate) (-?\d+)(?! (?:upper|lower)bound)", line)
            if match:
                value = int(match[2])
                found = value if match[1] == "cp" else (MOST if value > 0 else -MOST)
        return max(-MOST, min(MOST, found))


def read_game(pgn):
    """Tags, the moves as they were written, and the moves as an engine reads them. ValueError: not one legal game."""
    def extract(form):
        run = subprocess.run(["pgn-extract", "-s", "-7", "-w9999", "-C", "-N", "-V", "-W" + form, "--nomovenumbers",
                              "--noresults"], input=pgn, capture_output=True, env=ENVIRONMENT, check=False)
        if run.stderr:
            raise ValueError("not a legal game: " + run.stderr.decode("utf-8", "replace").splitlines()[0])
        head, *games = run.stdout.decode("utf-8", "replace").strip().split("\n\n")
        if len(games) != 1:
            raise ValueError(f"one game in PGN is expected, {(len(games) + 1) // 2} were given")
        return head, [word for word in games[0].split() if word not in ("1-0", "0-1", "1/2-1/2", "*")]

    head, san = extract("san")
    return dict(re.findall(r'^\[(\w+) "(.*)"\]$', head, re.M)), san, extract("uci")[1]


def chance(centipawns):
    """How likely the side wins, from 0 to 1."""
    return 1 / (1 + math.exp(-centipawns / 270))


def accuracy(drops):
    """100 for a side that gave no chance away, less for each that it did; in percent."""
    return round(sum(100 * math.exp(-4.4 * drop) for drop in drops) / len(drops)) if drops else 100


def surname(name):
    return name.split(",")[0]


def analyse(engine, pgn, progress):
    started = time.monotonic()
    tags, san, uci = read_game(pgn)
    engine.new_game()
    scores = []
    for ply in range(len(uci) + 1):
        mated = ply == len(uci) and san and san[-1].endswith("#")
        scores.append(-MOST if mated else engine.score(uci[:ply]))
        progress(ply, len(uci) + 1)
    # What move i cost its side: in centipawns, and in chances (a pawn is little to one who is winning anyway).
    losses = [max(0, scores[i] + scores[i + 1]) for i in range(len(uci))]
    drops = [max(0.0, chance(scores[i]) - chance(-scores[i + 1])) for i in range(len(uci))]
    worst = max(range(len(drops)), key=drops.__getitem__, default=None)
    blunder = "-"
    if worst is not None and losses[worst] > 0:
        number = f"{worst // 2 + 1}." if worst % 2 == 0 else f"{worst // 2 + 1}..."
        blunder = f"{number}{san[worst]} -{losses[worst]}"
    white, black = accuracy(drops[0::2]), accuracy(drops[1::2])
    players = f"{surname(tags.get('White', '?'))} - {surname(tags.get('Black', '?'))}"
    return (f"{tags.get('Date', '????')[:4]}  {players:<45.45} {tags.get('Result', '*'):<7} {(len(uci) + 1) // 2:3} moves  "
            f"worst {blunder:<16} accuracy {white:3} %/{black:3} %  {time.monotonic() - started:5.2f} s")


def main():
    source, out = sys.stdin.buffer, sys.stdout.buffer

    def say(text, payload=b""):
        out.write(text.encode() + b"\n" + payload)
        out.flush()

    engine = Engine()
    say("belt-slot 1")
    while line := source.readline():
        _, task, _, _, argument_length, length = line.decode().split()
        source.read(int(argument_length))
        pgn = source.read(int(length))
        try:
            reply = analyse(engine, pgn, lambda done, total: say(f"progress {done} {total}")).encode()
            say(f"ok {len(reply)} id={task}", reply)
        except ValueError as error:
            reason = str(error).encode()
            say(f"fail {len(reason)} 0 id={task}", reason)
    engine.send("quit")


if __name__ == "__main__":
    main()

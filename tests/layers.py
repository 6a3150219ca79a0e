#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: layers.py TREE

Code calls downwards only. Reads the includes of the product's sources, and fails when

- a file includes one of a room or of a layer that lies above its own, or beside it;
- more than a few files include and call each other in a circle. A source and the header of its name are one file here.
"""
import os
import re
import sys

# A room and the rooms that it may include from.
ROOMS = {
    "proto": [],
    "worker": ["proto"],
    "broker": ["proto"],
    "local": ["proto", "worker", "broker"],
    "client": ["proto", "local"],
    "cli": ["proto", "local", "client", "worker", "broker"],
}
# What lies inside of a room is its own.
INSIDE = ("broker/core/", "broker/store/", "worker/table/", "worker/slot/", "worker/agent/")

# The layers of a room, each with those below it that it may include from. What lies in the folder itself is "".
CORE = ["util", "model", "policy", "journal", "life", "events", ""]
LAYERS = {
    "broker/core": {layer: CORE[:place] for place, layer in enumerate(CORE)},
    "worker": {"table": [], "slot": [], "agent": ["table", "slot"], "": ["table", "slot", "agent"]},
}
# Their contracts: types and doors that all layers know. The source behind one is the top layer.
CONTRACTS = {"broker/core/core.h", "worker/agent.h", "worker/table/slot_table.h"}
# Circles of more files than this are not read as one thing any more.
MOST = 4


def read_sources(tree):
    files = {}
    for room in ROOMS:
        for folder, _, names in os.walk(os.path.join(tree, room)):
            for name in names:
                if name.endswith((".c", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        files[os.path.relpath(path, tree)] = file.read()
    return files


def includes_of(path, text, files):
    for name in re.findall(r'^#include "([^"]+)"', text, re.M):
        near = os.path.normpath(os.path.join(os.path.dirname(path), name))
        yield near if near in files else os.path.normpath(name) if os.path.normpath(name) in files else name


def stem_of(path):
    return path if path in CONTRACTS else os.path.splitext(path)[0]


def layer_of(path, room):
    folder, _, below = path[len(room) + 1 :].partition("/")
    return folder if below else ""


def wrong_room(path, included):
    room, other = path.split("/")[0], included.split("/")[0]
    if other == room or other not in ROOMS:
        return False
    return other not in ROOMS[room] or included.startswith(INSIDE)


def wrong_layer(path, included):
    for room, layers in LAYERS.items():
        if path.startswith(room + "/") and included.startswith(room + "/") and included not in CONTRACTS:
            layer, other = layer_of(path, room), layer_of(included, room)
            return other != layer and other not in layers[layer]
    return False


def circles(edges):
    """Strongly connected parts of more than one file (Tarjan)."""
    number, low, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in number:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == number[node]:
            part = []
            while not part or part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for node in list(edges):
        if node not in number:
            visit(node)
    return found


def main(tree):
    sys.setrecursionlimit(10000)
    files = read_sources(tree)
    faults, edges = [], {}
    for path, text in sorted(files.items()):
        stem = stem_of(path)
        for included in includes_of(path, text, files):
            if wrong_room(path, included) or wrong_layer(path, included):
                faults.append(f"{path} includes {included}, which lies above it")
            other = stem_of(included)
            if included in files and other != stem:
                edges.setdefault(stem, set()).add(other)
    found = circles(edges)
    for part in (part for part in found if len(part) > MOST):
        faults.append("a circle of %d files: %s" % (len(part), ", ".join(part)))
    for fault in faults:
        print(fault)
    if not files:
        faults.append("no sources")
    largest = max((len(part) for part in found), default=1)
    print("%d files, %d faults, the largest circle has %d files" % (len(files), len(faults), largest))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

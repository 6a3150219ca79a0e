#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: states.py TREE

The allowed steps from state to state stand twice: as tables in the core, which assert them, and in ARCHITECTURE.md for
people. Fails when one has a step that the other has not.
"""
import os
import re
import sys

SOURCES = ["broker/core/model/task.c", "broker/core/model/steps.c"]
PREFIXES = {"TASK_": "task", "BELT_JOB_": "job", "AGENT_": "agent", "SESSION_": "session"}


def read(tree, path):
    with open(os.path.join(tree, path), encoding="utf-8") as file:
        return file.read()


def words(constant):
    for prefix, thing in PREFIXES.items():
        if constant.startswith(prefix):
            return thing, constant[len(prefix):].lower().replace("_", " ")
    raise ValueError(constant)


def steps_of_sources(tree):
    steps = set()
    for path in SOURCES:
        for state, after in re.findall(r"^ *\[(\w+)\] = ([^,]*),", read(tree, path), re.M):
            thing, name = words(state)
            steps |= {(thing, name, words(to)[1]) for to in re.findall(r"TO\((\w+)\)", after)}
    return steps


def steps_of_document(tree):
    steps = set()
    things = "|".join(PREFIXES.values())
    for thing, state, after in re.findall(r"^\| (%s) \| ([a-z ]+) \| ([a-z, ]+) \|$" % things,
                                          read(tree, "ARCHITECTURE.md"), re.M):
        steps |= {(thing, state, to) for to in after.split(", ")}
    return steps


def main(tree):
    sources, document = steps_of_sources(tree), steps_of_document(tree)
    for step in sorted(sources - document):
        print("ARCHITECTURE.md does not have: %s, %s -> %s" % step)
    for step in sorted(document - sources):
        print("ARCHITECTURE.md has, and no table of the core: %s, %s -> %s" % step)
    print("%d steps" % len(sources))
    return 0 if sources and sources == document else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

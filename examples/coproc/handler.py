#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A slot in Python: answers each number with its square.

Serve it, and use it:

    belt worker --broker tcp://127.0.0.1:7879 --coproc 'square=python3 examples/coproc/handler.py'
    seq 1 10 | belt map --broker tcp://127.0.0.1:7878 square

The protocol is worker/SLOTS.md: a line, then exactly the bytes that it announces. print() would
write into the middle of it; what you have to say goes to standard error and travels with the result.
"""
import sys

tasks, answers = sys.stdin.buffer, sys.stdout.buffer


def handle(function, argument, payload):
    """One task: bytes in, bytes out; an exception makes the task fail."""
    number = int(payload)
    return str(number * number).encode()


def main():
    answers.write(b"belt-slot 1\n")
    answers.flush()
    for line in tasks:
        _, id, function, _attempt, argument_len, payload_len = line.split()
        argument = tasks.read(int(argument_len))
        payload = tasks.read(int(payload_len))
        try:
            result = handle(function.decode(), argument, payload)
            answers.write(b"ok %d id=%s\n" % (len(result), id) + result)
        except Exception as error:
            text = f"{type(error).__name__}: {error}".encode()
            answers.write(b"fail %d 0 id=%s\n" % (len(text), id) + text)
        answers.flush()


if __name__ == "__main__":
    main()

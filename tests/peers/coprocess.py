#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A coprocess in plain Python, written from worker/SLOTS.md alone: answers a payload with its bytes in reverse, fails
one that begins with "fail", and refuses one that begins with "refuse"."""
import sys

read, out = sys.stdin.buffer, sys.stdout.buffer
out.write(b"belt-slot 1\n")
out.flush()
for line in read:
    _, task, _function, _attempt, argument_length, payload_length = line.split()
    argument, payload = read.read(int(argument_length)), read.read(int(payload_length))
    if payload.startswith((b"fail", b"refuse")):
        code = 9 if payload.startswith(b"refuse") else 1
        out.write(b"fail %d 0 1 %d id=%s\n%s" % (len(payload), code, task, payload))
    else:
        out.write(b"ok %d id=%s\n%s" % (len(payload), task, payload[::-1]))
    out.flush()

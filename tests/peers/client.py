#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""client.py ENDPOINT KEY FUNCTION INPUTS OUTPUTS

Maps FUNCTION over the lines of the file INPUTS and appends each result, in order and exactly once, as a line to OUTPUTS:
however often it or the broker is killed and started again. Follows "A minimal client" of proto/PROTOCOL.md.

For tests: with DIE_BEFORE_ACK=N it kills itself when line N is in the file and not acknowledged, with DIE_WITHIN=N when
half of line N is."""
import os
import signal
import sys

import belt_peer as belt

WINDOW, WINDOW_BYTES, BATCH = 64, 1 << 20, 32


class Client:
    def __init__(self, endpoint, key, function, inputs, outputs):
        self.key, self.function = key, function
        with open(inputs, "rb") as file:
            self.inputs = file.read().splitlines()
        self.session = belt.Session(endpoint, 1, "client.py")
        self.open_output(outputs)
        self.ref = 0

    def open_output(self, path):
        """What is whole in the file was taken: its lines tell the cursor, and nothing else has to be remembered."""
        self.output = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        size = os.fstat(self.output).st_size
        whole = os.pread(self.output, size, 0).rfind(b"\n") + 1
        os.ftruncate(self.output, whole)
        self.taken = os.pread(self.output, whole, 0).count(b"\n")
        os.lseek(self.output, whole, os.SEEK_SET)

    def run(self):
        while True:
            try:
                self.max_payload = self.session.connect().get("max_payload", 16 << 20)
                self.open_job()
                while not self.step():
                    pass
                self.session.say(belt.BYE, "done")
                return
            except belt.Lost:
                continue

    def answer(self, wanted, ref):
        """Waits for the answer to `ref`; what comes before it is of the connection before."""
        while True:
            kind, fields, _ = self.session.hear() or (None, [None], None)
            if kind == wanted and fields[0] == ref:
                return fields
            if kind == belt.ERROR and fields[0] == ref:
                raise belt.Refused(f"code {fields[2]}: {fields[3]}")

    def open_job(self):
        self.ref += 1
        self.session.say(belt.OPEN, self.ref, self.key, self.function,
                         {"window_items": 2 * WINDOW, "detached": True, "durable": True})
        _, self.job, self.next, self.pushed_bytes, self.grant, self.grant_bytes, state = self.answer(belt.OPENED, self.ref)
        if self.taken > 0 and self.next == 0:  # the broker has forgotten a job that was read to its end
            self.session.say(belt.CANCEL, self.ref, self.job, {"forget": True})
            if self.taken == len(self.inputs):
                sys.exit(0)
            raise belt.Refused("the job is lost")
        self.ended = state > 0
        self.ref += 1
        self.received_bytes = 0
        self.session.say(belt.SUBSCRIBE, self.ref, self.job, "output", 0, self.taken, self.taken + WINDOW, WINDOW_BYTES)
        _, _, self.sub, cursor = self.answer(belt.SUBSCRIBED, self.ref)
        assert cursor == self.taken
        self.acknowledge()
        self.push()

    def acknowledge(self):
        self.session.say(belt.ACK, self.sub, self.taken, self.taken + WINDOW, self.received_bytes + WINDOW_BYTES)

    def push(self):
        while self.next < min(len(self.inputs), self.grant) and self.pushed_bytes < self.grant_bytes:
            first, payloads, attachments = self.next, [], []
            while (len(payloads) < BATCH and self.next < min(len(self.inputs), self.grant) and
                   self.pushed_bytes < self.grant_bytes):
                data = self.inputs[self.next]
                if len(data) > self.max_payload:
                    raise belt.Refused(f"line {self.next} is too large")
                payloads.append(data if len(data) <= belt.INLINE else len(data))
                if len(data) > belt.INLINE:
                    attachments.append(data)
                self.next += 1
                self.pushed_bytes += len(data)
            self.session.say(belt.PUSH, self.job, first, payloads, attachments=attachments)
        if self.next == len(self.inputs) and not self.ended:
            self.session.say(belt.END, self.job, self.next)
            self.ended = True

    def step(self):
        """Takes one message; True: the job is done."""
        kind, fields, attachments = self.session.hear() or (None, None, None)
        if kind == belt.ACCEPTED and fields[0] == self.job:
            self.grant, self.grant_bytes = fields[2], fields[3]
            self.push()
        elif kind == belt.DELIVER and fields[0] == self.sub:
            self.take(fields[2], attachments)
            self.acknowledge()
        elif kind == belt.DONE and fields[0] == self.sub:
            if fields[2] != 0:
                raise belt.Refused(f"the job ended with code {fields[2]}")
            assert fields[1] == self.taken == len(self.inputs)
            return True
        elif kind == belt.ERROR and fields[2] == belt.SYNC_LOST:
            raise belt.Lost(fields[3])
        elif kind == belt.ERROR:
            raise belt.Refused(f"code {fields[2]}: {fields[3]}")
        return False

    def take(self, results, attachments):
        lines = []
        for index, _attempt, code, _us, payload, extras in results:
            if isinstance(payload, int):
                payload = attachments.pop(0)
            self.received_bytes += len(payload)
            assert index == self.taken + len(lines), "results come in order, each once"
            lines.append(payload if code == 0 else b"!%d %s" % (code, (extras or {}).get("text", "").encode()))
        for line in lines:
            self.die("DIE_WITHIN", line[:len(line) // 2])
            os.write(self.output, line + b"\n")
            self.taken += 1
            self.die("DIE_BEFORE_ACK", b"")
        os.fsync(self.output)

    def die(self, name, rest):
        if os.environ.get(name) == str(self.taken):
            os.write(self.output, rest)
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    try:
        Client(*sys.argv[1:]).run()
    except belt.Refused as refused:
        sys.exit(f"client.py: {refused}")

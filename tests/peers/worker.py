#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""worker.py ENDPOINT FUNCTION: a whole worker with one slot, which speaks to the broker itself and answers as
coprocess.py does. Follows "A minimal worker" of proto/PROTOCOL.md. SIGTERM makes it leave in good order."""
import signal
import sys

import belt_peer as belt

SYNC, DISPATCH, RESULTS, RECORDED, RECALL, RETURNED, DROP, LEAVING = 40, 41, 42, 43, 44, 45, 46, 47


class Worker:
    def __init__(self, endpoint, function):
        self.session = belt.Session(endpoint, 2, "worker.py", {
            "slots": 1, "functions": [function], "window_items": 32, "window_bytes": 1 << 20})
        self.queue = {}  # (job, index) -> (attempt, payload), in the order of arrival
        self.results = []  # those that are not recorded: [job, result, attachments]
        self.base = 0  # the number of the first of them
        self.leaving = self.told = False
        signal.signal(signal.SIGTERM, self.leave)

    def leave(self, _signal, _frame):
        self.leaving = True

    def run(self):
        while True:
            try:
                self.max_payload = self.session.connect()["max_payload"]
                self.synchronise()
                while not (self.leaving and self.left()):
                    self.work()
                self.session.say(belt.BYE, "done")
                return
            except belt.Lost:
                continue

    def synchronise(self):
        held = [[job, index, attempt] for (job, index), (attempt, _) in self.queue.items()]
        held += [[job, result[0], result[1]] for job, result, _ in self.results]
        self.session.say(SYNC, held, False)
        self.told = False
        for i in range(len(self.results)):
            self.send(i)

    def left(self):
        if not self.told:
            self.session.say(LEAVING)
            self.told = True
        if self.queue:
            self.session.say(RETURNED, [[job, index, attempt] for (job, index), (attempt, _) in self.queue.items()])
            self.queue.clear()
        return not self.results

    def work(self):
        """One message, or one task when none is there."""
        message = self.session.hear(wait=not self.queue)
        if message:
            self.take(*message)
        elif self.queue:
            (job, index) = next(iter(self.queue))
            attempt, payload = self.queue.pop((job, index))
            self.finish(job, index, attempt, payload)

    def take(self, kind, fields, attachments):
        if kind == DISPATCH:
            for index, attempt, payload in fields[3]:
                data = attachments.pop(0) if isinstance(payload, int) else payload
                known = self.queue.get((fields[0], index))
                if known is None or known[0] < attempt:
                    self.queue[fields[0], index] = attempt, data
        elif kind == RECORDED:
            count = max(0, fields[0] - self.base)
            self.results, self.base = self.results[count:], self.base + count
        elif kind == RECALL:
            back = list(self.queue)[::-1][:fields[0]]
            self.session.say(RETURNED, [[*key, self.queue.pop(key)[0]] for key in back])
        elif kind == DROP:
            for job, index, attempt in fields[0]:
                if self.queue.get((job, index), (None,))[0] == attempt:
                    del self.queue[job, index]
            self.session.say(RETURNED, fields[0])
        elif kind == belt.ERROR:
            raise belt.Refused(f"code {fields[2]}: {fields[3]}")

    def finish(self, job, index, attempt, payload):
        code, data, extras = 0, payload[::-1], None
        if payload.startswith((b"fail", b"refuse")):
            code, data, extras = (9 if payload.startswith(b"refuse") else 1), b"", {"text": payload.decode()}
        elif len(data) > self.max_payload:
            code, data = 7, b""
        large = len(data) > belt.INLINE
        self.results.append([job, [index, attempt, code, 1, len(data) if large else data, extras],
                             [data] if large else []])
        self.send(len(self.results) - 1)

    def send(self, i):
        job, result, attachments = self.results[i]
        self.session.say(RESULTS, self.base + i, job, [result], attachments=attachments)


if __name__ == "__main__":
    try:
        Worker(*sys.argv[1:]).run()
    except belt.Refused as refused:
        sys.exit(f"worker.py: {refused}")

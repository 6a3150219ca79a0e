#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check.py BELT LANGUAGE: a client and a coprocess in another language (python or perl), and a worker (python), written
from PROTOCOL.md and SLOTS.md alone, beside the program BELT. The client, the broker and the worker are killed again and
again; each result must be in the client's output once and in order."""
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LANGUAGES = {"python": ["python3", ".py"], "perl": ["perl", ".pl"]}
LINES = 1500
BOUND_S = 100


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Stage:
    def __init__(self, belt, language):
        self.belt = belt
        self.interpreter, self.suffix = LANGUAGES[language]
        self.place = tempfile.mkdtemp(prefix="belt-peers-")
        self.clients, self.workers = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
        self.log = open(os.path.join(self.place, "log"), "wb")
        self.processes = []
        self.until = time.monotonic() + BOUND_S

    def spawn(self, *command, **more):
        process = subprocess.Popen(command, stderr=self.log, preexec_fn=die_with_parent, **more)
        self.processes.append(process)
        return process

    def broker(self):
        return self.spawn(self.belt, "broker", "--clients", self.clients, "--workers", self.workers, "--state",
                          os.path.join(self.place, "state"))

    def worker(self):
        coprocess = f"echo={self.interpreter} {HERE}/coprocess{self.suffix}"
        return self.spawn(self.belt, "worker", "--broker", self.workers, "--slots", "2", "--coproc", coprocess)

    def own_worker(self):
        return self.spawn("python3", f"{HERE}/worker.py", self.workers, "echo")

    def client(self, key, **more):
        return self.spawn(self.interpreter, f"{HERE}/client{self.suffix}", self.clients, key, "echo",
                          os.path.join(self.place, "inputs"), os.path.join(self.place, key),
                          env={**os.environ, **more})

    def inputs(self, lines):
        with open(os.path.join(self.place, "inputs"), "wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def output(self, key):
        with open(os.path.join(self.place, key), "rb") as file:
            return file.read().splitlines()

    def written(self, key):
        try:
            return os.stat(os.path.join(self.place, key)).st_size
        except FileNotFoundError:
            return 0

    def wait(self, process, what):
        try:
            code = process.wait(max(0.1, self.until - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = "late"
        if code != 0:
            self.fail(f"{what}: {code}")

    def fail(self, text):
        self.log.flush()
        with open(os.path.join(self.place, "log"), "rb") as file:
            sys.stderr.buffer.write(file.read()[-4000:])
        sys.exit(f"check.py: {text}")

    def close(self):
        for process in self.processes:
            if process.poll() is None:  # the program's own end in good order; the others would wait for a broker
                process.send_signal(signal.SIGTERM if process.args[0] == self.belt else signal.SIGKILL)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.log.close()
        shutil.rmtree(self.place)


def expected(lines):
    codes = {b"fail": b"!1 ", b"refu": b"!9 "}
    return [codes[line[:4]] + line if line[:4] in codes else line[::-1] for line in lines]


def compare(stage, key, lines):
    got, wanted = stage.output(key), expected(lines)
    if got != wanted:
        wrong = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
        stage.fail(f"{key}: {len(got)} lines, {len(wanted)} are right; line {wrong} is the first that differs: "
                   f"{got[wrong:wrong + 1]}")


def killed(stage, process):
    if process.wait(max(0.1, stage.until - time.monotonic())) != -signal.SIGKILL:
        stage.fail(f"the client ended with {process.returncode} before it could be killed")


def straight(stage):
    """Payloads of each size that has a form of its own, failures, and a second run that finds all done."""
    lines = [b"", b"a", b"fail\tthis", b"refuse that"]
    lines += [bytes(random.Random(size).choices(b"abcxyz0123", k=size)) for size in (31, 255, 256, 16384, 16385, 70000)]
    stage.inputs(lines)
    for _ in range(2):
        stage.wait(stage.client("straight"), "the client")
        compare(stage, "straight", lines)


def in_each_window(stage):
    """Killed for certain between a line and its acknowledgement, and within a line."""
    lines = [b"line %d" % i for i in range(120)]
    stage.inputs(lines)
    for window in ("DIE_WITHIN", "DIE_BEFORE_ACK"):
        key = window.lower()
        for at in ("1", "60", "119"):
            killed(stage, stage.client(key, **{window: at}))
        stage.wait(stage.client(key), "the client")
        compare(stage, key, lines)


def again_and_again(stage, broker):
    """Client and broker in turn, each once some more results are there."""
    lines = [b"number %d" % i for i in range(LINES)]
    stage.inputs(lines)
    client, step = stage.client("killed"), sum(map(len, lines)) // 8
    worker = stage.own_worker()
    for i in range(6):
        while stage.written("killed") < (i + 1) * step and client.poll() is None:
            if time.monotonic() > stage.until:
                stage.fail("nothing more is written")
            time.sleep(0.002)
        victim = (broker, client, worker)[i % 3]
        victim.kill()
        victim.wait()
        if victim is client:
            client = stage.client("killed")
        elif victim is broker:
            broker = stage.broker()
        else:
            worker = stage.own_worker()
    stage.wait(client, "the client")
    compare(stage, "killed", lines)


def worker_alone(stage, worker):
    """The worker of the other language alone, which leaves while it has work: nothing is lost."""
    lines = [b"", b"fail this", b"refuse that", b"x" * 40000] + [b"more %d" % i for i in range(400)]
    stage.inputs(lines)
    client = stage.client("alone")
    while stage.written("alone") < 41000:
        if time.monotonic() > stage.until:
            stage.fail("nothing is written")
        time.sleep(0.002)
    worker.send_signal(signal.SIGTERM)
    stage.wait(worker, "the worker that leaves")
    stage.own_worker()
    stage.wait(client, "the client")
    compare(stage, "alone", lines)


def main():
    stage = Stage(sys.argv[1], sys.argv[2])
    try:
        broker = stage.broker()
        worker_alone(stage, stage.own_worker())
        stage.worker()
        straight(stage)
        in_each_window(stage)
        again_and_again(stage, broker)
    finally:
        stage.close()


main()

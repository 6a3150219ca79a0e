# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of a slot, of the agent or of the whole program, again and again: no result is lost or comes twice, nothing
hangs, and nothing is left behind.

    kills.py [ROUNDS]     (of each kind; 100)
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import belt

ITEMS = 400
WAIT_S = 60


def work(x):
    time.sleep(0.001)
    return x * x


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def descendants(pid):
    found, rest = [], [pid]
    while rest:
        try:
            more = children_of(rest.pop())
        except OSError:
            continue
        found += more
        rest += more
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def is_there(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def all_gone(pids):
    """Nothing of them is left, within the time that a busy machine may need."""
    end = time.monotonic() + WAIT_S
    while any(is_there(pid) for pid in pids):
        assert time.monotonic() < end, f"left behind: {[pid for pid in pids if is_there(pid)]}"
        time.sleep(0.01)


def own_pid(_):
    time.sleep(0.001)
    return os.getpid()


def kill_slots(rounds):
    """Of one pool, while its results are read: each comes once, in order."""
    with belt.Pool(2) as pool:
        for _ in range(rounds):
            victim = random.choice(pool.map(own_pid, range(8), 1))
            timer = threading.Timer(random.uniform(0, 0.1), kill, (victim,))
            timer.start()
            got = list(pool.imap(work, range(ITEMS), random.choice((None, 1, 7))))
            timer.join()
            assert got == [x * x for x in range(ITEMS)], "a result was lost, or came twice"


def kill_agent(_):
    """The pool cannot go on, and says so; or it has been quicker."""
    before = set(children_of(os.getpid()))
    with belt.Pool(2) as pool:
        own = [pid for pid in children_of(os.getpid()) if pid not in before]
        below = descendants(os.getpid())
        agents = [pid for pid in own if children_of(pid)]  # the broker has none
        timer = threading.Timer(random.uniform(0, 0.05), lambda: [kill(pid) for pid in agents])
        timer.start()
        got = []
        try:
            for result in pool.imap(work, range(ITEMS)):
                got.append(result)
        except belt.BrokerLost:
            pass
        timer.join()
        assert got == [x * x for x in range(len(got))], "a result was lost, or came twice"
    all_gone(below)


PROGRAM = """
import belt, sys
sys.path.insert(0, {path!r})
from kills import work
with belt.Pool(2) as pool:
    for result in pool.imap(work, range(1000000)):
        print(result, flush=True)
"""


def kill_program(_):
    """What it has printed is a beginning of its results; what it had started ends with it."""
    code = PROGRAM.format(path=os.path.dirname(os.path.abspath(__file__)))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as program:
        first = [program.stdout.readline() for _ in range(random.randrange(1, 20))]
        below = descendants(program.pid)
        program.kill()
        rest = program.stdout.read().splitlines()
    shown = [int(line) for line in first + rest if line]
    if rest and rest[-1] != str((len(shown) - 1) ** 2):
        shown.pop()  # the last line was cut
    assert shown == [x * x for x in range(len(shown))], "a result was lost, or came twice"
    all_gone(below)


def main(rounds):
    kill_slots(rounds)
    print(f"{rounds} rounds of a slot", flush=True)
    for kind in kill_agent, kill_program:
        for number in range(rounds):
            kind(number)
        print(f"{rounds} rounds of {kind.__name__}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)

# SPDX-License-Identifier: Apache-2.0
"""imap() over millions of ints: the program and its children do not grow.

    growth.py [MILLIONS]     (10)
"""

import os
import sys

import belt
from kills import descendants

MOST_MB = 20


def same(x):
    return x


def resident_kb(pid):
    """Of its own memory: files, and what is shared, come and go with use."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


def all_kb():
    return {pid: resident_kb(pid) for pid in (os.getpid(), *descendants(os.getpid()))}


def main(millions):
    count = round(millions * 1_000_000)
    with belt.Pool(2) as pool:
        pool.map(same, range(1000))
        before = all_kb()
        total = sum(pool.imap(same, range(count)))
        after = all_kb()
        assert total == count * (count - 1) // 2, "a result was lost, or came twice"
        grown = {pid: (after[pid] - kb) / 1024 for pid, kb in before.items() if pid in after}
        print(f"{count} items: grown by MB " + ", ".join(f"{mb:.1f}" for mb in grown.values()))
        own = grown.pop(os.getpid())
        assert own < MOST_MB and sum(grown.values()) < MOST_MB, "grown by too much"


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)

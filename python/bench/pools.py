# SPDX-License-Identifier: Apache-2.0
"""What Belt's pools cost beside the standard library's, joblib's and dask's: one run, 2 slots, contenders in turn, the
median of five. Results are checked.

    PYTHONPATH=build/python:python/src python3 python/bench/pools.py [WORD…]     only lines with one of these words
"""

import concurrent.futures
import multiprocessing
import statistics
import sys
import time

import belt

try:
    import numpy
except ImportError:
    numpy = None
try:
    import joblib

    import belt.joblib  # noqa: F401
except ImportError:
    joblib = None
try:
    import distributed
except ImportError:
    distributed = None

ROUNDS = 5
MANY = 100_000


def same(x):
    return x


def millisecond(x):
    time.sleep(0.001)
    return x


class Table:
    def __init__(self, words):
        self._words = words
        print("| work | Belt | others | ratio | bound | |\n|---|---|---|---|---|---|", flush=True)

    def row(self, name, bound, expected, belt_call, **others):
        """`others`: the best of them counts."""
        if self._words and not any(word in name for word in self._words):
            return
        calls = {"belt": belt_call, **others}
        times = {who: [] for who in calls}
        for _ in range(ROUNDS):
            for who, call in calls.items():
                start = time.perf_counter()
                got = call()
                times[who].append(time.perf_counter() - start)
                assert got == expected, f"{name}: {who} gave a wrong result"
        medians = {who: statistics.median(each) for who, each in times.items()}
        own = medians.pop("belt")
        ratio = own / min(medians.values())
        shown = ", ".join(f"{who} {1000 * each:.1f} ms" for who, each in medians.items())
        verdict = "met" if ratio <= bound else "missed"
        print(f"| {name} | {1000 * own:.1f} ms | {shown} | {ratio:.2f} | {bound:.2f} | {verdict} |", flush=True)


def streams(table, own, other, executor):
    total = sum(range(MANY))
    for name, bound, size, others in ("chunksize=1", 0.1, 1, 1), ("chunksize=100", 1, 100, 100), ("auto", 1.5, None, 100):
        table.row(
            f"imap of {MANY} ints, {name}",
            bound,
            total,
            lambda: sum(own.imap(same, range(MANY), size)),
            Pool=lambda: sum(other.imap(same, range(MANY), others)),
        )
    table.row(
        f"map of {MANY} ints", 2, total, lambda: sum(own.map(same, range(MANY))), Pool=lambda: sum(other.map(same, range(MANY)))
    )
    table.row(
        "1000 tasks of 1 ms, imap",
        1,
        sum(range(1000)),
        lambda: sum(own.imap(millisecond, range(1000))),
        Pool=lambda: sum(other.imap(millisecond, range(1000), 1)),
        Executor=lambda: sum(executor.map(millisecond, range(1000))),
    )


def calls(table, own, other, executor, own_executor):
    total = sum(range(1000))
    table.row(
        "1000 times apply",
        2,
        total,
        lambda: sum(own.apply(same, (i,)) for i in range(1000)),
        Pool=lambda: sum(other.apply(same, (i,)) for i in range(1000)),
    )
    table.row(
        "1000 times submit().result()",
        1,
        total,
        lambda: sum(own_executor.submit(same, i).result() for i in range(1000)),
        Executor=lambda: sum(executor.submit(same, i).result() for i in range(1000)),
    )
    table.row(
        "1000 apply_async at once",
        0.5,
        total,
        lambda: sum(r.get() for r in [own.apply_async(same, (i,)) for i in range(1000)]),
        Pool=lambda: sum(r.get() for r in [other.apply_async(same, (i,)) for i in range(1000)]),
    )


def arrays(table, own, other, executor):
    items = [numpy.full(1 << 17, i, dtype="f8") for i in range(100)]
    table.row(
        "100 arrays of 1 MB, echo",
        1,
        [float(x[0]) for x in items],
        lambda: [float(x[0]) for x in own.map(same, items, 1)],
        Pool=lambda: [float(x[0]) for x in other.map(same, items, 1)],
        Executor=lambda: [float(x[0]) for x in executor.map(same, items)],
    )


def open_and_close(pool):
    with pool(2) as opened:
        return opened.apply(same, (1,))


def parallel(backend):
    more = {"return_as": "generator"} if joblib.__version__ >= "1.3" else {}
    work = joblib.Parallel(n_jobs=2, backend=backend, **more)
    return sum(work(joblib.delayed(same)(i) for i in range(20_000)))


def dask(table, own):
    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        for function, count, bound, what in (same, 2000, 1 / 50, "tiny tasks"), (millisecond, 1000, 1 / 3, "tasks of 1 ms"):
            client.gather(client.map(function, range(10), pure=False))
            table.row(
                f"{count} {what}, dask",
                bound,
                sum(range(count)),
                lambda: sum(own.imap(function, range(count))),
                distributed=lambda: sum(client.gather(client.map(function, range(count), pure=False))),
            )


def main(words):
    table = Table(words)
    executors = concurrent.futures.ProcessPoolExecutor(2), belt.ProcessPoolExecutor(2)
    with belt.Pool(2) as own, multiprocessing.Pool(2) as other, executors[0] as executor, executors[1] as own_executor:
        for warm in own.map, other.map, executor.map, own_executor.map:
            list(warm(same, range(100)))
        streams(table, own, other, executor)
        calls(table, own, other, executor, own_executor)
        if numpy is not None:
            arrays(table, own, other, executor)
        if distributed is not None and (not words or any("dask" in word for word in words)):
            dask(table, own)
    if joblib is not None:
        table.row("joblib, 20000 tiny tasks", 1 / 3, sum(range(20_000)), lambda: parallel("belt"), loky=lambda: parallel("loky"))
    table.row(
        "Pool opened, used and closed", 2, 1, lambda: open_and_close(belt.Pool), Pool=lambda: open_and_close(multiprocessing.Pool)
    )


if __name__ == "__main__":
    main(sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""What mypy is to find right (test_types.py)."""

from collections.abc import Iterator

import belt
from belt import Pool


def half(x: int) -> float:
    return x / 2


def program() -> None:
    with Pool(2, output="log") as pool:
        values: list[float] = pool.map(half, range(3))
        first: float = next(pool.imap(half, values_of(), buffersize=3))
        later: belt.AsyncResult[float] = pool.apply_async(half, (1,))
        total: float = sum(values) + first + later.get(timeout=1)
        job = pool.submit(half, range(3), key="night")
        for _ in pool.results(job, "me"):
            pass
    with belt.ProcessPoolExecutor(max_workers=2) as executor:
        total += executor.submit(half, 1).result()
        parts: Iterator[float] = executor.map(half, range(3), unordered=True)
        total += sum(parts)


def values_of() -> Iterator[int]:
    yield from range(3)

# SPDX-License-Identifier: Apache-2.0
"""Belt: a distributed process pool with streaming results.

    from belt import Pool  # was: from multiprocessing import Pool
    with Pool(4) as pool:  # Pool(broker="tcp://host:7878") for a cluster
        for result in pool.imap(analyze, matches):
            print(result)
"""

from _belt import version as __version__

from .errors import (
    BrokerLost,
    InitializerFailed,
    PoolTerminated,
    TaskCancelled,
    TimeoutError,
    TooLarge,
    WorkerLost,
)
from .futures import ProcessPoolExecutor
from .pool import Pool
from .results import AsyncResult
from .slot import current

__all__ = [
    "AsyncResult",
    "BrokerLost",
    "InitializerFailed",
    "Pool",
    "PoolTerminated",
    "ProcessPoolExecutor",
    "TaskCancelled",
    "TimeoutError",
    "TooLarge",
    "WorkerLost",
    "current",
]

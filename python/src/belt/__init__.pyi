import concurrent.futures
import multiprocessing
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from typing import Any, Generic, Literal, TypeVar

_T = TypeVar("_T")
_S = TypeVar("_S")
_R = TypeVar("_R")
_OnError = Literal["raise", "return"]
_Output = Literal["log"] | None

__version__: str
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

class TimeoutError(multiprocessing.TimeoutError, concurrent.futures.TimeoutError): ...
class WorkerLost(BrokenProcessPool): ...
class InitializerFailed(BrokenProcessPool): ...
class PoolTerminated(BrokenProcessPool): ...
class BrokerLost(BrokenProcessPool, ConnectionError): ...
class TooLarge(ValueError): ...
class TaskCancelled(BaseException): ...

class _Current:
    state: dict[Any, Any]
    @property
    def index(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def cancelled(self) -> bool: ...
    def progress(self, done: int, total: int = 0) -> None: ...

def current() -> _Current: ...

class AsyncResult(Generic[_T]):
    def ready(self) -> bool: ...
    def successful(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> None: ...
    def get(self, timeout: float | None = None) -> _T: ...

class _Iterator(Iterator[_T]):
    def __next__(self) -> _T: ...
    def next(self, timeout: float | None = None) -> _T: ...
    def close(self) -> None: ...
    def progress(self) -> dict[str, int | None]: ...
    def __len__(self) -> int: ...
    def __enter__(self) -> _Iterator[_T]: ...
    def __exit__(self, *error: object) -> None: ...

class _Job(int): ...

class Pool:
    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: BaseContext | None = None,
        *,
        broker: str | None = None,
        queue: str | None = None,
        buffersize: int | None = None,
        insecure: bool = False,
        kill_after: float = 2.0,
        max_payload: int | None = None,
        memory: int | None = None,
        output: _Output = None,
        access: str | os.PathLike[str] | None = None,
    ) -> None: ...
    def __enter__(self) -> Pool: ...
    def __exit__(self, *error: object) -> None: ...
    def apply(self, func: Callable[..., _R], args: Iterable[Any] = (), kwds: Mapping[str, Any] = {}) -> _R: ...
    def apply_async(
        self,
        func: Callable[..., _R],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},
        callback: Callable[[_R], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
    ) -> AsyncResult[_R]: ...
    def map(
        self,
        func: Callable[[_S], _R],
        iterable: Iterable[_S],
        chunksize: int | None = None,
        *,
        callback: Callable[[list[_R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        on_error: _OnError = "raise",
    ) -> list[_R]: ...
    def starmap(
        self,
        func: Callable[..., _R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        callback: Callable[[list[_R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        on_error: _OnError = "raise",
    ) -> list[_R]: ...
    def map_async(
        self,
        func: Callable[[_S], _R],
        iterable: Iterable[_S],
        chunksize: int | None = None,
        callback: Callable[[list[_R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        on_error: _OnError = "raise",
    ) -> AsyncResult[list[_R]]: ...
    def starmap_async(
        self,
        func: Callable[..., _R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[_R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        on_error: _OnError = "raise",
    ) -> AsyncResult[list[_R]]: ...
    def imap(
        self,
        func: Callable[[_S], _R],
        iterable: Iterable[_S],
        chunksize: int | None = None,
        *,
        buffersize: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        on_error: _OnError = "raise",
        key: str | None = None,
        durable: bool | None = None,
    ) -> _Iterator[_R]: ...
    def imap_unordered(
        self,
        func: Callable[[_S], _R],
        iterable: Iterable[_S],
        chunksize: int | None = None,
        *,
        buffersize: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        on_error: _OnError = "raise",
        key: str | None = None,
        durable: bool | None = None,
    ) -> _Iterator[_R]: ...
    def istarmap(
        self,
        func: Callable[..., _R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        buffersize: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        on_error: _OnError = "raise",
        key: str | None = None,
        durable: bool | None = None,
    ) -> _Iterator[_R]: ...
    def istarmap_unordered(
        self,
        func: Callable[..., _R],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        buffersize: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        on_error: _OnError = "raise",
        key: str | None = None,
        durable: bool | None = None,
    ) -> _Iterator[_R]: ...
    def aimap(
        self,
        func: Callable[[_S], _R],
        iterable: Iterable[_S] | AsyncIterable[_S],
        *,
        buffersize: int | None = None,
        on_error: _OnError = "raise",
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
    ) -> AsyncIterator[_R]: ...
    def aimap_unordered(
        self,
        func: Callable[[_S], _R],
        iterable: Iterable[_S] | AsyncIterable[_S],
        *,
        buffersize: int | None = None,
        on_error: _OnError = "raise",
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
    ) -> AsyncIterator[_R]: ...
    def submit(
        self,
        func: Callable[..., object],
        iterable: Iterable[Any],
        *,
        star: bool = False,
        timeout: float | None = None,
        retries: int = 0,
        priority: int = 0,
        key: str | None = None,
        durable: bool | None = None,
    ) -> _Job: ...
    def results(
        self,
        job: int,
        reader: str,
        *,
        unordered: bool = False,
        buffersize: int | None = None,
        on_error: _OnError = "raise",
    ) -> _Iterator[Any]: ...
    def close(self) -> None: ...
    def terminate(self) -> None: ...
    def join(self) -> None: ...

class ProcessPoolExecutor(concurrent.futures.Executor):
    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        broker: str | None = None,
        queue: str | None = None,
        insecure: bool = False,
        kill_after: float = 2.0,
        output: _Output = None,
        access: str | os.PathLike[str] | None = None,
    ) -> None: ...
    @property
    def num_workers(self) -> int: ...
    def map(
        self,
        fn: Callable[..., _R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        unordered: bool = False,
    ) -> Iterator[_R]: ...
    def starmap(
        self,
        fn: Callable[..., _R],
        iterable: Iterable[Iterable[Any]],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        unordered: bool = False,
    ) -> Iterator[_R]: ...
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None: ...

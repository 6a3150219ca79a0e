# SPDX-License-Identifier: Apache-2.0
"""Pool: multiprocessing.Pool's interface on libbelt's pools."""

import atexit
import logging
import multiprocessing
import os
import sys
import threading
import warnings
import weakref
from multiprocessing.connection import wait
from multiprocessing.pool import CLOSE, INIT, RUN, TERMINATE

import _belt

from . import aio, functions, host, packing
from .address import CLIENTS_PORT, check_address, endpoint, find_access, function_name
from .calls import Calls
from .errors import BrokerLost, from_error
from .iterators import IMapIterator, _Source
from .results import MapResult, SingleResult, without_frames
from .slot import Slot

_cores = weakref.WeakSet()


class Core:
    """The open pool of libbelt and what belongs to it. It does not know the Pool object, which may be dropped."""

    def __init__(self, broker, slots, slot, function, seen, options):
        self.owner = os.getpid()
        self.function, self.seen = function, seen
        self.flags = 0  # of each task (packing.py)
        self.streams = weakref.WeakSet()
        self._calls, self._lock = {}, threading.Lock()
        self._closed = False
        self.broken = self._host = self._watcher = self._wake = None
        try:
            self._pool = _belt.Pool(broker, function, slot.start, slot.run, slot.stop, slots=slots or 0, **options)
        except _belt.Error as error:
            raise from_error(error) from None
        self.slots = slots if slots else self._count_slots()
        _cores.add(self)

    def host(self, context, *arguments):
        """The slots are those of a clean interpreter."""
        self._host = host.start(context, self._pool, self.function, *arguments)
        self._wake = os.pipe()  # tells the watcher that the pool is closed
        self._watcher = threading.Thread(target=self._watch, name="belt-host", daemon=True)
        self._watcher.start()

    def _watch(self):
        wait([self._host.sentinel, self._wake[0]])
        if self._closed:
            return
        self.broken = BrokerLost("the process that hosts the slots has ended: open another pool")
        self._pool.close()  # who waits is told

    def error(self, error):
        """The exception that stands for an Error of the extension."""
        return self.broken or from_error(error)

    def _count_slots(self):
        try:
            return self._pool.slots(self.function) or 1
        except _belt.Error:
            return 1

    def check(self):
        if os.getpid() != self.owner:
            raise ValueError("this pool belongs to the process that opened it: a forked process opens its own")
        if self._closed:
            raise ValueError("Pool not running")

    def stream(self, **options):
        self.check()
        try:
            return self._pool.stream(self.function, **options)
        except _belt.Error as error:
            raise self.error(error) from None

    def subscribe(self, job, reader, **options):
        self.check()
        try:
            return self._pool.subscribe(job, reader, **options)
        except _belt.Error as error:
            raise from_error(error) from None

    def calls(self, near=False, **options):
        """The stream of the calls with these options."""
        name = (near, *sorted(options.items()))
        calls = self._calls.get(name)
        if calls is None or calls.has_ended and not self._closed:
            with self._lock:
                calls = self._calls.get(name)
                if calls is None or calls.has_ended and not self._closed:
                    calls = self._calls[name] = Calls(self, options, near)
        return calls

    def end(self):
        """No more calls."""
        for calls in list(self._calls.values()):
            calls.end()

    def join(self):
        """Until all calls have their results; the results of iterators that are left are taken."""
        for stream in list(self.streams):
            stream.drain()
        self.end()
        for calls in list(self._calls.values()):
            calls.join()

    def close(self, callbacks_s=5):
        """Ends everything; what waits for results gets PoolTerminated. Callbacks may go on for so long: one may wait for
        a lock that the caller holds."""
        if self._closed or os.getpid() != self.owner:
            return
        self._closed = True
        _cores.discard(self)
        self._pool.close()
        for calls in list(self._calls.values()):
            calls.join(callbacks_s)
        if self._host is not None:
            self._end_host()

    def _end_host(self):
        """It ends with the pool's lifeline."""
        os.write(self._wake[1], b".")
        self._watcher.join()
        for fd in self._wake:
            os.close(fd)
        self._host.join(10)
        if self._host.exitcode is None:
            self._host.kill()
            self._host.join()


@atexit.register
def _close_all():
    for core in list(_cores):
        core.close()


def _milliseconds(seconds, what):
    if seconds is None:
        return 0
    if not seconds > 0:
        raise ValueError(f"{what} must be more than 0 seconds, not {seconds!r}")
    return max(1, round(seconds * 1000))


def processors():
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def open_core(
    processes, initializer, initargs, maxtasksperchild, context, broker, queue, insecure, kill_after, name="BeltWorker",
    max_payload=None, memory=None, output=None, access=None,
):
    """The core of a Pool or an executor."""
    if output not in (None, "log"):
        raise ValueError(f'output is None or "log", not {output!r}')
    core = _open_core(
        processes, initializer, initargs, maxtasksperchild, context, broker, queue, insecure, kill_after, name,
        max_payload, memory, access,
    )
    core.flags = packing.OUTPUT if output == "log" else 0
    return core


def _open_core(
    processes, initializer, initargs, maxtasksperchild, context, broker, queue, insecure, kill_after, name,
    max_payload, memory, access,
):
    if processes is not None and processes < 1:
        raise ValueError("Number of processes must be at least 1")
    if maxtasksperchild is not None:
        if not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0:
            raise ValueError("maxtasksperchild must be a positive int or None")
    if initializer is not None and not callable(initializer):
        raise TypeError("initializer must be a callable")
    options = {"max_tasks": maxtasksperchild or 0, "kill_after_ms": round(kill_after * 1000)}
    if broker is not None:
        if initializer is not None or maxtasksperchild is not None:
            raise ValueError("initializer and maxtasksperchild are for pools without a broker: its workers serve others")
        if max_payload is not None:
            raise ValueError("max_payload is for pools without a broker: belt broker --max-payload sets that of others")
        if memory is not None:
            raise ValueError("memory is for pools without a broker: belt broker --memory-budget sets that of others")
        broker = endpoint(broker, CLIENTS_PORT)
        options["access"] = find_access(access)
        check_address(broker, insecure, options["access"])
        seen = functions.Seen(inherited=False, shared_main=False)
        return Core(broker, None, Slot(), function_name(queue), seen, options)
    if queue is not None:
        raise ValueError("queue names workers of a broker: give broker, too")
    if access is not None:
        raise ValueError("access names the keys of a broker: give broker, too")
    limits = {"max_payload": max_payload or 0, "memory": memory or 0}
    options.update(limits)
    context = context or multiprocessing.get_context()
    slots = processes or processors()
    if context.get_start_method() == "fork":
        slot = Slot(initializer, initargs, name)
        options["start_timeout_ms"] = host.START_TIMEOUT_MS
        return Core(None, slots, slot, function_name(), functions.Seen(), options)
    seen = functions.Seen(inherited=False, shared_main=_main_is_importable())
    core = Core(None, slots, Slot(), function_name(), seen, {"external": True, **limits})
    try:
        core.host(context, initializer, initargs, name, slots, maxtasksperchild or 0, kill_after, logging.root.level)
    except BaseException:
        core.close()
        raise
    return core


def _main_is_importable():
    """Whether multiprocessing's clean interpreters import the program's main module."""
    main = sys.modules.get("__main__")
    return getattr(main, "__spec__", None) is not None or getattr(main, "__file__", None) is not None


class Pool:
    """Runs functions in other processes: slots of its own, or those of a broker's workers."""

    _state = INIT  # of one that was never opened

    def __init__(
        self,
        processes=None,
        initializer=None,
        initargs=(),
        maxtasksperchild=None,
        context=None,
        *,
        broker=None,
        queue=None,
        buffersize=None,
        insecure=False,
        kill_after=2.0,
        max_payload=None,
        memory=None,
        output=None,
        access=None,
    ):
        self._buffersize = _positive(buffersize, "buffersize")
        self._core = open_core(
            processes, initializer, initargs, maxtasksperchild, context, broker, queue, insecure, kill_after,
            max_payload=_positive(max_payload, "max_payload"),
            memory=_positive(memory, "memory"),
            output=output,
            access=access,
        )
        self._state = RUN

    def __repr__(self):
        cls = type(self)
        slots = self._core.slots if self._state != INIT else 0
        return f"<{cls.__module__}.{cls.__qualname__} state={self._state} pool_size={slots}>"

    def __del__(self, _warn=warnings.warn, RUN=RUN):
        if self._state == RUN and self._core.owner == os.getpid():
            _warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self)
            self._core.close()

    def __reduce__(self):
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def __enter__(self):
        self._check_running()
        return self

    def __exit__(self, *error):
        self.terminate()

    def _check_running(self):
        if self._state != RUN:
            raise ValueError("Pool not running")
        self._core.check()

    # ---- single calls

    def apply(self, func, args=(), kwds={}):
        """func(*args, **kwds) in a slot, waited for."""
        return self.apply_async(func, args, kwds).get()

    def apply_async(
        self, func, args=(), kwds={}, callback=None, error_callback=None, *, timeout=None, retries=0, priority=0
    ):
        """The same, not waited for: an AsyncResult."""
        self._check_running()
        calls = self._core.calls(**_call_options(timeout, retries, priority))
        encoded = functions.encode(func, self._core.seen)
        result = SingleResult(None, callback, error_callback)
        try:
            result._payload = packing.encode((tuple(args), dict(kwds)), packing.CALL | self._core.flags, encoded)
        except Exception as error:
            result.fail(None, without_frames(error))
            return result
        calls.submit(result)
        return result

    # ---- maps

    def map(self, func, iterable, chunksize=None, **options):
        """[func(item) for item in iterable]"""
        return self.map_async(func, iterable, chunksize, **options).get()

    def starmap(self, func, iterable, chunksize=None, **options):
        """[func(*item) for item in iterable]"""
        return self.starmap_async(func, iterable, chunksize, **options).get()

    def map_async(self, func, iterable, chunksize=None, callback=None, error_callback=None, **options):
        """map(), not waited for: an AsyncResult."""
        return self._map_async(func, iterable, False, chunksize, callback, error_callback, **options)

    def starmap_async(self, func, iterable, chunksize=None, callback=None, error_callback=None, **options):
        """starmap(), not waited for: an AsyncResult."""
        return self._map_async(func, iterable, True, chunksize, callback, error_callback, **options)

    def _map_async(
        self,
        func,
        iterable,
        star,
        chunksize,
        callback,
        error_callback,
        *,
        timeout=None,
        retries=0,
        priority=0,
        on_error="raise",
    ):
        self._check_running()
        packer = _packer(chunksize, timeout, retries, on_error)
        packer.most = packing.Packer.MOST_OF_A_MAP
        calls = self._core.calls(**_call_options(timeout, retries, priority))
        encoded = functions.encode(func, self._core.seen)
        result = MapResult(encoded, list(iterable), star, packer, callback, error_callback, on_error, self._core.flags)
        result._resubmit = calls.submit
        if not result.ready():
            calls.submit(result)
        return result

    def imap(self, func, iterable, chunksize=None, **options):
        """The results in the order of `iterable`, which is drawn as they are taken."""
        return self._imap(func, iterable, False, False, chunksize, **options)

    def imap_unordered(self, func, iterable, chunksize=None, **options):
        """The results as they are done."""
        return self._imap(func, iterable, False, True, chunksize, **options)

    def istarmap(self, func, iterable, chunksize=None, **options):
        """imap() of func(*item)."""
        return self._imap(func, iterable, True, False, chunksize, **options)

    def istarmap_unordered(self, func, iterable, chunksize=None, **options):
        """imap_unordered() of func(*item)."""
        return self._imap(func, iterable, True, True, chunksize, **options)

    def _imap(
        self,
        func,
        iterable,
        star,
        unordered,
        chunksize,
        *,
        buffersize=None,
        timeout=None,
        retries=0,
        priority=0,
        on_error="raise",
        key=None,
        durable=None,
    ):
        self._check_running()
        packer = _packer(chunksize, timeout, retries, on_error, key)
        size = _positive(buffersize, "buffersize") or self._buffersize
        options = _job_options(_call_options(timeout, retries, priority), key, durable)
        encoded = functions.encode(func, self._core.seen)
        source = _Source(self._core, encoded, iterable, star, packer, size)
        keyed = key is not None
        stream = self._core.stream(
            draw=source.draw,
            argument=encoded,
            unordered=unordered,
            buffersize=size or 0,
            acknowledge=keyed,
            **options,
        )
        return IMapIterator(self._core, source, packer, on_error, stream, keyed)

    # ---- for async for

    def aimap(self, func, iterable, *, buffersize=None, on_error="raise", **options):
        """imap() for `async for`; `iterable` may be an async one."""
        return self._aimap(func, iterable, False, buffersize, on_error, options)

    def aimap_unordered(self, func, iterable, *, buffersize=None, on_error="raise", **options):
        """imap_unordered() for `async for`; `iterable` may be an async one."""
        return self._aimap(func, iterable, True, buffersize, on_error, options)

    def _aimap(self, func, iterable, unordered, buffersize, on_error, options):
        if not hasattr(iterable, "__aiter__"):
            return aio.AsyncIterator(
                self._imap(func, iterable, False, unordered, 1, buffersize=buffersize, on_error=on_error, **options)
            )
        self._check_running()
        _packer(1, None, 0, on_error)
        size = _positive(buffersize, "buffersize") or self._buffersize or 4 * self._core.slots

        def call(item, callback, error_callback):
            self.apply_async(func, (item,), callback=callback, error_callback=error_callback, **options)

        return aio.over_async_items(call, iterable, size, unordered, on_error)

    # ---- jobs that outlive the program

    def submit(self, func, iterable, *, star=False, timeout=None, retries=0, priority=0, key=None, durable=None):
        """Hands in a job whose results are read by results(), here or elsewhere: its Job. Returns when the broker has
        accepted all of it; with a key that the broker knows it is the job of old, and only what is missing is sent."""
        self._check_running()
        options = {"detached": True, **_job_options(_call_options(timeout, retries, priority), key, durable)}
        encoded = functions.encode(func, self._core.seen)
        source = _Source(self._core, encoded, iterable, star, _packer(1, timeout, retries, "raise", key), None)
        source.strict = True
        stream = self._core.stream(draw=source.draw, argument=encoded, submits=True, **options)
        try:
            while not stream.flush(1000):
                _raise(source.urgent)
            _raise(source.urgent)
            job = Job(stream.job())
        except _belt.Error as error:
            stream.close()
            raise (source.error or from_error(error)) from None
        except BaseException:
            stream.close()
            raise
        stream.detach()
        return job

    def results(self, job, reader, *, unordered=False, buffersize=None, on_error="raise"):
        """The results of a job that submit() has handed in. Each reader has a name and a place of its own: who comes
        again under it goes on after the last result whose loop body ended."""
        self._check_running()
        size = _positive(buffersize, "buffersize")
        packer = _packer(1, None, 0, on_error)
        stream = self._core.subscribe(int(job), reader, unordered=unordered, acknowledge=True, buffersize=size or 0)
        source = _Source(self._core, b"", (), False, packer, None)
        source.hint = None
        return IMapIterator(self._core, source, packer, on_error, stream, acknowledge=True)

    # ---- the end

    def close(self):
        """No more calls; what was handed in goes on."""
        if self._state == RUN:
            self._state = CLOSE
            self._core.end()

    def terminate(self):
        """Stops everything at once."""
        self._state = TERMINATE
        self._core.close()

    def join(self):
        """Until all is done, after close(), or all is stopped, after terminate()."""
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        if self._core.owner != os.getpid():
            return
        if self._state == CLOSE:
            self._core.join()
        self._core.close()


def _positive(value, what):
    if value is None:
        return None
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{what} must be 1 or more, not {value!r}")
    return value


def _packer(chunksize, timeout, retries, on_error, key=None):
    if on_error not in ("raise", "return"):
        raise ValueError(f'on_error is "raise" or "return", not {on_error!r}')
    if chunksize is not None and chunksize < 1:
        raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")
    alone = timeout is not None or retries or key is not None
    if alone and chunksize is not None and chunksize > 1:
        raise ValueError("timeout, retries and key are for items by themselves: leave chunksize out")
    return packing.Packer(chunksize, enabled=not alone)


def _call_options(timeout, retries, priority):
    options = {}
    if timeout is not None:
        options["timeout_ms"] = _milliseconds(timeout, "timeout")
    if retries:
        options["retries"] = retries
    if priority:
        options["priority"] = priority
    return options


def _job_options(options, key, durable):
    if key is not None:
        options.update(key=key, detached=True)
    if durable is not None:
        options["durability"] = 1 if durable else 2
    return options


def _raise(error):
    if error is not None:
        raise error


class Job(int):
    """A job that the broker keeps: its id."""

    def __repr__(self):
        return f"<belt job {int(self)}>"

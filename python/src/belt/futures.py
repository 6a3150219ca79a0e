# SPDX-License-Identifier: Apache-2.0
"""ProcessPoolExecutor: concurrent.futures' interface on libbelt's pools."""

import concurrent.futures
import logging
import os
import threading
import time
import weakref
from concurrent.futures.process import BrokenProcessPool, _RemoteTraceback

import _belt

from . import functions, packing
from .calls import outcome
from .errors import InitializerFailed, TimeoutError
from .iterators import IMapIterator, _Source
from .pool import _call_options, _packer, _positive, open_core
from .results import LOST_PACK, unpacked, with_cause, without_frames

_open = weakref.WeakSet()
_at_exit = False


def _finish_all():
    """Before the interpreter ends, what was submitted is done."""
    global _at_exit
    _at_exit = True
    for executor in list(_open):
        executor.shutdown(wait=True)


threading._register_atexit(_finish_all)


class _Initializer:
    """Logs what an initializer raises, as concurrent.futures does."""

    def __init__(self, function):
        self._function = function

    def __call__(self, *arguments):
        try:
            self._function(*arguments)
        except BaseException:
            logging.getLogger("concurrent.futures").critical("Exception in initializer:", exc_info=True)
            raise


class _Call:
    """A future and its payload."""

    def __init__(self, executor_state, future, payload):
        self._state, self._future, self._payload = executor_state, future, payload

    def next_piece(self, core):
        payload, self._payload = self._payload, None
        if payload is None or not self._future.set_running_or_notify_cancel():
            return None
        return payload, None

    def deliver(self, token, row):
        good, value, *lines = outcome(row, plain=True)
        if good:
            self._future.set_result(value)
        else:
            self.fail(token, with_cause(value, *lines, kind=_RemoteTraceback))
        self._future = None

    def fail(self, token, error):
        if isinstance(error, InitializerFailed):
            self._state["broken"] = error
        self._future.set_exception(error)
        self._future = None

    def fail_rest(self, error):
        if self._payload is not None and self._future.set_running_or_notify_cancel():
            self.fail(None, error)

    def cancel(self):
        self._future.cancel()


class _Pack(_Call):
    """Items of a map with a chunksize: the future's result is the list of their outcomes."""

    def __init__(self, executor_state, future, payload, items, resubmit):
        super().__init__(executor_state, future, payload)
        self._items, self._resubmit = items, resubmit

    def deliver(self, token, row):
        if len(self._items) > 1 and row[1] in LOST_PACK:
            self._future.set_result([self._resubmit(item) for item in self._items])
        else:
            self._future.set_result(unpacked(row, len(self._items), plain=True))
        self._future = self._items = None


def _results_of(pack):
    """In order; an item that ran again by itself is a future."""
    for each in pack:
        if isinstance(each, concurrent.futures.Future):
            yield each.result()
            continue
        good, value, *lines = each
        if not good:
            raise with_cause(value, *lines, kind=_RemoteTraceback)
        each = None
        yield value


def _encode(future, fn, seen, value, kind):
    """The payload; None: it cannot be made, and the future tells why."""
    try:
        return packing.encode(value, kind, functions.encode(fn, seen))
    except Exception as error:
        future.set_running_or_notify_cancel()
        future.set_exception(without_frames(error, _RemoteTraceback))
    return None


class ProcessPoolExecutor(concurrent.futures.Executor):
    """Runs functions in other processes: slots of its own, or those of a broker's workers."""

    def __init__(
        self,
        max_workers=None,
        mp_context=None,
        initializer=None,
        initargs=(),
        *,
        max_tasks_per_child=None,
        broker=None,
        queue=None,
        insecure=False,
        kill_after=2.0,
        output=None,
        access=None,
    ):
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None:
            if not callable(initializer):
                raise TypeError("initializer must be a callable")
            initializer = _Initializer(initializer)
        self._state = {"broken": False, "shutdown": False}
        self._lock = threading.Lock()
        self._core = open_core(
            max_workers, initializer, initargs, max_tasks_per_child, mp_context, broker, queue, insecure, kill_after,
            output=output,
            access=access,
        )
        _open.add(self)

    @property
    def num_workers(self):
        """How many tasks run at a time."""
        return self._core.slots

    @property
    def _max_workers(self):
        return self._core.slots

    @property
    def _broken(self):
        return self._state["broken"]

    def __del__(self):
        core = getattr(self, "_core", None)
        if core is not None and core.owner == os.getpid() and not self._state["shutdown"]:
            _finish(core)

    def _check(self):
        if self._state["broken"]:
            raise BrokenProcessPool(str(self._state["broken"])) from self._state["broken"]
        if self._state["shutdown"]:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if _at_exit:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        self._core.check()

    def submit(self, fn, /, *args, **kwargs):
        """fn(*args, **kwargs) in a slot: a Future."""
        future = concurrent.futures.Future()
        with self._lock:
            self._check()
            calls = self._core.calls(near=True)
            payload = _encode(future, fn, self._core.seen, (args, kwargs), packing.CALL | self._core.flags)
            if payload is not None:
                calls.submit(_Call(self._state, future, payload))
        return future

    def map(
        self,
        fn,
        *iterables,
        timeout=None,
        chunksize=1,
        buffersize=None,
        unordered=False,
    ):
        """The results of fn(*items), in order. All input is taken at once; with `buffersize`, or unordered, it is drawn
        as the results are taken."""
        return self._map(fn, zip(*iterables), timeout, chunksize, buffersize, unordered)

    def starmap(self, fn, iterable, timeout=None, chunksize=1, buffersize=None, unordered=False):
        """map() of fn(*item) over the items of one iterable."""
        return self._map(fn, iterable, timeout, chunksize, buffersize, unordered)

    def _map(self, fn, items, timeout, chunksize, buffersize, unordered):
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        _positive(buffersize, "buffersize")
        end = None if timeout is None else time.monotonic() + timeout
        if buffersize is not None or unordered:
            return self._drawn_results(self._imap(fn, items, chunksize, buffersize, unordered), end)
        if chunksize == 1:
            futures = [self.submit(fn, *item) for item in items]
        else:
            items = list(items)
            futures = [self._submit_pack(fn, items[at : at + chunksize]) for at in range(0, len(items), chunksize)]
        return self._results(futures, end, chunksize > 1)

    def _submit_pack(self, fn, items):
        future = concurrent.futures.Future()
        with self._lock:
            self._check()
            calls = self._core.calls(near=True)
            if len(items) == 1:
                payload = _encode(future, fn, self._core.seen, items[0], packing.STAR | self._core.flags)
            else:
                payload = _encode(future, fn, self._core.seen, items, packing.PACK_STAR | self._core.flags)
            if payload is not None:
                calls.submit(_Pack(self._state, future, payload, items, lambda item: self._again(fn, item)))
        return future

    def _again(self, fn, item):
        """An item of a pack that was lost, from the thread of the results; also after shutdown()."""
        future = concurrent.futures.Future()
        payload = packing.encode(item, packing.STAR | self._core.flags, functions.encode(fn, self._core.seen))
        self._core.calls(near=True).submit(_Call(self._state, future, payload))
        return future

    @staticmethod
    def _results(futures, end, packs):
        futures.reverse()

        def results():
            try:
                while futures:
                    future = futures.pop()
                    try:
                        value = future.result(None if end is None else end - time.monotonic())
                    except BaseException:
                        future.cancel()
                        raise
                    finally:
                        del future
                    if packs:
                        yield from _results_of(value)
                        continue
                    holder = [value]
                    del value
                    yield holder.pop()
            finally:
                for future in futures:
                    future.cancel()

        return results()

    def _imap(self, fn, items, chunksize, buffersize, unordered):
        self._check()
        packer = _packer(chunksize, None, 0, "raise")
        encoded = functions.encode(fn, self._core.seen)
        source = _Source(self._core, encoded, items, True, packer, buffersize)
        stream = self._core.stream(
            draw=source.draw, argument=encoded, unordered=unordered, buffersize=buffersize or 0
        )
        return IMapIterator(self._core, source, packer, "raise", stream)

    @staticmethod
    def _drawn_results(iterator, end):
        try:
            while True:
                try:
                    value = iterator.next(None if end is None else max(0, end - time.monotonic()))
                except StopIteration:
                    return
                yield value
                del value
        finally:
            iterator.close()

    def shutdown(self, wait=True, *, cancel_futures=False):
        """No more calls; those that were submitted are done, or with cancel_futures only those that run."""
        core = self._core
        if core.owner != os.getpid():
            return
        with self._lock:
            self._state["shutdown"] = True
        if cancel_futures:
            core.calls(near=True).cancel_pending()
        if wait:
            core.join()
            core.close()
        else:
            _finish(core)


def _finish(core):
    """Without waiting: what was submitted is done, then the pool is closed. The interpreter waits for it."""

    def finish():
        core.join()
        core.close()

    try:
        threading.Thread(target=finish, name="belt-shutdown").start()
    except RuntimeError:  # the interpreter ends
        core.close()

# SPDX-License-Identifier: Apache-2.0
"""Results of calls that are not waited for: multiprocessing's AsyncResult and MapResult."""

import _thread
import traceback
from multiprocessing.pool import RemoteTraceback

from . import packing
from .calls import call_back, outcome, raised
from .errors import TimeoutError, TooLarge
import _belt

# The items of such a pack run again one by one: which of them it was is not known.
LOST_PACK = (_belt.TASK_LOST, _belt.RESULT_TOO_LARGE, _belt.TOO_LARGE)


def with_cause(error, lines, kind=RemoteTraceback):
    """The exception, caused by the traceback of where it was raised."""
    if lines is not None:
        error.__cause__ = kind('\n"""\n%s"""' % lines)
    return error


def without_frames(error, kind=RemoteTraceback):
    """The exception, caused by its own traceback as text: its frames would keep alive what they know."""
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    error.__traceback__ = error.__context__ = None
    return with_cause(error, lines, kind)


class AsyncResult:
    """The result of apply_async()."""

    def __init__(self, callback=None, error_callback=None):
        self._lock = _thread.allocate_lock()
        self._lock.acquire()
        self._done = False
        self._success = self._value = None
        self._callback, self._error_callback = callback, error_callback

    def ready(self):
        """Whether the call has completed."""
        return self._done

    def successful(self):
        """Whether it completed without an exception. ValueError when it has not completed."""
        if not self._done:
            raise ValueError(f"{self!r} not ready")
        return self._success

    def wait(self, timeout=None):
        """Until the result is there, or `timeout` seconds have passed."""
        if self._done:
            return
        if self._lock.acquire(True, -1 if timeout is None else max(0, timeout)):
            self._lock.release()

    def get(self, timeout=None):
        """The result, or the exception that the call raised."""
        self.wait(timeout)
        if not self._done:
            raise TimeoutError(f"the result was not there within {timeout} s")
        if self._success:
            return self._value
        raise self._value

    def _set(self, success, value):
        self._success, self._value = success, value
        if success and self._callback is not None:
            call_back(self._callback, value)
        if not success and self._error_callback is not None:
            call_back(self._error_callback, value)
        self._callback = self._error_callback = None
        self._done = True
        self._lock.release()


class SingleResult(AsyncResult):
    """Of one call; the payload is made by the caller."""

    def __init__(self, payload, callback=None, error_callback=None):
        super().__init__(callback, error_callback)
        self._payload = payload

    def next_piece(self, core):
        payload, self._payload = self._payload, None
        return None if payload is None else (payload, None)

    def deliver(self, token, row):
        good, value, *lines = outcome(row)
        self._set(good, value if good else with_cause(value, *lines))

    def fail(self, token, error):
        self._payload = None
        self._set(False, error)

    def fail_rest(self, error):
        if self._payload is not None:
            self.fail(None, error)


class MapResult(AsyncResult):
    """Of a map: all its items, in packs."""

    def __init__(self, function, items, star, packer, callback=None, error_callback=None, on_error="raise", flags=0):
        super().__init__(callback, error_callback)
        self._flags = flags
        self._function, self._items, self._star = function, items, star
        self._packer, self._keep_errors = packer, on_error == "return"
        self._next, self._left = 0, len(items)
        self._again = []  # items of a pack that was lost: one by one
        # Packs, in two counts, each of which is written by one thread at a time: who feeds, and who gives the results.
        self._handed_in = self._come_back = 0
        self._results = [None] * len(items)
        self._error = None
        if not items:
            self._set(True, [])

    # ---- for Calls

    def next_piece(self, core):
        while True:
            if self._again:
                first, items = self._again.pop()
                count = 1
            else:
                first, left = self._next, len(self._results) - self._next
                if left <= 0 or self._waits_for_measure(core):
                    return None
                count = min(left, self._packer.next(core.slots, left))
                items = self._items[first : first + count]
                self._next += count
            try:
                piece = self._encode(items), (first, items)
                self._handed_in += 1
                return piece
            except Exception as error:
                if count > 1:
                    self._split(first, items)
                else:
                    self._put(first, False, without_frames(error))
                    self._count(1)

    def _waits_for_measure(self, core):
        """Few packs are handed in before it is known how long an item runs: deliver() hands in the rest."""
        return not self._packer.is_settled and self._handed_in - self._come_back >= 2 * core.slots

    def _encode(self, items):
        if len(items) == 1:
            kind = packing.STAR if self._star else packing.ITEM
            return packing.encode(items[0], kind | self._flags, self._function)
        kind = packing.PACK_STAR if self._star else packing.PACK
        return packing.encode(items, kind | self._flags, self._function)

    def _split(self, first, items):
        self._again.extend((first + i, items[i : i + 1]) for i in reversed(range(len(items))))

    def deliver(self, token, row):
        first, items = token
        waits = not self._packer.is_settled
        self._come_back += 1
        try:
            self._take(first, items, row)
        finally:
            if waits and self._left and self._next < len(self._results):
                self._resubmit(self)

    def _take(self, first, items, row):
        if len(items) > 1 and row[1] in LOST_PACK:
            self._split(first, items)
            self._resubmit(self)
            return
        if row[1] in (_belt.OK, _belt.TASK_FAILED):
            self._packer.measured(len(items), row[3])
        if row[1] == _belt.OK:
            if row[2][-1] & packing.KIND == packing.VALUES:
                self._results[first : first + len(items)] = packing.decode(row[2])
                self._count(len(items))
                return
        for at, (good, value, *lines) in enumerate(unpacked(row, len(items)), first):
            self._put(at, good, value if good else with_cause(value, *lines))
        self._count(len(items))

    def fail(self, token, error):
        first, items = token
        self._handed_in -= 1
        if len(items) > 1 and isinstance(error, TooLarge):
            self._split(first, items)
            return
        for at in range(first, first + len(items)):
            self._put(at, False, error)
        self._count(len(items))

    def fail_rest(self, error):
        rest = len(self._again) + len(self._results) - self._next
        self._again.clear()
        self._next = len(self._results)
        if rest:
            self._error = self._error or error
            self._count(rest)

    def _put(self, at, good, value):
        if good or self._keep_errors:
            self._results[at] = value
        elif self._error is None:
            self._error = value

    def _count(self, count):
        self._left -= count
        if self._left:
            return
        self._items = self._resubmit = None
        if self._error is None:
            results, self._results = self._results, ()
            self._set(True, results)
        else:
            self._set(False, self._error)


def unpacked(row, count, plain=False):
    """The outcomes of all `count` items of a task; `plain` as of outcome()."""
    if count == 1:
        return (outcome(row, plain),)
    if row[1] != _belt.OK:
        one = outcome(row, plain)
        return (one,) * count
    kind = row[2][-1] & packing.KIND
    good, value, *_ = whole = outcome(row)
    if not good:
        return (whole,) * count
    if kind == packing.VALUES:
        return [(True, each) for each in value]
    return [outcome((0, _belt.OK, row[1])) if row[0] else raised(row[1][0], plain) for row in value]

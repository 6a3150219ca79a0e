# SPDX-License-Identifier: Apache-2.0
"""One open stream of a pool for all its single calls, and the thread that feeds it and hands out its results.

A job of the broker for each call would cost three times as much. Calls with other options (timeout, retries, priority)
have a stream of their own.
"""

import pickle
import sys
import threading
from collections import deque
from multiprocessing.pool import MaybeEncodingError

import _belt

from . import notes, packing, slot
from .errors import InitializerFailed, PoolTerminated, from_code, from_error

_TAKE = 128
_ROOM_MS = 100  # the thread waits for room in such slices


def outcome(row, plain=False):
    """(True, value) or (False, exception, text of its traceback or None) of a result. `plain`: what pickle raised in
    the slot, and not a MaybeEncodingError that tells of it."""
    code, data = row[1], row[2]
    if code == _belt.OK:
        try:
            return True, packing.decode(data)
        except (Exception, SystemExit) as error:  # Ctrl-C is the caller's
            return False, unreadable(error), None
    if code in (_belt.TASK_FAILED, _belt.TASK_REFUSED) and data:
        return raised(data, plain)
    return False, from_code(code, row[5]), None


def raised(data, plain=False):
    """The same of the payload of a failed task."""
    try:
        kind, error, lines, shown = pickle.loads(data)
    except (Exception, SystemExit) as wrong:
        return False, unreadable(wrong), None
    if kind == slot.RESULT and not plain:
        return False, MaybeEncodingError(error, _Shown(shown)), lines
    if kind == slot.INITIALIZER:
        broken = InitializerFailed(f"the initializer failed: {type(error).__qualname__}: {error}")
        return False, broken, lines
    return False, error, lines


class _Shown:
    """What had this text in a slot."""

    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return self._text


def unreadable(error):
    """Of a result that cannot be unpickled here."""
    wrapped = MaybeEncodingError(error, _Shown("a result that cannot be unpickled in this process"))
    wrapped.__cause__ = error
    return wrapped


class Calls:
    """A stream that stays open. A call is an object with next_piece(): (payload, token), or None when it has no more;
    and deliver(token, row), fail(token, error)."""

    def __init__(self, core, options, near=False):
        self._core, self._near = core, near
        self._pending = deque()  # calls that have pieces left
        self._feeding = threading.Lock()  # whoever has it feeds: one thread at a time
        self._held = None  # a piece that the window has no room for
        self._full = False  # the window has no room until a result has come
        self._waiting = {}  # index: (call, token)
        self._fed = 0
        self._task_us = None
        self._ending = False
        self._ended = None  # an exception, when nothing goes on
        self._stream = core.stream(unordered=True, **options)
        self._thread = threading.Thread(target=self._run, name="belt-results", daemon=True)
        self._thread.start()

    def submit(self, call):
        if self._ended is not None:
            raise self._ended
        self._pending.append(call)
        try:
            self._pump()
        except (_belt.Error, ValueError):
            pass  # the thread of the results meets the same, and tells everybody
        if self._ended is not None:  # it ended meanwhile, perhaps without having seen this call
            self._fail_pending()

    def end(self):
        """No more calls. The thread ends when all have their results."""
        self._ending = True
        self._stream.interrupt()

    @property
    def has_ended(self):
        """All that was handed in before end() is done."""
        return self._ending and self._ended is not None

    def cancel_pending(self):
        """Cancels the calls that were not handed in yet, where they can be cancelled."""
        for call in list(self._pending):
            call.cancel()

    def join(self, timeout=None):
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    # ---- feeding, by whoever hands in a call, and by the thread when there is room again

    def _pump(self, wait_ms=0):
        while (self._held is not None or self._pending) and not self._full and self._has_room():
            if not self._feeding.acquire(False):
                return  # who has it looks once more before leaving
            try:
                self._feed(wait_ms)
            finally:
                self._feeding.release()

    def _has_room(self):
        """Only what is about to run is handed in where a call may be taken back."""
        if not self._near or self._held is not None:
            return True
        ahead = 2 if self._task_us is None else 2 + int(2000 / max(self._task_us, 1))
        return len(self._waiting) < self._core.slots * ahead

    def _feed(self, wait_ms):
        while not self._full and self._ended is None and self._has_room():
            held = self._held or self._next_piece()
            if held is None:
                return
            self._held = held
            call, payload, token = held
            self._waiting[self._fed] = (call, token)  # before the result can be there
            try:
                fed = self._stream.feed(payload, wait_ms)
            except _belt.Error as error:
                del self._waiting[self._fed]
                if error.args[0] != _belt.TOO_LARGE:
                    raise
                self._held = None
                call.fail(token, from_error(error))
                continue
            if fed:
                self._fed += 1
                self._held = None
                continue
            del self._waiting[self._fed]
            self._full = True
            if not self._waiting:  # no result will tell of room: the thread waits for it
                self._stream.interrupt()

    def _next_piece(self):
        while self._pending:
            call = self._pending[0]
            piece = call.next_piece(self._core)
            if piece is not None:
                return (call, *piece)
            self._pending.popleft()
        return None

    # ---- in the thread

    def _run(self):
        try:
            while not (self._ending and not self._pending and self._held is None and not self._waiting):
                self._turn()
            self._finish(PoolTerminated("the pool is closed"))
        except _belt.Error as error:
            self._finish(self._core.error(error))
        except StopIteration:
            self._finish(PoolTerminated("the pool is closed"))
        except BaseException as error:
            self._finish(error)
            raise
        finally:
            self._core = None  # the core knows this object: without a circle both go at once

    def _turn(self):
        self._pump()
        if self._full and not self._waiting:
            self._full = False
            self._pump(_ROOM_MS)
            return
        rows = self._stream.next(_TAKE, -1)
        if rows is None:
            return
        waiting = self._waiting
        for row in rows:
            if row[2] and row[2][-1] == packing.NOTES:
                row = notes.received(row)
            call, token = waiting.pop(row[0])
            if self._near:
                self._task_us = row[3] if self._task_us is None else (3 * self._task_us + row[3]) / 4
            try:
                call.deliver(token, row)
            except BaseException as error:
                call.fail(token, error)
        call = token = row = None
        self._full = False

    def _finish(self, error):
        with self._feeding:
            self._ended = error
            self._stream.close()
            if self._held is not None:
                self._held[0].fail(self._held[2], error)
                self._held = None
            waiting, self._waiting = self._waiting, {}
            for call, token in waiting.values():
                call.fail(token, error)
                call.fail_rest(error)
            self._fail_pending()

    def _fail_pending(self):
        while self._pending:
            try:
                call = self._pending.popleft()
            except IndexError:
                return
            call.fail_rest(self._ended)


def call_back(function, value):
    """An error of a callback is shown, and keeps no result from its caller."""
    try:
        function(value)
    except Exception:
        sys.excepthook(*sys.exc_info())

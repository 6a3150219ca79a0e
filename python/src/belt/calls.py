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

from . import packing, slot
from .errors import InitializerFailed, PoolTerminated, from_code, from_error

_TAKE = 128


def outcome(row, plain=False):
    """(True, value) or (False, exception, text of its traceback or None) of a result. `plain`: what pickle raised in
    the slot, and not a MaybeEncodingError that tells of it."""
    code, data = row[1], row[2]
    if code == _belt.OK:
        try:
            return True, packing.decode(data)
        except BaseException as error:  # also what exits
            return False, unreadable(error), None
    if code in (_belt.TASK_FAILED, _belt.TASK_REFUSED) and data:
        return raised(data, plain)
    return False, from_code(code, row[5]), None


def raised(data, plain=False):
    """The same of the payload of a failed task."""
    try:
        kind, error, lines, shown = pickle.loads(data)
    except BaseException as wrong:
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
        self._core, self._options, self._near = core, options, near
        self._pending = deque()  # calls that have pieces left
        self._held = None  # a piece that the window has no room for
        self._waiting = {}  # index: (call, token)
        self._fed = 0
        self._began = threading.Event()
        self._task_us = None
        self._idle = self._ending = False
        self._ended = None  # an exception, when nothing goes on
        self._stream = core.stream(unordered=True, **options)
        self._thread = threading.Thread(target=self._run, name="belt-results", daemon=True)
        self._thread.start()

    def submit(self, call):
        if self._ended is not None:
            raise self._ended
        self._pending.append(call)
        self._wake()
        if self._ended is not None:  # it ended meanwhile, perhaps without having seen this call
            self._fail_pending()

    def end(self):
        """No more calls. The thread ends when all have their results."""
        self._ending = True
        self._wake()

    @property
    def has_ended(self):
        """All that was handed in before end() is done."""
        return self._ending and self._ended is not None

    def cancel_pending(self):
        """Cancels the calls that were not handed in yet, where they can be cancelled. The first ones are."""
        self._began.wait(1)
        for call in list(self._pending):
            call.cancel()

    def join(self, timeout=None):
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _wake(self):
        if self._idle:
            self._idle = False
            self._stream.interrupt()

    # ---- in the thread

    def _run(self):
        try:
            while not (self._ending and not self._pending and self._held is None and not self._waiting):
                self._turn()
            self._finish(PoolTerminated("the pool is closed"))
        except _belt.Error as error:
            self._finish(from_error(error))
        except StopIteration:
            self._finish(PoolTerminated("the pool is closed"))
        except BaseException as error:
            self._finish(error)
            raise
        finally:
            self._stream.close()
            self._core = None  # the core knows this object: without a circle both go at once

    def _turn(self):
        self._feed()
        self._idle = True
        if (self._pending and self._has_room()) or self._ending and not self._waiting:
            self._idle = False
            if self._pending:
                return
        rows = self._stream.next(_TAKE, -1 if self._idle or self._waiting else 0)
        self._idle = False
        if rows is None:
            return
        waiting = self._waiting
        for row in rows:
            call, token = waiting.pop(row[0])
            if self._near:
                self._task_us = row[3] if self._task_us is None else (3 * self._task_us + row[3]) / 4
            try:
                call.deliver(token, row)
            except BaseException as error:
                call.fail(token, error)
        call = token = row = None

    def _has_room(self):
        """Only what is about to run is handed in where a call may be taken back."""
        if self._held is not None:
            return False
        if not self._near:
            return True
        ahead = 2 if self._task_us is None else 2 + int(2000 / max(self._task_us, 1))
        return len(self._waiting) < self._core.slots * ahead

    def _feed(self):
        pending, held = self._pending, self._held
        while held is not None or (pending and self._has_room()):
            if held is None:
                call = pending[0]
                piece = call.next_piece(self._core)
                if piece is None:
                    pending.popleft()
                    continue
                held = (call, *piece)
            call, payload, token = held
            try:
                fed = self._stream.feed(payload)
            except _belt.Error as error:
                if error.args[0] != _belt.TOO_LARGE:
                    self._held = held
                    raise
                call.fail(token, from_error(error))
                held = None
                continue
            if not fed:
                break
            self._waiting[self._fed] = (call, token)
            self._fed += 1
            held = None
        self._held = held
        if self._fed:
            self._began.set()

    def _finish(self, error):
        self._ended = error
        if self._held is not None:
            self._held[0].fail(self._held[2], error)
            self._held = None
        waiting, self._waiting = self._waiting, {}
        for call, token in waiting.values():
            call.fail(token, error)
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

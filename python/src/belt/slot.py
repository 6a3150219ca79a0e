# SPDX-License-Identifier: Apache-2.0
"""What runs in slots: the initializer, then task after task. The extension calls start(), run() and stop()."""

import multiprocessing
import multiprocessing.util
import os
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing import process
from multiprocessing.pool import MaybeEncodingError

import _belt

from . import functions, notes, packing
from .errors import TaskCancelled

# Of the payload of a failed task: what failed.
TASK, INITIALIZER, RESULT = 0, 1, 2  # RESULT: it ran, and its result cannot be pickled
_FUNCTIONS_KEPT = 256


class Current:
    """The task that runs, for its own function: belt.current()."""

    def __init__(self):
        self.state = {}

    @property
    def index(self):
        """Place of the task in its job: 0, 1, 2 …"""
        return _belt.task_index()

    @property
    def attempt(self):
        """Which run of the task this is, from 1."""
        return _belt.task_attempt()

    @property
    def cancelled(self):
        """True when the result is not wanted any more."""
        return _belt.task_cancelled()

    def progress(self, done, total=0):
        """Tells how far the task is, in units of its own."""
        _belt.task_progress(done, total)


_current = None


def current():
    """The running task: index, attempt, cancelled, progress(done, total), and `state`, a dict that is kept per slot."""
    if _current is None:
        raise RuntimeError("belt.current() is for functions that a slot runs: no task runs here")
    return _current


def failure(kind, error, value=None):
    """(payload, text) of an exception with its traceback; `value`: the result that cannot be pickled."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:  # the slot's own frames
        trace = trace.tb_next
    lines = "".join(traceback.format_exception(type(error), error, trace))
    error.__traceback__ = None
    text = "".join(_one_line(error))
    shown = _shown(value) if kind == RESULT else None
    try:
        data = pickle.dumps((kind, error, lines, shown), 5)
    except BaseException as wrong:
        data = pickle.dumps((kind, MaybeEncodingError(_shown(wrong), _shown(error)), lines, shown), 5)
    return data, text


def _shown(value):
    try:
        return repr(value)[:1000]
    except Exception:
        return f"<{type(value).__qualname__}, whose text cannot be made>"


def _one_line(error):
    words = str(error) if _prints(error) else "(its text cannot be made)"
    return type(error).__qualname__, ": " if words else "", words[:1000]


def _prints(error):
    try:
        str(error)
    except Exception:
        return False
    return True


class Slot:
    """The slot's side of one pool or worker."""

    def __init__(self, initializer=None, initargs=(), name="BeltWorker"):
        self._initializer, self._initargs, self._name = initializer, initargs, name
        self._owner = os.getpid()
        self._broken = None
        self._runs = False
        self._functions = {}
        self._notes = self._printing = None

    # ---- called by the extension

    def start(self):
        global _current
        self._become_process()
        _current = Current()
        signal.signal(signal.SIGUSR1, self._on_cancel)
        self._notes = notes.collect_all()
        self._printing = notes.Printing(self._notes)
        if self._initializer is None:
            return
        try:
            self._initializer(*self._initargs)
        except BaseException as error:
            self._broken = failure(INITIALIZER, error)
            multiprocessing.util._run_finalizers()  # what it has put into a multiprocessing.Queue is on its way
        self._flush()

    def run(self, payload, argument):
        if self._broken is not None:
            return self._with_notes(self._broken)
        try:
            if payload[-1] & packing.OUTPUT:
                with self._printing:
                    answer = self._answer(payload, argument)
            else:
                answer = self._answer(payload, argument)
        except TaskCancelled:
            return b"", "the task was cancelled"
        self._flush()
        return self._with_notes(answer) if self._notes.has_records else answer

    def stop(self):
        self._notes.close()
        threading._shutdown()
        multiprocessing.util._exit_function()
        self._flush()

    # ---- inside

    def _with_notes(self, answer):
        records = self._notes.take()
        return notes.append(answer, records) if records else answer

    def _become_process(self):
        """As multiprocessing's children do it."""
        parent = process._current_process
        child = multiprocessing.Process(name=f"{self._name}-{os.getpid()}")
        child._config = {**parent._config, "daemon": False}
        child._parent_pid = self._owner
        process._current_process = child
        process._parent_process = process._ParentProcess(parent.name, self._owner, os.pidfd_open(self._owner))
        process._children.clear()
        multiprocessing.util._close_stdin()
        multiprocessing.util._finalizer_registry.clear()
        multiprocessing.util._run_after_forkers()
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _on_cancel(self, number, frame):
        if self._runs and _belt.task_cancelled():
            raise TaskCancelled("the result of this task is not wanted any more")

    @staticmethod
    def _flush():
        for stream in sys.stdout, sys.stderr:
            try:
                stream.flush()
            except (AttributeError, ValueError, OSError):
                pass

    def _function(self, data):
        function = self._functions.get(data)
        if function is None:
            function = functions.decode(data)
            if len(self._functions) >= _FUNCTIONS_KEPT:
                self._functions.clear()
            self._functions[data] = function
        return function

    def _answer(self, payload, argument):
        kind = None
        try:
            tag = payload[-1]
            kind = tag & packing.KIND
            if tag & packing.FUNCTION:
                argument = packing.split(payload)[2]
            value = packing.decode(payload)
            function = self._functions.get(argument) or self._function(argument)
            self._runs = True
            if kind == packing.ITEM:
                value = function(value)
            elif kind == packing.STAR:
                value = function(*value)
            elif kind == packing.CALL:
                value = function(*value[0], **value[1])
            else:
                return self._pack(function, value, kind == packing.PACK_STAR)
            self._runs = False
        except TaskCancelled:
            raise
        except BaseException as error:
            self._runs = False
            return failure(TASK, error)
        finally:
            self._runs = False
        return self._encode(value)

    def _encode(self, value):
        try:
            return packing.encode(value, packing.VALUE)
        except TaskCancelled:
            raise
        except BaseException as error:
            return failure(RESULT, error, value)

    def _pack(self, function, items, star):
        values, failures = [], {}
        try:
            self._run_all(function, items, star, values, failures)
        finally:
            self._runs = False
        if not failures and packing.are_simple(values):
            return packing.encode(values, packing.VALUES)
        # Each by itself: a result that cannot be unpickled where it is wanted spoils no other.
        apart = [failures.get(at) or self._encode(value) for at, value in enumerate(values)]
        return packing.encode([(type(each) is not tuple, each) for each in apart], packing.APART)

    def _run_all(self, function, items, star, values, failures):
        """One value for each item, None for one that fails; why is in `failures` at its place."""
        rest, add = iter(items), values.append
        while True:
            try:
                if star:
                    for item in rest:
                        add(function(*item))
                else:
                    for item in rest:
                        add(function(item))
                return
            except TaskCancelled:
                raise
            except BaseException as error:  # the rest goes on behind it
                failures[len(values)] = failure(TASK, error)
                add(None)

# SPDX-License-Identifier: Apache-2.0
"""Interpreters that host slots: `python3 -m belt worker`, and those of pools by spawn and forkserver."""

import importlib
import logging
import os
import signal
import sys
from multiprocessing import reduction

import _belt

from .errors import from_error
from .address import WORKERS_PORT, check_address, endpoint, find_access, function_name
from .slot import Slot

START_TIMEOUT_MS = 2**31  # an initializer may take as long as it likes


def serve(
    broker,
    slots=0,
    preload=(),
    path=(),
    queue=None,
    name=None,
    insecure=False,
    max_tasks=0,
    drain=10.0,
    kill_after=2.0,
    access=None,
):
    """Serves Python functions to a broker until SIGTERM or SIGINT. Before the slots are forked the modules of `preload`
    are imported, with the directories of `path` before all others."""
    broker = endpoint(broker, WORKERS_PORT)
    access = find_access(access)
    check_address(broker, insecure, access)
    sys.path[:0] = [os.path.abspath(directory) for directory in path]
    for module in preload:
        importlib.import_module(module)
    slot = Slot()
    drain_ms = max(1, round(drain * 1000))
    _serve(broker, function_name(queue), slot, slots, max_tasks, kill_after, name=name, drain_ms=drain_ms, access=access)


def _serve(broker, function, slot, slots, max_tasks, kill_after, **options):
    try:
        _belt.serve(
            broker,
            function,
            slot.start,
            slot.run,
            slot.stop,
            slots=slots,
            max_tasks=max_tasks,
            start_timeout_ms=START_TIMEOUT_MS,
            kill_after_ms=round(kill_after * 1000),
            **options,
        )
    except _belt.Error as error:
        raise from_error(error) from None


def host(broker, lifeline, function, initializer, initargs, name, slots, max_tasks, kill_after, log_level):
    """In a clean interpreter that multiprocessing has started: the slots of a private pool. Ends with the pool."""
    os.setpgid(0, 0)  # the terminal's Ctrl-C is the program's
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    logging.root.setLevel(log_level)
    slot = Slot(initializer, initargs, name)
    _serve(broker, function, slot, slots, max_tasks, kill_after, lifeline=lifeline.detach())


def start(context, pool, *arguments):
    """Starts that interpreter for an open pool of the extension: its process."""
    lifeline = _Lifeline(pool.lifeline())
    process = context.Process(target=host, args=(pool.workers(), lifeline, *arguments), name="BeltHost", daemon=True)
    # Until it has left this program's process group a Ctrl-C must not hit it.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return process


class _Lifeline:
    """A descriptor that is duplicated into the process that is started."""

    def __init__(self, fd):
        self._fd = fd

    def __reduce__(self):
        return _rebuild, (reduction.DupFd(self._fd),)


def _rebuild(duplicate):
    return duplicate

# SPDX-License-Identifier: Apache-2.0
"""The exceptions of Belt: the standard library's, or derived from them; and what the codes of libbelt become."""

import concurrent.futures
import multiprocessing
from concurrent.futures.process import BrokenProcessPool

import _belt

_builtin_timeout = TimeoutError


class TimeoutError(multiprocessing.TimeoutError, *dict.fromkeys((_builtin_timeout, concurrent.futures.TimeoutError))):
    """Not ready in time. It is multiprocessing's, concurrent.futures' and the built-in TimeoutError."""


class WorkerLost(BrokenProcessPool):
    """The process that ran this task died, and so it did at each further try. The pool goes on."""


class InitializerFailed(BrokenProcessPool):
    """The initializer raised an exception in a slot, which is the cause of this one. The pool is broken."""


class PoolTerminated(BrokenProcessPool):
    """The pool was terminated before this result was there."""


class BrokerLost(BrokenProcessPool, ConnectionError):
    """The connection to the broker, or the private broker itself, is gone."""


class TooLarge(ValueError):
    """An input or a result is over the broker's limit of a payload."""


class TaskCancelled(BaseException):
    """Raised in a task whose result is not wanted any more. A task that lets it through keeps its slot."""


def from_timeout(call):
    """`call`, whose time-out is a TimeoutError of this module."""

    def told(*args, **kwargs):
        try:
            return call(*args, **kwargs)
        except concurrent.futures.TimeoutError as error:
            raise TimeoutError(*error.args) from None

    return told


_kinds = {
    _belt.TASK_TIMEOUT: TimeoutError,
    _belt.TASK_LOST: WorkerLost,
    _belt.TASK_CANCELLED: concurrent.futures.CancelledError,
    _belt.TASK_EXPIRED: TimeoutError,
    _belt.RESULT_TOO_LARGE: TooLarge,
    _belt.TOO_LARGE: TooLarge,
    _belt.CLOSED: PoolTerminated,
    _belt.JOB_CANCELLED: concurrent.futures.CancelledError,
    _belt.NO_BROKER: BrokerLost,
    _belt.LOST_BROKER: BrokerLost,
    _belt.NOT_ALLOWED: PermissionError,
    _belt.INVALID: ValueError,
    _belt.BAD_OPTION: ValueError,
    _belt.UNKNOWN_JOB: LookupError,
    _belt.NO_MEMORY: MemoryError,
    _belt.SYSTEM: OSError,
}


def from_code(code, text):
    """The exception that stands for a code of libbelt."""
    kind = _kinds.get(code, RuntimeError)
    if not text:
        _, what, advice = _belt.code_text(code)
        text = f"{what}: {advice}"
    return kind(text)


def from_error(error):
    """The exception that stands for an Error of the extension."""
    return from_code(*error.args)

# SPDX-License-Identifier: Apache-2.0
"""An interpreter that hosts slots for a broker: `python3 -m belt worker`."""

import importlib
import os
import sys

import _belt

from .errors import from_error
from .pool import WORKERS_PORT, check_address, endpoint, function_name, kept_output
from .slot import Slot


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
):
    """Serves Python functions to a broker until SIGTERM or SIGINT. Before the slots are forked the modules of `preload`
    are imported, with the directories of `path` before all others."""
    broker = endpoint(broker, WORKERS_PORT)
    check_address(broker, insecure)
    sys.path[:0] = [os.path.abspath(directory) for directory in path]
    for module in preload:
        importlib.import_module(module)
    output = kept_output()
    slot = Slot(output=output)
    try:
        _belt.serve(
            broker,
            function_name(queue),
            slot.start,
            slot.run,
            slot.stop,
            slots=slots,
            max_tasks=max_tasks,
            name=name,
            drain_ms=max(1, round(drain * 1000)),
            start_timeout_ms=2**31,
            kill_after_ms=round(kill_after * 1000),
        )
    except _belt.Error as error:
        raise from_error(error) from None
    finally:
        for _, fd in output:
            os.close(fd)

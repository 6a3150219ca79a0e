# SPDX-License-Identifier: Apache-2.0
"""python3 -m belt worker: serves Python functions to a broker."""

import argparse
import os
import sys

from . import __version__
from .host import serve


def parser():
    main = argparse.ArgumentParser(prog="python3 -m belt", description="Belt for Python.")
    main.add_argument("--version", action="version", version=f"belt {__version__}")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    worker = commands.add_parser(
        "worker",
        help="serve Python functions to a broker",
        description="Serves Python functions to a broker until SIGTERM or SIGINT: running tasks may finish (--drain), the "
        "others go back to the broker. Whoever may submit to the broker runs code as the user of this worker.",
    )
    worker.add_argument(
        "-b",
        "--broker",
        default=os.environ.get("BELT_WORKER_BROKER", "127.0.0.1"),
        metavar="ADDRESS",
        help="the broker's address for workers: HOST, HOST:PORT, tcp://HOST:PORT or ipc://PATH (127.0.0.1:7879)",
    )
    worker.add_argument("-j", "--slots", type=count, default=0, metavar="N", help="tasks at a time (one per processor)")
    worker.add_argument("--preload", action="append", default=[], metavar="MODULE", help="import it before slots start")
    worker.add_argument("--path", action="append", default=[], metavar="DIR", help="look for modules there first")
    worker.add_argument("--queue", metavar="NAME", help="serve the pools that were opened with this queue only")
    worker.add_argument("--name", metavar="NAME", help="shown to people (host:pid)")
    worker.add_argument("--max-tasks-per-slot", type=count, default=0, metavar="N", help="replace a slot after N tasks")
    worker.add_argument("--drain", type=seconds, default=10.0, metavar="SECONDS", help="for running tasks to finish (10)")
    worker.add_argument(
        "--kill-after", type=seconds, default=2.0, metavar="SECONDS", help="a task that is stopped is killed after (2)"
    )
    worker.add_argument(
        "--access", metavar="FILE", help="the keys for a broker at tcp:// (~/.config/belt/access, then /etc/belt/access)"
    )
    worker.add_argument(
        "--insecure", action="store_true", help="trust everybody who reaches a broker that is not on this machine"
    )
    return main


def count(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 0")
    return number


def seconds(text):
    number = float(text)
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return number


def main(arguments=None):
    """The program: its exit code."""
    given = parser().parse_args(arguments)
    try:
        serve(
            given.broker,
            given.slots,
            given.preload,
            given.path,
            given.queue,
            given.name,
            given.insecure,
            given.max_tasks_per_slot,
            given.drain,
            given.kill_after,
            given.access,
        )
    except (ImportError, ValueError) as error:
        print(f"belt worker: {error}", file=sys.stderr)
        return 2
    except (OSError, RuntimeError) as error:
        print(f"belt worker: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())

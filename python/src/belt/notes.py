# SPDX-License-Identifier: Apache-2.0
"""What a task says beside its result: its logging records, and with output="log" what it prints. Both travel behind the
payload of the result, and reach the handlers of the program.

Notes are a pickled list and its length, and a byte that no other payload ends with.
"""

import io
import logging
import pickle
import struct
import sys

from .packing import NOTES

MOST = 1000  # records of a task; what is beyond is counted
_LINE_MOST = 8192  # characters of a line, which is cut there
_COUNT = struct.Struct("<I")
_MARK = bytes([NOTES])
_FORMATTER = logging.Formatter()

output_logger = logging.getLogger("belt.output")


class Collector(logging.Handler):
    """The only handler of a slot."""

    def __init__(self):
        super().__init__()
        self._records, self._dropped = [], 0

    def emit(self, record):
        if len(self._records) >= MOST:
            self._dropped += 1
            return
        try:
            self._records.append(self._portable(record))
        except Exception:
            self.handleError(record)

    @staticmethod
    def _portable(record):
        """What of it can be pickled; its text is made here."""
        fields = {**vars(record), "msg": record.getMessage(), "args": None, "exc_info": None}
        if record.exc_info and not record.exc_text:
            fields["exc_text"] = _FORMATTER.formatException(record.exc_info)
        try:
            return pickle.dumps(fields, 5)
        except Exception:
            plain = {key: value for key, value in fields.items() if type(value) in (str, int, float, type(None))}
            return pickle.dumps(plain, 5)

    @property
    def has_records(self):
        return bool(self._records)

    def take(self):
        """The records so far, pickled; they are not here any more."""
        records, self._records = self._records, []
        if self._dropped:
            text = f"{self._dropped} more logging records of this task were dropped"
            self._dropped = 0
            warning = logging.LogRecord("belt", logging.WARNING, __file__, 0, text, None, None)
            records.append(self._portable(warning))
        return records

    def close(self):
        """What no task takes along goes to standard error."""
        for data in self.take():
            logging.lastResort.handle(logging.makeLogRecord(pickle.loads(data)))
        super().close()


def collect_all():
    """Replaces all handlers of this process, which are copies of the program's: the Collector."""
    collector = Collector()
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and logger.handlers:
            logger.handlers[:] = [] if logger.propagate else [collector]
    logging.root.handlers[:] = [collector]
    return collector


class Output(io.TextIOBase):
    """In place of sys.stdout or sys.stderr: each line is a record."""

    def __init__(self, collector, level, name):
        super().__init__()
        self._collector, self._level, self.name = collector, level, name
        self._line = ""

    encoding, errors = "utf-8", "backslashreplace"

    def writable(self):
        return True

    def write(self, text):
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._tell(line)
        while len(self._line) >= _LINE_MOST:
            self._tell(self._line[:_LINE_MOST])
            self._line = self._line[_LINE_MOST:]
        return len(text)

    def end(self):
        if self._line:
            self._tell(self._line)
            self._line = ""

    def _tell(self, line):
        self._collector.emit(logging.LogRecord(output_logger.name, self._level, self.name, 0, line, None, None))


class Printing:
    """While it is entered, what is printed becomes records."""

    def __init__(self, collector):
        self._streams = Output(collector, logging.INFO, "<stdout>"), Output(collector, logging.WARNING, "<stderr>")

    def __enter__(self):
        self._before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self._streams

    def __exit__(self, *error):
        sys.stdout, sys.stderr = self._before
        for stream in self._streams:
            stream.end()


def append(answer, records):
    """The slot's answer, a payload or (payload of a failure, text), with the records."""
    data = pickle.dumps(records, 5)
    tail = b"".join((data, _COUNT.pack(len(data)), _MARK))
    return (answer[0] + tail, answer[1]) if type(answer) is tuple else answer + tail


def received(row):
    """The row of a result without its notes, which are handed to the program's handlers."""
    payload = row[2]
    (length,) = _COUNT.unpack_from(payload, len(payload) - 5)
    end = len(payload) - 5 - length
    try:
        for data in pickle.loads(payload[end:-5]):
            _handle(logging.makeLogRecord(pickle.loads(data)))
    except Exception:
        logging.getLogger("belt").warning("the logging records of a task cannot be read here", exc_info=True)
    return (*row[:2], payload[:end], *row[3:])


def _handle(record):
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)

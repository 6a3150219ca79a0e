# SPDX-License-Identifier: Apache-2.0
"""Objects as payloads and back, and how many items go into one task.

A payload is, from its end: a byte that says what it holds; the function, where the payload names one (bytes and their
number); the buffers, where there are any (each at a multiple of 64 bytes; behind them where they begin and how long
they are, and how many); and at its beginning a pickle. Buffers are those that pickle 5 takes out of an array: they are
copied once into the payload and once out of it, and never become part of the pickle.
"""

import pickle
import struct
from io import BytesIO
from multiprocessing.reduction import ForkingPickler

# What a payload holds.
ITEM = 0  # x: f(x)
STAR = 1  # x: f(*x)
CALL = 2  # (args, kwargs): f(*args, **kwargs)
PACK = 3  # [x, …]: f(x) of each
PACK_STAR = 4  # [x, …]: f(*x) of each
VALUE = 5  # a result
VALUES = 6  # the results of a pack
APART = 7  # of a pack, for each: (True, payload of the result) or (False, (payload of the failure, text))
KIND = 0x0F
FUNCTION = 0x10  # flag: it names its function
BUFFERS = 0x20  # flag: it has buffers
NOTES = 0x40  # in place of it: notes follow the payload of a result (notes.py)
OUTPUT = 0x80  # flag of a task: what it prints becomes notes

# A smaller buffer is pickled with the rest: its copy costs less than its entry.
BUFFER_MIN = 16 << 10
_ALIGNED = 64
_ENTRY = struct.Struct("<QQ")
_COUNT = struct.Struct("<I")
_TAGS = [bytes([tag]) for tag in range(256)]
_PROTOCOL = 5
loads = pickle.loads  # of a payload without buffers: what follows the pickle does not matter
_SIMPLE = frozenset((int, float, str, bool, type(None)))


def are_simple(values):
    """Whether nothing can go wrong with them."""
    return _SIMPLE.issuperset(map(type, values))


def is_simple(value):
    """The same of one."""
    return type(value) in _SIMPLE


def encode_simple(value, kind):
    """encode() of such a value."""
    return pickle.dumps(value, _PROTOCOL) + _TAGS[kind]


def _dumps(value, buffers):
    def take(buffer):
        try:
            if buffer.raw().nbytes < BUFFER_MIN:
                return True
        except BufferError:  # it is not in one piece
            return True
        buffers.append(buffer)
        return False

    try:
        return pickle.dumps(value, _PROTOCOL, buffer_callback=take)
    except (TypeError, pickle.PicklingError):
        buffers.clear()
        file = BytesIO()
        ForkingPickler(file, _PROTOCOL, True, take).dump(value)  # with the reducers that were registered there
        return file.getvalue()


def encode(value, kind, function=None):
    """`value` as a payload. `function`: the bytes that name a function, or None."""
    if type(value) in _SIMPLE:
        data, buffers = pickle.dumps(value, _PROTOCOL), None
    else:
        buffers = []
        data = _dumps(value, buffers)
    if function is None:
        if not buffers:
            return data + _TAGS[kind]
        return b"".join((*_with_buffers(data, buffers), _TAGS[kind | BUFFERS]))
    tail = (function, _COUNT.pack(len(function)), _TAGS[kind | FUNCTION | (BUFFERS if buffers else 0)])
    return b"".join((*_with_buffers(data, buffers), *tail)) if buffers else b"".join((data, *tail))


def _with_buffers(data, buffers):
    parts, entries, at = [data], [], len(data)
    for buffer in buffers:
        raw = buffer.raw()
        gap = -at % _ALIGNED
        parts += (bytes(gap), raw)
        entries.append(_ENTRY.pack(at + gap, raw.nbytes))
        at += gap + raw.nbytes
    return (*parts, *entries, _COUNT.pack(len(buffers)))


def split(payload):
    """(tag, end of the rest, function or None)"""
    tag, end = payload[-1], len(payload) - 1
    if not tag & FUNCTION:
        return tag, end, None
    (length,) = _COUNT.unpack_from(payload, end - 4)
    end -= 4 + length
    return tag, end, bytes(payload[end : end + length])


def decode(payload):
    """The object in a payload. Its arrays do not lie in the payload: they may be written to and kept."""
    if not payload[-1] & BUFFERS:
        return pickle.loads(payload)
    _, end, _ = split(payload)
    (count,) = _COUNT.unpack_from(payload, end - 4)
    first = end - 4 - count * _ENTRY.size
    if first < 0:
        raise pickle.UnpicklingError("the payload is cut short")
    view, buffers = memoryview(payload), []
    for i in range(count):
        at, length = _ENTRY.unpack_from(payload, first + i * _ENTRY.size)
        buffers.append(bytearray(view[at : at + length]))
    return pickle.loads(payload, buffers=buffers)


class Packer:
    """How many items go into the next task, by the measured run time of those before. Time is an argument: microseconds."""

    # An item waits for its neighbours so long at the most; and so many bytes of bookkeeping are at stake.
    TARGET_US = 1000
    MOST = 1024
    MOST_OF_A_MAP = 8192  # all of its items are there, whatever the size
    QUICK_US = 100

    def __init__(self, chunksize=None, enabled=True):
        self.most = self.MOST
        self.fixed = chunksize if chunksize is not None else None if enabled else 1
        self.size = self.fixed or 1
        self._item_us = None
        self.is_settled = self.fixed is not None  # what is measured goes on changing the size but little

    @property
    def is_quick(self):
        """Items are done so soon that results are worth taking by the dozen: nothing is kept from the slots by it."""
        return self._item_us is not None and self._item_us < self.QUICK_US

    def measured(self, count, service_us):
        """A task of `count` items took `service_us`."""
        each = max(service_us, 1) / count
        if self.fixed is not None:
            self._item_us = each
            return
        if self._item_us is None:
            self._item_us = each
        elif self.is_settled:
            self._item_us = (3 * self._item_us + each) / 4
        else:  # the first ones hold what happens once: modules are imported, the function is read
            self._item_us = min(self._item_us, each)
        most = min((4 if self.is_settled else 16) * self.size, self.most)
        wanted = int(self.TARGET_US / max(self._item_us, each))
        self.is_settled = self.is_settled or wanted <= self.size or most == self.most
        self.size = max(1, min(wanted, most))

    def next(self, slots, left=None, room=None):
        """`left`: items that are still to come, if that is known; `room`: how many may be drawn. Every slot gets
        something of both."""
        size = self.size
        if self.fixed is None and left is not None:
            size = min(size, max(1, left // (4 * slots)))
        if room is not None:
            size = min(size, room if self.fixed is not None else max(1, room // (2 * slots)))
        return size

# SPDX-License-Identifier: Apache-2.0
"""imap() and imap_unordered(): a stream of its own, whose input is drawn in the thread that takes its results."""

import threading
from collections import deque
from itertools import islice

import _belt

from . import notes, packing
from .calls import unreadable
from .errors import TimeoutError
from .results import LOST_PACK, SingleResult, unpacked, with_cause

_TAKE = 64
# Items in packs that are under way, which are kept for the case that a pack is lost; where all slots have enough.
_ITEMS_AHEAD = 1 << 16


class _Failed:
    """Stands for the error of an item."""

    __slots__ = ("error",)

    def __init__(self, error):
        self.error = error


class _Values(list):
    """Stands for results that nothing can go wrong with."""

    __slots__ = ()


class _Source:
    """The input. The extension calls draw(), within next() of the stream. It knows nothing of the iterator, so that an
    iterator that nobody holds any more is gone at once, and its stream with it."""

    def __init__(self, core, function, items, star, packer, size):
        self._core, self._function = core, function
        self.one, self.many = (packing.STAR, packing.PACK_STAR) if star else (packing.ITEM, packing.PACK)
        self.one, self.many = self.one | core.flags, self.many | core.flags
        self._packer, self.size = packer, size
        self._alone = packer.fixed == 1 and size is None
        self.hint = _size_of(items)
        self._input = iter(items)  # None: it is at its end
        self._split = deque()  # items of a pack that cannot be pickled as one
        self._index = 0  # of the next task
        self.drawn = self.taken = 0  # items
        self.packs = {}  # index: the items of a task, while it has no result
        self.refused = {}  # index: why an input was not sent
        self.error = None  # what the input raised; it is at its end then
        self.strict = False  # an input that fails ends the job as a failure: there is no reader to tell it to
        self.urgent = None  # Ctrl-C while the input was drawn: it is the caller's, and the input goes on afterwards

    def draw(self):
        """A payload; None: there are no more; False: not now; a text: this input failed."""
        if self.urgent is not None:
            return False
        if self._split:
            return self._send([self._split.popleft()])
        if self._input is None:
            return None
        if self._alone:
            return self._draw_one()
        room = None if self.size is None else self.size - (self.drawn - self.taken)
        if room is not None and room <= 0:
            return False
        under_way = len(self.packs)
        if under_way * self._packer.size > _ITEMS_AHEAD and under_way > 4 * self._core.slots:
            return False
        items = self._next_items(room)
        if self.urgent is not None:
            self._split.extend(items)
            return False
        if self.error is not None and self.strict:
            return "the input failed"
        return self._send(items) if items else None

    def _draw_one(self):
        """The same where each item is a task, and the window is the library's."""
        try:
            item = next(self._input)
        except StopIteration:
            self._input = None
            return None
        except Exception as error:
            self.error, self._input = error, None
            return "the input failed" if self.strict else None
        except BaseException as error:
            self.urgent = error
            return False
        self.drawn += 1
        if packing.is_simple(item):
            self._index += 1
            return packing.encode_simple(item, self.one)
        return self._send([item])

    def _next_items(self, room):
        left = None if self.hint is None else max(self.hint - self.drawn, 1)
        count = self._packer.next(self._core.slots, left, room)
        items = []
        try:
            items.extend(islice(self._input, count))  # what was drawn before an error stays in it
            if len(items) < count:
                self._input = None
        except Exception as error:
            self.error, self._input = error, None
        except BaseException as error:
            self.urgent = error
        self.drawn += len(items)
        return items

    def _send(self, items):
        index = self._index
        try:
            if len(items) == 1:
                payload = packing.encode(items[0], self.one)
            else:
                payload = packing.encode(items, self.many)
                self.packs[index] = items
        except Exception as error:
            if len(items) > 1:
                self._split.extend(items)
                return self._send([self._split.popleft()])
            self.refused[index] = error
            if self.strict:
                self.error = error
            payload = "the input cannot be pickled"
        self._index += 1
        return payload

    def encode_single(self, item):
        """For a call of its own."""
        return packing.encode(item, self.one, self._function)

    def end(self):
        self._input = None
        self._split.clear()


class IMapIterator(_belt.Results):
    """Gives the results. What is drawn ahead of them is at most `buffersize`, exactly."""

    def __init__(self, core, source, packer, on_error, stream, acknowledge=False):
        self._core, self._source, self._packer = core, source, packer
        self._keep_errors = on_error == "return"
        self._lock = threading.RLock()
        self._ready = deque()  # results that were not taken yet
        self._over = False
        self._error = None
        self._many = source.size is None and not acknowledge
        self._acknowledge, self._number = acknowledge, None
        self._stream = stream
        if acknowledge:
            stream.fd()  # with a descriptor each acknowledgement leaves at once, not when a quarter of the window is taken
        core.streams.add(self)
        with self._lock:
            self._look(0)  # the first inputs are on their way

    # ---- the results

    def next(self, timeout=None):
        """The next result, or the exception of its item. TimeoutError when it is not there within `timeout` seconds."""
        with self._lock:
            if self._count_ready():
                return self._pop()
            if self._acknowledge and self._number is not None:
                self._acknowledge_taken()
            if self._ready and self._source.size is not None and not self._over:
                self._look(0)  # there is room for more input, whatever lies here
            while not self._ready:
                if self._over:
                    self._raise_error()
                    raise StopIteration
                if not self._look(-1 if timeout is None else max(0, int(timeout * 1000))) and timeout is not None:
                    if not self._ready and not self._over:
                        raise TimeoutError(f"the next result was not there within {timeout} s")
            value = self._ready.popleft()
            if type(value) is _Values:
                self._lay_ready(value)
                return self._pop()
            if self._acknowledge:
                value, self._number = value
            self._source.taken += 1
            if type(value) is SingleResult:
                value = self._await(value)
            if type(value) is not _Failed:
                return value
            if self._keep_errors:
                return value.error
            raise value.error

    def _await(self, result):
        result.wait()
        return result._value if result._success else _Failed(result._value)

    def _look(self, timeout_ms):
        """False: nothing came. Results that came lie in _ready."""
        try:
            rows = self._stream.next(_TAKE if self._many and self._packer.is_quick else 1, timeout_ms)
        except StopIteration:
            self._finish()
            return True
        except _belt.Error as error:
            self._finish()
            self._error = self._error or self._core.error(error)
            return True
        if rows and len(rows) > 1 and not self._source.packs:
            rows = self._take_values(rows)
        for row in rows or ():
            if row[2] and row[2][-1] == packing.NOTES:
                row = notes.received(row)
            self._take(row)
        self._raise_urgent()
        return rows is not None

    def _take_values(self, rows):
        """Takes the values at the beginning of `rows`, each of a task of its own: what is left of them."""
        values, wrong = _Values(), []
        loads, mark = packing.loads, packing.VALUE
        for row in rows:
            data = row[2]
            if row[1] != _belt.OK or data[-1] != mark:
                break
            try:
                values.append(loads(data))
            except (Exception, SystemExit) as error:
                wrong.append(_Failed(unreadable(error)))
                break
        if values:
            self._packer.measured(1, rows[0][3])
            self._ready.append(values)
        self._ready.extend(wrong)
        return rows[len(values) + len(wrong) :]

    def _take(self, row):
        index, ready = row[0], self._ready
        items = self._source.packs.pop(index, None)
        if items is None:
            if row[1] == _belt.OK:
                self._packer.measured(1, row[3])
            elif index in self._source.refused:
                ready.append(_Failed(self._source.refused.pop(index)))
                return
            outcomes = unpacked(row, 1)
        elif row[1] in LOST_PACK:
            self._run_apart(items)
            return
        else:
            if row[1] == _belt.OK:
                self._packer.measured(len(items), row[3])
                if row[2][-1] & packing.KIND == packing.VALUES:
                    good, values, *lines = unpacked(row, 1)[0]
                    if good:
                        if self._source.size is None:
                            ready.append(_Values(values))
                        else:
                            ready.extend(values)
                        return
            outcomes = unpacked(row, len(items))
        for good, value, *lines in outcomes:
            value = value if good else _Failed(with_cause(value, *lines))
            ready.append((value, row[4]) if self._acknowledge else value)

    def _run_apart(self, items):
        """The items of a pack that was lost, one by one; in their places."""
        for item in items:
            result = SingleResult(self._source.encode_single(item))
            self._core.calls().submit(result)
            self._ready.append(result)

    def _acknowledge_taken(self):
        self._stream.ack(self._number)
        self._number = None

    def _finish(self):
        self._over = True
        self._core.streams.discard(self)
        if self._acknowledge and not self._ready:
            self._flush_acknowledgements()

    def _flush_acknowledgements(self):
        try:
            self._stream.ack_flush(10000)
        except _belt.Error:
            pass  # what is not known to be taken comes again

    def _raise_urgent(self):
        error, self._source.urgent = self._source.urgent, None
        if error is not None:
            raise error

    def _raise_error(self):
        error, self._error = self._error, None
        if error is None:
            error, self._source.error = self._source.error, None
        if error is not None:
            raise error

    # ---- the rest

    def drain(self):
        """Takes all results that are left, for Pool.join()."""
        with self._lock:
            self._source.size = None
            while not self._over:
                self._look(-1)

    def close(self):
        """Cancels what is not done. The iterator is at its end."""
        with self._lock:
            self._ready.clear()
            self._lay_ready([])
            self._source.end()
            self._over = True
            self._core.streams.discard(self)
            self._stream.close()

    def progress(self):
        """Counts of items: drawn from the input, and taken from the results; and the total, None when it is not known."""
        return {"drawn": self._source.drawn, "taken": self._source.taken + self._given, "total": self._source.hint}

    def __len__(self):
        if self._source.hint is None:
            raise TypeError("the length of this input is not known")
        return self._source.hint

    def __bool__(self):
        return True

    def __length_hint__(self):
        hint = self._source.hint
        return NotImplemented if hint is None else max(0, hint - self._source.taken - self._given)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def _size_of(items):
    """How many they are, if they can tell. What only guesses (length_hint) may be wrong."""
    try:
        return len(items)
    except TypeError:
        return None

# SPDX-License-Identifier: Apache-2.0
"""aimap() and aimap_unordered(): imap() for `async for`. The items may be an async iterable."""

import asyncio
from collections import deque

from .errors import TimeoutError


class AsyncIterator:
    """The results of an imap(), awaited. What is drawn ahead of them is bounded as there."""

    def __init__(self, iterator):
        self._iterator, self._fd = iterator, iterator._stream.fd()

    def __aiter__(self):
        return self

    async def __anext__(self):
        while True:
            try:
                return self._iterator.next(timeout=0)
            except TimeoutError:
                await _readable(self._fd)
            except StopIteration:
                raise StopAsyncIteration from None

    async def aclose(self):
        """Cancels what is not done."""
        self._iterator.close()


async def _readable(fd):
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def over_async_items(call, items, size, unordered, on_error):
    """The results of call(item, callback, error_callback), at most `size` items ahead of them."""
    loop = asyncio.get_running_loop()
    source = items.__aiter__()
    drawing, ended, failure = None, False, None
    running = deque()
    try:
        while True:
            if drawing is None and not ended and len(running) < size:
                drawing = asyncio.ensure_future(source.__anext__())
            first = _first_done(running, unordered)
            if first is not None:
                running.remove(first)
                if first.exception() is None or on_error == "raise":
                    yield first.result()
                else:
                    yield first.exception()
                continue
            if ended and not running:
                break
            await asyncio.wait({*running, *([drawing] if drawing else ())}, return_when=asyncio.FIRST_COMPLETED)
            if drawing is None or not drawing.done():
                continue
            drawn, drawing = drawing, None
            try:
                running.append(_start(loop, call, drawn.result()))
            except StopAsyncIteration:
                ended = True
            except Exception as error:
                ended, failure = True, error
        if failure is not None:
            raise failure
    finally:
        if drawing is not None:
            drawing.cancel()


def _first_done(running, unordered):
    if not unordered:
        return running[0] if running and running[0].done() else None
    return next((future for future in running if future.done()), None)


def _start(loop, call, item):
    future = loop.create_future()

    def tell(setter, value):
        if not future.done():
            setter(value)

    call(
        item,
        lambda value: loop.call_soon_threadsafe(tell, future.set_result, value),
        lambda error: loop.call_soon_threadsafe(tell, future.set_exception, error),
    )
    return future

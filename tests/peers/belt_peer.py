# SPDX-License-Identifier: Apache-2.0
"""A peer of a Belt broker in plain Python, written from proto/PROTOCOL.md alone: ZMTP 3.0 (a DEALER without security),
the part of msgpack that the protocol uses, and a session that says hello again whenever something was lost."""
import os
import select
import socket
import struct
import time

HELLO, WELCOME, ERROR, PING, PONG, BYE = 1, 2, 3, 4, 5, 6
OPEN, OPENED, PUSH, ACCEPTED, END, ENDED = 10, 11, 12, 13, 14, 15
SUBSCRIBE, SUBSCRIBED, DELIVER, ACK, DONE, CANCEL, CANCELLED = 16, 17, 18, 19, 20, 22, 23
SYNC_LOST = 35
INLINE = 16384


# ---- msgpack ----

def pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if 0 <= value < 128:
            return bytes([value])
        if value < 0:
            return b"\xd3" + struct.pack(">q", value)
        for first, form, limit in ((0xcc, ">B", 1 << 8), (0xcd, ">H", 1 << 16), (0xce, ">I", 1 << 32)):
            if value < limit:
                return bytes([first]) + struct.pack(form, value)
        return b"\xcf" + struct.pack(">Q", value)
    if isinstance(value, str):
        data = value.encode()
        if len(data) < 32:
            return bytes([0xa0 | len(data)]) + data
        return b"\xda" + struct.pack(">H", len(data)) + data
    if isinstance(value, bytes):
        if len(value) < 256:
            return b"\xc4" + bytes([len(value)]) + value
        return b"\xc5" + struct.pack(">H", len(value)) + value
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(pack(k) + pack(v) for k, v in value.items())
    head = bytes([0x90 | len(value)]) if len(value) < 16 else b"\xdc" + struct.pack(">H", len(value))
    return head + b"".join(pack(item) for item in value)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if len(self.data) - self.at < count:
            raise ValueError("the message ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        first = self.take(1)[0]
        if first < 0x80:
            return first
        if first >= 0xe0:
            return first - 256
        if first < 0x90:
            return self.mapping(first & 15)
        if first < 0xa0:
            return [self.value() for _ in range(first & 15)]
        if first < 0xc0:
            return self.take(first & 31).decode()
        sized = {0xc4: ">B", 0xc5: ">H", 0xc6: ">I", 0xd9: ">B", 0xda: ">H", 0xdb: ">I", 0xdc: ">H", 0xdd: ">I",
                 0xde: ">H", 0xdf: ">I"}
        if first in sized:
            count = self.number(sized[first])
            if first <= 0xc6:
                return self.take(count)
            if first <= 0xdb:
                return self.take(count).decode()
            return self.mapping(count) if first >= 0xde else [self.value() for _ in range(count)]
        numbers = {0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}
        if first in numbers:
            return self.number(numbers[first])
        return {0xc0: None, 0xc2: False, 0xc3: True}[first]

    def mapping(self, count):
        return {self.value(): self.value() for _ in range(count)}


def unpack(data):
    reader = Reader(data)
    value = reader.value()
    if reader.at != len(data):
        raise ValueError("bytes follow the message")
    return value


# ---- ZMTP 3.0 ----

class Lost(Exception):
    """The connection is over: connect anew."""


class Dealer:
    def __init__(self, endpoint):
        host, port = endpoint[len("tcp://"):].rsplit(":", 1)
        try:
            self.socket = socket.create_connection((host, int(port)), timeout=2)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
            ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
            self.socket.sendall(bytes([4, len(ready)]) + ready)
            self.data, self.frames = b"", []
            while len(self.data) < 64:
                self.fill(2)
            self.data = self.data[64:]
        except OSError as error:
            raise Lost(str(error)) from error

    def fill(self, seconds):
        """Waits for bytes; False: none came."""
        if not select.select([self.socket], [], [], max(0, seconds))[0]:
            return False
        try:
            data = self.socket.recv(1 << 18)
        except OSError as error:
            raise Lost(str(error)) from error
        if not data:
            raise Lost("the broker closed the connection")
        self.data += data
        return True

    def send(self, frames):
        out = b""
        for i, frame in enumerate(frames):
            more = i + 1 < len(frames)
            if len(frame) < 256:
                out += bytes([more, len(frame)]) + frame
            else:
                out += bytes([more | 2]) + struct.pack(">Q", len(frame)) + frame
        try:
            self.socket.sendall(out)
        except OSError as error:
            raise Lost(str(error)) from error

    def frame(self):
        """(flags, bytes) of a frame that is there as a whole, or None."""
        if len(self.data) < 2:
            return None
        flags, start, size = self.data[0], 2, self.data[1]
        if flags & 2:
            if len(self.data) < 9:
                return None
            start, size = 9, struct.unpack(">Q", self.data[1:9])[0]
        if len(self.data) < start + size:
            return None
        frame = self.data[start:start + size]
        self.data = self.data[start + size:]
        return flags, frame

    def receive(self, seconds):
        """The frames of the next message, or None when none came in time."""
        until = time.monotonic() + seconds
        while True:
            got = self.frame()
            if got and not got[0] & 4:  # commands of ZMTP are not for us
                self.frames.append(got[1])
                if not got[0] & 1:
                    frames, self.frames = self.frames, []
                    return frames
            elif not got and not self.fill(until - time.monotonic()):
                return None


# ---- a session ----

class Refused(Exception):
    """The broker will not have us: nothing to try again."""


class Session:
    def __init__(self, endpoint, role, name, props=None):
        self.endpoint, self.role, self.name, self.props = endpoint, role, name, props or {}
        self.id = os.urandom(16)
        self.dealer = None
        self.heartbeat, self.lease = 1.0, 5.0

    def connect(self):
        """Says hello until it is welcomed; returns the props of WELCOME."""
        while True:
            try:
                if self.dealer:
                    self.dealer.socket.close()
                self.dealer = Dealer(self.endpoint)
                return self.hello()
            except Lost:
                time.sleep(0.05)

    def hello(self):
        self.sent, self.expected = 0, 1
        self.say_numbered(0, HELLO, 1, self.role, self.id, self.name, self.props)
        until = time.monotonic() + self.lease
        while time.monotonic() < until:
            frames = self.dealer.receive(until - time.monotonic())
            message = unpack(frames[0]) if frames else [0, 0]
            if message[0] == WELCOME:
                self.heard = time.monotonic()
                self.epoch, props = message[3], message[4]
                self.heartbeat, self.lease = props["heartbeat_ms"] / 1000, props["lease_ms"] / 1000
                return props
            if message[0] == ERROR and message[1] == 0 and message[4] != SYNC_LOST:
                raise Refused(message[5])
        raise Lost("no welcome")

    def say_numbered(self, seq, kind, *fields, attachments=()):
        self.dealer.send([pack([kind, seq, *fields]), *attachments])
        self.spoke = time.monotonic()

    def say(self, kind, *fields, attachments=()):
        self.sent += 1
        self.say_numbered(self.sent, kind, *fields, attachments=attachments)

    def hear(self, wait=True):
        """The next message (type, fields, attachments); None: none is there, for whoever does not wait, or none came for
        a while. Raises Lost when hello must be said again."""
        while True:
            now = time.monotonic()
            if now - self.heard > self.lease:
                raise Lost("the broker is silent")
            if now - self.spoke >= self.heartbeat:
                self.say(PING)
            frames = self.dealer.receive(min(self.heartbeat / 2, 0.2) if wait else 0)
            if frames is None:
                return None
            self.heard = time.monotonic()
            kind, seq, *fields = unpack(frames[0])
            if kind == ERROR and seq == 0 and fields[2] == SYNC_LOST:
                raise Lost(fields[3])
            if seq < self.expected:
                continue
            if seq > self.expected:
                raise Lost("messages were lost on the way")
            self.expected += 1
            if kind == BYE:
                raise Lost("the broker left")
            if kind != PONG:
                return kind, fields, frames[1:]

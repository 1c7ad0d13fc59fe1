"""HTTP/2 for the same answers: frames, flow control, a thread per stream. (source: RFC 9113)

One thread owns the socket, reads frames and writes what the streams hand it; a stream's thread makes and sends one
answer through the same code as HTTP/1.1. Faults of this protocol are at the end.
"""
from __future__ import annotations

import os
import queue
import select
import ssl
import struct
import threading
import time
from collections import deque

from . import hpack
from .faults import NotHere, kind
from .server import IDLE_S, Cut, Gone
from .wire import BadRequest, Request

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY, ACK = 1, 4, 8, 0x20, 1
ERRORS = {"no-error": 0, "protocol": 1, "internal": 2, "flow-control": 3, "stream-closed": 5, "frame-size": 6,
          "refused": 7, "cancel": 8, "compression": 9, "enhance-your-calm": 11, "http-1.1-required": 13}
FRAME = 16384
BACKLOG = 1 << 20         # bytes that may wait to be written before a stream has to wait too
STREAMS = 128
_OF_A_CONNECTION = {"connection", "transfer-encoding", "keep-alive", "proxy-connection", "upgrade"}


def frame(kind_of_frame, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind_of_frame, flags, stream) + payload


class Stream:
    """One request and its answer; for the sender it is a channel, like exchange.Http1."""

    def __init__(self, h2, number, window):
        self.h2, self.number, self.window = h2, number, window
        self.conn = h2.conn
        self.request = None
        self.body = []
        self.gone = False
        self._head = None
        self._ready = []

    def early(self, status, headers=()):
        self.h2.write(frame(HEADERS, END_HEADERS, self.number, hpack.encode([(":status", status)] + list(headers))))

    def head(self, status, reason, headers, chunked):
        self._head = hpack.encode([(":status", status)] + [h for h in headers if h[0].lower() not in _OF_A_CONNECTION])

    def _take_head(self, flags=0):
        """The head as frames, if it has not been sent."""
        block, self._head = self._head, None
        parts = [block[at:at + FRAME] for at in range(0, len(block), FRAME)] if block else []
        return [frame(CONTINUATION if number else HEADERS, (0 if number else flags)
                      | (END_HEADERS if number == len(parts) - 1 else 0), self.number, part)
                for number, part in enumerate(parts)]

    def _queue(self, frames):
        self._ready += frames
        if sum(map(len, self._ready)) > 8 * FRAME:
            self.flush()

    def data(self, buffers, size):
        self._queue(self._take_head())
        for buffer in buffers:
            at, view = 0, memoryview(buffer)
            while at < len(view):
                if not self.h2.may_send(self):
                    self.flush()
                count = self.h2.take_window(self, min(self.h2.peer_frame, len(view) - at))
                self._queue([frame(DATA, 0, self.number, bytes(view[at:at + count]))])
                at += count

    def flush(self):
        ready, self._ready = self._ready + self._take_head(), []
        if ready:
            self.h2.write(b"".join(ready))

    def raw(self, data):
        self.flush()
        self.h2.write(data)

    def finish(self):
        self._ready += self._take_head(END_STREAM) if self._head is not None else [frame(DATA, END_STREAM, self.number)]
        self.flush()

    def wait(self, event=None, seconds=None):
        self.flush()
        until = None if seconds is None else time.monotonic() + seconds
        while not (event is not None and event.is_set()):
            left = 0.02 if until is None else until - time.monotonic()
            if left <= 0:
                return
            self.h2.check(self)
            time.sleep(min(left, 0.02)) if event is None else event.wait(min(left, 0.02))


class Http2:
    """One HTTP/2 connection; run() returns how the TCP connection is to end."""

    def __init__(self, conn, exchange, started=b""):
        self.conn, self.exchange = conn, exchange
        self._in = started
        self._out, self._waiting = deque(), 0
        self._changed = threading.Condition()
        self._wake_r, self._wake_w = os.pipe()
        self._decoder = hpack.Decoder()
        self._streams, self._threads = {}, []
        self._jobs, self._idle = queue.SimpleQueue(), 0
        self._poll, self._polled = select.poll(), None
        self._window, self._initial = 65535, 65535
        self.peer_frame = FRAME
        self._block = None
        self._last = 0
        self._how = None
        self.silent = False

    # For the threads of streams.

    def check(self, stream=None):
        self.conn.check()
        if self._how is not None:
            raise Gone("the connection has ended")
        if stream is not None and stream.gone:
            raise Gone("the stream was reset")

    def write(self, data):
        """Hands frames to the thread that writes; waits while too much is waiting already."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting < BACKLOG or self._how is not None, IDLE_S)
            self.check()
            self._put(data)
        self._wake()

    def may_send(self, stream):
        return self._window > 0 and stream.window > 0

    def take_window(self, stream, wanted):
        """Waits until the peer lets us send on this stream; returns how many bytes."""
        with self._changed:
            self._changed.wait_for(lambda: self._how is not None or stream.gone or self.may_send(stream), IDLE_S)
            self.check(stream)
            count = min(wanted, self._window, stream.window)
            if count <= 0:
                raise Gone("the client opens no window")
            self._window -= count
            stream.window -= count
            return count

    def end(self, how):
        with self._changed:
            self._how = self._how or how
            self._changed.notify_all()
        self._wake()

    def _wake(self):
        try:
            os.write(self._wake_w, b"!")
        except OSError:
            pass

    # The thread of the connection: it must not wait for itself, so it puts and never writes.

    def _put(self, data):
        with self._changed:
            self._out.append(data)
            self._waiting += len(data)

    def run(self):
        self.conn.sock.settimeout(0)
        self._put(frame(SETTINGS, 0, 0, struct.pack(">HIHI", 3, STREAMS, 4, 1 << 20))
                   + frame(WINDOW, 0, 0, struct.pack(">I", 1 << 24)))
        try:
            if self._in:
                self._parse()
            while self._how is None or (self._how == "clean" and self._out):
                self._turn()
        except (Gone, OSError, ValueError, BadRequest):
            self.end("fin")
        except hpack.Malformed:
            self.end("fin")
        finally:
            self.end("fin")
            for _ in self._threads:
                self._jobs.put(None)
            for thread in self._threads:
                thread.join(IDLE_S)
            os.close(self._wake_r)
            os.close(self._wake_w)
        if self._how != "rst":
            self._flush()
        return self._how

    def _turn(self):
        while self.silent:
            self.conn.wait(seconds=0.1)
        wanted = select.POLLIN | (select.POLLOUT if self._out else 0)
        if wanted != self._polled:
            self._poll.register(self.conn.sock, wanted)
            self._poll.register(self._wake_r, select.POLLIN)
            self._polled = wanted
        ready = dict(self._poll.poll(IDLE_S * 1000))
        self.conn.check()
        if not ready:
            raise Gone("idle")
        if self._wake_r in ready:
            os.read(self._wake_r, 65536)
        if ready.get(self.conn.sock.fileno(), 0) & ~select.POLLOUT:
            self._read()
        self._flush()

    def _read(self):
        while True:
            try:
                data = self.conn.sock.recv(1 << 16)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not data:
                raise Gone("end of stream")
            self._in += data
        self._parse()

    def _flush(self):
        try:
            while self._out:
                with self._changed:
                    chunk = b"".join([self._out.popleft() for _ in range(min(16, len(self._out)))])
                    self._waiting -= len(chunk)
                    self._changed.notify_all()
                sent = 0
                try:
                    sent = self.conn.sock.send(chunk)
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
                if sent < len(chunk):
                    with self._changed:
                        self._out.appendleft(chunk[sent:])
                        self._waiting += len(chunk) - sent
                    return
        except (OSError, ValueError) as error:
            raise Gone(str(error))

    def _parse(self):
        if self._last == 0 and self._in.startswith(PREFACE[:len(self._in)]):
            if len(self._in) < len(PREFACE):
                return
            self._in = self._in[len(PREFACE):]
        while len(self._in) >= 9:
            size = int.from_bytes(self._in[:3], "big")
            if len(self._in) < 9 + size:
                return
            what, flags, number = struct.unpack(">BBI", self._in[3:9])
            payload, self._in = self._in[9:9 + size], self._in[9 + size:]
            self._frame(what, flags, number & 0x7FFFFFFF, payload)

    def _frame(self, what, flags, number, payload):
        if what in (HEADERS, DATA) and flags & PADDED:
            payload = payload[1:len(payload) - payload[0]]
        if what == HEADERS:
            if flags & HAS_PRIORITY:
                payload = payload[5:]
            self._block = [number, flags, payload]
            self._headers_end(flags)
        elif what == CONTINUATION and self._block:
            self._block[2] += payload
            self._headers_end(flags)
        elif what == DATA:
            stream = self._streams.get(number)
            if payload:
                self._put(frame(WINDOW, 0, 0, struct.pack(">I", len(payload))))
            if stream:
                stream.body.append(payload)
                if flags & END_STREAM:
                    self._start(stream)
        elif what == SETTINGS and not flags & ACK:
            self._settings(payload)
        elif what == PING and not flags & ACK:
            self._put(frame(PING, ACK, 0, payload))
        elif what == WINDOW:
            self._open_window(number, int.from_bytes(payload, "big") & 0x7FFFFFFF)
        elif what == RST:
            with self._changed:
                stream = self._streams.pop(number, None)
                if stream:
                    stream.gone = True
                self._changed.notify_all()
        elif what == GOAWAY and not self._streams:
            self.end("clean")

    def _settings(self, payload):
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at:at + 6])
            if name == 4:
                with self._changed:
                    for stream in self._streams.values():
                        stream.window += value - self._initial
                    self._initial = value
                    self._changed.notify_all()
            elif name == 5:
                self.peer_frame = min(value, 1 << 16)
        self._put(frame(SETTINGS, ACK, 0))

    def _open_window(self, number, count):
        with self._changed:
            if number == 0:
                self._window += count
            elif number in self._streams:
                self._streams[number].window += count
            self._changed.notify_all()

    def _headers_end(self, flags):
        if not flags & END_HEADERS:
            return
        number, flags, block = self._block
        self._block = None
        headers = self._decoder.decode(block)
        pseudo = {n: v for n, v in headers if n.startswith(":")}
        lines = [(n, v) for n, v in headers if not n.startswith(":")]
        if not any(n == "host" for n, _ in lines):
            lines.insert(0, ("host", pseudo.get(":authority", "")))
        if any(n != n.lower() for n, _ in headers):
            raise BadRequest("upper case in a header name")
        head = "\r\n".join("%s: %s" % h for h in headers).encode("latin-1")
        stream = Stream(self, number, self._initial)
        stream.request = Request(pseudo.get(":method", ""), pseudo.get(":path", ""), "HTTP/2", lines, head)
        self._last = max(self._last, number)
        self._streams[number] = stream
        if flags & END_STREAM:
            self._start(stream)

    def _start(self, stream):
        stream.request.body = b"".join(stream.body)
        with self._changed:
            spare = self._idle > 0
            self._idle -= spare
        self._jobs.put(stream)
        if not spare:
            thread = threading.Thread(target=self._work, name="hub-stream", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self):
        """A thread that answers one stream after the other."""
        for stream in iter(self._jobs.get, None):
            self._answer(stream)
            with self._changed:
                self._idle += 1

    def _answer(self, stream):
        try:
            if not self.exchange.one(self.conn, stream, stream.request):
                self.write(frame(GOAWAY, 0, 0, struct.pack(">II", self._last, 0)))
        except Cut as cut:
            if cut.how.startswith("reset:"):
                code = ERRORS[cut.how.partition(":")[2]]
                self._quietly(frame(RST, 0, stream.number, struct.pack(">I", code)))
            else:
                self.end(cut.how)
        except (Gone, OSError):
            pass
        finally:
            with self._changed:
                self._streams.pop(stream.number, None)

    def _quietly(self, data):
        try:
            self.write(data)
        except (Gone, Cut):
            pass


# Faults of this protocol; on HTTP/1.1 they do not apply.

def _only_h2(request):
    if request.http != "HTTP/2":
        raise NotHere()


@kind("h2-reset")
def h2_reset(fault, request, reply, at=0, code="internal"):
    """HTTP/2: RST_STREAM at byte `at` of the body (None: before the headers). `code`: refused, cancel, internal…"""
    _only_h2(request)

    def reset(channel):
        raise Cut("reset:" + code)
    if at is None:
        reply.prelude.append(reset)
    else:
        reply.stops.append((at, reset))


@kind("h2-goaway")
def h2_goaway(fault, request, reply, at=None, code="no-error", last=None, end=False):
    """HTTP/2: GOAWAY at byte `at` of the body (None: before the headers), `last`: the last stream it admits; `end`:
    hangs up."""
    _only_h2(request)

    def goaway(channel):
        number = channel.number if last is None else last
        channel.raw(frame(GOAWAY, 0, 0, struct.pack(">II", number, ERRORS[code])))
        if end:
            raise Cut("fin")
    if at is None:
        reply.prelude.append(goaway)
    else:
        reply.stops.append((at, goaway))


@kind("h2-flood")
def h2_flood(fault, request, reply, what="settings", count=10_000):
    """HTTP/2: `count` frames of settings, ping, empty data, window, priority, push, continuation or empty-continuation
    before the answer."""
    _only_h2(request)

    def flood(channel):
        number = channel.number
        more = hpack.encode([("x-flood", "f" * 1000)])
        pieces = {"settings": frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)),
                  "ping": frame(PING, 0, 0, b"12345678"), "window": frame(WINDOW, 0, 0, struct.pack(">I", 1)),
                  "data": frame(DATA, 0, number), "priority": frame(PRIORITY, 0, number, struct.pack(">IB", 0, 7)),
                  "push": frame(PUSH, END_HEADERS, number, struct.pack(">I", 2) + hpack.encode([(":path", "/")])),
                  "continuation": frame(CONTINUATION, 0, number, more),
                  "empty-continuation": frame(CONTINUATION, 0, number)}
        if what.endswith("continuation"):
            channel.raw(frame(HEADERS, 0, number, hpack.encode([(":status", 200)])))
        if what == "data":
            channel.flush()
        for _ in range(max(1, count // 100)):
            channel.raw(pieces[what] * 100)
    if what == "data":
        reply.stops.append((0, flood))
    else:
        reply.prelude.append(flood)


@kind("h2-silence")
def h2_silence(fault, request, reply):
    """HTTP/2: before the answer the whole connection falls silent, as one does whose way through a NAT was forgotten."""
    _only_h2(request)

    def hush(channel):
        channel.h2.silent = True
        while True:
            channel.wait(seconds=1)
    reply.prelude.append(hush)


@kind("h2-bomb")
def h2_bomb(fault, request, reply, size=1 << 26):
    """HTTP/2: a block of a few KB that unpacks to `size` bytes of headers: a long one, and then its number again and
    again."""
    _only_h2(request)
    long = 4000                                   # it and its name fit the table of 4096 bytes that every client has
    block = hpack.encode([(":status", 200)]) + hpack.remembered("x-bomb", "b" * long) + b"\xbe" * (size // long)

    def send(channel):
        parts = [block[at:at + FRAME] for at in range(0, len(block), FRAME)]
        for index, part in enumerate(parts):
            channel.raw(frame(CONTINUATION if index else HEADERS, END_HEADERS if part is parts[-1] else 0, channel.number,
                              part))
    reply.prelude.append(send)


@kind("h2-frame")
def h2_frame(fault, request, reply, type=DATA, flags=0, stream=None, payload=b"", size=None):
    """HTTP/2: a frame of your making before the answer; `size` fills it with that many bytes."""
    _only_h2(request)
    body = bytes(size) if size is not None else payload.encode("latin-1") if isinstance(payload, str) else payload
    reply.prelude.append(lambda channel: channel.raw(
        frame(type, flags, channel.number if stream is None else stream, body)))

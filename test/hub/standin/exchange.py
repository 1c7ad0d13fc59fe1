"""From a connection to answers: reads requests, has them answered, spoiled by faults, logged, and sent.

Reply and fault know nothing of sockets; this module turns a Reply into bytes in time: stops at offsets, paces, cuts.
"""
from __future__ import annotations

import json

from . import wire
from .h2 import PREFACE, Http2
from .server import BATCH, Cut, Gone

CHUNKED_PIECE = 16 * 1024


class Http1:
    """HTTP/1.1 framing of one answer on one connection. The head waits for the first body bytes, so that a small
    answer is one segment."""

    def __init__(self, conn):
        self.conn = conn
        self._head = []
        self._chunked = False

    def early(self, status, headers=()):
        """An informational answer before the real one."""
        lines = "".join("%s: %s\r\n" % h for h in headers)
        self.conn.send([("HTTP/1.1 %d %s\r\n%s\r\n" % (status, wire.REASONS.get(status, "Early"), lines)).encode()])

    def head(self, status, reason, headers, chunked):
        lines = ["HTTP/1.1 %d %s\r\n" % (status, wire.REASONS.get(status, "") if reason is None else reason)]
        lines += ["%s: %s\r\n" % header for header in headers]
        lines.append("\r\n")
        self._chunked = chunked
        self._head = ["".join(lines).encode("utf-8", "surrogateescape")]

    def data(self, buffers, size):
        if self._chunked:
            buffers = [b"%x\r\n" % size] + buffers + [b"\r\n"]
        head, self._head = self._head, []
        self.conn.send(head + buffers)

    def flush(self):
        head, self._head = self._head, []
        if head:
            self.conn.send(head)

    def raw(self, data):
        self.flush()
        self.conn.send([data])

    def finish(self):
        if self._chunked:
            head, self._head = self._head, []
            self.conn.send(head + [b"0\r\n\r\n"])
        else:
            self.flush()

    def wait(self, event=None, seconds=None):
        self.flush()
        self.conn.wait(event, seconds)


def deliver(channel, request, reply, record):
    """Sends a reply. Returns True when the connection can take another request."""
    for action in reply.prelude:
        action(channel)
    if reply.raw is not None:
        channel.raw(reply.raw)
        raise Cut("fin")
    record.status = reply.status
    bodyless = request.method == "HEAD" or reply.status in (204, 304) or reply.status < 200
    headers, framing = list(reply.headers), reply.framing
    if framing == "chunked" and request.http == "HTTP/1.0":
        framing = "close"
    if framing == "length" and reply.status not in (204, 304) and reply.get("Content-Length") is None:
        headers.append(("Content-Length", str(reply.body.size if reply.length is None else reply.length)))
    if framing == "chunked" and not bodyless:
        headers.append(("Transfer-Encoding", "chunked"))
    close = reply.close or request.wants_close() or (framing == "close" and not bodyless)
    if close and reply.get("Connection") is None:
        headers.append(("Connection", "close"))
    channel.head(reply.status, reply.reason, headers, framing == "chunked" and not bodyless)
    size, at = (0 if bodyless else reply.body.size), 0
    for offset, action in sorted(reply.stops, key=lambda stop: stop[0]):
        if offset > size:
            break
        _pump(channel, reply, record, at, offset)
        at = offset
        channel.flush()
        action(channel)
    _pump(channel, reply, record, at, size)
    channel.finish()
    return not close


def _pump(channel, reply, record, at, end):
    """Sends the bytes [at, end) of the body, no faster than the reply's paces allow."""
    if reply.paces:
        step = max(1, min([BATCH] + [int(pace.bytes_per_s / 50) for pace in reply.paces]))
        while at < end:
            count = min(step, end - at)
            channel.data(list(reply.body.pieces(at, at + count)), count)
            record.sent += count
            at += count
            wait_s = max(pace.reserve(count, channel.conn.number) for pace in reply.paces)
            if wait_s > 0:
                channel.wait(seconds=wait_s)
        return
    limit = CHUNKED_PIECE * 4 if reply.framing == "chunked" else BATCH
    batch, size = [], 0
    for piece in reply.body.pieces(at, end):
        batch.append(piece)
        size += len(piece)
        if size >= limit:
            channel.data(batch, size)
            record.sent += size
            batch, size = [], 0
    if size:
        channel.data(batch, size)
        record.sent += size


class Exchange:
    """Serves connections of one role: `answer(request)` makes the Reply, `faults` spoils it, `log` remembers."""

    def __init__(self, role, answer, log, faults, secrets=lambda: (), http2=False):
        self.role, self.answer, self.log, self.faults, self.secrets = role, answer, log, faults, secrets
        self.http2 = http2

    def __call__(self, conn):
        speak = self.http2 is True
        if conn.alpn == "h2" and speak:
            return Http2(conn, self).run()
        while True:
            try:
                request = conn.read_request(PREFACE if speak else None)
                if request is None:
                    return Http2(conn, self, conn.read_exactly(conn.buffered())).run()
            except (wire.BadRequest, ValueError) as error:
                return self._refuse(conn, error)
            if not self.one(conn, Http1(conn), request):
                return "clean"

    def one(self, conn, channel, request):
        """Answers one request; True when the connection lives on."""
        if request.path.startswith("/_hub/") and self.role == "api":
            return deliver(channel, request, self.answer(request).settle(request), _Unlogged())
        record = request.record = self._begin(conn, request)
        outcome, reply = "sent", None
        try:
            reply = self.answer(request)
            record.repo, record.file, record.bucket = request.repo, request.file, request.bucket
            record.status = reply.status
            self.faults.spoil(request, reply)
            reply.settle(request)
            keep = deliver(channel, request, reply, record)
            if reply.hangup:
                raise Cut("fin")
            return keep
        except Gone:
            outcome = "closed" if conn.listener.closing else "gone"
            raise
        except Cut:
            outcome = "cut"
            raise
        finally:
            for action in reply.ends if reply else []:
                action()
            self.log.end(record, outcome)

    def _begin(self, conn, request):
        authorization = request.header("authorization")
        leak = False
        if self.role != "api":
            head = request.head.decode("latin-1")
            leak = authorization is not None or any(secret in head for secret in self.secrets())
        return self.log.begin(
            self.role, netloc=request.header("host"), method=request.method, target=request.target,
            path=request.path, query=request.query, headers=dict(request.header_lines), range=request.header("range"),
            token=authorization is not None, leak=leak, user_agent=request.header("user-agent"), http=request.http,
            tls=conn.tls, conn=conn.number)

    def _refuse(self, conn, error):
        """A request we cannot read gets a 400 that says why, and stands in the log as such."""
        record = self.log.begin(self.role, method="-", target="", path="", query="", headers={}, conn=conn.number)
        record.status, record.outcome = 400, str(error)
        body = json.dumps({"error": str(error)}).encode()
        try:
            conn.send([b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(body), body])
        finally:
            self.log.end(record, "malformed: %s" % error)
        return "clean"


class _Unlogged:
    sent = 0
    status = None

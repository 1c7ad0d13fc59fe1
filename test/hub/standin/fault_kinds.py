"""Kinds of faults: other answers, ranges, bodies, headers, connections. Every docstring is a row of README.md's table.

`at` is an offset in the body of the answer, `file_at` one in the file; a fault with `file_at` waits for an answer that
contains that byte.
"""
from __future__ import annotations

import gzip
import threading
import time
import zlib

from . import wire
from .cdn import expired
from .faults import NotHere, Pace, kind
from .limits import HTML_429, retry_after
from .server import Cut

PORTAL = (b"<!DOCTYPE html><html><head><title>Welcome to our network</title></head>"
          b"<body><h1>Please log in</h1><form action=/login></form></body></html>")
ENDLESS = 1 << 60


def _headers(value):
    """Header lines from a dict or a list of pairs."""
    return [(n, str(v)) for n, v in (value.items() if isinstance(value, dict) else value or ())]


def _has_body(request, reply):
    """Faults of bodies leave redirects and answers to HEAD alone, and are kept for what follows."""
    if request.method == "HEAD" or 300 <= reply.status < 400:
        raise NotHere()
    if reply.json is not None:
        reply.settle(request)


def _offset(request, reply, at, file_at):
    """Where in the body a fault strikes."""
    _has_body(request, reply)
    offset = at if file_at is None else file_at - reply.begin
    if not 0 <= offset <= reply.body.size or (file_at is not None and offset >= max(1, reply.body.size)):
        raise NotHere()
    return offset


# Another answer altogether.

@kind("status")
def status(fault, request, reply, code, headers=None, body="", reason=None):
    """Answers `code` with `headers` and `body`."""
    reply.replace(wire.Reply(code, _headers(headers), body.encode() if isinstance(body, str) else body))
    reply.reason = reason


@kind("html")
def html(fault, request, reply, code=200, body=PORTAL):
    """A page of HTML where something else should be: a captive portal."""
    reply.replace(wire.Reply(code, [("Content-Type", "text/html; charset=utf-8")], body))


@kind("rate-limit")
def rate_limit(fault, request, reply, wait=None, form="seconds", name=None, left=0, window_s=300):
    """429 with HTML. `wait` in seconds; `form` of Retry-After: seconds, date, a literal, None; `name`: RateLimit for
    that bucket."""
    headers = [("Content-Type", "text/html; charset=utf-8")]
    if wait is not None or form not in ("seconds", "date"):
        headers += retry_after(form, wait or 0)
    if name:
        headers += [("RateLimit", '"%s";r=%d;t=%d' % (name, left, wait or 1)),
                    ("RateLimit-Policy", '"fixed window";"%s";q=1000;w=%d' % (name, window_s))]
    reply.replace(wire.Reply(429, headers, HTML_429))


@kind("redirect")
def redirect(fault, request, reply, to, code=302, headers=None):
    """Redirects to `to`: a URL, a path, or "loop" for the same URL again."""
    location = request.target if to == "loop" else to
    reply.replace(wire.Reply(code, [("Location", location)] + _headers(headers), "Redirecting"))


@kind("relocate")
def relocate(fault, request, reply, to_scheme=None, to_host=None, location=None):
    """Changes only where a redirect leads: other scheme, other host:port, or a whole other `location`."""
    old = reply.get("Location")
    if old is None:
        raise NotHere()
    if location is None:
        head, _, rest = old.partition("://") if "://" in old else ("http", "", "localhost" + old)
        location = "%s://%s%s" % (to_scheme or head, to_host or rest.partition("/")[0], "/" + rest.partition("/")[2])
    reply.set("Location", location)


@kind("expired")
def expired_url(fault, request, reply, code=403):
    """The CDN's answer to a signed URL that has expired: 403 with XML."""
    reply.replace(expired())
    reply.status = code


@kind("raw")
def raw(fault, request, reply, data):
    """Sends `data` in place of the whole answer, then ends the connection: a garbage status line, HTTP/0.9."""
    reply.raw = data.encode("latin-1") if isinstance(data, str) else data


@kind("early")
def early(fault, request, reply, code=103, count=1, headers=None):
    """Sends `count` informational answers (1xx) first."""
    lines = _headers(headers)
    reply.prelude += [lambda channel: channel.early(code, lines)] * count


# Ranges.

@kind("ignore-range")
def ignore_range(fault, request, reply):
    """Answers a range with 200 and the whole file."""
    if reply.content is None or request.header("range") is None:
        raise NotHere()
    reply.status, reply.body, reply.begin = 200, reply.content, 0
    reply.drop("Content-Range")


@kind("content-range")
def content_range(fault, request, reply, value=None, shift=0, total=None, drop=False):
    """Lies about the range: the literal `value`; or begin and end moved by `shift`, another `total`; or no header."""
    if reply.status != 206:
        raise NotHere()
    if drop:
        reply.drop("Content-Range")
        return
    begin, end = reply.begin + shift, reply.begin + reply.body.size - 1 + shift
    size = reply.content.size if total is None else total
    reply.set("Content-Range", value or "bytes %d-%d/%s" % (begin, end, size))


@kind("shift-body")
def shift_body(fault, request, reply, by=1):
    """Sends the bytes of another range than asked for, under the right Content-Range."""
    if reply.status != 206:
        raise NotHere()
    begin = max(0, min(reply.content.size - reply.body.size, reply.begin + by))
    reply.body = wire.Span(reply.content, begin, begin + reply.body.size)


@kind("multipart")
def multipart(fault, request, reply):
    """Answers a range as multipart/byteranges."""
    if reply.status != 206:
        raise NotHere()
    part = "--B\r\nContent-Type: application/octet-stream\r\nContent-Range: %s\r\n\r\n" % reply.get("Content-Range")
    reply.body = wire.Bytes(part.encode() + b"".join(reply.body.pieces(0, reply.body.size)) + b"\r\n--B--\r\n")
    reply.drop("Content-Range").set("Content-Type", "multipart/byteranges; boundary=B")


@kind("unsatisfiable")
def unsatisfiable(fault, request, reply, total=None):
    """416, with `total` (the true size if not given) in Content-Range."""
    size = (reply.content.size if reply.content else 0) if total is None else total
    reply.replace(wire.Reply(416, [("Content-Range", "bytes */%s" % size)]))


# Bodies.

@kind("cut")
def cut(fault, request, reply, at=0, file_at=None, how="fin"):
    """The body ends at byte `at` although more was promised; `how`: fin or rst."""
    def stop(channel):
        raise Cut(how)
    reply.stops.append((_offset(request, reply, at, file_at), stop))


@kind("stall")
def stall(fault, request, reply, at=None, file_at=None, seconds=None):
    """Silence at byte `at` of the body, or before the status line; for `seconds`, or until the client leaves."""
    def hold(channel):
        channel.wait(fault.released, seconds)
        if seconds is None and not fault.released.is_set():
            raise Cut("fin")
    if at is None and file_at is None:
        reply.prelude.append(hold)
    else:
        reply.stops.append((_offset(request, reply, at, file_at), hold))


@kind("gate")
def gate(fault, request, reply, at=0, file_at=None, before=False):
    """Holds the answer at byte `at` (`before`: before the status line) until it is released."""
    def hold(channel):
        fault.hit.set()
        channel.wait(fault.released)
    if before:
        reply.prelude.append(hold)
    else:
        reply.stops.append((_offset(request, reply, at, file_at), hold))


@kind("delay")
def delay(fault, request, reply, seconds):
    """Waits `seconds` before the answer."""
    reply.prelude.append(lambda channel: channel.wait(seconds=seconds))


@kind("throttle")
def throttle(fault, request, reply, bytes_per_s, per="connection"):
    """Sends the body no faster than `bytes_per_s`; `per`: connection, or all together. 1 is a slow loris."""
    if "pace" not in fault.state:
        fault.state["pace"] = Pace(bytes_per_s, per)
    reply.paces.append(fault.state["pace"])


@kind("crowded")
def crowded(fault, request, reply, limit, code=403):
    """Sends `limit` bodies at a time; who asks for one more gets `code`."""
    _has_body(request, reply)
    lock = fault.state.setdefault("lock", threading.Lock())
    with lock:
        sending = fault.state.get("sending", 0)
        if sending < limit:
            fault.state["sending"] = sending + 1
    if sending >= limit:
        reply.replace(wire.Reply(code, [("Content-Type", "application/xml")], b"<Error><Code>AccessDenied</Code></Error>"))
        return

    def end():
        with lock:
            fault.state["sending"] -= 1
    reply.ends.append(end)


@kind("call")
def call(fault, request, reply, do):
    """Calls `do(request)` of the test; the answer stays as it is."""
    do(request)


@kind("drip-head")
def drip_head(fault, request, reply, seconds=1.0):
    """Sends the head of the answer a byte at a time, `seconds` apart, and never gets to its end."""
    def drip(channel):
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 100000:
            channel.raw(bytes([byte]))
            channel.wait(seconds=seconds)
    reply.prelude.append(drip)


class _Flipped:
    def __init__(self, body, at):
        self._body, self._at, self.size = body, at, body.size

    def pieces(self, begin, end):
        for piece in self._body.pieces(begin, end):
            if begin <= self._at < begin + len(piece):
                copy = bytearray(piece)
                copy[self._at - begin] ^= 0x01
                yield memoryview(copy)
            else:
                yield piece
            begin += len(piece)


@kind("flip")
def flip(fault, request, reply, at=0, file_at=None):
    """One bit of the byte at `at` is wrong."""
    reply.body = _Flipped(reply.body, _offset(request, reply, at, file_at))


class _Inverted:
    def __init__(self, body):
        self._body, self.size = body, body.size

    def pieces(self, begin, end):
        flip_all = bytes(255 - i for i in range(256))
        for piece in self._body.pieces(begin, end):
            yield memoryview(bytes(piece).translate(flip_all))


@kind("other-bytes")
def other_bytes(fault, request, reply):
    """Right size, right headers, other content."""
    _has_body(request, reply)
    reply.body = _Inverted(reply.body)


@kind("pointer")
def pointer(fault, request, reply):
    """The LFS pointer in place of the content."""
    if reply.content is None:
        raise NotHere()
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
        reply.content.sha256, reply.content.size)
    reply.replace(wire.Reply(200, [("Content-Type", "text/plain; charset=utf-8")], text))


class _Longer:
    def __init__(self, body, size):
        self._body, self.size = body, size

    def pieces(self, begin, end):
        own = self._body.size
        if begin < own:
            yield from self._body.pieces(begin, min(end, own))
            begin = min(end, own)
        filler = memoryview(bytes(256 * 1024))
        while begin < end:
            count = min(len(filler), end - begin)
            yield filler[:count]
            begin += count


@kind("short")
def short(fault, request, reply, by=1):
    """The last `by` bytes are missing, and Content-Length agrees with what is sent."""
    _has_body(request, reply)
    reply.body = wire.Span(reply.body, 0, max(0, reply.body.size - by))


@kind("long")
def long(fault, request, reply, by=1):
    """`by` bytes too many, and Content-Length agrees with what is sent."""
    _has_body(request, reply)
    reply.body = _Longer(reply.body, reply.body.size + by)


@kind("endless")
def endless(fault, request, reply, framing="close", redirects=False):
    """A body without end; `framing`: close, chunked, or length (an absurd one is stated). `redirects`: theirs too."""
    if not redirects or not reply.get("Location"):
        _has_body(request, reply)
    reply.body, reply.framing = _Longer(reply.body, ENDLESS), framing


@kind("wrong-length")
def wrong_length(fault, request, reply, by):
    """Content-Length is off by `by`; the body is right. Then the connection ends."""
    _has_body(request, reply)
    reply.length, reply.hangup = max(0, reply.body.size + by), True


@kind("no-length")
def no_length(fault, request, reply):
    """No Content-Length: the end of the connection is the end of the body."""
    _has_body(request, reply)
    reply.framing = "close"


@kind("chunked")
def chunked(fault, request, reply, bad_at=None, unfinished=False):
    """Chunked, without Content-Length; `bad_at`: garbage for a chunk size there; `unfinished`: no last chunk."""
    _has_body(request, reply)
    reply.framing = "chunked"

    def garbage(channel):
        channel.raw(b"zz;\r\n")
        raise Cut("fin")

    def end(channel):
        raise Cut("fin")
    if bad_at is not None:
        reply.stops.append((bad_at, garbage))
    if unfinished:
        reply.stops.append((reply.body.size, end))


@kind("trailers")
def trailers(fault, request, reply, size=100):
    """Chunked, and behind the last chunk header lines of `size` bytes without end."""
    _has_body(request, reply)
    reply.framing = "chunked"

    def send(channel):
        channel.raw(b"0\r\n")
        while True:
            channel.raw((b"X-Endless: " + b"e" * size + b"\r\n") * 100)
    reply.stops.append((reply.body.size, send))


@kind("gzip")
def gzipped(fault, request, reply, layers=1, label=None):
    """Compressed though nobody asked, `layers` over; `label`: another Content-Encoding than the true one."""
    _has_body(request, reply)
    data = b"".join(reply.body.pieces(0, reply.body.size))
    for _ in range(layers):
        data = gzip.compress(data, 1)
    reply.body = wire.Bytes(data)
    reply.set("Content-Encoding", label or ", ".join(["gzip"] * layers))


@kind("bomb")
def bomb(fault, request, reply, size=1 << 28):
    """A gzip stream of a few MB that unpacks to `size` zeros."""
    _has_body(request, reply)
    packer, packed = zlib.compressobj(9, zlib.DEFLATED, 31), []
    block = bytes(1 << 20)
    for _ in range(max(1, size >> 20)):
        packed.append(packer.compress(block))
    packed.append(packer.flush())
    reply.body = wire.Bytes(b"".join(packed))
    reply.set("Content-Encoding", "gzip")


# Headers and connections.

@kind("drop-headers")
def drop_headers(fault, request, reply, names):
    """Leaves out headers, as a careless mirror does; Content-Length makes the body chunked."""
    names = [names] if isinstance(names, str) else names
    if "content-length" in [n.lower() for n in names]:
        reply.framing = "chunked"
    reply.drop(*names)


@kind("set-headers")
def set_headers(fault, request, reply, headers, twice=False):
    """Replaces headers; `twice` adds them to those there are: two Content-Lengths, say."""
    if twice and any(n.lower() == "content-length" for n, _ in _headers(headers)):
        _has_body(request, reply)
        reply.set("Content-Length", reply.body.size)
    for name, value in _headers(headers):
        if twice:
            reply.headers.append((name, value))
        else:
            reply.set(name, value)


@kind("huge-headers")
def huge_headers(fault, request, reply, size=200_000, count=1):
    """`count` header lines of `size` bytes each."""
    reply.headers += [("X-Huge-%d" % i, "h" * size) for i in range(count)]


@kind("endless-head")
def endless_head(fault, request, reply, size=100):
    """Header lines of `size` bytes without end."""
    def send(channel):
        channel.raw(b"HTTP/1.1 200 OK\r\n")
        while True:
            channel.raw((b"X-Endless: " + b"e" * size + b"\r\n") * 100)
    reply.prelude.append(send)


@kind("etag")
def etag(fault, request, reply, value=None):
    """Another ETag on every answer (or the given `value`), X-Linked-Etag too where there is one."""
    for name in ("ETag", "X-Linked-Etag"):
        if reply.get(name) is not None:
            reply.set(name, value or '"%064x"' % (time.monotonic_ns() + fault.hits))


@kind("close")
def close(fault, request, reply):
    """Connection: close, where keep-alive was expected."""
    reply.close = True


@kind("hangup")
def hangup(fault, request, reply):
    """A whole answer that promises keep-alive, and then the connection ends: the race of every reused connection."""
    reply.hangup = True

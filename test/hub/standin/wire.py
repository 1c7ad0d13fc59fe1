"""HTTP messages: a request as it was read, a reply as it will be sent, and the bodies replies have.

A Reply is plain data until it is sent, so that a fault can edit it: headers are a list of pairs, a JSON document stays
a Python value, and a body is something that can be asked for any range of its bytes.
"""
from __future__ import annotations

import email.utils
import functools
import gzip
import itertools
import json
import re
import time
import urllib.parse

REASONS = {100: "Continue", 103: "Early Hints", 200: "OK", 204: "No Content", 206: "Partial Content", 302: "Found",
           304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
           407: "Proxy Authentication Required", 408: "Request Timeout", 413: "Payload Too Large",
           416: "Range Not Satisfiable", 418: "I'm a teapot", 429: "Too Many Requests", 431: "Headers Too Large",
           500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
MAX_HEAD = 64 * 1024


class BadRequest(Exception):
    """What was read is not a request we would answer; the text says why."""


class Request:
    """One request. `path` is decoded for people and logs, `segments` are the raw parts between slashes: a
    revision's %2F must not become a separator before the route is known."""

    def __init__(self, method, target, http, headers, head=b""):
        self.method, self.target, self.http = method, target, http
        self.header_lines = headers
        self.head = head
        self._headers = {}
        for name, value in headers:
            self._headers.setdefault(name.lower(), value)
        if target.startswith(("http://", "https://")):
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        self.raw_path, _, self.query = target.partition("?")
        self.path = decode(self.raw_path)
        self.body = b""
        self.record = None
        self.repo = self.file = self.bucket = None

    def header(self, name, default=None):
        return self._headers.get(name.lower(), default)

    @property
    def segments(self):
        return self.raw_path.split("/")[1:]

    def params(self):
        """Query parameters, name → list of values."""
        return urllib.parse.parse_qs(self.query, keep_blank_values=True)

    def flag(self, name):
        return self.params().get(name, [""])[-1] in ("true", "1", "True")

    def accepts_gzip(self):
        return "gzip" in self.header("accept-encoding", "").lower()

    def wants_close(self):
        connection = self.header("connection", "").lower()
        return "close" in connection or (self.http == "HTTP/1.0" and "keep-alive" not in connection)


def decode(text):
    """Percent-decoding that keeps bytes which are not UTF-8 (as surrogates), so that nothing is silently mended."""
    if "%" not in text:
        return text
    return urllib.parse.unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def encode_path(path):
    return urllib.parse.quote(path.encode("utf-8", "surrogateescape"), safe="/~")


def encode_segment(text):
    return urllib.parse.quote(text.encode("utf-8", "surrogateescape"), safe="~")


_LINE = re.compile(rb"^([A-Z]+) ([\x21-\x7e]+) (HTTP/1\.[01])$")


def parse_head(head):
    """The bytes up to the empty line → Request. Strict where a careless client would be a bug of ours to find."""
    lines = head.split(b"\r\n")
    line = _LINE.match(lines[0])
    if not line:
        raise BadRequest("malformed request line %r" % lines[0][:200])
    method, target, http = (part.decode("latin-1") for part in line.groups())
    headers = []
    for raw in lines[1:]:
        if not raw:
            continue
        name, colon, value = raw.partition(b":")
        if not colon or not name or name.strip() != name:
            raise BadRequest("malformed header line %r" % raw[:200])
        headers.append((name.decode("latin-1"), value.strip().decode("latin-1")))
    request = Request(method, target, http, headers, head)
    if http == "HTTP/1.1" and request.header("host") is None:
        raise BadRequest("no Host header")
    return request


# Bodies: `size` bytes, any range of which can be asked for as a sequence of buffers.

class Bytes:
    def __init__(self, data):
        self._data = data.encode() if isinstance(data, str) else data
        self.size = len(self._data)

    def pieces(self, begin, end):
        if begin < end:
            yield memoryview(self._data)[begin:end]


class Span:
    """The part [begin, end) of another body; `begin` is where in the file this answer starts."""

    def __init__(self, body, begin, end):
        self._body, self.begin, self.size = body, begin, end - begin

    def pieces(self, begin, end):
        return self._body.pieces(self.begin + begin, self.begin + end)


EMPTY = Bytes(b"")


class Reply:
    """One answer.

    json        a value to be serialised when the reply is sent; None: `body` is the body
    content     the whole file that `body` is a part of, for faults that answer with another part of it
    begin       where in that file the body starts
    length      the Content-Length to state; None: the true one
    framing     length · chunked · close (the end of the connection is the end of the body)
    stops       (offset in the body, action) pairs; the sender runs the action when it gets there
    prelude     actions to run before the status line; paces: speed limits
    close       say Connection: close and do so; hangup: do so without a word
    raw         bytes to send in place of everything
    """

    def __init__(self, status=200, headers=(), body=b"", json=None, content=None, begin=0):
        self.status = status
        self.headers = list(headers)
        self.body = Bytes(body) if isinstance(body, (bytes, str)) else body
        self.json = json
        self.content, self.begin = content, begin
        self.reason = None
        self.length = None
        self.framing = "length"
        self.stops, self.prelude, self.paces = [], [], []
        self.ends = []  # called when the exchange is over, however it ended
        self.raw = None
        self.close = self.hangup = False

    def get(self, name, default=None):
        return next((v for n, v in self.headers if n.lower() == name.lower()), default)

    def set(self, name, value):
        self.drop(name)
        self.headers.append((name, str(value)))
        return self

    def drop(self, *names):
        gone = {name.lower() for name in names}
        self.headers = [(n, v) for n, v in self.headers if n.lower() not in gone]
        return self

    def replace(self, other):
        """Becomes another answer, keeping its identity for whoever holds it."""
        self.__dict__.update(other.__dict__)
        return self

    def settle(self, request):
        """Makes headers and body final: serialises JSON (gzip where offered), dates and numbers the reply."""
        if self.json is not None:
            text = json.dumps(self.json, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogateescape")
            if self.get("Content-Type") is None:
                self.set("Content-Type", "application/json; charset=utf-8")
            if request.accepts_gzip() and len(text) > 1024 and self.get("Content-Encoding") is None:
                text = gzip.compress(text, 1)
                self.set("Content-Encoding", "gzip").set("Vary", "Accept-Encoding")
                self.framing = "chunked"
            self.body, self.json = Bytes(text), None
        if self.get("Date") is None:
            self.headers.append(("Date", _date(int(time.time()))))
        return self


@functools.lru_cache(maxsize=2)
def _date(now_s):
    return email.utils.formatdate(now_s, usegmt=True)


_requests = itertools.count(int(time.time()) << 20)


def request_id():
    """Like those of the load balancer in front of the Hub; no two are alike."""
    return "Root=1-%08x-%024x" % (int(time.time()), next(_requests))


def text_reply(status, text, headers=()):
    return Reply(status, [("Content-Type", "text/plain; charset=utf-8")] + list(headers), text)


_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


def parse_range(value, size):
    """A Range header against a body of `size` bytes → (begin, end), None for "answer with the whole", or False
    when no byte of it exists. Several ranges are answered with the whole, as many CDNs do."""
    match = _RANGE.match(value.strip().lower()) if value else None
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), size if last == "" else min(size, int(last) + 1)
        if last != "" and int(last) < begin:
            return None
    return (begin, end) if begin < end else False


def ranged(request, content, headers):
    """200, 206 or 416 for a content, as Range and If-Range ask. (source: RFC 9110, §14)"""
    headers = list(headers) + [("Accept-Ranges", "bytes")]
    etag = next((v for n, v in headers if n == "ETag"), None)
    wanted = parse_range(request.header("range"), content.size) if request.method == "GET" else None
    if wanted and request.header("if-range") not in (None, etag):
        wanted = None
    if wanted is False:
        return Reply(416, headers + [("Content-Range", "bytes */%d" % content.size)], content=content)
    if wanted is None:
        return Reply(200, headers, content, content=content)
    begin, end = wanted
    headers.append(("Content-Range", "bytes %d-%d/%d" % (begin, end - 1, content.size)))
    return Reply(206, headers, Span(content, begin, end), content=content, begin=begin)

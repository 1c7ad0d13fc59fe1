"""Faults: what can go wrong on purpose, when, and how often.

    hub.fault("status", code=503, host="cdn", times=2)
    hub.fault("cut", file="model.safetensors", at=1000, how="rst")
    hub.fault("redirect", path="*/resolve/*", to="http://169.254.169.254/", times=None)

A fault spoils a Reply after it was made and before it is sent. `times` says how often (1; None: for ever), `after` how
many matching requests pass first, `each` counts both anew for every different "file", "path" or "conn". The kinds are
in fault_kinds.py, one function each; their keyword arguments are the kind's settings.
"""
from __future__ import annotations

import inspect
import itertools
import threading
import time

from .log import matches
from .server import Cut

KINDS: dict = {}
MATCH_KEYS = ("host", "method", "path", "query", "range", "file", "repo", "token", "header", "status", "bucket")


class NotHere(Exception):
    """Raised by a kind that does not apply to this reply after all: the fault is kept for the next one."""


def kind(name):
    """Registers a kind of fault: a function (fault, request, reply, **settings) that edits the reply."""
    def register(function):
        clash = set(inspect.signature(function).parameters) & set(MATCH_KEYS + ("times", "after", "each"))
        assert not clash, "%s: %s is what faults match on" % (name, clash)
        KINDS[name] = function
        return function
    return register


def table():
    """The kinds as a table for README.md, from their docstrings; the stand-in's test compares the two."""
    rows = ["| kind | settings | what it does |", "|---|---|---|"]
    for name, function in KINDS.items():
        settings = [str(p).replace(" ", "") if p.default is not p.empty else p.name
                    for p in list(inspect.signature(function).parameters.values())[3:]]
        settings = ["`%s`" % s if len(s) < 40 else "`%s`" % s.partition("=")[0] for s in settings]
        rows.append("| `%s` | %s | %s |" % (name, " ".join(settings), " ".join(function.__doc__.split())))
    return "\n".join(rows)


class Match:
    """Which requests are meant. `what` is a glob on the path, a function of the request, or a dict:

    host      api, cdn, sink               path     decoded, a glob        query    a glob
    file      path in the repository       repo     acme/tiny, datasets/acme/rows
    method, bucket, status (of the answer as it would have been)
    range, token    True, False, or a glob on the header      header   {name: the same}
    """

    def __init__(self, what=None):
        self.what = {"path": what} if isinstance(what, str) else what or {}
        unknown = [] if callable(self.what) else set(self.what) - set(MATCH_KEYS)
        if unknown:
            raise ValueError("cannot match on %s; known: %s" % (sorted(unknown), ", ".join(MATCH_KEYS)))

    def fits(self, request, reply=None):
        if callable(self.what):
            return bool(self.what(request))
        for key, want in self.what.items():
            if key == "header":
                fit = all(matches(request.header(name), value) for name, value in want.items())
            else:
                fit = matches(self._value(key, request, reply), want)
            if not fit:
                return False
        return True

    @staticmethod
    def _value(key, request, reply):
        if key == "host":
            return request.record.host
        if key == "status":
            return reply.status if reply else None
        return request.header({"token": "authorization"}.get(key, key)) if key in ("token", "range") \
            else getattr(request, key)


class Fault:
    """One fault that was switched on. `hits` counts the replies it spoiled."""

    _ids = itertools.count(1)

    def __init__(self, kind, match=None, times=1, after=0, each=None, **rest):
        if kind not in KINDS:
            raise ValueError("no such fault: %r; there are %s" % (kind, ", ".join(sorted(KINDS))))
        self.id = next(self._ids)
        self.kind, self.times, self.after, self.each = kind, times, after, each
        own = {k: rest.pop(k) for k in MATCH_KEYS if k in rest}
        self.match = Match(match if callable(match) else dict(Match(match).what, **own))
        inspect.signature(KINDS[kind]).bind(None, None, None, **rest)
        self.settings = rest
        self.hits = 0
        self.on = True
        self.state = {}
        self.hit = threading.Event()
        self.released = threading.Event()
        self._seen, self._spent = {}, {}

    def __repr__(self):
        return "<fault %d %s %r hits=%d>" % (self.id, self.kind, self.match.what, self.hits)

    def clear(self):
        """Switches the fault off and lets go whatever it holds."""
        self.on = False
        self.released.set()

    release = clear

    def wait(self, timeout_s=10):
        """Waits until the fault has spoiled a reply (a gate: until it holds one); True if it has."""
        return self.hit.wait(timeout_s)

    def wants(self, request, reply):
        """Whether this fault's turn has come for this request; counts it."""
        if not self.on or not self.match.fits(request, reply):
            return False
        key = self._key(request)
        seen = self._seen[key] = self._seen.get(key, 0) + 1
        return seen > self.after and (self.times is None or self._spent.get(key, 0) < self.times)

    def spend(self, request, count=1):
        key = self._key(request)
        self._spent[key] = self._spent.get(key, 0) + count
        self.hits += count

    def _key(self, request):
        return {"file": request.file, "path": request.path, "conn": request.record.conn}.get(self.each)

    def as_dict(self):
        return {"id": self.id, "kind": self.kind, "match": repr(self.match.what),
                "times": self.times, "hits": self.hits, "on": self.on}


class Faults:
    """The faults that are on, in the order in which they were switched on; all that match apply."""

    def __init__(self):
        self._lock = threading.Lock()
        self._faults = []

    def add(self, fault):
        with self._lock:
            self._faults = [f for f in self._faults if f.on] + [fault]
        return fault

    def get(self, number):
        return next((f for f in self._faults if f.id == number), None)

    def all(self):
        return [f for f in self._faults if f.on]

    def clear(self):
        with self._lock:
            for fault in self._faults:
                fault.clear()
            self._faults = []

    def meet(self, conn):
        """Called with every fresh connection."""
        for door in [f for f in self._faults if isinstance(f, Door)]:
            with self._lock:
                wanted = door.wants(conn.listener.role)
            if wanted:
                door.meet(conn)

    def spoil(self, request, reply):
        for fault in [f for f in self._faults if isinstance(f, Fault)]:
            with self._lock:
                if not fault.wants(request, reply):
                    continue
                fault.spend(request)
            try:
                KINDS[fault.kind](fault, request, reply, **fault.settings)
            except NotHere:
                with self._lock:
                    fault.spend(request, -1)
                continue
            request.record.faults.append(fault.kind)
            if fault.kind != "gate":
                fault.hit.set()


class Door:
    """A fault of connections, before the first byte of HTTP.

    rst, fin        the connection ends as soon as it is accepted
    stall           it is accepted, and nothing follows
    garbage         bytes that are neither TLS nor HTTP
    plain           an HTTP answer in plain text, whatever the port speaks
    hello-stall     the client's first bytes are read (a ClientHello, say), and nothing follows
    hello-rst       the same, then a reset
    """

    HOWS = ("rst", "fin", "stall", "garbage", "plain", "hello-stall", "hello-rst")

    def __init__(self, how, host="api", times=1, after=0):
        if how not in self.HOWS:
            raise ValueError("no such door: %r; there are %s" % (how, ", ".join(self.HOWS)))
        self.id = next(Fault._ids)
        self.kind = "door"
        self.how, self.host, self.times, self.after = how, host, times, after
        self.hits, self.seen, self.on = 0, 0, True
        self.released = threading.Event()
        self.hit = threading.Event()

    def clear(self):
        self.on = False
        self.released.set()

    release = clear

    def wait(self, timeout_s=10):
        return self.hit.wait(timeout_s)

    def wants(self, role):
        if not self.on or role != self.host:
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True

    def meet(self, conn):
        self.hit.set()
        if self.how in ("rst", "fin"):
            raise Cut(self.how)
        if self.how.startswith("hello"):
            conn.read_more()
        if self.how == "hello-rst":
            raise Cut("rst")
        if self.how in ("garbage", "plain"):
            conn.send([b"\x00\xff\x00\xffnothing you know\r\n" * 4 if self.how == "garbage" else
                       b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"])
            raise Cut("fin")
        conn.wait(self.released)
        raise Cut("fin")

    def as_dict(self):
        return {"id": self.id, "kind": "door", "how": self.how, "host": self.host, "times": self.times,
                "hits": self.hits, "on": self.on}


class Pace:
    """A speed limit. `per` connection: each has its own; all: they share it."""

    def __init__(self, bytes_per_s, per="connection"):
        self.bytes_per_s, self.per = bytes_per_s, per
        self._lock = threading.Lock()
        self._free_at = {}

    def reserve(self, count, conn):
        """Takes note of `count` bytes sent; returns how long to sleep before the next."""
        key = conn if self.per == "connection" else None
        now = time.monotonic()
        with self._lock:
            self._free_at[key] = max(now, self._free_at.get(key, now)) + count / self.bytes_per_s
            return self._free_at[key] - now

"""The request log: what a test asserts on.

One Record per request, in the order in which the requests arrived. A record is complete (`done`) once the answer has
been sent or given up; `Log.settle()` waits for that.
"""
from __future__ import annotations

import fnmatch
import threading
import time


class Record:
    """One request and what became of it. Moments are seconds since the Hub started.

    host       the part of the Hub that was asked: api, cdn, sink
    token      it carried an Authorization header; leak: and this host should never have seen one
    active     requests being answered by this host, this one included; open_connections likewise
    file       path in the repository, when the request was for one; repo: like datasets/acme/rows
    sent       bytes of body put on the wire, before TLS and framing
    outcome    sent · gone (the client went away) · cut (a fault ended it) · closed (the Hub was shut down)
    """

    __slots__ = ("seq", "host", "netloc", "method", "target", "path", "query", "headers", "range", "token", "leak",
                 "user_agent", "http", "tls", "conn", "open_connections", "active", "repo", "file", "bucket", "status",
                 "sent", "faults", "began_at", "ended_at", "outcome")

    def __init__(self, **fields):
        for name in self.__slots__:
            setattr(self, name, fields.get(name))
        self.faults = []
        self.sent = 0

    @property
    def done(self):
        return self.ended_at is not None

    def as_dict(self):
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self):
        return "<%s %s %s %s%s %s, %d bytes, %s%s>" % (
            self.seq, self.host, self.method, self.target.partition("?")[0],
            " [%s]" % self.range if self.range else "", self.status, self.sent, self.outcome or "open",
            " " + ",".join(self.faults) if self.faults else "")


class Gauge:
    """How many there are of something per host and in all (None), and how many there were at most."""

    def __init__(self):
        self.now, self.peak = {}, {}

    def add(self, host):
        for key in (host, None):
            self.now[key] = self.now.get(key, 0) + 1
            self.peak[key] = max(self.peak.get(key, 0), self.now[key])

    def drop(self, host):
        for key in (host, None):
            self.now[key] -= 1

    def forget_peak(self):
        self.peak = dict(self.now)


class Log:
    def __init__(self):
        self._zero = time.monotonic()
        self._changed = threading.Condition()
        self._records = []
        self._requests = 0
        self._connections = 0
        self.open = Gauge()
        self.active = Gauge()

    def clear(self):
        with self._changed:
            self._records = []
            self.open.forget_peak()
            self.active.forget_peak()

    def now(self):
        return time.monotonic() - self._zero

    def connected(self, host):
        """Counts a connection in; returns its number, unique in this Hub."""
        with self._changed:
            self._connections += 1
            self.open.add(host)
            return self._connections

    def disconnected(self, host):
        with self._changed:
            self.open.drop(host)

    @property
    def connections(self):
        """How many connections there have been."""
        return self._connections

    def begin(self, host, **fields):
        record = Record(host=host, began_at=self.now(), **fields)
        with self._changed:
            self._requests += 1
            record.seq = self._requests
            self.active.add(host)
            record.active = self.active.now[host]
            record.open_connections = self.open.now.get(host, 0)
            self._records.append(record)
        return record

    def end(self, record, outcome):
        with self._changed:
            record.outcome = outcome
            record.ended_at = self.now()
            self.active.drop(record.host)
            self._changed.notify_all()

    def settle(self, timeout_s=5):
        """Waits until no request is being answered; False when that takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.active.now.get(None), timeout_s)

    def wait(self, count=1, timeout_s=10, **want):
        """Waits until `count` requests have come that match; returns all that do."""
        give_up_at = time.monotonic() + timeout_s
        while True:
            found = self.find(**want)
            if len(found) >= count or time.monotonic() > give_up_at:
                return found
            time.sleep(0.005)

    def find(self, since=0, **want):
        """Records after number `since` whose fields match: text as it is or as a glob, True and False against
        presence, a tuple or set by membership, a callable by asking it, anything else by equality."""
        records = list(self._records)
        return [r for r in records if r.seq > since and all(matches(getattr(r, k), w) for k, w in want.items())]


def matches(value, want):
    if callable(want):
        return bool(want(value))
    if isinstance(want, bool):
        return bool(value) == want
    if isinstance(want, str):
        return value is not None and (value == want or fnmatch.fnmatchcase(str(value), want))
    if isinstance(want, (tuple, set, frozenset, list)):
        return value in want
    return value == want

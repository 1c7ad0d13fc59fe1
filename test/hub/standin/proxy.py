"""A forward proxy: CONNECT tunnels and absolute-form requests, with or without a password, and a record of both.

    with Proxy(auth=("joe", "secret"), hosts={"hub.test:443": hub.address("api")}) as proxy:
        run(HTTPS_PROXY=proxy.url)
        assert [r.target for r in proxy.records] == ["hub.test:443"]

`hosts` sends a name somewhere else than DNS would, so that a test can use names that do not exist.
"""
from __future__ import annotations

import base64
import fnmatch
import select
import socket
import threading
import urllib.parse

from . import wire
from .log import Log
from .server import IDLE_S, Cut, Listener
from .tls import Tls


class Passage:
    """One request that came to the proxy: `up` and `down` are bytes relayed, `status` what the proxy itself said."""

    def __init__(self, method, target, authorized, head):
        self.method, self.target, self.authorized, self.head = method, target, authorized, head
        self.status = None
        self.up = self.down = 0
        self.fault = None

    def __repr__(self):
        return "<%s %s %s, %d up, %d down>" % (self.method, self.target, self.status, self.up, self.down)


class Proxy:
    def __init__(self, auth=None, hosts=None, host="127.0.0.1", port=0, tls=None):
        self.auth, self.hosts = auth, dict(hosts or {})
        self.records = []
        self.log = Log()
        self._faults = []
        self._lock = threading.Lock()
        tls = Tls.of(tls)
        self._listener = Listener("proxy", host, port, self._serve, self.log, tls.context() if tls else None)
        self.address = "%s:%d" % (host, self._listener.port)
        self.scheme = "https" if tls else "http"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._listener.close()

    @property
    def url(self):
        """What HTTPS_PROXY is set to, with the password where there is one."""
        login = "%s@" % ":".join(urllib.parse.quote(part, safe="") for part in self.auth) if self.auth else ""
        return "%s://%s%s" % (self.scheme, login, self.address)

    def fault(self, kind, times=1, target="*", **settings):
        """status code=502: the proxy's own refusal · cut at=N how=fin|rst: the tunnel ends after N bytes downwards ·
        stall: nothing is ever answered · html: a login page with 200. `target` is a glob on what is asked for."""
        if kind not in ("status", "cut", "stall", "html"):
            raise ValueError("a proxy has no fault %r" % kind)
        with self._lock:
            self._faults.append([kind, times, settings, target])

    def _take_fault(self, kinds, target):
        with self._lock:
            for fault in self._faults:
                if fault[0] in kinds and fnmatch.fnmatchcase(target, fault[3]) and (fault[1] is None or fault[1] > 0):
                    fault[1] = None if fault[1] is None else fault[1] - 1
                    return fault[0], fault[2]
        return None, {}

    def _serve(self, conn):
        request = conn.read_request()
        passage = Passage(request.method, request.target, self._authorized(request), request.head.decode("latin-1"))
        self.records.append(passage)
        if not passage.authorized:
            return self._say(conn, passage, 407, [("Proxy-Authenticate", 'Basic realm="stand-in"')], b"who are you?")
        kind, settings = self._take_fault(("status", "stall", "html"), request.target)
        passage.fault = kind
        if kind == "stall":
            conn.wait()
        if kind:
            return self._say(conn, passage, settings.get("code", 200 if kind == "html" else 502),
                             [("Content-Type", "text/html")], b"<!DOCTYPE html><h1>the proxy says</h1>")
        try:
            upstream = self._dial(request)
        except (OSError, ValueError) as error:
            return self._say(conn, passage, 502, [], str(error).encode())
        try:
            if request.method == "CONNECT":
                passage.status = 200
                conn.send([b"HTTP/1.1 200 Connection established\r\n\r\n"])
            else:
                upstream.sendall(_origin_form(request) + request.body)
            self._relay(conn, upstream, passage)
        finally:
            upstream.close()

    def _authorized(self, request):
        if self.auth is None:
            return True
        scheme, _, value = request.header("proxy-authorization", "").partition(" ")
        try:
            return scheme.lower() == "basic" and base64.b64decode(value).decode() == ":".join(self.auth)
        except ValueError:
            return False

    def _say(self, conn, passage, status, headers, body):
        passage.status = status
        lines = "".join("%s: %s\r\n" % header for header in headers)
        conn.send([("HTTP/1.1 %d %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n" % (
            status, wire.REASONS.get(status, "Said"), lines, len(body))).encode(), body])
        return "clean"

    def _dial(self, request):
        if request.method == "CONNECT":
            host, _, port = request.target.rpartition(":")
        else:
            parts = urllib.parse.urlsplit(request.target)
            if parts.scheme != "http":
                raise ValueError("not a proxy request: %s" % request.target)
            host, port = parts.hostname, parts.port or 80
        address = self.hosts.get("%s:%s" % (host, port), (host.strip("[]"), int(port)))
        upstream = socket.create_connection(address, 10)
        upstream.settimeout(IDLE_S)
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return upstream

    def _relay(self, conn, upstream, passage):
        """Both directions until one side ends; `down` counts what the client gets."""
        kind, settings = self._take_fault(("cut",), passage.target)
        limit = settings.get("at", 0) if kind else None
        passage.fault = kind or passage.fault

        poll = select.poll()
        poll.register(conn.sock, select.POLLIN)
        poll.register(upstream, select.POLLIN)
        try:
            while True:
                if conn.buffered():
                    data = conn.read_exactly(conn.buffered())
                    upstream.sendall(data)
                    passage.up += len(data)
                ahead = conn.tls and conn.sock.pending()
                ready = dict(poll.poll(0 if ahead else IDLE_S * 1000))
                if not ready and not ahead:
                    return
                conn.check()
                if ahead or conn.sock.fileno() in ready:
                    conn.read_more()
                if upstream.fileno() in ready:
                    data = upstream.recv(65536)
                    if not data:
                        return
                    last = limit is not None and passage.down + len(data) >= limit
                    data = data[:limit - passage.down] if last else data
                    conn.send([data])
                    passage.down += len(data)
                    if last:
                        raise Cut(settings.get("how", "fin"))
        except OSError:
            pass


def _origin_form(request):
    """An absolute-form request as the origin wants it; the connection ends with the answer."""
    parts = urllib.parse.urlsplit(request.target)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    lines = [(n, v) for n, v in request.header_lines
             if n.lower() not in ("proxy-authorization", "proxy-connection", "connection")]
    head = ["%s %s HTTP/1.1" % (request.method, target)] + ["%s: %s" % line for line in lines] + ["Connection: close"]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")

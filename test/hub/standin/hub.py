"""The Hub: an API host, a CDN on another address, and the handles a test holds on both."""
from __future__ import annotations

import threading
import time

from . import fault_kinds, fault_listings, wire  # noqa: F401  (the kinds register themselves)
from .access import Accounts, Refusal
from .api import Api
from .cdn import Cdn
from .control import Control
from .exchange import Exchange
from .faults import Door, Fault, Faults
from .limits import HTML_429, Limits
from .log import Log
from .repos import Catalogue, Repo
from .resolve import Resolve
from .server import Listener
from .tls import Tls, authority

READER = "reader"
TOKEN = "hf_standin_reader"
STRANGER = "stranger"
STRANGER_TOKEN = "hf_standin_stranger"


class Hub:
    """A stand-in Hub on loopback addresses; a context manager.

    tls, cdn_tls     None plain, True, a Tls, or a dict of its settings; the CDN follows the API host unless told
    host, cdn_host   addresses to listen on; name, cdn_name: what URLs call them, if not by address
    port, cdn_port   0: any
    http2            True: offered with TLS on both hosts (and understood without); "lie": agreed on and not spoken
    prefix           path prefix of the endpoint, e.g. "/hf"
    page_size        entries per page of a tree; shuffle_tree: in no useful order
    link_host        scheme and host of next links and Xet routes; None: this endpoint. A careless mirror: the Hub's own
    url_lifetime_s   of signed URLs; url_style: cloudfront or s3
    compress_files   git text files are gzipped where the client offers it, as on the Hub
    serve_direct     no redirects: this host serves every byte itself, as some mirrors do
    ranges, lengths  False: Range is ignored, Content-Length is not sent; on both hosts
    drop_headers     names of headers that never get through, e.g. ["X-Repo-Commit"]
    charge_cache     the hop to /api/resolve-cache/ counts as a second request of the resolvers bucket
    catalogue, accounts   those of another Hub, to share them
    """

    def __init__(self, tls=None, cdn_tls=None, host="127.0.0.1", cdn_host="127.0.0.2", name=None, cdn_name=None,
                 port=0, cdn_port=0, http2=False, prefix="", page_size=1000, shuffle_tree=False, link_host=None,
                 url_lifetime_s=3600.0, url_style="cloudfront", compress_files=True, serve_direct=False, ranges=True,
                 lengths=True, drop_headers=(), charge_cache=False, catalogue=None, accounts=None):
        self.page_size, self.shuffle_tree, self.link_host = page_size, shuffle_tree, link_host
        self.compress_files, self.serve_direct = compress_files, serve_direct
        self.ranges, self.lengths, self.drop_headers = ranges, lengths, list(drop_headers)
        self.charge_cache = charge_cache
        self.prefix = prefix.rstrip("/")
        self.catalogue = catalogue or Catalogue()
        self.accounts = accounts or Accounts()
        if accounts is None:
            self.accounts.add(READER, TOKEN)
            self.accounts.add(STRANGER, STRANGER_TOKEN)
        self.token, self.stranger_token = TOKEN, STRANGER_TOKEN
        self.log, self.faults, self.limits = Log(), Faults(), Limits()
        self.cdn = Cdn(self, url_lifetime_s, url_style)
        self._api, self._resolve, self.control = Api(self), Resolve(self), Control(self)
        self._lock = threading.Lock()
        self._http2 = http2
        self._tls = Tls.of(tls)
        cdn_tls = self._tls if cdn_tls is None else Tls.of(cdn_tls)
        self.listeners = {}
        self.origin = self._listen("api", host, name, port, self._tls, self._answer_api)
        self.cdn.origin = self._listen("cdn", cdn_host, cdn_name, cdn_port, cdn_tls, self._answer_cdn)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends everything; no thread and no socket is left."""
        for listener in self.listeners.values():
            listener.closing = True           # before the gates open, or what they hold would go on
        self.faults.clear()
        for listener in self.listeners.values():
            listener.close()

    def _listen(self, role, host, name, port, tls, answer):
        exchange = Exchange(role, answer, self.log, self.faults, lambda: self.accounts.tokens,
                            self._http2)
        context = tls.context() if tls else None
        if context and self._http2:
            context.set_alpn_protocols(["h2"] + list(tls.alpn))
        listener = Listener(role, host, port, exchange, self.log, context,
                            self.faults.meet)
        self.listeners[role] = listener
        name = name or ("[%s]" % host if ":" in host else host)
        return "%s://%s:%d" % ("https" if tls else "http", name, listener.port)

    # Where things are.

    @property
    def endpoint(self):
        """What HF_ENDPOINT is set to."""
        return self.origin + self.prefix

    def address(self, role="api"):
        """(address, port) on which a host listens."""
        return self.listeners[role].host, self.listeners[role].port

    @property
    def cas_url(self):
        return self.cdn.origin + "/cas"

    @property
    def ca_path(self):
        """The certificate to trust, as a path; for Hubs with TLS."""
        return str(authority().ca_path)

    @property
    def sink(self):
        """The origin of a third host, opened when first asked for: it answers 404 and records what comes."""
        with self._lock:
            if "sink" not in self.listeners:
                self._sink = self._listen("sink", "127.0.0.3", None, 0, self._tls, self._answer_sink)
            return self._sink

    def mirror(self, **settings):
        """Another Hub with the same repositories and accounts, and its own log and faults."""
        return Hub(catalogue=self.catalogue, accounts=self.accounts, **settings)

    # Repositories.

    def model(self, repo_id, files=None, **settings):
        return self.repo("model", repo_id, files, **settings)

    def dataset(self, repo_id, files=None, **settings):
        return self.repo("dataset", repo_id, files, **settings)

    def space(self, repo_id, files=None, **settings):
        return self.repo("space", repo_id, files, **settings)

    def repo(self, kind, repo_id, files=None, **settings):
        """A repository, with a first commit on main when there are files. `reader` may see it and download from it,
        `stranger` is a user without rights; both have tokens (self.token, self.stranger_token)."""
        settings.setdefault("readers", [READER])
        settings.setdefault("accepted", [READER])
        repo = Repo(kind, repo_id, **settings)
        if files is not None:
            repo.commit(files)
        return self.catalogue.add(repo)

    def rename(self, old, new, kind="model"):
        self.catalogue.rename(kind + "s", old, new)

    def alias(self, old, new, kind="model"):
        self.catalogue.alias(kind + "s", old, new)

    # Trouble.

    def fault(self, kind, match=None, times=1, after=0, each=None, **rest):
        """Switches a fault on and returns it; see faults.py."""
        return self.faults.add(Fault(kind, match, times, after, each, **rest))

    def door(self, how, host="api", times=1, after=0):
        """A fault of the connection itself, before HTTP; see faults.Door."""
        return self.faults.add(Door(how, host, times, after))

    def gate(self, match=None, at=0, **rest):
        """Holds every matching transfer at byte `at` of its body until release(); wait() tells when one is held."""
        return self.fault("gate", match, None, at=at, **rest)

    def throttle(self, bytes_per_s, match=None, per="connection", **rest):
        """No faster than that, for each connection or for all together; clear() lifts it."""
        return self.fault("throttle", match, None, bytes_per_s=bytes_per_s, per=per, **rest)

    def latency(self, seconds, match=None, **rest):
        return self.fault("delay", match, None, seconds=seconds, **rest)

    def when(self, do, match=None, times=1, after=0, each=None, **rest):
        """Calls `do(request)` when a matching request has been answered in thought but not yet in bytes: a push in
        the middle of a listing, a token revoked between two files."""
        return self.fault("call", match, times, after, each, do=do, **rest)

    def rate_limit(self, bucket, quota, window_s=300, retry_after=None):
        """Buckets: api, resolvers, pages. retry_after: None, "seconds", "date", or the header's literal value."""
        self.limits.set(bucket, quota, window_s, retry_after)

    def expire_urls(self):
        self.cdn.expire_all()

    def down(self, *roles):
        """Refuses new connections and drops those there are; up() listens again on the same ports."""
        for role in roles or list(self.listeners):
            self.listeners[role].shut()
            self.listeners[role].drop_connections()

    def up(self, *roles):
        for role in roles or list(self.listeners):
            self.listeners[role].open()

    def pause_accept(self, role="api", paused=True):
        self.listeners[role].pause(paused)

    def drop_connections(self, role="api", how="rst"):
        self.listeners[role].drop_connections(how)

    def left(self, timeout_s=5):
        """Waits until nothing of clients that ended is on its way: their connections are accepted, the requests they
        had sent are read, and no connection is open. False when that takes too long. Whoever kills a client and then
        counts requests, or sets a fault for the next one, waits for this first."""
        give_up_at = time.monotonic() + timeout_s
        calm = 0
        while calm < 2:     # twice, for the moment between a connection's acceptance and its being counted
            calm = 0 if self.log.open.now.get(None) or any(map(Listener.backlog, self.listeners.values())) else calm + 1
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.005)
        return self.log.settle(timeout_s)

    def reset(self):
        """Forgets log, faults and rate limits; repositories stay."""
        self.faults.clear()
        self.limits.clear()
        self.log.clear()

    # What was asked.

    def requests(self, **want):
        """Records that match, e.g. requests(host="cdn", method="GET", file="*.safetensors"); see log.Log.find."""
        return self.log.find(**want)

    def count(self, **want):
        return len(self.log.find(**want))

    def bytes_sent(self, file=None, host=None):
        """Bytes of body sent for a file (a path, or a glob), or in all. Sent means handed to the kernel: a client that
        is killed has read less, by what the socket buffers hold, unless a gate or a throttle kept them empty."""
        want = {k: v for k, v in (("file", file), ("host", host)) if v is not None}
        self.log.settle(0.3)
        return sum(r.sent for r in self.log.find(**want))

    def max_connections(self, host=None):
        return self.log.open.peak.get(host, 0)

    def max_active(self, host=None):
        """The most requests that were being answered at the same time."""
        return self.log.active.peak.get(host, 0)

    def token_seen_by(self):
        """Hosts that were shown an Authorization header, or a known token in any other place: role → requests."""
        seen = {}
        for record in self.log.find():
            if record.token or record.leak:
                seen[record.host] = seen.get(record.host, 0) + 1
        return seen

    def leaks(self):
        """Requests that showed the token to a host that is not the endpoint."""
        return self.log.find(leak=True)

    # Answers.

    def redirect(self, location, status=307):
        location = self.prefix + location if location.startswith("/") else location
        text = "%s. Redirecting to %s" % (wire.REASONS.get(status, "Redirect"), location)
        return wire.Reply(status, [("Location", location), ("Content-Type", "text/plain; charset=utf-8")], text)

    def _answer_api(self, request):
        if request.path.startswith("/_hub/"):
            return self.control.answer(request)
        if self.prefix:
            if not request.raw_path.startswith(self.prefix + "/"):
                return wire.text_reply(404, "Not found")
            request.raw_path = request.raw_path[len(self.prefix):]
        parts = request.segments
        cache = parts[:2] == ["api", "resolve-cache"]
        request.bucket = "resolvers" if cache or "resolve" in parts[1:4] else "api" if parts[0] == "api" else "pages"
        charge = None
        try:
            caller = self.accounts.caller(request)
            if not cache or self.charge_cache:
                charge = self.limits.charge(request.bucket, caller.name)
                if not charge.granted:
                    return self._finish(wire.Reply(429, charge.retry_after() + [("Content-Type", "text/html")],
                                                   HTML_429), request, charge)
            if cache:
                reply = self._resolve.answer_cache(request, caller)
            elif parts[0] == "api":
                reply = self._api.answer(request, caller)
            else:
                reply = self._resolve.answer(request, caller)
            if reply is None:
                reply = wire.Reply(404, [("Content-Type", "text/html")], "<!DOCTYPE html><h1>404</h1>")
        except Refusal as refusal:
            reply = self._refused(refusal, parts[0] == "api" and not cache)
        return self._finish(reply, request, charge)

    def _refused(self, refusal, as_json):
        reply = wire.Reply(refusal.status, refusal.headers)
        if refusal.code:
            reply.set("X-Error-Code", refusal.code)
        reply.set("X-Error-Message", refusal.message)
        if as_json:
            reply.json = {"error": refusal.message}
        else:
            reply.set("Content-Type", "text/plain; charset=utf-8")
            reply.body = wire.Bytes(refusal.message)
        return reply

    def _finish(self, reply, request, charge=None):
        if charge:
            reply.headers += charge.headers()
        reply.set("X-Request-Id", wire.request_id())
        return self._as_mirror(reply, request)

    def _as_mirror(self, reply, request):
        if not self.ranges:
            reply.drop("Accept-Ranges")
            if reply.status in (206, 416) and reply.content is not None:
                reply.status, reply.body, reply.begin = 200, reply.content, 0
                reply.drop("Content-Range")
        if not self.lengths and reply.framing == "length":
            reply.framing = "chunked"
        return reply.drop(*self.drop_headers)

    def _answer_cdn(self, request):
        return self._as_mirror(self.cdn.answer(request), request)

    def _answer_sink(self, request):
        return wire.text_reply(404, "nothing here")

"""The CDN: another host that serves bytes to whoever holds a signed URL, for as long as the signature lives.

Two styles are in use. CloudFront states an absolute `Expires`; S3 (V4) a date and a lifetime. Expiry is checked when a
request begins. The ETag of this host is 64 hex digits, and they are not the file's: it names a storage key.
"""
from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.parse

from . import wire

XML = ('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message>'
       "<RequestId>%s</RequestId></Error>")


class Issue:
    """One signed URL: what it leads to and until when."""

    def __init__(self, path, content, repo, file, expires_at):
        self.path, self.content, self.repo, self.file, self.expires_at = path, content, repo, file, expires_at


class Cdn:
    def __init__(self, hub, lifetime_s=3600.0, style="cloudfront"):
        self.hub = hub
        self.lifetime_s, self.style = lifetime_s, style
        self.origin = None                # set by the Hub once the listener is open
        self._key = os.urandom(32)
        self._lock = threading.Lock()
        self._issues = {}

    def sign(self, repo, path, file):
        """A URL for a file, valid for `lifetime_s` from now."""
        now = time.time()
        expires_at = now + self.lifetime_s
        folder = hashlib.sha256(repo.web_path.encode()).hexdigest()
        name = urllib.parse.quote('inline; filename="%s"' % path.split("/")[-1], safe="", errors="replace")
        if self.style == "s3":
            url_path = "/repos/%s/%s/%s/%s" % (folder[:2], folder[2:4], folder, file.sha256)
            signature = self._signature(url_path, path, expires_at).hex()
            query = ("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"
                     "&X-Amz-Credential=AKIAEXAMPLE%%2F%s%%2Fus-east-1%%2Fs3%%2Faws4_request&X-Amz-Date=%s"
                     "&X-Amz-Expires=%d&X-Amz-Signature=%s&X-Amz-SignedHeaders=host&response-content-disposition=%s"
                     "&x-id=GetObject" % (time.strftime("%Y%m%d", time.gmtime(now)),
                                          time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now)),
                                          max(1, int(self.lifetime_s)), signature, name))
        else:
            url_path = "/xet-bridge-us/%s/%s" % (folder[:24], storage_key(file))
            signature = _web64(self._signature(url_path, path, expires_at))
            policy = _web64(json.dumps({"Statement": [{"Condition": {"DateLessThan": {
                "AWS:EpochTime": int(expires_at)}}}]}).encode())
            query = ("X-Xet-Cas-Uid=public&response-content-disposition=%s&Expires=%d&Policy=%s&Signature=%s"
                     "&Key-Pair-Id=K2L8F4GPSG1IFC" % (name, int(expires_at), policy, signature))
        with self._lock:
            self._issues[signature] = Issue(url_path, file.content, repo.web_path, path, expires_at)
        return "%s%s?%s" % (self.origin, url_path, query)

    def _signature(self, url_path, path, expires_at):
        text = "%s\n%s\n%r" % (url_path, path, expires_at)
        return hmac.new(self._key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()

    def expire_all(self):
        """Every URL handed out so far is dead, whatever date it bears."""
        with self._lock:
            for issue in self._issues.values():
                issue.expires_at = 0.0

    def answer(self, request):
        if request.header("authorization") is not None:
            return xml_reply(400, "InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm query "
                             "parameter, Signature query string parameter or the Authorization header")
        if request.method not in ("GET", "HEAD"):
            return xml_reply(405, "MethodNotAllowed", "The specified method is not allowed")
        params = request.params()
        signature = (params.get("Signature") or params.get("X-Amz-Signature") or [""])[-1]
        issue = self._issues.get(signature)
        if issue is None or issue.path != request.raw_path:
            return xml_reply(403, "AccessDenied", "Access denied")
        stated = params.get("Expires")
        if stated and int(issue.expires_at) and stated != [str(int(issue.expires_at))]:
            return xml_reply(403, "AccessDenied", "Access denied")
        request.repo, request.file = issue.repo, issue.file
        if time.time() >= issue.expires_at:
            return expired()
        key = request.raw_path.rpartition("/")[2]
        return wire.ranged(request, issue.content, [
            ("Content-Type", "binary/octet-stream"), ("Last-Modified", "Mon, 01 Jun 2026 08:00:00 GMT"),
            ("ETag", '"%s"' % hashlib.sha256(b"storage:" + key.encode()).hexdigest()),
            ("Cache-Control", "public, max-age=31536000"), ("X-Cache", "Hit from cloudfront"),
            ("x-amz-cf-id", wire.request_id()[-24:])])


def expired():
    return xml_reply(403, "AccessDenied", "Request has expired")


def xml_reply(status, code, message):
    return wire.Reply(status, [("Content-Type", "application/xml")], XML % (code, message, wire.request_id()[-16:]))


def storage_key(file):
    return hashlib.sha256(b"key:" + file.sha256.encode()).hexdigest()


def _web64(data):
    """Base64 with CloudFront's alphabet."""
    return base64.b64encode(data).decode().replace("+", "-").replace("=", "_").replace("/", "~")

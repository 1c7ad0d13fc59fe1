"""Rate limits: fixed windows per bucket and caller, told in RateLimit headers on every reply.

    RateLimit: "resolvers";r=2998;t=172
    RateLimit-Policy: "fixed window";"resolvers";q=3000;w=300
"""
from __future__ import annotations

import email.utils
import math
import threading
import time

QUOTAS = {"api": 1_000_000, "resolvers": 5_000_000, "pages": 100_000}
HTML_429 = (b"<!DOCTYPE html><html><head><title>429 Too Many Requests</title></head><body><h1>429</h1>"
            b"<p>We had to rate limit you. To continue using our service, create a HF account or login.</p>"
            b"</body></html>")


class Bucket:
    """`quota` requests per `window_s`. `retry_after` tells the form of that header on a refusal: None, "seconds",
    "date", or a literal value to send as it is."""

    def __init__(self, name, quota, window_s=300, retry_after=None):
        self.name, self.quota, self.window_s, self.retry_after = name, quota, window_s, retry_after
        self._began_at = time.monotonic()
        self._used = {}

    def charge(self, caller):
        now = time.monotonic()
        if now - self._began_at >= self.window_s:
            self._began_at += (now - self._began_at) // self.window_s * self.window_s
            self._used.clear()
        used = self._used[caller] = self._used.get(caller, 0) + 1
        wait_s = max(1, math.ceil(self._began_at + self.window_s - now))
        return Charge(self, used <= self.quota, max(0, self.quota - used), wait_s)


class Charge:
    def __init__(self, bucket, granted, left, wait_s):
        self.bucket, self.granted, self.left, self.wait_s = bucket, granted, left, wait_s

    def headers(self):
        return [("RateLimit", '"%s";r=%d;t=%d' % (self.bucket.name, self.left, self.wait_s)),
                ("RateLimit-Policy", '"fixed window";"%s";q=%d;w=%d'
                 % (self.bucket.name, self.bucket.quota, math.ceil(self.bucket.window_s)))]

    def retry_after(self):
        return retry_after(self.bucket.retry_after, self.wait_s)


def retry_after(form, wait_s):
    """Header lines for a wait of so many seconds, in the form asked for."""
    if form is None:
        return []
    if form == "seconds":
        return [("Retry-After", str(wait_s))]
    if form == "date":
        return [("Retry-After", email.utils.formatdate(time.time() + wait_s, usegmt=True))]
    return [("Retry-After", str(form))]


class Limits:
    def __init__(self):
        self._lock = threading.Lock()
        self.clear()

    def clear(self):
        self._buckets = {name: Bucket(name, quota) for name, quota in QUOTAS.items()}

    def set(self, name, quota, window_s=300, retry_after=None):
        with self._lock:
            self._buckets[name] = Bucket(name, quota, window_s, retry_after)

    def charge(self, name, caller):
        with self._lock:
            return self._buckets[name].charge(caller)

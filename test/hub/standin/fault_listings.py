"""Kinds of faults, continued: what goes wrong in listings and other JSON. They edit the document before it is text."""
from __future__ import annotations

import json

from . import wire
from .faults import NotHere, kind
from .repos import git


def _json(reply):
    if reply.json is None:
        raise NotHere()
    return reply.json


def _page(reply):
    """The entries of a tree page."""
    if not isinstance(reply.json, list):
        raise NotHere()
    return reply.json


@kind("json-cut")
def json_cut(fault, request, reply, at=None):
    """A JSON document that ends at byte `at` (half way), in a complete answer."""
    _json(reply)
    text = json.dumps(reply.json).encode()
    reply.json, reply.body = None, wire.Bytes(text[:len(text) // 2 if at is None else at])
    reply.set("Content-Type", "application/json; charset=utf-8")


@kind("json-text")
def json_text(fault, request, reply, text):
    """Any text in place of the document: NaN, 1e999, a byte order mark, nothing."""
    reply.json = None
    reply.body = wire.Bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    reply.set("Content-Type", "application/json; charset=utf-8")


@kind("json-deep")
def json_deep(fault, request, reply, depth=100_000):
    """A document nested `depth` deep."""
    json_text(fault, request, reply, "[" * depth + "]" * depth)


@kind("json-edit")
def json_edit(fault, request, reply, set=None, drop=(), edit=None):
    """Sets and drops keys of a JSON object (of every entry of a list); `edit`: a function from document to document."""
    document = _json(reply)
    items = document if isinstance(document, list) else [document]
    items = [{k: v for k, v in dict(item, **(set or {})).items() if k not in drop} for item in items]
    document = items if isinstance(document, list) else items[0]
    reply.json = edit(document) if edit else document


@kind("no-sha")
def no_sha(fault, request, reply):
    """Repo info without its commit."""
    json_edit(fault, request, reply, drop=("sha",))


@kind("list-add")
def list_add(fault, request, reply, entries=(), names=(), content="x", first=False):
    """More in a tree page: raw `entries`, or files called `names` (../x, /abs, NUL, surrogates: nothing is checked)."""
    file = git(content).settle("")
    entries = list(entries) + [file.entry(name) for name in names]
    reply.json = entries + _page(reply) if first else _page(reply) + entries


@kind("list-drop")
def list_drop(fault, request, reply, names):
    """A tree page that keeps quiet about some files."""
    reply.json = [e for e in _page(reply) if e["path"] not in names]


@kind("list-change")
def list_change(fault, request, reply, name, set=None, drop=()):
    """Other fields for one entry of a tree page: size, oid, lfs, type."""
    if not any(e["path"] == name for e in _page(reply)):
        raise NotHere()
    reply.json = [{k: v for k, v in dict(e, **(set or {})).items() if k not in drop} if e["path"] == name else e
                  for e in reply.json]


@kind("list-twice")
def list_twice(fault, request, reply, name, set=None):
    """One entry a second time, with other fields if `set`."""
    found = [e for e in _page(reply) if e["path"] == name]
    if not found:
        raise NotHere()
    reply.json = reply.json + [dict(found[0], **(set or {}))]


@kind("next-link")
def next_link(fault, request, reply, to):
    """Another next link on a tree page: a URL, "self" (a loop), "again" (a new cursor to the same page), or None."""
    _page(reply)
    if to is None:
        reply.drop("Link")
        return
    if to in ("self", "again"):
        own = "%s://%s%s" % ("https" if request.record.tls else "http", request.header("host"), request.target)
        to = own if to == "self" else "%s%strick=%d" % (own.split("&trick=")[0].split("?trick=")[0],
                                                       "&" if "?" in own else "?", fault.hits)
    reply.set("Link", '<%s>; rel="next"' % to)


@kind("mask-xet")
def mask_xet(fault, request, reply):
    """Xet hashes shown as 64 asterisks."""
    reply.json = [dict(e, xetHash="*" * 64) if "xetHash" in e else e for e in _page(reply)]

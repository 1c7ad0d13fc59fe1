"""The Hub's API host: repo info, tree, paths-info, refs, whoami, Xet token. (source: huggingface_hub, hf_api.py)"""
from __future__ import annotations

import base64
import hashlib
import json
import time
import urllib.parse

from . import wire
from .access import Refusal
from .repos import TYPES

PAGE = 1000
PAGE_EXPANDED = 50
MAX_PATHS = 1000
VERBS = ("revision", "tree", "paths-info", "refs", "xet-read-token", "resolve", "raw", "commits")


def split_repo(segments):
    """Raw segments that start with a repository id → (id, the rest). Canonical ids such as gpt2 have one segment."""
    count = 1 if len(segments) == 1 or segments[1] in VERBS else 2
    if any("%2F" in part.upper() for part in segments[:count]):
        return None, []
    return "/".join(wire.decode(part) for part in segments[:count]), segments[count:]


class Api:
    def __init__(self, hub):
        self.hub = hub

    def answer(self, request, caller):
        """The reply to a path below /api/."""
        parts = request.segments[1:]
        if parts == ["whoami-v2"]:
            return self.whoami(caller)
        if not parts or parts[0] not in TYPES or len(parts) < 2:
            raise Refusal(404, None, "Sorry, we can't find the page you are looking for.")
        plural = parts[0]
        repo_id, rest = split_repo(parts[1:])
        request.repo = repo_id if plural == "models" else "%s/%s" % (plural, repo_id)
        new_id = self.hub.catalogue.moved_to(plural, repo_id)
        if new_id:
            tail = "/".join(["", "api", plural, new_id] + rest)
            return self.hub.redirect(tail + ("?" + request.query if request.query else ""))
        repo = self.hub.catalogue.find(plural, repo_id)
        caller.must_see(repo)
        verb = rest[0] if rest else "info"
        if verb in ("info", "revision"):
            return self.info(request, repo, wire.decode("/".join(rest[1:])) if rest[1:] else "main")
        if verb == "refs":
            return self.refs(request, repo)
        if len(rest) < 2:
            raise Refusal(404, None, "Sorry, we can't find the page you are looking for.")
        commit = must_find(repo, wire.decode(rest[1]))
        if verb == "tree":
            return self.tree(request, caller, repo, commit, rest[1], wire.decode("/".join(rest[2:])).strip("/"))
        if verb == "paths-info":
            return self.paths_info(request, caller, repo, commit)
        if verb == "xet-read-token":
            caller.must_download(repo)
            return self.xet_read_token(repo, commit)
        raise Refusal(404, None, "Sorry, we can't find the page you are looking for.")

    def info(self, request, repo, revision):
        commit = must_find(repo, revision)
        siblings = []
        blobs = request.flag("blobs")
        for path, file in sorted(commit.files.items()):
            item = {"rfilename": path}
            if blobs:
                item.update(size=file.size, blobId=file.oid)
                if file.is_lfs:
                    item["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
            siblings.append(item)
        info = {"_id": hashlib.sha1(repo.web_path.encode()).hexdigest()[:24], "id": repo.id}
        if repo.kind == "model":
            info.update(modelId=repo.id, pipeline_tag="text-generation", library_name="transformers")
        if repo.kind == "space":
            info.update(sdk="static", subdomain=repo.id.replace("/", "-"))
        info.update({
            "author": repo.id.partition("/")[0] if "/" in repo.id else None, "sha": commit.sha,
            "lastModified": commit.date, "createdAt": "2026-06-01T08:00:00.000Z", "private": repo.private,
            "gated": repo.gated, "disabled": repo.disabled, "downloads": 12, "likes": 0, "tags": [],
            "usedStorage": sum(f.size for f in commit.files.values()), "siblings": siblings})
        names = request.params().get("expand", []) + request.params().get("expand[]", [])
        if names:
            if repo.kind == "space" and "gated" in names:
                raise Refusal(400, None, '"expand" must be one of [sha, private, disabled, siblings, ...]')
            info = {k: v for k, v in info.items() if k in names or k in ("_id", "id")}
        return wire.Reply(json=info)

    def tree(self, request, caller, repo, commit, raw_revision, path):
        expand = request.flag("expand")
        entries = commit.listing(path, request.flag("recursive"))
        if entries is None:
            raise Refusal(404, "EntryNotFound", "%s does not exist on %s" % (path, commit.sha),
                          [("X-Repo-Commit", commit.sha)])
        if self.hub.shuffle_tree:
            entries = sorted(entries, key=lambda e: hashlib.sha1(e["path"].encode("utf-8", "replace")).digest())
        page = min(PAGE_EXPANDED, self.hub.page_size) if expand else self.hub.page_size
        params = request.params()
        page = min(page, int(params.get("limit", [page])[-1]))
        begin = read_cursor(params["cursor"][-1]) if "cursor" in params else 0
        shown = caller.veil(repo, entries[begin:begin + page])
        if expand:
            shown = [dict(e, lastCommit={"id": commit.sha, "title": commit.title, "date": commit.date},
                          securityFileStatus={"status": "safe"}) for e in shown]
        reply = wire.Reply(json=shown)
        if begin + page < len(entries):
            query = urllib.parse.urlencode([("recursive", _word(request.flag("recursive"))), ("expand", _word(expand)),
                                            ("limit", page), ("cursor", write_cursor(begin + page))])
            tail = "/" + wire.encode_segment(path) if path else ""
            url = "%s/api/%s/%s/tree/%s%s?%s" % (self.hub.link_host or self.hub.endpoint, repo.plural, repo.id,
                                                 raw_revision, tail, query)
            reply.set("Link", '<%s>; rel="next"' % url)
        return reply

    def paths_info(self, request, caller, repo, commit):
        if request.method != "POST":
            raise Refusal(405, None, "Method not allowed")
        text = request.body.decode("utf-8", "surrogateescape")
        if "json" in request.header("content-type", ""):
            try:
                paths = json.loads(text or "{}").get("paths", [])
            except (ValueError, AttributeError):
                raise Refusal(400, None, "Invalid JSON")
        else:
            paths = urllib.parse.parse_qs(text, keep_blank_values=True).get("paths", [])
        if len(paths) > MAX_PATHS:
            raise Refusal(413, None, "too many parameters")
        entries = commit.entries()
        return wire.Reply(json=caller.veil(repo, [entries[p] for p in paths if p in entries]))

    def refs(self, request, repo):
        groups = {"branches": [], "converts": [], "tags": []}
        if request.flag("include_prs"):
            groups["pullRequests"] = []
        for ref, sha in sorted(repo.refs.items()):
            folder, _, name = ref[len("refs/"):].partition("/")
            group = {"heads": "branches", "convert": "converts", "tags": "tags", "pr": "pullRequests"}[folder]
            if group in groups:
                groups[group].append({"name": name, "ref": ref, "targetCommit": sha})
        return wire.Reply(json=groups)

    def whoami(self, caller):
        if caller.user is None:
            raise Refusal(401, None, "Invalid username or password.")
        return wire.Reply(json={
            "type": "user", "id": hashlib.sha1(caller.user.encode()).hexdigest()[:24], "name": caller.user,
            "fullname": caller.user, "email": caller.user + "@hub.test", "isPro": False, "orgs": [],
            "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": "read",
                                                             "createdAt": "2026-06-01T08:00:00.000Z"}}})

    def xet_read_token(self, repo, commit):
        """A token nobody will honour: this Hub has no content-addressed store."""
        exp = int(time.time()) + 3600
        token = "xet_" + hashlib.sha1((repo.web_path + commit.sha).encode()).hexdigest()
        return wire.Reply(json={"casUrl": self.hub.cas_url, "exp": exp, "accessToken": token}, headers=[
            ("X-Xet-Cas-Url", self.hub.cas_url), ("X-Xet-Token-Expiration", exp), ("X-Xet-Access-Token", token)])


def must_find(repo, revision):
    commit = repo.find(revision)
    if commit is None:
        raise Refusal(404, "RevisionNotFound", "Invalid rev id: %s" % revision)
    return commit


def write_cursor(position):
    return base64.b64encode(json.dumps({"at": position}).encode()).decode()


def read_cursor(text):
    try:
        return int(json.loads(base64.b64decode(text, validate=True))["at"])
    except (ValueError, KeyError, TypeError):
        raise Refusal(400, None, "Invalid cursor")


def _word(flag):
    return "true" if flag else "false"

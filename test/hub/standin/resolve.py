"""Where files are asked for: /resolve/, /api/resolve-cache/ and /raw/.

    regular git blob, public     307 to /api/resolve-cache/…, 200 there
    regular git blob, private    200
    LFS and Xet                  302 to a signed URL of the CDN
"""
from __future__ import annotations

import gzip

from . import wire
from .access import Refusal
from .api import must_find, split_repo
from .repos import TYPES

TEXT = (".json", ".txt", ".md", ".py", ".jinja", ".yaml", ".csv", ".html", ".gitattributes")


class Resolve:
    def __init__(self, hub):
        self.hub = hub

    def answer(self, request, caller):
        """The reply to /{prefix}{id}/{resolve|raw}/{revision}/{path}; None when that is not what was asked."""
        parts = request.segments
        plural = parts[0] if parts[0] in ("datasets", "spaces") else "models"
        rest = parts if plural == "models" else parts[1:]
        if not rest or not any(verb in rest[1:3] for verb in ("resolve", "raw")):
            return None
        repo_id, rest = split_repo(rest)
        if repo_id is None or len(rest) < 3 or rest[0] not in ("resolve", "raw"):
            return None
        return self.find(request, caller, plural, repo_id, rest)

    def find(self, request, caller, plural, repo_id, rest):
        verb, revision, path = rest[0], wire.decode(rest[1]), wire.decode("/".join(rest[2:]))
        request.repo = repo_id if plural == "models" else "%s/%s" % (plural, repo_id)
        request.file = path
        new_id = self.hub.catalogue.moved_to(plural, repo_id)
        if new_id:
            prefix = "" if plural == "models" else "/" + plural
            return self.hub.redirect("%s/%s/%s" % (prefix, new_id, "/".join(rest)))
        repo = self.hub.catalogue.find(plural, repo_id)
        caller.must_see(repo)
        caller.must_download(repo)
        commit = must_find(repo, revision)
        file = commit.files.get(path)
        if file is None:
            raise Refusal(404, "EntryNotFound", "Entry not found", [("X-Repo-Commit", commit.sha)])
        if verb == "raw":
            return self.raw(request, file, commit)
        if file.is_lfs:
            return self.linked(request, repo, commit, file, path)
        if repo.private or self.hub.serve_direct:
            return self.direct(request, commit, file, path)
        return self.cached(request, repo, commit, file, path)

    def linked(self, request, repo, commit, file, path):
        """302 to the CDN, with everything a client needs to know about the file in this answer's headers."""
        headers = [("X-Repo-Commit", commit.sha), ("X-Linked-Size", file.size),
                   ("X-Linked-Etag", '"%s"' % file.sha256), ("ETag", '"%s"' % file.sha256),
                   ("Accept-Ranges", "bytes"), ("Cache-Control", "no-cache")]
        if file.kind == "xet":
            headers += [("X-Xet-Hash", file.xet_hash), ("Link", ", ".join([
                '<%s/api/%s/%s/xet-read-token/%s>; rel="xet-auth"' % (
                    self.hub.link_host or self.hub.endpoint, repo.plural, repo.id, commit.sha),
                '<%s/v1/reconstructions/%s>; rel="xet-reconstruction-info"' % (self.hub.cas_url, file.xet_hash)]))]
        if self.hub.serve_direct:
            return wire.ranged(request, file.content, headers[:-2])
        url = self.hub.cdn.sign(repo, path, file)
        return wire.Reply(302, headers + [("Location", url), ("Content-Type", "text/plain; charset=utf-8")],
                          "Found. Redirecting to " + url)

    def cached(self, request, repo, commit, file, path):
        encoded = wire.encode_path(path)
        origin = wire.encode_segment("/%s/resolve/%s/%s" % (repo.web_path, commit.sha, encoded))
        to = "/api/resolve-cache/%s/%s/%s/%s?%s=&etag=%%22%s%%22" % (
            repo.plural, repo.id, commit.sha, encoded, origin, file.oid)
        return self.hub.redirect(to)

    def answer_cache(self, request, caller):
        """/api/resolve-cache/{plural}/{id}/{commit}/{path}: for public files; its query is decoration."""
        parts = request.segments[2:]
        if len(parts) < 4 or parts[0] not in TYPES:
            raise Refusal(404, None, "Not found")
        plural, rest = parts[0], parts[1:]
        for count in (2, 1):
            repo = self.hub.catalogue.find(plural, "/".join(wire.decode(p) for p in rest[:count]))
            if repo is not None:
                break
        caller.must_see(repo)
        request.repo, request.file = repo.web_path, wire.decode("/".join(rest[count + 1:]))
        commit = must_find(repo, wire.decode(rest[count]))
        file = commit.files.get(request.file)
        if file is None:
            raise Refusal(404, "EntryNotFound", "Entry not found", [("X-Repo-Commit", commit.sha)])
        return self.direct(request, commit, file, request.file)

    def direct(self, request, commit, file, path):
        headers = [("X-Repo-Commit", commit.sha), ("ETag", '"%s"' % file.etag),
                   ("Content-Type", "text/plain; charset=utf-8" if path.endswith(TEXT) else "application/octet-stream"),
                   ("Content-Disposition", "inline; filename*=UTF-8''%s" % wire.encode_segment(path.split("/")[-1]))]
        if request.header("if-none-match") == '"%s"' % file.etag:
            return wire.Reply(304, headers)
        squeeze = (self.hub.compress_files and request.method == "GET" and request.accepts_gzip()
                   and request.header("range") is None and path.endswith(TEXT) and file.size > 512)
        if not squeeze:
            return wire.ranged(request, file.content, headers)
        reply = wire.Reply(200, headers, gzip.compress(file.content.read(), 1), content=file.content)
        reply.set("ETag", 'W/"%s"' % file.etag).set("Content-Encoding", "gzip").set("Vary", "Accept-Encoding")
        reply.framing = "chunked"
        return reply

    def raw(self, request, file, commit):
        body = wire.Bytes(file.pointer) if file.is_lfs else file.content
        return wire.ranged(request, body, [("X-Repo-Commit", commit.sha), ("ETag", '"%s"' % file.oid),
                                           ("Content-Type", "text/plain; charset=utf-8")])

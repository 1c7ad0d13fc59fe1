"""Repositories as data: files, commits, refs. Nothing here knows HTTP.

    repo.commit({"config.json": b"{}", "model.safetensors": xet(256 << 20)})      on main
    repo.commit({"notes.md": "hi"}, branch="feat/x")                               a branch, made from main
    repo.tag("v1.0"); repo.pull_request(1, {"config.json": b"[]"}); repo.convert("parquet", {...})
"""
from __future__ import annotations

import hashlib
import re
import threading
import time
from pathlib import Path

from .content import Content, content_of, hash_in_parallel

PLURALS = {"model": "models", "dataset": "datasets", "space": "spaces"}
TYPES = {plural: kind for kind, plural in PLURALS.items()}
MASKED = "*" * 64
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_LARGE = 4 << 20


class File:
    """One file of a commit. `kind` is git (the content is a git blob), lfs, or xet (lfs with a Xet hash)."""

    def __init__(self, kind, value):
        self.kind = kind
        self.value = value
        self.content = value if isinstance(value, Content) else None

    def settle(self, seed):
        """Synthetic sizes get their seed from where the file lies, so that no two files have the same bytes."""
        if self.content is None:
            self.content = content_of(self.value, seed)
        return self

    @property
    def is_lfs(self):
        return self.kind != "git"

    @property
    def size(self):
        return self.content.size

    @property
    def sha256(self):
        return self.content.sha256

    @property
    def pointer(self):
        """The text git keeps in place of an LFS file. (source: git-lfs, docs/spec.md)"""
        return ("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"
                % (self.sha256, self.size)).encode()

    @property
    def oid(self):
        if not self.is_lfs:
            return self.content.git_sha1
        pointer = self.pointer
        return hashlib.sha1(b"blob %d\0%s" % (len(pointer), pointer)).hexdigest()

    @property
    def etag(self):
        """What the Hub names the content by: sha256 for LFS and Xet, the git blob id otherwise."""
        return self.sha256 if self.is_lfs else self.oid

    @property
    def xet_hash(self):
        return hashlib.sha256(b"xet:" + self.sha256.encode()).hexdigest() if self.kind == "xet" else None

    def entry(self, path):
        """The file as the tree listing shows it; `size` is that of the content, also for LFS."""
        entry = {"type": "file", "oid": self.oid, "size": self.size, "path": path}
        if self.is_lfs:
            entry["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": len(self.pointer)}
        if self.kind == "xet":
            entry["xetHash"] = self.xet_hash
        return entry


def git(value):
    return File("git", value)


def lfs(value):
    return File("lfs", value)


def xet(value):
    return File("xet", value)


def folder(root):
    """A directory of this machine as files of a commit; above 10 MB they are LFS, as the Hub demands."""
    files = {}
    for path in sorted(Path(root).rglob("*")):
        if path.is_file():
            name = path.relative_to(root).as_posix()
            files[name] = File("lfs" if path.stat().st_size > 10_000_000 else "git", path)
    return files


class Commit:
    """A frozen set of files. `sha` is 40 hex, a function of repository, parent and content names."""

    def __init__(self, sha, files, parent, title):
        self.sha, self.files, self.parent, self.title = sha, files, parent, title
        self.date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        self._lock = threading.Lock()
        self._entries = None
        self._listings = {}

    def __repr__(self):
        return "<commit %s: %d files>" % (self.sha[:12], len(self.files))

    def entries(self):
        """Every file and folder, path → entry, in path order. Computed once: hashing is the costly part."""
        with self._lock:
            if self._entries is None:
                large = [f for f in self.files.values() if f.size > _LARGE]
                hash_in_parallel((lambda f=f: f.etag) for f in large)
                entries = {path: file.entry(path) for path, file in self.files.items()}
                for directory in sorted(_parents(self.files), reverse=True):
                    name = "tree %s %s" % (self.sha, directory)
                    oid = hashlib.sha1(name.encode("utf-8", "surrogateescape")).hexdigest()
                    entries[directory] = {"type": "directory", "oid": oid, "size": 0, "path": directory}
                self._entries = dict(sorted(entries.items()))
            return self._entries

    def listing(self, path="", recursive=False):
        """Entries below `path` (the root if empty); None when there is no such folder."""
        entries = self.entries()
        if path and entries.get(path, {}).get("type") != "directory":
            return None
        if (path, recursive) not in self._listings:
            head = path + "/" if path else ""
            self._listings[path, recursive] = [e for p, e in entries.items() if p.startswith(head)
                                               and (recursive or "/" not in p[len(head):])]
        return self._listings[path, recursive]


def _parents(paths):
    found = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


class Repo:
    """One repository. `readers` may see it when it is private, `accepted` may download when it is gated."""

    def __init__(self, kind, repo_id, private=False, gated=False, disabled=False, readers=(), accepted=()):
        self.kind, self.id = kind, repo_id
        self.private, self.gated, self.disabled = private, gated, disabled
        self.readers, self.accepted = set(readers), set(accepted)
        self.commits = {}
        self.refs = {}
        self._lock = threading.RLock()

    def __repr__(self):
        return "<%s %s>" % (self.kind, self.id)

    @property
    def plural(self):
        return PLURALS[self.kind]

    @property
    def web_path(self):
        """The repository's place in web and resolve URLs: models have no prefix."""
        return self.id if self.kind == "model" else self.plural + "/" + self.id

    def commit(self, changes, branch="main", title=None, replace=False):
        """Adds a commit to a branch: `changes` maps path → content, or None to delete. A branch that does not
        exist yet starts from main. `replace` drops every file not named. Returns the Commit."""
        return self._advance("refs/heads/" + branch, changes, title, replace)

    push = commit

    def pull_request(self, number, changes, title=None):
        return self._advance("refs/pr/%s" % number, changes, title, False)

    def convert(self, name, changes, title=None):
        """A branch the Hub makes by itself, such as refs/convert/parquet; it shares no files with main."""
        return self._advance("refs/convert/" + name, changes, title, True)

    def tag(self, name, at="main"):
        return self._point("refs/tags/" + name, at)

    def branch(self, name, at="main"):
        """Makes a branch, or moves it: a force push."""
        return self._point("refs/heads/" + name, at)

    def delete_ref(self, ref):
        with self._lock:
            self.refs.pop(ref if ref.startswith("refs/") else "refs/heads/" + ref)

    def _point(self, ref, at):
        with self._lock:
            commit = at if isinstance(at, Commit) else self.find(at)
            if commit is None:
                raise KeyError("%s has no revision %r" % (self.id, at))
            self.refs[ref] = commit.sha
            return commit

    def _advance(self, ref, changes, title, replace):
        with self._lock:
            parent = self.commits.get(self.refs.get(ref, self.refs.get("refs/heads/main")))
            files = {} if replace or parent is None else dict(parent.files)
            for path, value in changes.items():
                if value is None:
                    del files[path]
                else:
                    file = value if isinstance(value, File) else File("git", value)
                    files[path] = file.settle("%s/%s" % (self.web_path, path))
            number = len(self.commits) + 1
            name = "%s %s %d %s %d" % (self.web_path, parent.sha if parent else "", number, ref, len(files))
            sha = hashlib.sha1(name.encode()).hexdigest()
            commit = Commit(sha, files, parent, title or "Commit %d" % number)
            self.commits[sha] = commit
            self.refs[ref] = sha
            return commit

    def find(self, revision):
        """The commit a revision names: 40 hex digits, a branch, a tag, or a full ref; else None."""
        with self._lock:
            if _COMMIT.match(revision) and revision in self.commits:
                return self.commits[revision]
            for ref in ("refs/heads/" + revision, "refs/tags/" + revision, revision):
                if ref.startswith("refs/") and ref in self.refs:
                    return self.commits[self.refs[ref]]
            return None

    def head(self, revision="main"):
        """Like find(), for tests that know it is there."""
        commit = self.find(revision)
        if commit is None:
            raise KeyError("%s has no revision %r" % (self.id, revision))
        return commit


class Catalogue:
    """All repositories of a Hub. A mirror shares the catalogue of the Hub behind it."""

    def __init__(self):
        self._repos = {}
        self._moved = {}

    def add(self, repo):
        self._repos[repo.plural, repo.id] = repo
        return repo

    def remove(self, kind, repo_id):
        del self._repos[PLURALS[kind], repo_id]

    def find(self, plural, repo_id):
        return self._repos.get((plural, repo_id))

    def rename(self, plural, old, new):
        """From now on `old` is answered by a redirect to `new`."""
        repo = self._repos.pop((plural, old))
        repo.id = new
        self._repos[plural, new] = repo
        self._moved[plural, old] = new

    def alias(self, plural, old, new):
        """A canonical name such as gpt2, redirected to its owner's."""
        self._moved[plural, old] = new

    def moved_to(self, plural, repo_id):
        return self._moved.get((plural, repo_id))

    def all(self):
        return list(self._repos.values())

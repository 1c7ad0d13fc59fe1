"""Who may see what: tokens, private, gated and disabled repositories, and the Hub's way of saying no.

The Hub hides that a private repository exists: without a token a missing or private one is 401, with a valid token
404. A bad token is refused even where none is needed. A gated repository can be listed by anyone; the refusal comes
at the file. (source: huggingface_hub, utils/_http.py, hf_raise_for_status(), and replies seen in its issues)
"""
from __future__ import annotations

from .repos import MASKED

BAD_TOKEN = "Invalid credentials in Authorization header"
DISABLED = "Access to this resource is disabled."


class Refusal(Exception):
    """An answer of status 400 or more. `code` is X-Error-Code, absent where the Hub sends none."""

    def __init__(self, status, code, message, headers=()):
        super().__init__("%d %s: %s" % (status, code or "-", message))
        self.status, self.code, self.message, self.headers = status, code, message, list(headers)


class Accounts:
    """Tokens and whom they belong to."""

    def __init__(self):
        self._users = {}
        self._narrow = set()

    def add(self, user, token, gated=True):
        """`gated=False` makes a fine-grained token that lacks the permission to read gated repositories."""
        self._users[token] = user
        if not gated:
            self._narrow.add(token)
        return token

    def revoke(self, token):
        self._users.pop(token, None)

    @property
    def tokens(self):
        return list(self._users)

    def caller(self, request):
        """The Caller of a request; raises when it shows a token nobody has."""
        value = request.header("authorization")
        if value is None:
            return Caller(None, False)
        scheme, _, token = value.partition(" ")
        user = self._users.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise Refusal(401, None, BAD_TOKEN, [("WWW-Authenticate", 'Bearer realm="Authentication required"')])
        return Caller(user, token.strip() in self._narrow)


class Caller:
    def __init__(self, user, narrow):
        self.user, self.narrow = user, narrow

    @property
    def name(self):
        return self.user or "anonymous"

    def must_see(self, repo):
        """Raises unless the caller may know that the repository exists and it is not disabled."""
        if repo is None or (repo.private and self.user not in repo.readers):
            if self.user is None:
                raise Refusal(401, "RepoNotFound", "Invalid username or password.")
            raise Refusal(404, "RepoNotFound", "Repository not found")
        if repo.disabled:
            raise Refusal(403, None, DISABLED)

    def may_download(self, repo):
        return not repo.gated or (self.user in repo.accepted and not self.narrow)

    def must_download(self, repo):
        if self.may_download(repo):
            return
        name = "%s %s" % (repo.kind, repo.id)
        if self.user is None:
            raise Refusal(401, "GatedRepo", "Access to %s is restricted. You must have access to it and be "
                          "authenticated to access it. Please log in." % name)
        if self.narrow and self.user in repo.accepted:
            raise Refusal(403, None, "Please enable access to public gated repositories in your fine-grained token "
                          "settings to view this repository.")
        raise Refusal(403, "GatedRepo", "Access to %s is restricted and you are not in the authorized list. Visit "
                      "https://huggingface.co/%s to ask for access." % (name, repo.web_path))

    def veil(self, repo, entries):
        """Hides Xet hashes from those who may list but not read."""
        if self.may_download(repo):
            return entries
        return [dict(e, xetHash=MASKED) if "xetHash" in e else e for e in entries]

"""The Hub's strings for a shell or another process: POST and GET below /_hub/ of the API host. These requests are
neither logged nor spoiled.

    GET  /_hub/status                       addresses, repositories, faults that are on
    GET  /_hub/log?since=N&host=cdn&…       records that match
    POST /_hub/reset                        forgets log, faults, rate limits
    POST /_hub/fault    {"kind": "cut", "match": {"file": "w.bin"}, "times": 1, "at": 1000}   → {"id": 7}
    POST /_hub/door     {"how": "rst", "host": "cdn"}                                          → {"id": 8}
    POST /_hub/clear    {"id": 7}, or {} for all; also lets go what a gate holds
    POST /_hub/wait     {"id": 7, "timeout_s": 10}   until the fault has struck              → {"hit": true}
    POST /_hub/repo     a repository as in recipes.py
    POST /_hub/push     {"repo": "acme/tiny", "type": "model", "branch": "main", "files": {…}}  → {"sha": …}
    POST /_hub/rate-limit {"bucket": "api", "quota": 5, "window_s": 10, "retry_after": "seconds"}
    POST /_hub/expire                       every signed URL is dead
    POST /_hub/revoke   {"token": …}; POST /_hub/token {"user": …, "token": …}
    POST /_hub/down, /_hub/up               {"host": "cdn"}: refuse connections, accept them again
"""
from __future__ import annotations

import json

from . import wire
from .recipes import add_repo, files_from
from .repos import PLURALS


class Control:
    def __init__(self, hub):
        self.hub = hub

    def answer(self, request):
        name = request.path[len("/_hub/"):].replace("-", "_")
        try:
            if request.method == "GET":
                reply = getattr(self, "get_" + name)(request.params())
            else:
                reply = getattr(self, "post_" + name)(**json.loads(request.body or b"{}"))
        except AttributeError as error:
            return wire.Reply(404, json={"error": "no such string: %s (%s)" % (name, error)})
        except (TypeError, ValueError, KeyError) as error:
            return wire.Reply(400, json={"error": "%s: %s" % (type(error).__name__, error)})
        return wire.Reply(json=reply if reply is not None else {})

    def get_status(self, params):
        hub = self.hub
        return {"endpoint": hub.endpoint, "cdn": hub.cdn.origin, "token": hub.token, "requests": hub.count(),
                "repos": [{"type": r.kind, "id": r.id, "refs": r.refs} for r in hub.catalogue.all()],
                "faults": [f.as_dict() for f in hub.faults.all()],
                "max_connections": {role: hub.max_connections(role) for role in hub.listeners}}

    def get_log(self, params):
        want = {k: v[-1] for k, v in params.items()}
        since = int(want.pop("since", 0))
        return [r.as_dict() for r in self.hub.log.find(since=since, **want)]

    def post_reset(self):
        self.hub.reset()

    def post_fault(self, kind, match=None, times=1, after=0, each=None, **settings):
        return {"id": self.hub.fault(kind, match, times, after, each, **settings).id}

    def post_door(self, how, host="api", times=1, after=0):
        return {"id": self.hub.door(how, host, times, after).id}

    def post_clear(self, id=None):
        if id is None:
            self.hub.faults.clear()
        else:
            self._fault(id).clear()

    def post_wait(self, id, timeout_s=10):
        return {"hit": self._fault(id).wait(timeout_s)}

    def _fault(self, number):
        fault = self.hub.faults.get(number)
        if fault is None:
            raise KeyError("no fault %s" % number)
        return fault

    def post_repo(self, **spec):
        return {"sha": add_repo(self.hub, spec).head().sha}

    def post_push(self, repo, files, type="model", branch="main"):
        found = self.hub.catalogue.find(PLURALS[type], repo)
        if found is None:
            raise KeyError("no %s %s" % (type, repo))
        return {"sha": found.push(files_from(files), branch).sha}

    def post_rate_limit(self, bucket, quota, window_s=300, retry_after=None):
        self.hub.rate_limit(bucket, quota, window_s, retry_after)

    def post_expire(self):
        self.hub.expire_urls()

    def post_token(self, user, token, gated=True):
        self.hub.accounts.add(user, token, gated)

    def post_revoke(self, token):
        self.hub.accounts.revoke(token)

    def post_down(self, host="cdn"):
        self.hub.down(host)

    def post_up(self, host="cdn"):
        self.hub.up(host)

"""A small HTTP client for the stand-in's own tests: sees headers as they came and bodies as far as they came."""
import http.client
import json
import socket
import ssl
import urllib.parse


class Answer:
    """`error` is what ended the body early, None when it was whole."""

    def __init__(self, status, headers, body, error=None):
        self.status, self.lines, self.body, self.error = status, headers, body, error

    def __getitem__(self, name):
        return next((v for n, v in self.lines if n.lower() == name.lower()), None)

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """One connection to the origin of `url`, kept alive."""

    def __init__(self, url, ca=None, timeout=5):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca)
            context.verify_flags |= ssl.VERIFY_X509_STRICT        # the default from Python 3.13 on
            self.http = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
        else:
            self.http = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def ask(self, target, method="GET", body=None, token=None, **headers):
        """Asks for a path or a URL; keyword arguments are headers (accept_encoding="gzip")."""
        parts = urllib.parse.urlsplit(target)
        path = target if target.startswith("/") else (parts.path or "/") + ("?" + parts.query if parts.query else "")
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            lines["Authorization"] = "Bearer " + token
        lines.setdefault("Accept-Encoding", "identity")
        self.http.request(method, path, body=body, headers=lines)
        reply = self.http.getresponse()
        received, error = b"", None
        try:
            while True:
                piece = reply.read1(1 << 20)
                if not piece:
                    break
                received += piece
            if reply.length:
                error = "%d bytes missing" % reply.length
        except (OSError, http.client.HTTPException) as problem:
            error = problem
        finally:
            reply.close()
        return Answer(reply.status, reply.getheaders(), received, error)


def ask(url, method="GET", ca=None, timeout=5, **rest):
    with Client(url, ca, timeout) as client:
        return client.ask(url, method, **rest)


def follow(url, method="GET", ca=None, **rest):
    """Follows redirects, as a careful client does: the token goes to the first origin only. Returns all answers."""
    answers, origin = [], urllib.parse.urlsplit(url)[:2]
    while True:
        answers.append(ask(url, method, ca=ca, **rest))
        location = answers[-1]["Location"]
        if answers[-1].status not in (301, 302, 303, 307, 308) or len(answers) > 10:
            return answers
        url = urllib.parse.urljoin(url, location)
        if urllib.parse.urlsplit(url)[:2] != origin:
            rest.pop("token", None)


def raw(url, data, timeout=5):
    """Sends bytes to a plain port and returns all that comes back until the end."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout) as sock:
        sock.sendall(data)
        received = b""
        try:
            while True:
                piece = sock.recv(65536)
                if not piece:
                    return received
                received += piece
        except ConnectionResetError:
            return received + b"<reset>"

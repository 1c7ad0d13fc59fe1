"""TLS servers that the stand-in Hub does not play: other keys and hashes, old protocols, nginx, client certificates.

    pki(folder).leaf("rsa:4096", digest="sha512")   (certificate, key) signed by pki.root, for localhost
    with Front(hub, context) as front: front.endpoint    TLS in front of a Hub that speaks plain HTTP
    with nginx(hub, cert, key, settings) as endpoint: …
"""
import contextlib
import itertools
import pathlib
import select
import socket
import ssl
import subprocess
import threading
import time

class Pki:
    """Roots and leaves in `folder`, made by the openssl command. All keys of one kind (rsa:4096, P-384) are the same:
    making them is what takes time."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._count = 0

    def _openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], cwd=self.folder, check=True, capture_output=True, timeout=60)

    def _key(self, kind):
        path = self.folder / f"{kind}.key"
        if not path.exists():
            rsa, _, bits = kind.partition(":")
            how = [rsa, f"rsa_keygen_bits:{bits}"] if bits else ["EC", f"ec_paramgen_curve:{kind}"]
            self._openssl("genpkey", "-algorithm", how[0], "-pkeyopt", how[1], "-out", path)
        return path

    def root(self, kind="rsa:2048", digest="sha256"):
        """(certificate, key) of a new root."""
        self._count += 1
        cert, key = self.folder / f"root{self._count}.pem", self._key(kind)
        self._openssl("req", "-x509", "-key", key, "-out", cert, "-days", 9, "-" + digest, "-subj",
                      f"/CN=Test root {self._count}", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
                      "keyUsage=critical,keyCertSign")
        return cert, key

    def leaf(self, root, kind="rsa:2048", digest="sha256", extensions="subjectAltName=DNS:localhost", subject="leaf"):
        """(certificate, key) for localhost, signed by `root`; `subject`: its common name."""
        self._count += 1
        key = self._key(kind)
        request, file, cert = (self.folder / f"leaf{self._count}.{end}" for end in ("csr", "ext", "pem"))
        file.write_text(extensions + "\n")
        self._openssl("req", "-new", "-key", key, "-out", request, "-subj", "/CN=" + subject)
        self._openssl("x509", "-req", "-in", request, "-CA", root[0], "-CAkey", root[1], "-CAcreateserial", "-days", 9,
                      "-" + digest, "-extfile", file, "-out", cert)
        return cert, key


def context(cert, key, low=ssl.TLSVersion.TLSv1_2, high=ssl.TLSVersion.TLSv1_3, ciphers=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers:
        made.set_ciphers(ciphers)
    made.minimum_version, made.maximum_version = low, high
    made.load_cert_chain(cert, key)
    return made


class Listener:
    """Hands each connection to `_take`, one after another, until the end of a with block."""

    def __init__(self, host="127.0.0.1", backlog=64):
        self._listener = socket.create_server((host, 0), backlog=backlog,
                                              family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self):
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            self._take(inner)


class Front(Listener):
    """Ends TLS in the context given (of several, in the next one with each connection) and passes the bytes on to a
    Hub's API address. `failures` lists the handshakes that did not come about."""

    def __init__(self, hub, *contexts):
        super().__init__()
        self.failures = []
        self._to = hub.endpoint.split("//")[1].rsplit(":", 1)
        self._contexts = itertools.cycle(contexts)
        self.endpoint = "https://localhost:%d" % self.port

    def _take(self, inner):
        threading.Thread(target=self._serve, args=(inner, next(self._contexts)), daemon=True).start()

    def _serve(self, inner, server_context):
        inner.settimeout(20)
        with server_context.wrap_socket(inner, server_side=True, do_handshake_on_connect=False) as near:
            try:
                near.do_handshake()
            except OSError as error:
                self.failures.append(str(error))
                self._linger(near)
                return
            with contextlib.suppress(OSError), \
                    socket.create_connection((self._to[0], int(self._to[1])), 20) as far:
                self._pipe(near, far)

    @staticmethod
    def _linger(near):
        """Reads what the client still says: closing at once would reset the connection and lose our alert."""
        raw = socket.socket(fileno=near.detach())
        raw.settimeout(5)
        with raw, contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass

    @staticmethod
    def _pipe(near, far):
        while True:
            ready = [near] if near.pending() else select.select([near, far], [], [], 20)[0]
            if not ready:
                return
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                (far if source is near else near).sendall(data)


NGINX = """
daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log; events {{}}
http {{
    access_log off; client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3;
    uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;
    server {{
        listen 127.0.0.1:{port} ssl http2; ssl_certificate {cert}; ssl_certificate_key {key}; {settings}
        location / {{ proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Host $http_host; }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(hub, folder, cert, key, settings):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(NGINX.format(dir=folder, port=port, cert=cert, key=key, settings=settings, upstream=hub.endpoint))
    process = subprocess.Popen(["nginx", "-p", str(folder), "-e", f"{folder}/start.log", "-c", str(config)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.05)
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)

"""The caching mirror of manifests/mirror.yaml and of the chart: its very nginx.conf in a real nginx, over TLS from the
stand-in Hub, which it finds by name as it does in a cluster. Only names, ports and folders are replaced.

    with hub_by_name() as hub, tempfile.TemporaryDirectory() as folder:
        mirror = Mirror(hub, folder).start()
        run(endpoint=mirror.endpoint)
        mirror.close()
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from conftest import ROOT
from standin import Hub
from standin.nginx import Process, free_port

sys.path.insert(0, str(ROOT / "test" / "run"))
from dns_world import serve_names  # noqa: E402  (hub.test and cdn.test)

CONFIG = ROOT / "helm" / "hf-init" / "files" / "nginx.conf"


def hub_by_name():
    """A Hub whose next links name the public one, as those behind a mirror do."""
    return Hub(tls=True, name="hub.test", cdn_name="cdn.test", page_size=3, link_host="https://huggingface.co")


def names_until_closed(sock):
    try:
        serve_names(sock, [], False)
    except OSError:
        pass


class Mirror:
    def __init__(self, hub, folder):
        self.folder, self.port = pathlib.Path(folder), free_port()
        self.names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.names.bind(("127.0.0.1", 0))
        threading.Thread(target=names_until_closed, args=(self.names,), daemon=True).start()
        for name in ("cache", "tmp", "token"):
            (self.folder / name).mkdir()
        shutil.copy(hub.ca_path, self.folder / "ca.pem")
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.config = self._config(hub)
        self.process = None

    def _config(self, hub):
        text = CONFIG.read_text()
        inner = f"127.0.0.1:{free_port()}"
        cdn = re.escape(hub.cdn.origin.removeprefix("https://"))
        for old, new, count in [
                (" /tmp/", f" {self.folder}/tmp/", 6),  # first: the folder itself is in /tmp
                ("kube-dns.kube-system.svc.cluster.local", "127.0.0.1:%d" % self.names.getsockname()[1], 1),
                ("https://huggingface.co;", hub.origin + ";", 1),
                (r"[a-z0-9.-]+\.(hf\.co|huggingface\.co)/", cdn + "/", 1),
                ("/etc/ssl/certs/ca-certificates.crt", f"{self.folder}/ca.pem", 1),
                ("/etc/hf-mirror-token/", f"{self.folder}/token/", 1),
                ("listen 8080;", f"listen 127.0.0.1:{self.port};", 1),
                ("127.0.0.1:8081;", inner + ";", 2),
                (" /cache/", f" {self.folder}/cache/", 2),
                ("/dev/stdout", f"{self.folder}/access.log", 1)]:
            assert text.count(old) == count, old
            text = text.replace(old, new)
        path = self.folder / "nginx.conf"
        path.write_text(text)
        return path

    def start(self):
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        if prefix:
            subprocess.run(["chown", "-R", "65534:65534", str(self.folder)], check=True)
        self.process = Process(self.config, "127.0.0.1", self.port, self.folder / "error.log", prefix)
        return self

    def token(self, token):
        """As `kubectl create secret … token.conf` does; before start()."""
        (self.folder / "token" / "token.conf").write_text(f'proxy_set_header Authorization "Bearer {token}";\n')

    def ask(self, path, method="GET", **headers):
        """(status, headers, body) of one answer; redirects are not followed."""
        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_):
                return None
        names = {key.replace("_", "-"): value for key, value in headers.items()}
        request = urllib.request.Request(self.endpoint + path, method=method, headers=names)
        try:
            with urllib.request.build_opener(Stay, urllib.request.ProxyHandler({})).open(request, timeout=30) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def close(self):
        if self.process:
            self.process.close()
        self.names.close()

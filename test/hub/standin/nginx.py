"""A real web server in front of the Hub, where one is installed: its TLS and its HTTP/2 are not ours.

    with Nginx(hub, versions="1.2", key="rsa") as front:      # hub itself speaks plain HTTP
        run(front.endpoint, ca=hub.ca_path)

It runs as a child without a master process; all its files are in a temporary folder.
"""
from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .tls import authority

_PROTOCOLS = {"any": "TLSv1.2 TLSv1.3", "1.2": "TLSv1.2", "1.3": "TLSv1.3"}
_CONFIG = """
master_process off;
worker_processes 1;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    server_tokens off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    upstream hub {{ server {upstream}; keepalive 32; }}
    server {{
        listen {host}:{port} ssl{http2};
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols {protocols};
        {more}
        location / {{
            proxy_pass http://hub;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_redirect off;
            proxy_buffering off;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"""


def find_nginx():
    """The program, or None."""
    return os.environ.get("NGINX") or shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _end_with_parent():
    """In the child: SIGTERM when the process that started it ends, however it ends. (prctl(2), PR_SET_PDEATHSIG)"""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def free_port(host="127.0.0.1"):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Process:
    """An nginx with a configuration of its own, as a child; it listens when this returns. What it complains of is in the
    file `errors`; `prefix` is a command that runs it."""

    def __init__(self, config, host, port, errors, prefix=()):
        with open(errors, "wb") as complaints:
            self._child = subprocess.Popen(
                [*prefix, find_nginx(), "-c", config, "-p", Path(config).parent, "-e", "stderr", "-g", "daemon off;"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints, preexec_fn=_end_with_parent)
        for _ in range(500):
            try:
                socket.create_connection((host, port), 1).close()
                return
            except OSError:
                if self._child.poll() is not None:
                    break
                time.sleep(0.02)
        self.close()
        raise RuntimeError("nginx did not start: " + Path(errors).read_text())

    def close(self):
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(10)


class Nginx:
    """TLS in front of one host of a Hub that speaks plain HTTP. `more` is put into the server block as it is.

    For role api, the Hub's absolute links (next pages) name this front from then on."""

    def __init__(self, hub, role="api", http2=True, versions="any", key="ecdsa", leaf="good", name=None, more=""):
        self._dir = Path(tempfile.mkdtemp(prefix="standin-nginx-"))
        host = hub.listeners[role].host
        chain, private = authority().leaf(leaf, key)
        port = free_port(host)
        config = self._dir / "nginx.conf"
        config.write_text(_CONFIG.format(
            dir=self._dir, upstream="%s:%d" % hub.address(role), host=host, port=port, http2=" http2" if http2 else "",
            chain=chain, key=private, protocols=_PROTOCOLS[versions], more=more))
        try:
            self._process = Process(config, host, port, self._dir / "error.log")
        except RuntimeError:
            shutil.rmtree(self._dir, ignore_errors=True)
            raise
        self.origin = "https://%s:%d" % (name or host, port)
        self.endpoint = self.origin + hub.prefix
        if role == "api":
            hub.link_host = self.endpoint
        else:
            hub.cdn.origin = self.origin

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._process.close()
        shutil.rmtree(self._dir, ignore_errors=True)

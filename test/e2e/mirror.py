"""A caching mirror of the Hub, as small as nginx can be told: what a fleet points its endpoint at.

    with Mirror(hub) as mirror: run(mirror.endpoint, ca=mirror.ca_path)

Redirects to the CDN are led back to the mirror, which fetches each slice of a file once, however many ask for it at the
same time and under whichever signature: the path names the content. What the API says is kept for half a minute. All
its files are in a temporary folder.
"""
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from standin.nginx import _end_with_parent, find_nginx
from standin.tls import authority

CONFIG = """
daemon off;
master_process off;
worker_rlimit_nofile 16384;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    proxy_cache_path {dir}/cache keys_zone=hub:10m inactive=7d use_temp_path=off;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_cache hub;
    proxy_cache_lock on;
    proxy_cache_lock_age 10m;                # a slow Hub is no reason to ask it twice
    proxy_cache_lock_timeout 10m;
    upstream api {{ server {api}; keepalive 32; }}
    upstream cdn {{ server {cdn}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {chain};
        ssl_certificate_key {key};

        location / {{
            proxy_pass http://api;
            proxy_redirect {cdn_origin}/ /cdn/;
            proxy_cache_key $request_uri$http_authorization;
            proxy_cache_valid 200 302 307 30s;
        }}
        location /cdn/ {{
            slice {slice};
            proxy_pass http://cdn/;
            proxy_set_header Range $slice_range;
            proxy_cache_key $uri$slice_range;
            proxy_cache_valid 200 206 7d;
        }}
    }}
}}
"""
SLICE = 1 << 20


class Mirror:
    def __init__(self, hub):
        self.dir = Path(tempfile.mkdtemp(prefix="mirror-"))
        self.ca_path = str(authority().ca_path)
        chain, private = authority().leaf("good", "ecdsa")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.endpoint = "https://127.0.0.1:%d" % port
        config = self.dir / "nginx.conf"
        config.write_text(CONFIG.format(
            dir=self.dir, api="%s:%d" % hub.address("api"), cdn="%s:%d" % hub.address("cdn"),
            cdn_origin=hub.cdn.origin, port=port, chain=chain, key=private, slice=SLICE))
        self.process = subprocess.Popen([find_nginx(), "-c", str(config), "-p", str(self.dir), "-e",
                                         str(self.dir / "error.log")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=_end_with_parent)
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        said = (self.dir / "error.log").read_text()
        self.close()
        raise RuntimeError("nginx did not start: " + said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)

"""nginx as API host and CDN, with the answers of the Hub (shapes: huggingface_hub's client, see test/hub/README.md).

    GET  /api/models/ID/revision/REV          repo info, a static file
    GET  /api/models/ID/tree/COMMIT?cursor=N  1,000 entries a page, next page in Link
    GET  /ID/resolve/COMMIT/PATH              LFS: 302 to the CDN; else 307 to /api/resolve-cache/…, 200 there
    POST /api/models/ID/paths-info/REV        by a small server behind nginx; only the JavaScript client asks it

TLS 1.3 and one cipher for everybody: TLS_AES_128_GCM_SHA256, the server's choice."""
import http.server
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.parse

from . import CDN, CDN_ADDRESS, CDN_NAME, ENDPOINT, HUB_ADDRESS, HUB_NAME, WORK

PAGE = 1000
PATHS_INFO_PORT = 8081

CONFIG = """
daemon off;
user root;
worker_processes {workers};
worker_rlimit_nofile 8192;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
    log_format bench '$server_name $request_method $status $connection $bytes_sent $ssl_cipher $ssl_session_reused '
                     '$server_protocol $http_range $uri';
    access_log {dir}/access.log bench;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    output_buffers 2 512k;
    keepalive_requests 100000;
    absolute_redirect off;
    etag off;
    map_hash_max_size 65536;
    map_hash_bucket_size 256;
    open_file_cache max=20000 inactive=10m;
    ssl_certificate {tls}/server.pem;
    ssl_certificate_key {tls}/server.key;
    ssl_protocols TLSv1.3;
    ssl_prefer_server_ciphers on;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_session_cache shared:bench:10m;
    map $uri $blob_etag {{ include {dir}/etags.conf; }}
    map $page_asked $tree_page {{ include {dir}/pages.conf; }}
    map $page_asked $tree_link {{ include {dir}/links.conf; }}
    server {{
{listen}        server_name {hub};
        include {dir}/hub.conf;
        location /api/resolve-cache/ {{ return 404; }}
        location / {{ return 404; }}
    }}
    server {{
{listen}        server_name {cdn};
        root {fixtures};
        location / {{ add_header ETag '"0123456789abcdef0123456789abcdef"'; }}
    }}
}}
"""


def tree_of(repo):
    """The listing as the Hub gives it, folders included."""
    folders = sorted({os.path.dirname(f.path) for f in repo.files} - {""})
    entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders]
    for f in repo.files:
        entry = {"type": "file", "oid": f.oid, "size": f.size, "path": f.path}
        if repo.lfs:
            entry["lfs"] = {"oid": f.sha256, "size": f.size, "pointerSize": 134}
        entries.append(entry)
    return entries


def info_of(repo):
    return {"_id": repo.commit[:24], "id": repo.id, "modelId": repo.id, "author": "bench", "sha": repo.commit,
            "lastModified": "2026-06-01T08:00:00.000Z", "createdAt": "2026-06-01T08:00:00.000Z", "private": False,
            "gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": [],
            "siblings": [{"rfilename": f.path} for f in repo.files]}


def cdn_url(repo, file):
    return (f"{CDN}/{repo.folder.name}/{urllib.parse.quote(file.path)}"
            f"?Expires=4102444800&Policy=bench&Signature={repo.commit}&Key-Pair-Id=bench")


def direct_url(repo, file):
    """Where the bytes are: for peers that do not speak the Hub's protocol, a head start of the whole API."""
    if repo.lfs:
        return cdn_url(repo, file)
    return f"{ENDPOINT}/api/resolve-cache/models/{repo.id}/{repo.commit}/{urllib.parse.quote(file.path)}"


def hub_locations(repo, folder):
    """nginx locations of one repo; its documents are written into `folder`."""
    name = repo.folder.name
    (folder / f"{name}.info.json").write_text(json.dumps(info_of(repo)))
    for revision in ("main", repo.commit):
        yield (f"location = /api/models/{repo.id}/revision/{revision} {{ default_type application/json; "
               f"alias {folder}/{name}.info.json; }}")
    yield f"location = /api/models/{repo.id} {{ default_type application/json; alias {folder}/{name}.info.json; }}"
    entries = tree_of(repo)
    pages = [entries[at:at + PAGE] for at in range(0, len(entries), PAGE)]
    for number, page in enumerate(pages):
        (folder / f"{name}.tree.{number}.json").write_text(json.dumps(page))
    for revision in ("main", repo.commit):
        yield (f"location = /api/models/{repo.id}/tree/{revision} {{ default_type application/json; root {folder}; "
               f'set $page_asked "$uri|$arg_cursor"; '  # as asked: try_files changes $uri
               f"add_header Link $tree_link; try_files $tree_page =404; }}")
    yield (f"location /api/models/{repo.id}/paths-info/ {{ proxy_pass http://127.0.0.1:{PATHS_INFO_PORT}; }}")
    if repo.lfs:
        for f in repo.files:
            yield (f"location = /{repo.id}/resolve/{repo.commit}/{f.path} {{ add_header X-Repo-Commit {repo.commit}; "
                   f"add_header X-Linked-Size {f.size}; add_header X-Linked-Etag '\"{f.sha256}\"'; "
                   f"add_header ETag '\"{f.sha256}\"'; add_header Accept-Ranges bytes; return 302 {cdn_url(repo, f)}; }}")
        return
    yield (f"location ~ ^/{repo.id}/resolve/{repo.commit}/(?<rest>.+)$ {{ "
           f"return 307 /api/resolve-cache/models/{repo.id}/{repo.commit}/$rest?resolve=$rest; }}")
    yield (f"location /api/resolve-cache/models/{repo.id}/{repo.commit}/ {{ alias {repo.folder}/; "
           f"add_header ETag $blob_etag; add_header X-Repo-Commit {repo.commit}; }}")


def etags(repo):
    for f in repo.files if not repo.lfs else []:
        yield f"""/api/resolve-cache/models/{repo.id}/{repo.commit}/{f.path} '"{f.oid}"';"""


def tree_pages(repo):
    """nginx map entries, path|cursor -> (document, Link header)."""
    pages = -(-len(tree_of(repo)) // PAGE)
    for revision in ("main", repo.commit):
        path = f"/api/models/{repo.id}/tree/{revision}"
        for n in range(pages):
            link = f'<{ENDPOINT}{path}?recursive=true&expand=false&cursor={n + 1}>; rel="next"' if n + 1 < pages else ""
            yield f"'{path}|{n or ''}'", f"/{repo.folder.name}.tree.{n}.json", f"'{link}'"


def serve_paths_info(repos):
    trees = {repo.id: {e["path"]: dict(e, lastCommit={"id": repo.commit, "title": "bench", "date": "2026-06-01T08:00:00Z"})
                       for e in tree_of(repo)} for repo in repos}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["paths"]
            tree = trees[re.match(r"/api/models/(.+)/paths-info/", self.path)[1]]
            body = json.dumps([tree[path] for path in asked if path in tree]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", PATHS_INFO_PORT), Handler).serve_forever()


class Site:
    """A running server on port 443 of the addresses. `cpus`: the processors its workers are bound to, as a list; None leaves it to the kernel."""

    def __init__(self, repos, addresses=(HUB_ADDRESS, CDN_ADDRESS), cpus=None, workers=2):
        self.dir = WORK / "nginx"
        shutil.rmtree(self.dir, ignore_errors=True)
        docs = self.dir / "docs"
        docs.mkdir(parents=True)
        (self.dir / "hub.conf").write_text("\n".join(line for repo in repos for line in hub_locations(repo, docs)))
        (self.dir / "etags.conf").write_text('default "";\n' + "\n".join(line for repo in repos for line in etags(repo)))
        pages = [page for repo in repos for page in tree_pages(repo)]
        (self.dir / "pages.conf").write_text("default /none;\n" + "".join(f"{key} {doc};\n" for key, doc, _ in pages))
        (self.dir / "links.conf").write_text('default "";\n' + "".join(f"{key} {link};\n" for key, _, link in pages))
        (self.dir / "nginx.conf").write_text(CONFIG.format(
            dir=self.dir, tls=WORK / "tls", fixtures=WORK / "fixtures", hub=HUB_NAME, cdn=CDN_NAME, workers=workers,
            listen="".join(f"        listen {address}:443 ssl http2;\n" for address in addresses)))
        self.log_path = self.dir / "access.log"
        command = ["/usr/sbin/nginx", "-c", str(self.dir / "nginx.conf"), "-p", str(self.dir), "-e",
                   str(self.dir / "error.log")]
        if cpus is not None:
            command = ["taskset", "-c", ",".join(map(str, cpus))] + command
        self.nginx = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.paths_info = multiprocessing.Process(target=serve_paths_info, args=(repos,), daemon=True)
        self.paths_info.start()
        for _ in range(200):
            if self.nginx.poll() is not None:
                raise RuntimeError("nginx: " + (self.dir / "error.log").read_text())
            if (self.dir / "pid").exists() and (self.dir / "pid").read_text().strip():
                break
            time.sleep(0.02)
        time.sleep(0.1)

    def close(self):
        self.nginx.send_signal(signal.SIGTERM)
        self.nginx.wait(10)
        self.paths_info.terminate()
        self.paths_info.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def cpu_seconds(self):
        """User and system time of master and workers so far."""
        total = 0
        children = subprocess.run(["pgrep", "-P", str(self.nginx.pid)], capture_output=True, text=True).stdout.split()
        for pid in children:
            fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def mark(self):
        return self.log_path.stat().st_size

    def since(self, mark):
        """What was asked since `mark`: requests by host and method, statuses, connections, bytes, ciphers."""
        time.sleep(0.15)  # the last answers are logged when nginx notices that the client is gone
        with open(self.log_path) as log:
            log.seek(mark)
            lines = [line.split(" ", 9) for line in log]
        seen = {"requests": len(lines), "bytes_sent": 0, "by": {}, "status": {}, "protocols": {}}
        connections, fresh = set(), set()
        for host, method, status, connection, sent, cipher, reused, protocol, _range, _uri in lines:
            key = ("api " if host == HUB_NAME else "cdn ") + method
            seen["by"][key] = seen["by"].get(key, 0) + 1
            seen["status"][status] = seen["status"].get(status, 0) + 1
            seen["protocols"][protocol] = seen["protocols"].get(protocol, 0) + 1
            seen["bytes_sent"] += int(sent)
            connections.add(connection)
            if reused != "r":
                fresh.add(connection)
            seen["cipher"] = cipher
        seen["connections"], seen["full_handshakes"] = len(connections), len(fresh)
        return seen

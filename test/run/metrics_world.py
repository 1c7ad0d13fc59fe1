"""Who reads metrics: a scraper, and a Pushgateway that can misbehave."""
import http.client
import http.server
import itertools
import os
import threading

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
PORT = 9464
_addresses = itertools.count(1)


def own_address():
    """An address of loopback that no other test of this machine listens on."""
    number = os.getpid() % 65536
    return f"127.{100 + next(_addresses) % 100}.{number >> 8}.{number & 255}:{PORT}"


def ask(address, path, method="GET", headers=(), timeout=20):
    """(status, content type, body) of one request."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type"), answer.read().decode()
    finally:
        connection.close()


class Page:
    """A page of metrics, read by the official parser."""

    def __init__(self, text, read=read_openmetrics):
        self.text = text
        self.families = {family.name: family for family in read(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def get(self, name, **labels):
        """The value of the one sample that has these labels; None if there is none."""
        found = [s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items()]
        assert len(found) <= 1, (name, labels, found)
        return found[0] if found else None

    @property
    def phase(self):
        phase, = [s.labels["phase"] for s in self.samples if s.name == "hf_init_phase" and s.value == 1]
        return phase


def scrape(address):
    """The page, or None while nobody answers."""
    try:
        status, content_type, text = ask(address, "/metrics", headers=OPENMETRICS)
    except OSError:
        return None
    assert status == 200 and content_type.startswith("application/openmetrics-text; version=1.0.0")
    return Page(text)


def probe(address, path):
    """The status, or None while nobody answers."""
    try:
        return ask(address, path)[0]
    except OSError:
        return None


class Gateway:
    """Remembers what is pushed to it, as (method, path, content type, body); answers `status`, or never with None."""

    def __init__(self, status=200):
        self.pushed = []
        self.leave = threading.Event()
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                gateway.pushed.append((self.command, self.path, self.headers["Content-Type"], body))
                if status is None:
                    gateway.leave.wait(60)
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET = do_PUT

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics/job/hf-init/instance/a"

    def close(self):
        self.leave.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

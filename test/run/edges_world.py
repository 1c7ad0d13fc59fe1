"""Runs hf-init in a network of its own, where the CDN's name has three IPv4 addresses and two of IPv6 that lead nowhere.
Behind each of the three stands a relay to the stand-in's CDN,
whose certificate is for that name. Started by test_edges.py under `unshare -n -m`.

    edges_world.py BINARY FOLDER MOOD MOOD MOOD     prints one JSON object: exit code, log lines, and per address the
                                                    connections and bytes it saw
    MOOD    fair: 4 MB/s for each connection; deaf: refuses them; dead: accepts them, and never says a word;
            mute: shakes hands, but answers no request; stuck: 1 MB of each connection, then silence
"""
import contextlib
import ipaddress
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time

from dns_world import bring_loopback_up, name_in
from standin import Hub, lfs

PORT = 9000
CDN = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
ADDRESSES = {"hub.test": ["127.0.0.1"], "cdn.test": [*CDN, "2001:db8::1", "2001:db8::2"]}
FAIR_BYTES_PER_S = 4_000_000
STUCK_AFTER = 1_000_000


def serve_names(sock):
    """A and AAAA; the order of the answer never changes."""
    while True:
        query, client = sock.recvfrom(512)
        name, kind, question = name_in(query)
        known = [ipaddress.ip_address(text) for text in ADDRESSES.get(name.lower(), [])]
        found = [address for address in known if kind == (1 if address.version == 4 else 28)]
        head = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(found), 0, 0)
        records = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(a.packed)) + a.packed for a in found]
        sock.sendto(head + question + b"".join(records), client)


class Relay:
    """One address of the CDN."""

    def __init__(self, address, mood):
        self.mood, self.connections, self.bytes = mood, 0, 0  # bytes: of answers
        if mood != "deaf":
            self._listener = socket.create_server((address, PORT), backlog=64)
            threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            near, _ = self._listener.accept()
            self.connections += 1
            far = socket.create_connection(("127.0.0.2", PORT))
            heard = []  # what the client said
            threading.Thread(target=self._pump, args=(near, far, heard.append), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near, heard), daemon=True).start()

    def _pump(self, source, sink, on_data, is_silent=lambda: False):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not is_silent():
                    sink.sendall(data)
                    on_data(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _answer(self, source, sink, heard):
        passed, begun = 0, time.monotonic()

        def is_silent():  # with TLS 1.3 the client's second word ends the handshake
            return (self.mood == "dead" or self.mood == "mute" and len(heard) > 1
                    or self.mood == "stuck" and passed >= STUCK_AFTER)

        def on_data(data):
            nonlocal passed
            passed += len(data)
            self.bytes += len(data)
            time.sleep(max(0, passed / FAIR_BYTES_PER_S - (time.monotonic() - begun)))

        self._pump(source, sink, on_data, is_silent)


def main():
    binary, folder, *moods = sys.argv[1:]
    bring_loopback_up()
    resolv = pathlib.Path(folder) / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions ndots:5\n")
    subprocess.run(["mount", "--bind", str(resolv), "/etc/resolv.conf"], check=True)
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 53))
    threading.Thread(target=serve_names, args=(names,), daemon=True).start()
    relays = [Relay(address, mood) for address, mood in zip(CDN, moods)]
    with Hub(tls=True, name="hub.test", cdn_name="cdn.test", cdn_port=PORT) as hub:
        hub.model("acme/tiny", {f"w{i}.bin": lfs(6_000_000 + i) for i in range(12)})
        run = subprocess.run([binary, "run", "--repos", "acme/tiny", "--target", folder + "/v", "--endpoint", hub.endpoint,
                              "--tls-ca-file", hub.ca_path, "--concurrency-connections", "6", "--timeouts-stall", "10m", "--log-level", "debug",
                              "--log-format", "json", "--termination-message", ""],
                             env={}, capture_output=True, text=True, timeout=50)
        print(json.dumps({"code": run.returncode, "log": [json.loads(line) for line in run.stderr.splitlines()],
                          "connections": [r.connections for r in relays], "bytes": [r.bytes for r in relays]}))


main()

"""Runs hf-init in a network of its own, with a pod's resolver settings and, for the host hub.test, search domains that
answer NODATA to every name, as wildcard and split-horizon zones do. Started by test_dns.py under `unshare -n -m`.

    dns_world.py BINARY FOLDER HOST     prints one JSON object: exit code, names asked for, requests seen by the Hub
"""
import fcntl
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hub"))
from standin import Hub, lfs  # noqa: E402

ADDRESSES = {"hub.test": "127.0.0.1", "cdn.test": "127.0.0.2", "mirror.models.svc.cluster.local": "127.0.0.1"}


def bring_loopback_up():
    with socket.socket() as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", 0x49))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING | IFF_LOOPBACK


def name_in(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0], query[12:at + 5]


def serve_names(sock, asked, nodata):
    """nodata: what the search domains answer for a name they do not have; else NXDOMAIN, as in most clusters."""
    while True:
        query, client = sock.recvfrom(512)
        name, kind, question = name_in(query)
        asked.append(name)
        address = ADDRESSES.get(name.lower()) if kind == 1 else None
        known = name.lower() in ADDRESSES or nodata and name.endswith("cluster.local")
        flags = 0x8180 if known else 0x8183
        head = query[:2] + struct.pack(">HHHHH", flags, 1, 1 if address else 0, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address) if address else b""
        sock.sendto(head + question + record, client)


def main():
    binary, folder, host = sys.argv[1:4]
    bring_loopback_up()
    resolv = pathlib.Path(folder) / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\nsearch models.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n")
    subprocess.run(["mount", "--bind", str(resolv), "/etc/resolv.conf"], check=True)
    asked = []
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 53))
    threading.Thread(target=serve_names, args=(names, asked, host == "hub.test"), daemon=True).start()
    with Hub(name=host, cdn_name="cdn.test") as hub:
        hub.model("acme/tiny", {"a.txt": "a", "w.bin": lfs(100_000)})
        run = subprocess.run([binary, "run", "--repos", "acme/tiny", "--target", folder + "/v", "--endpoint", hub.endpoint,
                              "--retry-attempts", "2", "--retry-max-wait", "1s", "--termination-message", ""],
                             env={}, capture_output=True, text=True, timeout=30)
        print(json.dumps({"code": run.returncode, "asked": asked, "log": run.stderr,
                          "hosts": sorted({r.netloc.split(":")[0] for r in hub.requests()})}))


if __name__ == "__main__":
    main()

"""Hosts on a wire of our own: a server and a client, each a thread in network and mount namespaces of its own.

What such a thread starts (a socket, a thread, a process) lives in its host. Nothing of the machine is changed, and when
the last of it ends the kernel takes network, rules and mounts away."""
import contextlib
import ctypes
import fcntl
import glob
import ipaddress
import os
import pathlib
import queue
import re
import socket
import struct
import subprocess
import sys
import threading
import time

from standin import Hub

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "run"))
from dns_world import bring_loopback_up, name_in  # noqa: E402

TOOLS = ("ip", "nft", "ss", "tc")
HUB, CDN, NOBODY, CLIENT = "10.99.0.1", "10.99.0.2", "10.99.0.3", "10.99.0.9"
HUB6, CDN6, NOBODY6, CLIENT6 = "fd77::1", "fd77::2", "fd77::3", "fd77::9"
WIRE = "wire"  # the interface at either end
LOST_MAX = 256 << 10  # bytes that two socket buffers take along when a connection ends, with set_buffers
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000  # linux/sched.h
LIBC = ctypes.CDLL(None, use_errno=True)


class Host:
    """A thread in namespaces of its own; do() is for everything that belongs there."""

    def __init__(self, folder):
        self.folder, self._jobs = folder, queue.SimpleQueue()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        try:
            self.do(self._begin)
        except BaseException:
            self.close()
            raise

    def _live(self):
        while job := self._jobs.get():
            job()

    def do(self, function, *args, **settings):
        """Calls the function on this host; what it returns or raises."""
        done, outcome = threading.Event(), {}

        def job():
            try:
                outcome["is"] = function(*args, **settings)
            except BaseException as error:  # all of it belongs to the caller
                outcome["error"] = error
            done.set()

        self._jobs.put(job)
        done.wait()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["is"]

    def _begin(self):
        if LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        self.net = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.net).st_ino
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        bring_loopback_up()

    def tool(self, *words, text=None, fds=()):
        done = self.do(subprocess.run, [str(word) for word in words], input=text, capture_output=True, text=True,
                       pass_fds=fds)
        assert done.returncode == 0, (words, text, done.stderr)
        return done.stdout

    def setting(self, name, value):
        """A sysctl of this host's network, e.g. ipv4/tcp_wmem."""
        self.do(pathlib.Path("/proc/sys/net", name).write_text, value)

    def addresses(self, *addresses):
        for address in addresses:
            self.tool("ip", "addr", "add", address, "dev", WIRE, *["nodad"] * (":" in address))

    def link(self, state):
        self.tool("ip", "link", "set", WIRE, state)

    def whole_packets(self):
        """Switches off what makes packets of up to 64 KB of many: rules and losses are to meet single ones."""
        def switch():
            with socket.socket() as sock:
                for command in (0x1F, 0x24, 0x2C):  # ETHTOOL_STSO, SGSO, SGRO
                    value = ctypes.create_string_buffer(struct.pack("II", command, 0))
                    request = struct.pack("16sP", WIRE.encode(), ctypes.addressof(value))
                    fcntl.ioctl(sock, 0x8946, request)  # SIOCETHTOOL

        self.do(switch)

    def filter(self, **chains):
        """What becomes of packets, e.g. filter(input="tcp dport 80 counter drop"); without rules: nothing."""
        self._table("faults", "".join(f"chain {hook} {{\ntype filter hook {hook} priority 0;\n{rule}\n}}\n"
                                      for hook, rule in chains.items()))

    def filtered(self):
        """How many packets the rules that count have met."""
        return self._count("faults", "packets")

    def meter(self, source):
        """Begins to count what comes from an address, before any filter."""
        self._table("metered", f"chain input {{\ntype filter hook input priority -100;\nip saddr {source} counter\n}}\n")

    def metered(self):
        """Bytes of IP, packet headers too."""
        return self._count("metered", "packets [0-9]+ bytes")

    def _table(self, name, chains):
        self.tool("nft", "-f", "-", text=f"table inet {name}\ndelete table inet {name}\ntable inet {name} {{\n{chains}}}\n")

    def _count(self, name, what):
        found = re.findall(f"counter {what} ([0-9]+)", self.tool("nft", "list", "table", "inet", name))
        return sum(map(int, found))

    def resolver(self, text):
        """Name servers and options of what is started here, as in resolv.conf."""
        path = self.folder / "resolv.conf"
        fresh = not path.exists()
        path.write_text(text)
        if fresh:
            self.tool("mount", "--bind", path, "/etc/resolv.conf")

    def close(self):
        """Ends the thread; only `net` is left, so that nobody else's namespace gets its number meanwhile."""
        self._jobs.put(None)
        self._thread.join(5)

    def left(self):
        """Threads and descriptors of any process that still hold this host's network."""
        for path in glob.glob("/proc/[0-9]*/task/*/ns/net") + glob.glob("/proc/[0-9]*/fd/*"):
            with contextlib.suppress(OSError):  # it has gone meanwhile
                if os.readlink(path) == f"net:[{self.inode}]" and path != f"/proc/{os.getpid()}/fd/{self.net}":
                    yield path


class Network:
    """A server with the Hub, the CDN and the name server, a client, and a wire."""

    def __init__(self, folder):
        self._closing, self._hosts = contextlib.ExitStack(), []
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.server, self.client = self._host(folder / "server"), self._host(folder / "client")
            self.server.tool("ip", "link", "add", WIRE, "type", "veth", "peer", "name", WIRE,
                             "netns", f"/proc/self/fd/{self.client.net}", fds=[self.client.net])
            for host in (self.server, self.client):
                host.link("up")
                host.whole_packets()
                host.filter()
                self._set_buffers(host)
            self.server.addresses(HUB + "/24", CDN + "/24", HUB6 + "/64", CDN6 + "/64")
            self.client.addresses(CLIENT + "/24", CLIENT6 + "/64")
            self.client.meter(CDN)
            undo.pop_all()

    def _host(self, folder):
        folder.mkdir()
        host = Host(folder)
        self._hosts.append(host)
        self._closing.callback(host.close)
        return host

    @staticmethod
    def _set_buffers(host):
        """So small that a connection that ends takes little along: LOST_MAX at most."""
        host.setting("ipv4/tcp_wmem", "4096 16384 65536")
        host.setting("ipv4/tcp_rmem", "4096 65536 131072")

    def hub(self, **settings):
        """A stand-in Hub on the server; ended with the network."""
        hub = self.server.do(lambda: Hub(**{"host": HUB, "cdn_host": CDN, **settings}))
        self._closing.callback(hub.close)
        return hub

    def names(self, zone, **settings):
        """A name server on the server."""
        names = self.server.do(lambda: Names(zone, **settings))
        self._closing.callback(names.close)
        return names

    def close(self):
        self._closing.close()
        give_up_at = time.monotonic() + 5
        try:
            while left := [path for host in self._hosts for path in host.left()]:
                assert time.monotonic() < give_up_at, left
                time.sleep(0.05)
        finally:
            for host in self._hosts:
                os.close(host.net)


class Names:
    """A name server. zone: {name: addresses, or what happens: "servfail", "silent"}, to be changed at any time; a name
    that is not in it does not exist.

    address    where it listens
    nodata     names that end so exist, but have no address
    wait_s     before each answer
    truncate   UDP carries no records, and says so
    asked      [(transport, query number, name, A or AAAA)]
    """

    def __init__(self, zone, address=HUB, nodata=None, wait_s=0, truncate=False):
        self.zone, self.nodata, self.wait_s, self.truncate, self.asked = zone, nodata, wait_s, truncate, []
        self._closing = threading.Event()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._tcp = socket.socket(family, socket.SOCK_STREAM)
        for sock in (self._udp, self._tcp):
            sock.settimeout(0.1)
            sock.bind((address, 53))
        self._tcp.listen(64)
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def times(self, name):
        """How often it was asked about a name; what is sent again for want of an answer does not count."""
        return len({(number, kind) for _, number, asked, kind in self.asked if asked == name})

    def _serve_udp(self):
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                query, client = self._udp.recvfrom(512)
                self._in_thread(self._answer, query, "udp", lambda answer, to=client: self._udp.sendto(answer, to))

    def _serve_tcp(self):
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                self._in_thread(self._talk, self._tcp.accept()[0])

    def _talk(self, conn):
        with conn:
            conn.settimeout(5)
            with conn.makefile("rb") as stream:
                while len(size := stream.read(2)) == 2:
                    query = stream.read(int.from_bytes(size, "big"))
                    self._answer(query, "tcp", lambda answer: conn.sendall(struct.pack(">H", len(answer)) + answer))

    def _in_thread(self, target, *args):
        def work():
            with contextlib.suppress(OSError):
                target(*args)

        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def _answer(self, query, transport, send):
        name, kind, question = name_in(query)
        name = name.lower()
        self.asked.append((transport, int.from_bytes(query[:2], "big"), name, {1: "A", 28: "AAAA"}.get(kind)))
        self._closing.wait(self.wait_s)
        found = self.zone.get(name)
        if found == "silent":
            return
        code = 2 if found == "servfail" else 0 if found is not None or self.nodata and name.endswith(self.nodata) else 3
        known = [ipaddress.ip_address(text) for text in (found or []) if code == 0]
        found = [address.packed for address in known if kind == (1 if address.version == 4 else 28)]
        cut = self.truncate and transport == "udp" and found
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code | (0x200 if cut else 0), 1, 0 if cut else len(found), 0, 0)
        records = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(packed)) + packed for packed in found]
        send(head + question + b"".join([] if cut else records))

    def close(self):
        self._closing.set()
        for thread in self._threads:
            thread.join(6)
        self._udp.close()
        self._tcp.close()

"""Networks of our own: this process's (loopback, names), and a second one behind a delaying, losing wire.

The benchmark runs in fresh network, mount and process namespaces (`enter`), so nothing it sets up outlives it and
nothing of the machine is changed."""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time

from . import BENCH, CDN_ADDRESS, CDN_NAME, HUB_ADDRESS, HUB_NAME, WORK

WAN_SERVER, WAN_CDN, WAN_RELAY, WAN_CLIENT = "10.77.0.1", "10.77.0.2", "10.77.0.3", "10.77.1.1"
CLIENT = "client"  # name of the second network namespace
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000  # linux/sched.h


def enter():
    """Goes on in a child in namespaces of its own; this process waits, passes signals on and never returns."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID):
        raise OSError(ctypes.get_errno(), "unshare")
    child = os.fork()
    if child:
        # The first process of a PID namespace takes all others with it when it goes.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: os.kill(child, signal.SIGKILL))
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            print(f"bench: stopped by signal {os.WTERMSIG(status)}", file=sys.stderr)
            os._exit(128 + os.WTERMSIG(status))
        os._exit(os.WEXITSTATUS(status))
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    mount("--make-rprivate", "/")
    mount("-t", "proc", "proc", "/proc")


def mount(*words):
    subprocess.run(("mount",) + words, check=True)


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def ip(*words, netns=None):
    subprocess.run(["ip"] + (["-n", netns] if netns else []) + list(words), check=True)


def sysctl(name, value, netns=None):
    words = ["ip", "netns", "exec", netns] if netns else []
    subprocess.run(words + ["sh", "-c", 'echo "$1" > "/proc/sys/net/ipv4/$0"', name, value], check=True)


def kernel_defaults(netns=None):
    """What a node has that nobody tuned: the kernel's own limits of socket buffers, and CUBIC, which is set on the
    routes, since a new namespace may not choose its default where the machine restricts it."""
    for net in ("127.0.0.0/8", "127.0.0.1"):
        ip("route", "change", "local", net, "dev", "lo", "table", "local", "proto", "kernel", "scope", "host", "src",
           "127.0.0.1", "congctl", "cubic", netns=netns)
    sysctl("tcp_rmem", "4096 131072 6291456", netns)
    sysctl("tcp_wmem", "4096 16384 4194304", netns)
    sysctl("tcp_no_metrics_save", "1", netns)  # no run learns from the last


def set_up(volume_bytes):
    """Loopback, resolver settings, and a tmpfs for the volume, all private to us."""
    with socket.socket() as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", 0x49))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING | IFF_LOOPBACK
    ip("addr", "add", "10.78.0.1/32", "dev", "lo")  # aria2c resolves no names where 127.0.0.0/8 is all there is
    kernel_defaults()
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("hosts", "127.0.0.1 localhost\n"),
                       ("nsswitch.conf", "hosts: files dns\n")):
        (WORK / name).write_text(text)
        if os.path.exists("/etc/" + name):
            mount("--bind", str(WORK / name), "/etc/" + name)
    os.makedirs("/run/netns", exist_ok=True)
    mount("-t", "tmpfs", "none", "/run/netns")
    (WORK / "volume").mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={volume_bytes}", "none", str(WORK / "volume"))


class Names:
    """The name server, in this namespace or in `netns`."""

    def __init__(self, hub=HUB_ADDRESS, cdn=(CDN_ADDRESS,), netns=None):
        words = ["ip", "netns", "exec", netns] if netns else []
        self.process = subprocess.Popen(
            words + [sys.executable, "-B", str(BENCH / "hfbench" / "dns.py"), f"{HUB_NAME}={hub}",
                     f"{CDN_NAME}={','.join(cdn)}"], stdout=subprocess.PIPE, preexec_fn=end_with_parent)
        assert self.process.stdout.readline() == b"ready\n"

    def close(self):
        self.process.terminate()
        self.process.wait()


class Helper:
    """One of our C programs in the background; it says "ready" on its standard output."""

    def __init__(self, name, *words):
        self.process = subprocess.Popen([str(WORK / "bin" / name)] + [str(w) for w in words], stdout=subprocess.PIPE,
                                        preexec_fn=end_with_parent)
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError(name + " did not start")

    def close(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.process.args[0]} ended on its own: {self.process.returncode}")
        self.process.terminate()
        self.last_words = self.process.stdout.read().decode()
        self.process.wait()


class Loopback:
    """Everything on 127.0.0.0/8. cap: bytes per second of a CDN connection; 0 is none. crowd, crowded: above `crowd`
    connections to an address each gets `crowded` bytes per second. addresses: how many the CDN's name has."""
    netns = None
    addresses = (HUB_ADDRESS, CDN_ADDRESS)  # where nginx listens

    def __init__(self, cap=0, crowd=0, crowded=0, addresses=1):
        self.relay = None
        cdn = [CDN_ADDRESS]
        if cap or crowd:
            cdn = [f"127.0.1.{n + 1}" for n in range(addresses)]
            self.relay = Helper("relay", f"{CDN_ADDRESS}:443", 443, cap, crowd, crowded, *cdn)
        self.names = Names(cdn=cdn)

    def close(self):
        self.names.close()
        if self.relay:
            self.relay.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Wan:
    """The client in a network of its own, `rtt_ms` away; loss of the server's packets in parts per million.
    Packets, not bytes, are delayed and lost: the kernel's TCP at both ends sees them. cap: as Loopback's."""
    netns = CLIENT
    addresses = (WAN_SERVER, WAN_CDN)

    def __init__(self, rtt_ms, loss_ppm=0, cap=0, seed=1):
        ip("netns", "add", CLIENT)
        # Segments of up to 64 KB pass whole where none is to be lost: a wire that costs less CPU than its ends.
        self.wire = Helper("wan", f"/run/netns/{CLIENT}", "wan0", int(rtt_ms * 500), loss_ppm, seed,
                           "packets" if loss_ppm else "segments")
        ip("link", "set", "lo", "up", netns=CLIENT)
        for netns, addresses in ((None, (WAN_SERVER, WAN_CDN, WAN_RELAY)), (CLIENT, (WAN_CLIENT,))):
            for address in addresses:
                ip("addr", "add", address + "/32", "dev", "wan0", netns=netns)
            ip("link", "set", "wan0", "txqueuelen", "20000", "mtu", "1500", "up", netns=netns)
            ip("route", "add", "10.77.0.0/16", "dev", "wan0", "src", addresses[0], "congctl", "cubic", netns=netns)
        kernel_defaults(CLIENT)
        self.relay = None
        cdn = WAN_CDN
        if cap:
            cdn = WAN_RELAY
            self.relay = Helper("relay", f"{WAN_CDN}:443", 443, cap, 0, 0, cdn)
        self.names = Names(hub=WAN_SERVER, cdn=(cdn,), netns=CLIENT)
        time.sleep(0.2)

    def close(self):
        self.names.close()
        if self.relay:
            self.relay.close()
        self.wire.close()
        ip("netns", "del", CLIENT)
        time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

"""What is measured. A scenario yields results: dicts of measure.one_run with "scenario", "case" and "run" added.

Runs are interleaved: every peer once, then every peer again, so that a slow minute of the machine hits all alike."""
import ctypes
import mmap
import os
import shutil
import signal
import time
from functools import partial

from . import MB, WORK, fixture, measure
from .net import Loopback, Wan
from .peers import BINARIES, PEERS, files_at
from .site import Site

VOLUME = WORK / "volume"        # tmpfs
DISK = WORK / "volume-on-disk"  # the file system of the repo
CAP = 20 * MB                   # bytes per second of a connection where they are capped


class Options:
    """Of the command line: runs, scale, peers (None: all), limit_s (a peer that is slower is stopped then where the
    network is slow, and its rate until then stands for the rest; 0: none is stopped), only (scenarios, or single cases
    of them as "S2:free"; None: all)."""

    def __init__(self, runs=5, scale=1.0, peers=None, limit_s=60, only=None):
        self.runs, self.scale, self.peers, self.limit_s, self.only = runs, scale, peers, limit_s, only

    def wants(self, scenario, case=None):
        """Any case of it, if none is named."""
        return self.only is None or any(name == scenario or case in (None, name.partition(":")[2]) and
                                        name.partition(":")[0] == scenario for name in self.only)

    def choose(self, names):
        known = [n for n in names if not n.startswith("hf-init stock") or "hf-init stock" in BINARIES]
        return known if self.peers is None else [n for n in known if n in self.peers]


LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
held = {}  # path: (address, length)


def hold(address, length):
    if address == ctypes.c_void_p(-1).value or LIBC.mlock(ctypes.c_void_p(address), ctypes.c_size_t(length)):
        raise OSError(ctypes.get_errno(), "the fixtures cannot be held in memory")


def warm(repo):
    """The server's files into memory, and kept there: some virtual machines give page cache back to their host while it is in
    use, and then the disk is measured. What other repos held is let go. Small ones are just read: or the first peer would
    wait for a disk, where no run goes before all that is not counted."""
    wanted = {repo.path(file) for file in repo.files} if repo.lfs else set()
    for file in () if repo.lfs else repo.files:
        repo.path(file).read_bytes()
    for path in set(held) - wanted:
        address, length = held.pop(path)
        LIBC.munmap(ctypes.c_void_p(address), ctypes.c_size_t(length))
    for path in wanted - set(held):
        with open(path, "rb") as file:
            length = os.fstat(file.fileno()).st_size
            address = LIBC.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
        hold(address, length)
        held[path] = (address, length)


def touch_memory(count):
    """A virtual machine pays for every page that its host has to find first, and may hand free ones back within seconds:
    the memory that a run will fill is filled and freed right before it."""
    block = bytes(8 * MB)
    with open(VOLUME / "touch", "wb", buffering=0) as file:
        for _ in range(count // len(block) + 1):
            file.write(block)
    (VOLUME / "touch").unlink()


def series(options, scenario, case, peers, repo, world, *, cpus=None, server_cpus=None, runs=None, slow=False,
           target=VOLUME, **how):
    """`runs` interleaved runs of the peers. world: makes one; slow: the limit of time holds."""
    if not options.wants(scenario, case):
        return
    peers = options.choose(peers)
    warm(repo)
    measure.empty(VOLUME)
    with world() as network, Site([repo], network.addresses, server_cpus) as site:
        if peers and not slow:      # the first to read the fixtures pays for what the host gave away meanwhile: nobody's figure
            touch_memory(repo.bytes)
            measure.one_run(peers[0], repo, target, site, cpus=cpus, netns=network.netns, **how)
        for run in range(runs or options.runs):
            for peer in peers[run % len(peers):] + peers[:run % len(peers)]:
                measure.empty(target)
                if target == VOLUME:
                    touch_memory(repo.bytes)
                result = measure.one_run(peer, repo, target, site, cpus=cpus, netns=network.netns, thorough=run == 0,
                                         limit_s=(options.limit_s or None) if slow else None, **how)
                result.update(scenario=scenario, case=case, run=run, limit_s=options.limit_s)
                yield result
    measure.empty(target)


def bulk(name):
    """One scenario of large files on loopback, pinned for the cost in CPU and free for the time it takes."""
    peers = ["hf-init", "hf-init unverified", "hf-init stock", "aria2c", "aria2c + sha256sum", "huggingface_hub",
             "huggingface_hub + sha256sum", "curl -Z", "@huggingface/hub"]

    def scenario(options):
        repo = fixture.get(name.lower(), options.scale)
        yield from series(options, name, "pinned", peers, repo, Loopback, cpus=[1], server_cpus=[0])
        yield from series(options, name, "free", peers, repo, Loopback)
    return scenario


def small_files(options):
    repo = fixture.get("s3", options.scale)
    peers = ["hf-init", "hf-init stock", "aria2c", "huggingface_hub", "curl -Z", "@huggingface/hub"]
    yield from series(options, "S3", "loopback", peers, repo, Loopback)


def small_files_far_away(options):
    repo = fixture.get("s3", options.scale)
    peers = ["hf-init", "aria2c", "huggingface_hub", "curl -Z", "@huggingface/hub"]
    yield from series(options, "S3", "50 ms", peers, repo, partial(Wan, 50), slow=True)


def capped(options):
    """S4: each connection gets 20 MB/s; without distance (the table of targets), and at 200 ms."""
    peers = ["hf-init", "aria2c", "huggingface_hub", "curl -Z"]
    one, eight = fixture.get("s1", options.scale), fixture.get("s2", options.scale)
    yield from series(options, "S4", "one file", peers, one, partial(Loopback, cap=CAP), slow=True)
    yield from series(options, "S4", "one, 200 ms", peers, one, partial(Wan, 200, cap=CAP), slow=True)
    yield from series(options, "S4", "eight, 200 ms", peers, eight, partial(Wan, 200, cap=CAP), slow=True)


def lossy(options):
    """S5: 50 ms and one packet in a hundred lost. aria2c with 16 connections in all, and with 16 for each of 8 files."""
    repo = fixture.get("s2", options.scale)
    peers = ["hf-init", "hf-init 64 connections", "aria2c -j1", "aria2c", "huggingface_hub", "curl -Z"]
    yield from series(options, "S5", "50 ms, 1 %", peers, repo, partial(Wan, 50, loss_ppm=10_000), slow=True)


def complete(options):
    """S6: nothing to do. Twenty times as many runs: they take milliseconds."""
    repo = fixture.get("s2", min(options.scale, 0.1))
    peers = options.choose(["hf-init", "hf-init stock", "huggingface_hub"])
    measure.empty(VOLUME)
    with Loopback() as world, Site([repo]) as site:
        for peer in peers:
            measure.one_run(peer, repo, VOLUME / peer.replace(" ", "-"), site, netns=world.netns)
        for run in range(options.runs * 4):
            for peer in peers:
                result = measure.one_run(peer, repo, VOLUME / peer.replace(" ", "-"), site, keep=True)
                result.update(scenario="S6", case="complete", run=run)
                yield result
    measure.empty(VOLUME)


def forget_hashes(target):
    """Takes away what hf-init remembers of a complete volume, so that the next run has to read every file again."""
    shutil.rmtree(target / ".hf-init")


def again(options):
    """S7: a complete volume is hashed, everything in the page cache."""
    repo = fixture.get("s2", options.scale)
    measure.empty(VOLUME)
    touch_memory(repo.bytes)
    with Loopback(), Site([repo]) as site:
        filled = measure.one_run("hf-init", repo, VOLUME, site)
        if not filled["ok"]:
            raise RuntimeError(f"S7: the volume could not be filled: {filled}")
        paths = [str(path) for _, path in files_at("hf-init", repo, VOLUME)]
        env = dict(PATH=os.environ["PATH"])
        for run in range(options.runs):
            for peer, command in (("sha256sum", ["sha256sum"] + paths), ("openssl dgst", ["openssl", "dgst", "-sha256"] + paths)):
                result = measure.launch(command, env)
                result.update(peer=peer, ok=result["code"] == 0, repo=repo.folder.name, repo_bytes=repo.bytes, verified=True,
                              scenario="S7", case="re-verify", run=run)
                yield result
            for peer in options.choose(["hf-init", "hf-init stock"]):
                forget_hashes(VOLUME)
                result = measure.one_run(peer, repo, VOLUME, site, keep=True)
                if result["by"].get("cdn GET"):
                    result.update(ok=False, wrong="fetched what was there")
                result.update(scenario="S7", case="re-verify", run=run)
                yield result
    measure.empty(VOLUME)


def one_pass(options):
    """What the targets hold S1 against: one pass of openssl over the file."""
    if not options.wants("S1", "free"):
        return
    repo = fixture.get("s1", options.scale)
    warm(repo)
    for run in range(options.runs):
        result = measure.launch(["openssl", "dgst", "-sha256", str(repo.path(repo.files[0]))], dict(PATH=os.environ["PATH"]))
        result.update(peer="openssl dgst", ok=result["code"] == 0, repo=repo.folder.name, repo_bytes=repo.bytes,
                      verified=True, scenario="S1", case="free", run=run)
        yield result


def received():
    """Bytes that came over loopback so far, all of them the server's answers."""
    for line in open("/proc/self/net/dev"):  # /sys would show the machine's own
        if line.strip().startswith("lo:"):
            return int(line.partition(":")[2].split()[0])
    raise RuntimeError("no loopback")


def killed(options):
    """S8: SIGKILL at 60 % of the bytes, then a second run. Its figures, and what both fetched."""
    repo = fixture.get("s2", options.scale)
    peers = options.choose(["hf-init", "aria2c", "huggingface_hub"])
    measure.empty(VOLUME)
    touch_memory(repo.bytes)
    warm(repo)
    with Loopback(), Site([repo]) as site:
        for run in range(options.runs):
            for peer in peers:
                measure.empty(VOLUME)
                touch_memory(repo.bytes)
                enough = received() + int(repo.bytes * 0.6)

                def kill_at_60_percent(process):
                    while process.poll() is None and received() < enough:
                        time.sleep(0.005)
                    process.send_signal(signal.SIGUSR1)

                first = measure.one_run(peer, repo, VOLUME, site, meanwhile=kill_at_60_percent)
                time.sleep(0.3)
                result = measure.one_run(peer, repo, VOLUME, site, keep=True, thorough=run == 0)
                result.update(scenario="S8", case="resume", run=run, first_wall_s=first["wall_s"],
                              first_bytes_sent=first["bytes_sent"],
                              twice_bytes=first["bytes_sent"] + result["bytes_sent"] - repo.bytes)
                if not first["killed"]:
                    result.update(ok=False, wrong="it was over before it could be killed")
                yield result
    measure.empty(VOLUME)


def collapsing(options):
    """S9: the CDN's name has three addresses; above 16 connections to one of them, each gets 1 MB/s, else 20 MB/s."""
    repo = fixture.get("s9", options.scale)
    peers = ["hf-init", "hf-init 64 connections", "aria2c -j1", "aria2c", "huggingface_hub", "curl -Z"]
    yield from series(options, "S9", "collapse", peers, repo, partial(Loopback, cap=CAP, crowd=16, crowded=MB, addresses=3),
                      slow=True)


def crowded(options):
    """How much memory 64 connections take."""
    repo = fixture.get("s2", options.scale)
    yield from series(options, "S2", "64 conns", ["hf-init 64 connections"], repo, Loopback)


def little_memory(options):
    """S11: a cgroup of 64 MiB, page cache included, and the volume on a disk."""
    repo = fixture.get("s1", options.scale)
    peers = ["hf-init drop", "hf-init", "aria2c", "huggingface_hub"]
    yield from series(options, "S11", "64 MiB", peers, repo, Loopback, target=DISK, memory=64 << 20)


SCENARIOS = {"S1": [bulk("S1"), one_pass], "S2": [bulk("S2"), crowded], "S3": [small_files, small_files_far_away],
             "S4": [capped], "S5": [lossy], "S6": [complete], "S7": [again], "S8": [killed], "S9": [collapsing],
             "S11": [little_memory]}
assert all(callable(p) for p in PEERS.values())

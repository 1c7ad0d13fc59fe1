"""What is measured. A scenario yields results: dicts of measure.one_run with "scenario", "case" and "run" added.

Runs are interleaved: every peer once, then every peer again, so that a slow minute of the machine hits all alike."""
from . import MB, WORK, fixture, measure
from .net import Loopback
from .peers import BINARIES, PEERS
from .site import Site

VOLUME = WORK / "volume"        # tmpfs
DISK = WORK / "volume-on-disk"  # the file system of the repo


class Options:
    """Of the command line: runs, scale, peers (None: all), long (no limit of time), progress(text)."""

    def __init__(self, runs=5, scale=1.0, peers=None, unlimited=False):
        self.runs, self.scale, self.peers, self.unlimited = runs, scale, peers, unlimited
        self.extra = []

    def choose(self, names):
        known = [n for n in names if not n.startswith("hf-init stock") or "hf-init stock" in BINARIES]
        return known if self.peers is None else [n for n in known if n in self.peers]


def warm(repo):
    """The server's files into the page cache."""
    for file in repo.files if repo.lfs else []:
        with open(repo.path(file), "rb", buffering=0) as source:
            while source.read(4 * MB):
                pass


def touch_memory(count):
    """Pages that this machine has not used since its start cost more the first time: the volume's are used here."""
    block = bytes(8 * MB)
    with open(VOLUME / "touch", "wb", buffering=0) as file:
        for _ in range(count // len(block) + 1):
            file.write(block)
    (VOLUME / "touch").unlink()


def series(options, scenario, case, peers, repo, world, *, cpus=None, server_cpus=None, runs=None, limit_s=None,
           target=VOLUME, **how):
    """`runs` interleaved runs of the peers."""
    peers = options.choose(peers)
    warm(repo)
    if target == VOLUME:
        measure.empty(VOLUME)
        touch_memory(repo.bytes)
    with world, Site([repo], cpus=server_cpus) as site:
        for run in range(runs or options.runs):
            for peer in peers:
                result = measure.one_run(peer, repo, target, site, cpus=cpus, netns=world.netns, thorough=run == 0,
                                         limit_s=None if options.unlimited else limit_s, **how)
                result.update(scenario=scenario, case=case, run=run)
                yield result
    measure.empty(target)


def bulk(name):
    """One scenario of large files on loopback, pinned for the cost in CPU and free for the time it takes."""
    peers = ["hf-init", "hf-init unverified", "hf-init stock", "aria2c", "aria2c + sha256sum", "huggingface_hub",
             "huggingface_hub + sha256sum", "curl -Z", "@huggingface/hub"]

    def scenario(options):
        repo = fixture.get(name.lower(), options.scale)
        yield from series(options, name, "pinned", peers, repo, Loopback(), cpus=[1], server_cpus=[0])
        yield from series(options, name, "free", peers, repo, Loopback())
    return scenario


def small_files(options):
    repo = fixture.get("s3", options.scale)
    peers = ["hf-init", "hf-init stock", "aria2c", "huggingface_hub", "curl -Z", "@huggingface/hub"]
    yield from series(options, "S3", "loopback", peers, repo, Loopback())


SCENARIOS = {"S1": bulk("S1"), "S2": bulk("S2"), "S3": small_files}
assert all(callable(p) for p in PEERS.values())

"""Who is measured, each with the command line that a careful user would give it.

A peer is a function (repo, target) -> (command, environment). Files are expected at `files_at(repo, target)`."""
import os

from . import ENDPOINT, WORK
from .site import direct_url

CA = str(WORK / "tls" / "ca.pem")
BINARIES = {}  # "hf-init", "hf-init stock" -> path; set from the command line
ARIA_SPLIT = ["-x16", "-s16", "-k1M"]
SMALL_AT_ONCE = 64

HUB_SCRIPT = """
import sys
from huggingface_hub import snapshot_download
snapshot_download(sys.argv[1], revision=sys.argv[2], local_dir=sys.argv[3], max_workers=8)
"""
JS_SCRIPT = """
import { snapshotDownload } from "@huggingface/hub";
console.debug = () => {};
await snapshotDownload({ repo: process.argv[2], revision: process.argv[3], cacheDir: process.argv[4], hubUrl: "%s" });
""" % ENDPOINT


def environment(**more):
    base = {"PATH": os.environ["PATH"], "HOME": str(WORK / "home"), "LANG": "C.UTF-8", "SSL_CERT_FILE": CA}
    (WORK / "home").mkdir(exist_ok=True)
    return dict(base, **more)


def ours(binary, *settings):
    def peer(repo, target):
        command = [str(BINARIES[binary]), "run", "--repos", f"{repo.id}@{repo.commit}", "--target", str(target),
                   "--endpoint", ENDPOINT, "--termination-message", "", "--progress", "none", "--log-level", "warn"]
        return command + list(settings), environment()
    return peer


def huggingface_hub(repo, target):
    return ([str(WORK / "python/bin/python"), "-c", HUB_SCRIPT, repo.id, repo.commit, str(target / repo.id)],
            environment(HF_ENDPOINT=ENDPOINT, HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1",
                        HF_HUB_DISABLE_TELEMETRY="1", REQUESTS_CA_BUNDLE=CA))


def javascript(repo, target):
    script = WORK / "node" / "snapshot.mjs"
    if not script.exists() or script.read_text() != JS_SCRIPT:
        script.write_text(JS_SCRIPT)
    return ["node", str(script), repo.id, repo.commit, str(target)], environment(NODE_EXTRA_CA_CERTS=CA)


def aria2c(at_once=8):
    """at_once: downloads at the same time (-j); 16 connections each is the most it allows."""
    def peer(repo, target):
        words = WORK / "aria2.list"
        folder = target / repo.id
        words.write_text("".join(f"{direct_url(repo, f)}\n out={f.path}\n" for f in repo.files))
        jobs = at_once if repo.lfs else SMALL_AT_ONCE
        return (["aria2c", "--no-conf", *ARIA_SPLIT, f"-j{jobs}", "--file-allocation=falloc", "--quiet", "-d", str(folder),
                 "--ca-certificate=" + CA, "-i", str(words)], environment())
    return peer


def curl(repo, target):
    config = WORK / "curl.config"
    folder = target / repo.id
    config.write_text("".join(f'url = "{direct_url(repo, f)}"\noutput = "{folder}/{f.path}"\n' for f in repo.files))
    return (["curl", "--silent", "--show-error", "--fail", "--create-dirs", "--parallel", "--parallel-max", "64",
             "--cacert", CA, "-K", str(config)], environment())


def followed_by_sha256sum(peer):
    """What a peer that does not look at the content costs with a check afterwards."""
    def both(repo, target):
        command, env = peer(repo, target)
        sums = WORK / (repo.folder.name + ".sha256")
        sums.write_text("".join(f"{f.sha256}  {target}/{repo.id}/{f.path}\n" for f in repo.files))
        return ["sh", "-c", '"$@" && sha256sum --quiet -c "$0"', str(sums)] + command, env
    return both


PEERS = {
    "hf-init": ours("hf-init"),
    "hf-init stock": ours("hf-init stock"),
    "hf-init unverified": ours("hf-init", "--verify", "size"),
    "hf-init 64 connections": ours("hf-init", "--concurrency-connections", "64"),
    "hf-init drop": ours("hf-init", "--page-cache", "drop"),
    "aria2c": aria2c(),
    "aria2c -j1": aria2c(1),
    "aria2c + sha256sum": followed_by_sha256sum(aria2c()),
    "huggingface_hub": huggingface_hub,
    "huggingface_hub + sha256sum": followed_by_sha256sum(huggingface_hub),
    "curl -Z": curl,
    "@huggingface/hub": javascript,
}
VERIFIES = {name for name in PEERS if name.startswith("hf-init") or "sha256sum" in name} - {"hf-init unverified"}


def files_at(peer, repo, target):
    """Where the peer put the files: [(file, path)]."""
    root = target / repo.id
    if peer == "@huggingface/hub":
        root = target / ("models--" + repo.id.replace("/", "--")) / "snapshots" / repo.commit
    return [(f, root / f.path) for f in repo.files]

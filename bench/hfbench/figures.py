"""From runs to figures: medians, rates and the table of targets."""
import statistics

from . import GB

OURS = "hf-init"


def wall(r):
    """Seconds; of a run that was stopped, what it would have taken at the rate it had."""
    return r["wall_s"] / max(r["done"], 1e-9) if r["killed"] and "done" in r else r["wall_s"]


def cpu_per_gb(r):
    done = r.get("done", 1) if r["killed"] else 1
    return (r["user_s"] + r["sys_s"]) / max(done, 1e-9) / (r["repo_bytes"] / GB)


MEASURES = {"wall": wall, "cpu": cpu_per_gb, "rss": lambda r: r["maxrss_bytes"], "peak": lambda r: r["cgroup_peak_bytes"] or 0,
            "requests": lambda r: r.get("requests", 0), "connections": lambda r: r.get("connections", 0),
            "server": lambda r: r.get("server_cpu_s", 0), "twice": lambda r: r.get("twice_bytes", 0)}


class Figures:
    def __init__(self, document):
        self.document = document
        self.runs = {}
        for r in document["results"]:
            self.runs.setdefault((r["scenario"], r["case"], r["peer"]), []).append(r)

    def cases(self):
        return list(dict.fromkeys((scenario, case) for scenario, case, _ in self.runs))

    def peers(self, scenario, case):
        return [p for s, c, p in self.runs if (s, c) == (scenario, case)]

    def good(self, scenario, case, peer):
        """The runs that left what they should."""
        return [r for r in self.runs.get((scenario, case, peer), []) if r["ok"]]

    def of(self, scenario, case, peer, measure, how=statistics.median):
        """None without a good run."""
        values = [MEASURES[measure](r) for r in self.good(scenario, case, peer)]
        return how(values) if values else None

    def was_stopped(self, scenario, case, peer):
        return any(r["killed"] and "done" in r for r in self.good(scenario, case, peer))


def ratio(figures, what, scenario, case, measure, peer, target, ours=OURS, other_case=None):
    """A row of the table: ours over theirs, both medians."""
    mine = figures.of(scenario, case, ours, measure)
    theirs = figures.of(scenario, other_case or case, peer, measure)
    value = mine / theirs if mine is not None and theirs else None
    return {"what": what, "against": peer, "ours": mine, "theirs": theirs, "value": value, "target": target, "measure": measure,
            "met": None if value is None else value <= target, "kind": "ratio"}


def absolute(what, value, target, unit):
    return {"what": what, "against": "", "ours": value, "theirs": None, "value": value, "target": target, "measure": unit,
            "met": None if value is None else value <= target, "kind": "absolute"}


def targets(figures):
    """Every promise, as a row with "met": True, False, or None where it was not measured."""
    f = figures
    cpu = "8 × 1 GB, TLS, verified, CPU"
    time = "8 × 1 GB, TLS, verified, time"
    drop = f.runs.get(("S11", "64 MiB", "hf-init drop"), [])
    survived = None if not drop else sum(not r["ok"] or bool(r["oom_kills"]) for r in drop)
    return [
        ratio(f, cpu, "S2", "pinned", "cpu", "aria2c", 0.8),
        ratio(f, cpu, "S2", "pinned", "cpu", "huggingface_hub", 0.6),
        ratio(f, cpu, "S2", "pinned", "cpu", "hf-init stock", 1 / 5),
        ratio(f, time, "S2", "free", "wall", "aria2c", 1.0),
        ratio(f, time, "S2", "free", "wall", "huggingface_hub", 0.5),
        ratio(f, "1 × 4 GB, TLS, verified, time", "S1", "free", "wall", "openssl dgst", 1.25),
        ratio(f, "1 × 4 GB, 20 MB/s per connection", "S4", "one file", "wall", "huggingface_hub", 1 / 12),
        ratio(f, "8 × 1 GB, 50 ms, 1 % loss", "S5", "50 ms, 1 %", "wall", "huggingface_hub", 1 / 4),
        ratio(f, "8 × 1 GB, 50 ms, 1 % loss", "S5", "50 ms, 1 %", "wall", "aria2c -j1", 1 / 2),
        ratio(f, "5,000 × 20 KB, 50 ms", "S3", "50 ms", "wall", "huggingface_hub", 1 / 12),
        absolute("complete volume, pinned commit, time", f.of("S6", "complete", OURS, "wall"), 0.015, "wall"),
        absolute("complete volume, pinned commit, requests", f.of("S6", "complete", OURS, "requests", max), 0, "requests"),
        ratio(f, "8 GB volume verified again", "S7", "re-verify", "wall", "sha256sum", 1 / 2),
        absolute("memory (RSS) at 64 connections", f.of("S2", "64 conns", "hf-init 64 connections", "rss", max), 32e6, "rss"),
        absolute("4 GB in a cgroup of 64 MiB: failures", survived, 0, "requests"),
        absolute("binary", f.document.get("binary_bytes"), 4.5e6, "rss"),
    ]

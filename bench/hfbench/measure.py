"""One run of one peer: time, CPU, memory, requests, and whether what it left is right."""
import filecmp
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from . import WORK
from .peers import PEERS, VERIFIES, files_at

MEMORY_V1 = "/sys/fs/cgroup/memory"


class Group:
    """A memory cgroup for one run, v1 or v2; `limit` in bytes. Without one to make, peak and ooms are None."""
    serial = 0

    def __init__(self, limit=None):
        Group.serial += 1
        name = f"hf-init-bench-{os.getpid()}-{time.time_ns() // 1000 % 10**9}-{Group.serial}"
        self.v1 = os.path.isdir(MEMORY_V1)
        self.path = os.path.join(MEMORY_V1 if self.v1 else "/sys/fs/cgroup", name)
        try:
            os.mkdir(self.path)
            if limit:
                self.write("memory.limit_in_bytes" if self.v1 else "memory.max", limit)
        except OSError:
            self.path = None

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w") as file:
            file.write(str(value))

    def read(self, name):
        try:
            with open(os.path.join(self.path, name)) as file:
                return file.read()
        except (OSError, TypeError):
            return ""

    def words(self):
        return ["-g", os.path.join(self.path, "cgroup.procs")] if self.path else []

    def close(self):
        """(peak bytes, OOM kills); the group is gone afterwards."""
        peak = self.read("memory.max_usage_in_bytes" if self.v1 else "memory.peak").strip()
        events = dict(line.split()[:2] for line in
                      self.read("memory.oom_control" if self.v1 else "memory.events").splitlines())
        if self.path:
            for _ in range(50):
                try:
                    os.rmdir(self.path)
                    break
                except OSError:
                    time.sleep(0.1)
        return (int(peak) if peak else None), (int(events["oom_kill"]) if "oom_kill" in events else None)


def sweep():
    """Removes the groups of runs that were killed before they could."""
    for base in (MEMORY_V1, "/sys/fs/cgroup"):
        for path in Path(base).glob("hf-init-bench-*"):
            if time.time() - path.stat().st_mtime > 3600:
                try:
                    path.rmdir()
                except OSError:
                    pass


def steal_ticks():
    fields = open("/proc/stat").readline().split()[1:]
    return int(fields[7]), sum(map(int, fields[:8]))


def is_right(peer, repo, target, thorough):
    """None if every file is there with its size (thorough: and content), else what is wrong."""
    for file, path in files_at(peer, repo, target):
        if not path.exists():
            return f"{file.path} is missing"
        if path.stat().st_size != file.size:
            return f"{file.path} has {path.stat().st_size} bytes"
        if thorough and not filecmp.cmp(repo.path(file), path, shallow=False):
            return f"{file.path} differs"
    return None


def part_done(peer, repo, target, result):
    """How much of its work a stopped run had done, 0 to 1: by bytes, of small files by files."""
    if repo.lfs:
        return min(1, result["bytes_sent"] / repo.bytes)
    return sum(path.exists() for _, path in files_at(peer, repo, target)) / len(repo.files)


def empty(target):
    """Nothing of the last run, neither as files nor as dirty pages that the next one would pay for."""
    for child in target.iterdir() if target.exists() else []:
        shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    target.mkdir(parents=True, exist_ok=True)


def launch(command, env, *, cpus=None, netns=None, limit_s=None, memory=None, meanwhile=None):
    """Runs the command; {wall_s, user_s, sys_s, maxrss_bytes, code, killed, cgroup_peak_bytes, oom_kills, steal, error}.
    `meanwhile`: a function of the launcher's process, called while the command runs."""
    out, errors = WORK / "launch.json", WORK / "launch.err"
    group = Group(memory)
    words = [str(WORK / "bin" / "launch")] + group.words()
    words += ["-c", ",".join(map(str, cpus))] if cpus is not None else []
    words += ["-n", f"/run/netns/{netns}"] if netns else []
    words += ["-t", str(limit_s)] if limit_s else []
    stolen, ticks = steal_ticks()
    with open(errors, "w") as log:
        process = subprocess.Popen(words + [str(out)] + command, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, cwd=WORK)
        if meanwhile:
            meanwhile(process)
        process.wait()
    stolen_after, ticks_after = steal_ticks()
    result = json.loads(out.read_text())
    result["cgroup_peak_bytes"], result["oom_kills"] = group.close()
    result["steal"] = (stolen_after - stolen) / max(1, ticks_after - ticks)
    if result["code"]:
        result["error"] = errors.read_text()[-600:]
    return result


def one_run(peer, repo, target, site, *, keep=False, thorough=False, **how):
    """A peer fetches a repo into `target`, which is emptied first unless `keep`."""
    if not keep:
        empty(target)
    command, env = PEERS[peer](repo, target)
    mark, server = site.mark(), site.cpu_seconds()
    result = launch(command, env, **how)
    result["server_cpu_s"] = site.cpu_seconds() - server
    result.update(site.since(mark))
    result.update(peer=peer, repo=repo.folder.name, repo_bytes=repo.bytes, files=len(repo.files),
                  verified=peer in VERIFIES)
    if result["killed"]:
        result["ok"] = True
        result["done"] = part_done(peer, repo, target, result)
    else:
        wrong = f"exit code {result['code']}" if result["code"] else is_right(peer, repo, target, thorough)
        result["ok"] = wrong is None
        if wrong:
            result["wrong"] = wrong
    return result

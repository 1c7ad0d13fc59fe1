"""What the tests of sudden ends share: one judge of what lies on a volume afterwards, and ways to end a run."""
import contextlib
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import time
import uuid

import pytest
from conftest import Volume, sha256

MIB = 1 << 20
SCALE = float(os.environ.get("HF_INIT_TORTURE_SCALE", "1"))
IN_PROGRESS = (".hf-init/partials/", ".hf-init/temp/", ".hf-init/leases/")  # where a death may leave something
NAME_ALONE = (".metadata", "CACHEDIR.TAG", ".gitignore")  # a time is in it, or nobody waits until it is on disk


def scaled(count):
    return max(1, round(count * SCALE))


def picture(path):
    """All that lies below a folder: {path: "folder", a link's text, or the sha256}; of what hf-init keeps for itself,
    only the names."""
    found = {}
    for folder, folders, names in os.walk(path):
        for name in folders + names:
            full = pathlib.Path(folder) / name
            rel = str(full.relative_to(path))
            if full.is_symlink():
                found[rel] = "-> " + os.readlink(full)
            elif full.is_dir():
                found[rel] = "folder"
            else:
                found[rel] = "" if rel.startswith(".hf-init/") or rel.endswith(NAME_ALONE) else sha256(full)
    return found


class Judge:
    """Holds a volume on which runs of one spec die, as often as they like, against what an undisturbed run leaves.

    died()    at any moment: what is visible is final and right, a marker means that all of it is there, the rest lies
              where the next run looks for it; and what an earlier death had left visible was not fetched again
    ended()   the run got to its end: nothing more and nothing else than after an undisturbed one, and fetched was the
              repo once, and per death at most `in_flight` bytes (None: nobody counts). Then the volume is empty again

    The first run, which shows what undisturbed means, is made by `run`."""

    def __init__(self, hub, repo, volume, layout, in_flight, run):
        self.hub, self.volume, self.in_flight = hub, volume, in_flight
        files = repo.head().files
        place = "acme/tiny/" if layout == "dir" else "models--acme--tiny/blobs/"
        self.final = {name: place + (name if layout == "dir" else file.etag) for name, file in files.items()}
        self.size = sum(file.size for file in files.values())
        self.deaths = self.all_deaths = self.ends = self.sent = self.worst = 0
        self.there = set()
        result = run()
        assert result.code == 0, result
        self.clean = picture(volume.path)
        assert {self.clean[self.final[name]] for name in files} == {file.content.sha256 for file in files.values()}
        self.begin()

    def begin(self):
        for entry in self.volume.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        assert self.hub.left()
        self.hub.log.clear()
        self.deaths, self.sent, self.there = 0, 0, set()

    def _count(self):
        assert self.hub.left()
        asked = {r.file for r in self.hub.requests() if r.file}
        assert not asked & self.there, "fetched again, though they were visible"
        self.sent += sum(r.sent for r in self.hub.requests(status=(200, 206)) if r.file)
        self.hub.log.clear()

    def died(self):
        self._count()
        now = picture(self.volume.path)
        for path, what in now.items():
            if path.startswith(IN_PROGRESS):
                continue
            assert path in self.clean, path + " does not belong there"
            assert what == self.clean[path], path + " is not what it should be"
        if self.volume.marker() is not None:
            missing = {path for path, what in self.clean.items() if what} - now.keys()
            assert not missing, "a marker, and not everything there"
        self.there = {name for name, path in self.final.items() if path in now}
        self.deaths += 1
        self.all_deaths += 1

    def ended(self, result):
        assert result.code == 0, result
        self._count()
        now = picture(self.volume.path)
        assert now == self.clean, (set(now.items()) ^ set(self.clean.items()))
        assert self.volume.marker() and self.volume.status()["phase"] == "complete"
        if self.in_flight is not None:
            assert self.sent <= self.size + self.deaths * self.in_flight, (self.sent, self.size, self.deaths)
        if self.deaths:
            self.worst = max(self.worst, (self.sent - self.size) / self.deaths)
        self.ends += 1
        self.begin()

    def __str__(self):
        return "%d deaths, %d whole volumes, at worst %d bytes fetched again per death" % (
            self.all_deaths, self.ends, self.worst)


class Namespace:
    """A mount namespace of its own: what is mounted in it vanishes with it."""

    def __init__(self):
        wait = ("sh", "-c", "echo ready; read end")
        self._keeper = subprocess.Popen(["unshare", "-m", "--propagation", "private", *wait], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if self._keeper.stdout.readline() != b"ready\n":
            self.close()
            pytest.skip("no mount namespaces here")
        self.prefix = ("nsenter", "-t", str(self._keeper.pid), "-m")

    def seen(self, path):
        """A path inside, as this process may open it."""
        return pathlib.Path("/proc/%d/root%s" % (self._keeper.pid, path))

    def call(self, *command):
        done = subprocess.run([*self.prefix, *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)

    def close(self):
        self._keeper.stdin.close()
        self._keeper.wait()


class Disk:
    """A file system in a file, mounted at `path` in a namespace of its own, whose power can be cut.

    `EXT4_IOC_SHUTDOWN` and `XFS_IOC_GOINGDOWN` are one number; NOLOGFLUSH: what the journal does not hold yet is lost,
    and the mount answers everything with EIO from then on."""

    SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2

    def __init__(self, folder, kind, size):
        self.space, self.path = Namespace(), folder / "disk"
        self._image, self._boot = folder / "image", folder / "boot_id"
        try:
            self.path.mkdir()
            with open(self._image, "wb") as file:
                file.truncate(size)
            subprocess.run(["mkfs." + kind, "-q", str(self._image)], check=True, capture_output=True)
            self._boot.write_text(str(uuid.uuid4()) + "\n")
            self.space.call("mount", "--bind", self._boot, "/proc/sys/kernel/random/boot_id")
            self._mount()
        except BaseException:
            self.space.close()
            raise

    def _mount(self):
        self.space.call("mount", "-o", "loop", self._image, self.path)

    def volume(self):
        """The target, a folder on the disk, as this process sees it."""
        return Volume(self.space.seen(self.path / "volume"))

    def cut(self):
        fd = os.open(self.space.seen(self.path), os.O_RDONLY)
        try:
            fcntl.ioctl(fd, self.SHUTDOWN, struct.pack("I", self.NOLOGFLUSH))
        finally:
            os.close(fd)

    def reboot(self):
        """After a cut, when nobody has a file open any more: another boot, and the same disk. It took more than a day:
        so a lease goes whose removal the cut undid, also when the next run has nothing to do."""
        self.space.call("umount", self.path)
        self._boot.write_text(str(uuid.uuid4()) + "\n")
        self._mount()
        leases = list((self.volume() / ".hf-init/leases").glob("*"))
        for lease in leases:
            os.utime(lease, (time.time() - 25 * 3600,) * 2)
        return bool(leases)

    def flush(self):
        """What is done so far survives a cut."""
        self.space.call("sync", "-f", self.path)

    def close(self):
        self.space.close()


@contextlib.contextmanager
def memory_limit(bytes_):
    """A prefix that starts a process under that limit."""
    name = "hf-init-test-" + uuid.uuid4().hex[:8]
    for base, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = pathlib.Path(base) / name
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(bytes_))
            yield ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group))
        finally:
            group.rmdir()
        return
    pytest.skip("no memory cgroup can be made here")


def build_atcall(folder):
    """Compiles test/faults/atcall.c; the program."""
    program = folder / "atcall"
    source = pathlib.Path(__file__).resolve().parents[1] / "faults/atcall.c"
    subprocess.run(["gcc", "-O2", "-o", program, source], check=True)
    return str(program)

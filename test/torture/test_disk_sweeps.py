"""The disk, everywhere: no room from any page on, every call with every error, real file systems that fill up or fail.

Oracle: no crash and no hang; an exit code of the README, and one that fits the error; a marker only where every file
hashes right; no wrong file under a name of the repo, ever; and a clean run afterwards completes and leaves nothing
behind."""

import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
from conftest import BIN, Volume, content_of

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from disk_world import CODES, FILES, MIB, ONE, inject, listing, place_of, stray, wrong  # noqa: E402
from standin import lfs  # noqa: E402

PAGE = 4096
SMALL = {"config.json": b'{"a": 1}', "sub/notes.txt": b"hello\n" * 1000, "w.bin": lfs(100_000)}
LAYOUTS = pytest.mark.parametrize("layout", ["dir", "cache"])


def small(hub):
    return hub.model("acme/tiny", SMALL)


def broken(result, volume, repo, layout, codes=CODES):
    """What a run that met a fault did wrong; "" if nothing."""
    marker = volume.path.exists() and volume.marker()
    if result.code not in codes:
        return f"exit {result.code}"
    if result.code == 0 and not marker or result.code != 0 and marker:
        return f"exit {result.code}, marker {bool(marker)}"
    if marker and volume.files(place_of(layout, repo)) != content_of(repo):
        return "a marker and not all of the files"
    return "wrong: %s" % bad if volume.path.exists() and (bad := wrong(volume, repo, layout)) else ""


def unhealed(result, volume, repo, layout, names):
    """The same of the clean run after it."""
    if result.code != 0 or not volume.marker() or volume.files(place_of(layout, repo)) != content_of(repo):
        return f"the next run: {result!r}"
    if stray(volume):
        return f"left behind: {stray(volume)}"
    return f"names that no clean run leaves: {extra}" if (extra := listing(volume) - names) else ""


def unsettle(result, volume, repo, layout):
    """A run that got there all the same leaves the rest to the next one that has something to do."""
    if result.code == 0:
        volume.path.joinpath(place_of(layout, repo), "config.json").unlink()


# No room from byte k on.


def loose(layout):
    return {**ONE, "layout": layout, "disk": {"check": False}}


@LAYOUTS
@pytest.mark.parametrize("share", range(4))
def test_room_that_ends_at_any_page(run, hub, volume, mounts, message, layout, share):
    """On tmpfs, where every page counts and none is promised before."""
    repo = small(hub)
    seen, failures, pages = mounts.tmpfs(volume.path, 64 * MIB), [], 0
    assert run(loose(layout), prefix=mounts.prefix).code == 0
    names = listing(seen)
    mounts.call("umount", volume.path)
    codes = set()
    for pages in range(1 + share, 200, 4):  # of 0 pages tmpfs makes an unlimited volume
        mounts.tmpfs(volume.path, pages * PAGE)
        result = run(loose(layout), prefix=mounts.prefix)
        codes.add(result.code)
        problem = broken(result, seen, repo, layout, {0, 20})
        if not problem and result.code == 20:
            problem = message()["reason"] != "InsufficientDisk" and message()
            mounts.call("mount", "-o", "remount,size=64M", volume.path)
            problem = problem or unhealed(run(loose(layout), prefix=mounts.prefix), seen, repo, layout, names)
        if problem:
            failures.append((pages, problem))
        mounts.call("umount", volume.path)
        if result.code == 0:
            break
    assert not failures and codes == {0, 20}, (codes, failures)


@LAYOUTS
@pytest.mark.parametrize("full, reason", [("ENOSPC", "InsufficientDisk"), ("EDQUOT", "QuotaExceeded")])
@pytest.mark.parametrize("preallocates", [True, False])
def test_writes_that_stop_short_where_the_room_ends(run, hub, odd, message, layout, full, reason, preallocates):
    """A volume that takes the first half of a write and refuses the rest, with and without fallocate."""
    repo, seen = small(hub), odd.volume
    spec = {**loose(layout), "target": str(seen.path)}
    failures, codes = [], set()
    fail = {} if preallocates else {"fallocate": ["EOPNOTSUPP", None]}
    odd.rules(fail=fail, full=full)
    assert run(spec).code == 0
    names = listing(seen)
    for pages in range(0, 200, 3):
        empty(seen.path)
        odd.rules(budget=pages * PAGE)
        result = run(spec)
        codes.add(result.code)
        problem = broken(result, seen, repo, layout, {0, 20})
        odd.rules(budget=None)
        if not problem and result.code == 20:
            problem = message()["reason"] != reason and message() or unhealed(run(spec), seen, repo, layout, names)
        if problem:
            failures.append((pages, problem))
        if result.code == 0:
            break
    assert not failures and codes == {0, 20}, (codes, failures)


def empty(folder):
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


class Disk:
    """A file system of a kind in a file, mounted where nobody else sees it."""

    def __init__(self, mounts, tmp_path, volume, kind, size, *options, how="loop"):
        self.mounts, self.path = mounts, volume.path
        self.image = image = tmp_path / "image"
        with open(image, "wb") as file:
            file.truncate(size)
        made = subprocess.run(
            ["mkfs." + kind, *options, str(image)],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"},
        )
        if made.returncode:
            pytest.skip(f"mkfs.{kind}: {made.stderr}")
        mounts.call("mkdir", "-p", self.path)
        mounts.call("mount", "-o", how, image, self.path)
        self.volume = Volume(f"/proc/{mounts.keeper.pid}/root{self.path}")

    def come_back(self):
        """Another mount, as after a reboot; the two minutes are over that a lease counts which nobody can read."""
        self.mounts.call("umount", self.path)
        self.mounts.call("mount", "-o", "loop", self.image, self.path)
        for lease in self.volume.path.glob(".hf-init/leases/*"):
            os.utime(lease, (time.time() - 150,) * 2)

    def free(self):
        found = os.statvfs(self.volume.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leave):
        """Takes all of the room but so many bytes."""
        with open(self.volume / "filler", "wb", buffering=0) as file:
            while (left := self.free() - leave) > 0:
                try:
                    file.write(bytes(min(left, MIB)))
                except OSError:
                    break
                os.fsync(file.fileno())


@pytest.fixture
def disk(mounts, tmp_path, volume):
    made = []

    def make(kind, size, *options, **how):
        made.append(Disk(mounts, tmp_path, volume, kind, size, *options, **how))
        return made[-1]

    yield make
    for one in made:
        subprocess.run([*mounts.prefix, "umount", "-l", str(one.path)], capture_output=True)


@LAYOUTS
@pytest.mark.parametrize(
    "kind, size, options",
    [
        ("ext4", 16 * MIB, ("-q", "-F", "-b", "4096", "-m", "0", "-N", "256")),
        ("xfs", 300 * MIB, ("-q",)),
        ("btrfs", 128 * MIB, ("-q", "-M")),
    ],
)
def test_a_disk_with_room_for_a_part_of_it(run, hub, mounts, disk, layout, kind, size, options):
    repo = hub.model("acme/tiny", FILES)
    one = disk(kind, size, *options)
    seen, failures, codes = one.volume, [], set()
    assert run(loose(layout), prefix=mounts.prefix).code == 0
    names = listing(seen)
    for leave in [0, 4, 8, 16, 32, 64, 128, 512, 1024, 2048, 3072, 4096]:
        empty(seen.path)
        os.sync() if kind == "btrfs" else None
        one.fill(leave * 1024)
        result = run(loose(layout), prefix=mounts.prefix)
        codes.add(result.code)
        problem = broken(result, seen, repo, layout, {0, 20})
        (seen / "filler").unlink()
        problem = problem or unhealed(run(loose(layout), prefix=mounts.prefix), seen, repo, layout, names)
        if problem:
            failures.append((leave, problem))
    assert not failures and 20 in codes, (codes, failures)


@LAYOUTS
def test_inodes_that_end_anywhere(run, hub, volume, mounts, message, layout):
    repo = small(hub)
    seen = mounts.tmpfs(volume.path, 64 * MIB)
    assert run(loose(layout), prefix=mounts.prefix).code == 0
    names, failures, codes = listing(seen), [], set()
    mounts.call("umount", volume.path)
    for inodes in range(2, 60):
        mounts.tmpfs(volume.path, 64 * MIB, nr_inodes=inodes)
        result = run(loose(layout), prefix=mounts.prefix)
        codes.add(result.code)
        problem = broken(result, seen, repo, layout, {0, 20})
        if not problem and result.code == 20:
            problem = "inode" not in message()["message"] and message()
            mounts.call("mount", "-o", "remount,nr_inodes=1000", volume.path)
            problem = problem or unhealed(run(loose(layout), prefix=mounts.prefix), seen, repo, layout, names)
        if problem:
            failures.append((inodes, problem))
        mounts.call("umount", volume.path)
        if result.code == 0:
            break
    assert not failures and codes == {0, 20}, (codes, failures)


@pytest.mark.parametrize("check", [True, False])
def test_ext4_with_few_inodes_is_named_as_such(run, hub, mounts, disk, message, check):
    hub.model("acme/tiny", {f"{n:03}.txt": f"{n}" for n in range(200)})
    one = disk("ext4", 16 * MIB, "-q", "-F", "-m", "0", "-N", "64")
    result = run({**ONE, "disk": {"check": check, "reserve": 0}}, prefix=mounts.prefix)
    assert result.code == 20 and "inode" in message()["message"], result
    assert one.volume.marker() is None


@LAYOUTS
def test_a_quota_that_statfs_does_not_tell_of(run, hub, mounts, disk, message, layout):
    """btrfs: 100 MB are free, and 2 MiB may be written."""
    repo = hub.model("acme/tiny", FILES)
    one = disk("btrfs", 128 * MIB, "-q", "-M")
    target = one.path / "limited"
    for command in (["quota", "enable", one.path], ["subvolume", "create", target], ["qgroup", "limit", "2M", target]):
        mounts.call("btrfs", *command)
    spec = {**ONE, "layout": layout, "target": str(target)}
    seen = Volume(one.volume / "limited")
    result = run(spec, prefix=mounts.prefix)
    assert result.code == 20 and message()["reason"] == "QuotaExceeded", result
    assert not broken(result, seen, repo, layout, {20})
    mounts.call("btrfs", "qgroup", "limit", "none", target)
    assert run(spec, prefix=mounts.prefix).code == 0
    assert seen.files(place_of(layout, repo)) == content_of(repo) and stray(seen) == []


@LAYOUTS
@pytest.mark.parametrize("kind, size, options", [("ext4", 64 * MIB, ("-q", "-F")), ("xfs", 300 * MIB, ("-q",))])
def test_a_disk_that_goes_away_in_the_middle(start, run, hub, mounts, disk, layout, kind, size, options):
    """ext4 and XFS shut themselves down so when they cannot write their journal: from then on every call fails."""
    repo = hub.model("acme/tiny", FILES)
    one = disk(kind, size, *options)
    spec = {**ONE, "layout": layout}
    gate = hub.gate(file="model.bin", host="cdn", at=MIB)
    running = start(spec, prefix=mounts.prefix)
    assert gate.wait()
    fd = os.open(one.volume.path, os.O_RDONLY)
    fcntl.ioctl(fd, 0x8004587D, (2).to_bytes(4, "little"))  # FS_IOC_GOINGDOWN, without writing the log
    os.close(fd)
    gate.release()
    result = running.wait(20)
    assert result.code in (21, 22), result
    one.come_back()
    assert not broken(result, one.volume, repo, layout)
    assert run(spec, prefix=mounts.prefix).code == 0
    assert one.volume.files(place_of(layout, repo)) == content_of(repo) and stray(one.volume) == []


@LAYOUTS
def test_a_disk_that_turns_read_only_in_the_middle(start, run, hub, mounts, disk, message, layout):
    """ext4 does so by itself after an error (errors=remount-ro)."""
    repo = hub.model("acme/tiny", FILES)
    one = disk("ext4", 64 * MIB, "-q", "-F")
    spec = {**ONE, "layout": layout}
    gate = hub.gate(file="model.bin", host="cdn", at=MIB)
    running = start(spec, prefix=mounts.prefix)
    assert gate.wait()
    mounts.call("mount", "-o", "remount,abort", one.path)
    gate.release()
    result = running.wait(20)
    assert result.code in (21, 22), result
    assert message()["exitCode"] == result.code
    one.come_back()
    assert not broken(result, one.volume, repo, layout)
    assert run(spec, prefix=mounts.prefix).code == 0
    assert one.volume.files(place_of(layout, repo)) == content_of(repo) and stray(one.volume) == []


# Every call, every error.

ERRORS = {  # what open(2), write(2) and their like say of themselves, and what network volumes add
    "openat": "EIO ENOSPC EMFILE ENFILE EACCES ESTALE",
    "openat2": "EIO ENOSPC EDQUOT EROFS EACCES ENFILE ELOOP ESTALE EAGAIN",
    "open": "EIO EMFILE EACCES",
    "read": "EIO EISDIR",
    "pread64": "EIO ESTALE",
    "pwrite64": "EIO ENOSPC EDQUOT EFBIG EROFS ESTALE",
    "write": "EIO ENOSPC",
    "fallocate": "EIO ENOSPC EDQUOT EOPNOTSUPP EFBIG",
    "fsync": "EIO ENOSPC EDQUOT EROFS",
    "fdatasync": "EIO ENOSPC EDQUOT EROFS",
    "renameat": "EIO ENOSPC EXDEV EACCES ENOENT EISDIR EROFS",
    "linkat": "EIO EPERM ENOSPC EXDEV EEXIST EMLINK",
    "symlinkat": "EIO EPERM ENOSPC EEXIST EROFS",
    "readlink": "EIO ENOENT",
    "unlinkat": "EIO EBUSY EACCES EROFS",
    "mkdirat": "EIO ENOSPC EDQUOT EMLINK EROFS",
    "fstat": "EIO ESTALE",
    "stat": "EIO EACCES",
    "newfstatat": "EIO ESTALE EACCES",
    "statx": "EIO ENOSYS",
    "fstatfs": "EIO ENOSYS",
    "getdents64": "EIO ESTALE",
    "close": "EIO ENOSPC EDQUOT EINTR",
    "fadvise64": "EINVAL",
    "utimensat": "EIO EPERM ESTALE",
    "flock": "EIO ENOLCK EINTR",
    "fcntl": "EMFILE",
    "lseek": "EIO",
    "ioctl": "EIO ENOTTY",
    "quotactl_fd": "ENOSYS",
}
FITS = {"ENOSPC": 20, "EDQUOT": 20, "EFBIG": 20, "EROFS": 22, "EACCES": 22, "EPERM": 22}
NOT_OF_THE_VOLUME = {
    "openat",
    "open",
    "read",
    "readlink",
    "fcntl",
    "stat",
    "write",
    "writev",
}  # they also fail for spec, roots, names


def spec_of(layout):
    patience = {"retry": {"attempts": 2, "maxWait": "1s"}, "lock": {"wait": "2s"}}
    return {**ONE, "layout": layout, "pageCache": "drop", **patience}


@pytest.fixture
def calls(run, volume, tmp_path, hub):
    """calls(layout): how often a clean run makes each call, at most, in one of its threads; and the names it leaves."""

    def count(layout):
        trace = tmp_path / "trace"
        result = run(
            spec_of(layout),
            prefix=("strace", "-f", "-qq", "-o", str(trace), "-e", "trace=" + ",".join("?" + c for c in ERRORS)),
        )
        assert result.code == 0, result
        names, most = listing(volume), {}
        for line in trace.read_text(errors="replace").splitlines():
            thread, _, rest = line.partition(" ")
            call = rest.strip().partition("(")[0]
            if call in ERRORS and "resumed" not in rest:
                most.setdefault(call, {}).setdefault(thread, 0)
                most[call][thread] += 1
        shutil.rmtree(volume.path)
        return {call: max(threads.values()) for call, threads in most.items()}, names

    return count


@pytest.mark.skipif(not shutil.which("strace") or "asan" in BIN, reason="needs strace, and no loader to break")
@LAYOUTS
@pytest.mark.parametrize("call", ERRORS)
def test_every_call_may_fail_at_any_time(run, hub, volume, calls, tmp_path, layout, call):
    repo = small(hub)
    most, names = calls(layout)
    if call not in most:
        return  # not in this layout, or not on this processor
    count, failures = most[call], []
    whens = dict.fromkeys(
        [str(n) for n in (1, 2, 3, count // 3, count // 2, count * 3 // 4, count - 1, count) if n > 0]
        + ["1+", f"{max(count // 2, 1)}+"]
    )
    for error in ERRORS[call].split():
        allowed = (
            CODES
            if call in NOT_OF_THE_VOLUME
            else {0, 21, FITS.get(error, 21)} | ({50} if call in ("flock", "utimensat", "linkat") else set())
        )
        for when in [n for n in whens if error not in ("EINTR", "EAGAIN") or not n.endswith("+")]:
            try:
                result = run(spec_of(layout), prefix=inject(call, f"error={error}:when={when}"), timeout=25)
            except subprocess.TimeoutExpired:
                failures.append((error, when, "it hangs"))
                break
            problem = broken(result, volume, repo, layout, allowed) or mute(result, tmp_path, call)
            if not problem:
                unsettle(result, volume, repo, layout)
                problem = unhealed(run(spec_of(layout)), volume, repo, layout, names)
            if problem:
                failures.append((error, when, problem))
            shutil.rmtree(volume.path, ignore_errors=True)
    assert not failures, "\n".join(map(str, failures))


def mute(result, tmp_path, call):
    """The termination message is whole, or not there, and says the code."""
    text = (tmp_path / "termination").read_text()
    if call in NOT_OF_THE_VOLUME or call in ("close", "fstat") and not text:
        return ""
    try:
        return "" if json.loads(text)["exitCode"] == result.code else f"exit {result.code}, message {text}"
    except ValueError:
        return f"termination message {text!r}"


@LAYOUTS
@pytest.mark.parametrize("operation", ["rename", "link", "symlink", "unlink", "mkdir"])
def test_any_answer_may_be_lost_after_it_was_done(run, hub, odd, layout, operation):
    """An NFS client sends a request again whose answer was lost, and hears that there is nothing to do it to."""
    repo, seen, failures = small(hub), odd.volume, []
    spec = {**spec_of(layout), "target": str(seen.path)}
    assert run(spec).code == 0
    names = listing(seen)
    for nth in range(25):
        empty(seen.path)
        odd.rules(lost={operation: nth})
        result = run(spec)
        problem = broken(result, seen, repo, layout, {0} if operation in ("rename", "unlink") else {0, 21})
        odd.rules(lost=None)
        problem = problem or unhealed(run(spec), seen, repo, layout, names)
        if problem:
            failures.append((nth, problem))
    assert not failures, failures

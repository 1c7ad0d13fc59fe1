"""Disks that fail: system calls with an error, what others planted or cut, mounts with strange options.

Each time: the run says so and ends, nothing wrong has a name of the repo, and the next run on a good disk completes and
leaves nothing behind."""

import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import time

import pytest
from conftest import BIN, Volume, content_of, product
from disk_world import FILES, MIB, ONE, inject, place_of, stray, wrong
from standin import lfs, xet

LAYOUTS = pytest.mark.parametrize("layout", ["dir", "cache"])
traced = pytest.mark.skipif(not shutil.which("strace") or "asan" in BIN, reason="needs strace, and no loader to break")


@pytest.fixture
def tiny(hub):
    return hub.model("acme/tiny", FILES)


@pytest.fixture
def heals(run, volume, tiny, complete):
    """heals(layout): nothing wrong is there, no marker is, and a run on a good disk puts everything right."""

    def check(layout="dir"):
        assert volume.marker() is None and wrong(volume, tiny, layout) == []
        complete(run({**ONE, "layout": layout}), tiny, below=place_of(layout, tiny))
        assert stray(volume) == []

    return check


# Calls that fail whenever they are made.


@traced
@LAYOUTS
@pytest.mark.parametrize(
    "calls, error, code, reason",
    [
        ("pwrite64", "EIO", 21, "IoError"),
        ("pwrite64", "ENOSPC", 20, "InsufficientDisk"),
        ("pwrite64", "EDQUOT", 20, "QuotaExceeded"),
        ("pwrite64", "EROFS", 22, "ReadOnly"),
        ("pwrite64", "EFBIG", 20, "TooLarge"),
        ("pwrite64", "ESTALE", 21, "IoError"),
        ("fdatasync", "EIO", 21, "IoError"),
        ("fdatasync", "ENOSPC", 20, "InsufficientDisk"),
        ("fdatasync", "EDQUOT", 20, "QuotaExceeded"),
        ("fsync", "EIO", 21, "IoError"),
        ("renameat", "EIO", 21, "IoError"),
        ("renameat", "ENOSPC", 20, "InsufficientDisk"),
        ("renameat", "EXDEV", 21, "IoError"),
        ("renameat", "EACCES", 22, "PermissionDenied"),
        ("fallocate", "ENOSPC", 20, "InsufficientDisk"),
        ("fallocate", "EIO", 21, "IoError"),
        ("mkdirat", "EROFS", 22, "ReadOnly"),
        ("mkdirat", "EMLINK", 21, "IoError"),
    ],
)
def test_an_error_of_the_disk_is_named_and_costs_nothing_but_the_run(
    run, volume, message, heals, layout, calls, error, code, reason
):
    volume.path.mkdir()
    result = run({**ONE, "layout": layout}, prefix=inject(calls, "error=" + error))
    assert (result.code, message()["reason"], message()["exitCode"]) == (code, reason, code), result
    heals(layout)


@product
@traced
@LAYOUTS
@pytest.mark.parametrize("error", ["EIO", "ESTALE"])
def test_bytes_that_cannot_be_read_back_are_not_published(run, hub, volume, tiny, message, heals, layout, error):
    """Parts that arrive out of order are read back to be hashed."""
    spec = {**ONE, "layout": layout, "concurrency": {"connections": 2, "partSize": "1MiB"}}
    result = run(spec, prefix=inject("pread64", "error=" + error))
    if result.code != 0:  # 0: nothing had to be read back this time
        assert (result.code, message()["reason"]) == (21, "IoError"), result
        heals(layout)


@traced
@pytest.mark.parametrize("call, when", [("fdatasync", "1+"), ("pread64", "5+")])  # 5: leases are read first
def test_what_the_disk_lost_once_is_fetched_again(start, run, hub, volume, complete, until, call, when):
    """After a failed sync the kernel calls the pages clean that it could not write, and the next sync says that all is
    well: bytes of such a partial are never counted again."""
    repo = hub.model("acme/tiny", {"w.bin": xet(24 * MIB)})
    gate = hub.gate(file="w.bin", host="cdn", file_at=20 * MIB)
    spec = {**ONE, "concurrency": {"connections": 1, "partSize": "8MiB"}}
    first = start(spec)
    assert gate.wait()
    until(lambda: any((volume / ".hf-init/partials").glob("*.journal")))
    first.signal(signal.SIGTERM)
    assert first.wait().code == 143
    gate.release()
    assert hub.left()
    failing = run(spec, prefix=inject(call, f"error=EIO:when={when}"))
    assert failing.code == 21, failing
    assert volume.partials() == [] and volume.marker() is None
    hub.reset()
    complete(run(spec), repo)
    assert hub.bytes_sent("w.bin", host="cdn") >= 24 * MIB


@traced
def test_bytes_that_were_lost_on_their_way_out_of_the_cache_are_not_published(run, hub, volume, failed, complete):
    """sync_file_range tells of an error, and the fdatasync that comes after no longer does."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(48 * MIB)})
    spec = {**ONE, "pageCache": "drop"}
    failed(run(spec, prefix=inject("sync_file_range", "error=EIO:when=3+")), 21, "IoError", "w.bin")
    assert volume.files() == {} and volume.partials() == []
    complete(run(spec, prefix=inject("sync_file_range", "error=ENOSYS")), repo)


@traced
@LAYOUTS
@pytest.mark.parametrize(
    "calls, errors",
    [
        ("fallocate", "EOPNOTSUPP ENOSYS EPERM EFBIG EINVAL"),
        ("flock", "ENOLCK ENOSYS EOPNOTSUPP EINVAL"),
        ("symlinkat", "EPERM EOPNOTSUPP ENOSYS"),
        ("linkat", "EPERM EOPNOTSUPP ENOSYS EMLINK"),
        ("symlinkat,linkat", "EPERM EOPNOTSUPP"),
        ("utimensat", "EPERM ENOSYS EROFS"),
        ("fchmod,fchmodat", "EPERM ENOSYS"),
        ("fadvise64", "EINVAL ENOSYS"),
        ("sync_file_range", "EINVAL ENOSYS ESPIPE"),
        ("fdatasync,fsync", "EINVAL ENOSYS"),
        ("openat2", "ENOSYS EPERM"),
        ("statx", "ENOSYS"),
        ("fstatfs", "ENOSYS"),
        ("ioctl", "ENOTTY"),
    ],
)
def test_a_call_that_the_volume_lacks_is_done_without(run, volume, tiny, complete, layout, calls, errors):
    for error in errors.split():
        complete(
            run({**ONE, "layout": layout}, prefix=inject(calls, "error=" + error)), tiny, below=place_of(layout, tiny)
        )
        assert stray(volume) == []
        shutil.rmtree(volume.path)


@traced
@LAYOUTS
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_what_is_there_is_read_where_openat2_is_refused(run, volume, tiny, complete, layout, error):
    """Before Linux 5.6, by old seccomp profiles, by gVisor: a whole cache looked damaged, and its files not there."""
    spec, refused = {**ONE, "layout": layout}, inject("openat2", "error=" + error)
    complete(run(spec), tiny, below=place_of(layout, tiny))
    result = run(spec, command="verify", prefix=refused)
    assert result.code == 0 and result.stdout == "", result
    for file in content_of(tiny):
        path = f"{place_of(layout, tiny)}/{file}"
        result = run(spec, "--file", path, "--timeout", "5s", command="wait", prefix=refused)
        assert result.code == 0, result
    with open(volume / place_of(layout, tiny) / "model.bin", "r+b") as damaged:
        damaged.write(b"x")
    result = run(spec, command="verify", prefix=refused)
    assert result.code == 40 and result.stdout == "acme/tiny: model.bin: does not match its hash\n", result


@traced
def test_two_revisions_on_a_volume_without_links_copy_what_they_share(run, hub, volume):
    same = bytes(range(256)) * 12_000
    repo = hub.model("acme/tiny", {"w.bin": lfs(same), "old.txt": b"old"})
    repo.tag("v1")
    repo.push({"sub/w.bin": lfs(same), "w.bin": None, "old.txt": b"new"})
    linkless = inject("symlinkat,linkat", "error=EPERM")
    old, new = {"id": "acme/tiny", "revision": "v1"}, {"id": "acme/tiny"}
    for before, both in ((None, [old, new]), (None, [new, old]), (old, [new, old])):
        shutil.rmtree(volume.path, ignore_errors=True)
        hub.reset()
        for repos in filter(None, ([before] if before else None, both)):
            result = run({"layout": "cache", "repos": repos}, prefix=linkless)
            assert result.code == 0, result
        for revision in ("v1", "main"):
            place = volume / "models--acme--tiny/snapshots" / repo.head(revision).sha
            assert volume.files(place) == content_of(repo, revision) and not (place / "w.bin").is_symlink()
        assert sum(hub.bytes_sent(name, host="cdn") for name in ("w.bin", "sub/w.bin")) == len(same)
        marked = (volume / ".hf-init/default.complete.json").stat().st_mtime_ns
        assert run({"layout": "cache", "repos": both}).code == 0
        assert (volume / ".hf-init/default.complete.json").stat().st_mtime_ns == marked


@traced
def test_a_link_that_the_kernel_cannot_follow_at_once_is_followed_all_the_same(run, hub, tiny, complete):
    """Because of a rename, anywhere on the machine, while it went through "..": a whole cache looked damaged."""
    spec = {**ONE, "layout": "cache"}
    complete(run(spec), tiny, below=place_of("cache", tiny))
    hub.reset()
    for when in ("1+2", "2+2", "1+"):  # one of them meets the links
        result = run(spec, command="verify", prefix=inject("openat2", "error=EAGAIN:when=" + when))
        assert result.code == 0 and not hub.requests(host="cdn"), result


@traced
def test_what_fails_after_a_file_has_its_name_is_not_blamed_on_another_process(run, tiny):
    for _ in range(3):
        result = run(ONE, prefix=inject("renameat", "error=ENOENT:when=2+"))
        assert result.code == 21 and "another process" not in result.stderr, result


@product
@traced
@LAYOUTS
def test_calls_that_are_interrupted_are_made_again(run, volume, tiny, complete, layout):
    calls = "pwrite64,pread64,fallocate,fdatasync,fsync,openat2,flock"
    result = run({**ONE, "layout": layout}, prefix=inject(calls, "error=EINTR:when=1+2"))
    complete(result, tiny, below=place_of(layout, tiny))


@traced
def test_a_folder_whose_sync_failed_is_synced_before_the_marker(run, volume, tiny, failed, complete, tmp_path):
    """The renames of the first run may not be on disk; the second one has nothing to rename, and answers for them.
    (The first sync of all belongs to the marker that is not there.)"""
    failed(run(ONE, prefix=inject("fsync", "error=EIO:when=2+")), 21, "IoError")
    assert volume.files("acme/tiny") == content_of(tiny)
    trace = tmp_path / "trace"
    complete(run(ONE, prefix=("strace", "-f", "-y", "-qq", "-o", str(trace), "-e", "trace=fsync,renameat")), tiny)
    before_the_marker, _, _ = trace.read_text().partition("default.complete.json")
    synced = set(re.findall(r"fsync\(\d+<[^>]*/volume/?([^>]*)>", before_the_marker))
    assert {"acme/tiny", "acme/tiny/sub", "acme", ""} <= synced, synced


# What is there already.


def folder(path, outside):
    path.mkdir()


def fifo(path, outside):
    os.mkfifo(path)


def unix_socket(path, outside):
    os.mknod(path, stat.S_IFSOCK | 0o666)


def device(path, outside):
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # zeros without end


def link_to_file(path, outside):
    path.symlink_to(outside / "mine")


def link_to_folder(path, outside):
    path.symlink_to(outside)


def dangling(path, outside):
    path.symlink_to(outside / "nothing")


def loop(path, outside):
    path.symlink_to(path.name)


PLANTS = pytest.mark.parametrize(
    "plant", [folder, fifo, unix_socket, device, link_to_file, link_to_folder, dangling, loop]
)


@PLANTS
@pytest.mark.parametrize(
    "name",
    [
        "acme",
        "acme/tiny",
        "acme/tiny/config.json",
        "acme/tiny/sub",
        "acme/tiny/sub/notes.txt",
        "acme/tiny/.cache",
        "acme/tiny/.cache/huggingface/download/config.json.metadata",
        ".hf-init",
        ".hf-init/partials",
        ".hf-init/temp",
        ".hf-init/leases",
        ".hf-init/inventory",
        ".hf-init/default.status.json",
        ".hf-init/default.complete.json",
        ".hf-init/default.env",
    ],
)
def test_whatever_is_planted_in_layout_dir_nothing_is_written_elsewhere(
    run, volume, tiny, tmp_path, message, plant, name
):
    planted(run, volume, tiny, tmp_path, message, plant, name, "dir")


@PLANTS
@pytest.mark.parametrize(
    "name",
    [
        "models--acme--tiny",
        "models--acme--tiny/blobs",
        "models--acme--tiny/blobs/{digest}",
        "models--acme--tiny/snapshots",
        "models--acme--tiny/snapshots/{sha}",
        "models--acme--tiny/snapshots/{sha}/config.json",
        "models--acme--tiny/refs",
        "models--acme--tiny/refs/main",
        "models--acme--tiny/trees",
        ".hf-init",
    ],
)
def test_whatever_is_planted_in_layout_cache_nothing_is_written_elsewhere(
    run, volume, tiny, tmp_path, message, plant, name
):
    blob = tiny.head().files["model.bin"].content.sha256
    planted(run, volume, tiny, tmp_path, message, plant, name.format(sha=tiny.head().sha, digest=blob), "cache")


def planted(run, volume, tiny, tmp_path, message, plant, name, layout):
    if os.geteuid() != 0 and plant is device:
        pytest.skip("only root makes devices")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    path = volume / name
    path.parent.mkdir(parents=True)
    plant(path, outside)
    before = path.lstat()
    result = run({**ONE, "layout": layout}, timeout=20)
    assert [(p.name, p.read_text()) for p in outside.iterdir()] == [("mine", "mine")]
    if result.code == 0:  # it was not in the way, or could be replaced
        base = volume / place_of(layout, tiny)
        for file, digest in content_of(tiny).items():
            assert (
                base.joinpath(file).is_file()
                and volume.files(base.joinpath(file).parent.relative_to(volume.path))[pathlib.Path(file).name] == digest
            )
            assert layout == "cache" or not any(p.is_symlink() for p in [base / file, *(base / file).parents])
        assert volume.marker()
    else:
        assert result.code in (20, 21, 22, 42), result  # 20: a file of ours that is longer than any can be
        assert path.name.split(".json")[0] in message()["message"] or "link" in message()["message"], message()
        assert (path.lstat().st_ino, path.lstat().st_mode) == (
            before.st_ino,
            before.st_mode,
        ), "it is not ours to take away"


@pytest.mark.parametrize("length, code", [(255, 0), (256, 42)])
@LAYOUTS
def test_names_as_long_as_a_volume_takes_and_one_byte_longer(run, hub, volume, layout, length, code):
    repo = hub.model(
        "acme/tiny", {"n" * length: "long", "d" * length + "/" + "e" * length: lfs(2 * MIB), "config.json": "{}"}
    )
    result = run({**ONE, "layout": layout})
    assert result.code == code, result
    assert volume.files(place_of(layout, repo)) == (content_of(repo) if code == 0 else {})


# What others do to a partial while we write it.


def cut(path):
    os.truncate(path, 5 * MIB)


def grow(path):
    os.truncate(path, 50 * MIB)


def remove(path):
    path.unlink()


def replace(path):
    path.unlink()
    path.write_bytes(b"x" * 24 * MIB)


@pytest.mark.parametrize("meddle", [cut, grow, remove, replace])
def test_a_partial_that_others_cut_or_take_is_not_published(start, run, hub, volume, complete, until, message, meddle):
    repo = hub.model("acme/tiny", {"w.bin": lfs(24 * MIB)})
    gate = hub.gate(file="w.bin", host="cdn", file_at=12 * MIB)
    running = start({**ONE, "concurrency": {"connections": 1}})
    assert gate.wait()
    partial = until(lambda: list((volume / ".hf-init/partials").glob("*.part")))[0]
    time.sleep(1.1)  # a partial is looked at once a second
    meddle(partial)
    gate.release()
    result = running.wait()
    assert result.code in (21, 40, 50) and "w.bin" in message()["message"], result
    assert volume.marker() is None and volume.files("acme") == {}
    complete(run(ONE), repo)


# Room that others, or we, take.


@LAYOUTS
def test_a_tmpfs_without_a_size_is_not_taken_for_a_full_one(run, tiny, volume, mounts, layout):
    seen = mounts.tmpfs(volume.path, 0)
    result = run({**ONE, "layout": layout}, prefix=mounts.prefix)
    assert result.code == 0, result
    assert seen.files(place_of(layout, tiny)) == content_of(tiny)


@pytest.mark.parametrize("age_h, code", [(25, 0), (1, 20)])
def test_partials_that_nobody_came_back_for_in_a_day_make_room(start, run, hub, volume, mounts, until, age_h, code):
    hub.model("acme/old", {"w.bin": lfs(24 * MIB)})
    repo = hub.model("acme/tiny", {"w.bin": lfs(20 * MIB)})
    seen = mounts.tmpfs(volume.path, 32 * MIB)
    gate = hub.gate(file="w.bin", repo="acme/old", host="cdn", at=8 * MIB)
    running = start(
        {"name": "old", "repos": [{"id": "acme/old"}], "concurrency": {"connections": 1}}, prefix=mounts.prefix
    )
    assert gate.wait()
    until(lambda: any(name.endswith(".journal") for name in seen.partials()))
    running.kill()
    gate.release()
    for path in (seen / ".hf-init/partials").iterdir():
        os.utime(path, (time.time() - age_h * 3600,) * 2)
    result = run(ONE, prefix=mounts.prefix)
    assert result.code == code, result
    if code == 0:
        assert seen.files("acme/tiny") == content_of(repo) and seen.partials() == []


# Mounts.


@LAYOUTS
def test_nothing_on_the_volume_need_be_executable_a_device_or_setuid(run, tiny, volume, mounts, layout):
    mounts.call("mkdir", "-p", volume.path)
    mounts.call("mount", "-t", "tmpfs", "-o", "noexec,nosuid,nodev,noatime", "tmpfs", volume.path)
    result = run({**ONE, "layout": layout}, prefix=mounts.prefix)
    assert result.code == 0, result
    assert Volume(f"/proc/{mounts.keeper.pid}/root{volume.path}").files(place_of(layout, tiny)) == content_of(tiny)


@LAYOUTS
def test_a_folder_bound_into_the_target_is_another_place_to_rename_in(run, tiny, volume, mounts, tmp_path, layout):
    """A rename between two mounts of one file system is refused: EXDEV."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    inside = volume / {"dir": "acme", "cache": "models--acme--tiny"}[layout]
    mounts.call("mkdir", "-p", inside)
    mounts.call("mount", "--bind", elsewhere, inside)
    result = run({**ONE, "layout": layout}, prefix=mounts.prefix)
    assert result.code == 0, result
    seen = Volume(f"/proc/{mounts.keeper.pid}/root{volume.path}")
    assert seen.files(place_of(layout, tiny)) == content_of(tiny) and stray(seen) == []


@product
def test_the_binary_is_all_that_a_read_only_root_needs(run, hub, tiny, volume, mounts, tmp_path):
    """No /tmp, no /etc, no HOME, nothing of /proc and /dev; the volume is the one place that can be written."""
    root = tmp_path / "root"
    seen = mounts.tmpfs(root, MIB * 16)
    mounts.call("mkdir", "-p", root / "models")
    mounts.call("cp", BIN, root / "hf-init")
    mounts.call("mount", "-t", "tmpfs", "tmpfs", root / "models")
    mounts.call("mount", "-o", "remount,ro", root)
    spec = {"target": "/models", "endpoint": hub.endpoint, **ONE, "disk": {"reserve": 0}}
    chroot = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin")
    result = subprocess.run(
        [*mounts.prefix, chroot, root, "/hf-init", "run", "--spec", "-"],
        input=json.dumps(spec),
        text=True,
        env={},
        capture_output=True,
        timeout=30,
    )
    assert result.returncode == 0, result
    assert Volume(seen / "models").files("acme/tiny") == content_of(tiny)


@product
@traced
def test_files_are_neither_mapped_nor_opened_past_the_page_cache(run, volume, tiny, complete, tmp_path):
    trace = tmp_path / "trace"
    complete(run(ONE, prefix=("strace", "-f", "-qq", "-o", str(trace), "-e", "trace=open,openat,openat2,mmap")), tiny)
    text = trace.read_text()
    assert "openat2" in text and "O_DIRECT" not in text.replace("O_DIRECTORY", "")
    assert not [line for line in text.splitlines() if "mmap(" in line and "MAP_ANONYMOUS" not in line]

"""Disks that are too small, read-only or somebody else's, and little memory: what is said, what is kept, what is not done."""
import json
import os
import shutil
import subprocess
import tempfile
import uuid

import pytest
from conftest import NOBODY, Volume, content_of
from standin import lfs, xet

MIB = 1 << 20


def spec(*paths, **more):
    repos = [{"id": "acme/tiny", "path": path} for path in paths] or [{"id": "acme/tiny"}]
    return {"repos": repos, "concurrency": {"connections": 2, "partSize": "4MiB"}, **more}


def tiny(hub, size):
    return hub.model("acme/tiny", {"config.json": "{}", "model.safetensors": xet(size)})


def asked_for_content(hub):
    return [r for r in hub.requests() if r.file]


@pytest.fixture
def said(tmp_path):
    return lambda: json.loads((tmp_path / "termination").read_text())


# Too little disk.

@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_too_little_space_is_found_before_a_byte_is_fetched(run, hub, volume, mounts, said, layout):
    tiny(hub, 20 * MIB)
    seen = mounts.tmpfs(volume.path, 10 * MIB)
    result = run(spec(layout=layout), prefix=mounts.prefix)
    assert result.code == 20, result
    assert not asked_for_content(hub)
    assert said()["reason"] == "InsufficientDisk" and said()["retryable"] is False
    assert said()["need"] >= 20 * MIB and 0 < said()["have"] <= 10 * MIB
    assert str(volume.path) in said()["message"]
    assert seen.status()["error"]["needBytes"] == said()["need"] and seen.partials() == []


def test_what_two_revisions_share_is_counted_once(run, hub, volume, mounts):
    repo = tiny(hub, 6 * MIB)
    repo.tag("v1")
    repo.push({"config.json": "[]"})
    seen = mounts.tmpfs(volume.path, 10 * MIB)
    both = {"repos": [{"id": "acme/tiny"}, {"id": "acme/tiny", "revision": "v1"}], "layout": "cache", "disk": {"reserve": 0}}
    plan = json.loads(run(both, "--json", command="plan", prefix=mounts.prefix).stdout)
    assert plan["totals"]["bytesToFetch"] == 6 * MIB + 4
    both["disk"]["limit"] = 6 * MIB + 4
    result = run(both, prefix=mounts.prefix)
    assert result.code == 0, result
    assert hub.bytes_sent("model.safetensors", host="cdn") == 6 * MIB
    assert seen.files("models--acme--tiny/snapshots/" + repo.head().sha) == content_of(repo)


def test_a_plan_that_does_not_fit_is_shown_and_exits_20(run, hub, volume, mounts):
    tiny(hub, 20 * MIB)
    seen = mounts.tmpfs(volume.path, 10 * MIB)
    result = run(spec(), "--json", command="plan", prefix=mounts.prefix)
    assert result.code == 20, result
    plan = json.loads(result.stdout)
    assert [v["fits"] for v in plan["volumes"]] == [False] and plan["totals"]["bytesToFetch"] == 20 * MIB + 2
    assert list(seen.path.iterdir()) == [] and not asked_for_content(hub)
    assert "NO" in run(spec(), command="plan", prefix=mounts.prefix).stdout


def test_the_reserve_is_kept_free(run, hub, volume, mounts, said):
    tiny(hub, 6 * MIB)
    seen = mounts.tmpfs(volume.path, 10 * MIB)
    result = run(spec(disk={"reserve": "8MiB"}), prefix=mounts.prefix)
    assert result.code == 20, result
    assert said()["need"] >= 14 * MIB and not asked_for_content(hub)
    result = run(spec(disk={"reserve": "2MiB"}), prefix=mounts.prefix)
    assert result.code == 0, result
    assert seen.marker()


def test_the_limit_of_the_pod_counts_as_the_disk_does(run, hub, volume, said):
    tiny(hub, 6 * MIB)
    result = run(spec(disk={"limit": "4MiB"}))
    assert result.code == 20, result
    assert said()["need"] == 6 * MIB + 2 and said()["have"] == 4 * MIB
    assert not asked_for_content(hub)
    assert run(spec(disk={"limit": "7MiB", "reserve": 0})).code == 0


def test_every_file_system_is_checked_for_what_goes_there(run, hub, volume, mounts, said):
    tiny(hub, 8 * MIB)
    other = hub.model("acme/other", {"w.bin": lfs(6 * MIB)})
    mounts.tmpfs(volume.path, 64 * MIB)
    mounts.tmpfs(volume / "small", 4 * MIB)
    whole = {"repos": [{"id": "acme/tiny", "path": "big"}, {"id": "acme/other", "path": "small/other"}]}
    result = run(whole, prefix=mounts.prefix)
    assert result.code == 20, result
    assert str(volume / "small") in said()["message"] and said()["need"] < 7 * MIB
    assert not asked_for_content(hub)
    mounts.call("mount", "-o", "remount,size=%d" % (16 * MIB), volume / "small")
    result = run(whole, prefix=mounts.prefix)
    assert result.code == 0, result
    assert Volume("/proc/%d/root%s" % (mounts.keeper.pid, volume / "small")).files("other") == content_of(other)


def test_a_partial_of_a_killed_run_is_not_counted_twice(start, run, hub, volume, mounts, until):
    repo = tiny(hub, 24 * MIB)
    seen = mounts.tmpfs(volume.path, 40 * MIB)
    gate = hub.gate(file="model.safetensors", host="cdn", file_at=10 * MIB)
    running = start(spec(), prefix=mounts.prefix)
    assert gate.wait()
    until(seen.partials)
    running.kill()
    gate.release()
    result = run(spec(), prefix=mounts.prefix)
    assert result.code == 0, result
    assert seen.files("acme/tiny") == content_of(repo)


def test_dead_partials_of_other_content_make_room(start, run, hub, volume, mounts, until):
    repo = tiny(hub, 24 * MIB)
    seen = mounts.tmpfs(volume.path, 40 * MIB)
    gate = hub.gate(file="model.safetensors", host="cdn", at=MIB)
    running = start(spec(), prefix=mounts.prefix)
    assert gate.wait()
    until(seen.partials)
    running.kill()
    gate.release()
    repo.push({"model.safetensors": xet(25 * MIB)})
    result = run(spec(), prefix=mounts.prefix)
    assert result.code == 0, result
    assert seen.files("acme/tiny") == content_of(repo) and seen.partials() == []


def test_without_the_check_a_full_disk_still_ends_in_exit_20_and_keeps_what_is_there(run, hub, volume, mounts, said):
    repo = hub.model("acme/tiny", {"a.bin": lfs(6 * MIB), "b.bin": lfs(7 * MIB), "c.bin": lfs(8 * MIB)})
    seen = mounts.tmpfs(volume.path, 18 * MIB)
    loose = spec(disk={"check": False})
    result = run(loose, prefix=mounts.prefix)
    assert result.code == 20, result
    assert said()["reason"] == "InsufficientDisk"
    assert seen.marker() is None
    hub.log.settle()
    before = hub.bytes_sent(host="cdn")
    mounts.call("mount", "-o", "remount,size=%d" % (64 * MIB), volume.path)
    result = run(loose, prefix=mounts.prefix)
    assert result.code == 0, result
    assert seen.files("acme/tiny") == content_of(repo)
    assert hub.bytes_sent(host="cdn") - before < 21 * MIB  # something had been kept


def test_a_disk_that_fills_up_while_we_publish_gives_no_torn_marker(start, run, hub, volume, mounts, said, until):
    repo = tiny(hub, 8 * MIB)
    seen = mounts.tmpfs(volume.path, 24 * MIB)
    gate = hub.gate(file="model.safetensors", host="cdn", file_at=7 * MIB)
    running = start(spec(), prefix=mounts.prefix)
    assert gate.wait()
    until(lambda: sum(os.stat(p).st_blocks for p in seen.path.glob(".hf-init/partials/*.part")) * 512 >= 8 * MIB)
    filler = seen / "filler"
    with pytest.raises(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    gate.release()
    result = running.wait()
    assert result.code == 20, result
    assert said()["reason"] == "InsufficientDisk" and seen.marker() is None
    filler.unlink()
    hub.reset()
    result = run(spec(), prefix=mounts.prefix)
    assert result.code == 0, result
    assert seen.files("acme/tiny") == content_of(repo)
    assert hub.bytes_sent("model.safetensors", host="cdn") <= 8 * MIB


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("inodes", [80, 300])  # 300: enough for the 200 files, not for what lies beside them
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_volume_without_inodes_is_named_as_such(run, hub, volume, mounts, said, layout, inodes, check):
    repo = hub.model("acme/tiny", {"f/%03d.txt" % n: "file %d" % n for n in range(200)})
    seen = mounts.tmpfs(volume.path, 64 * MIB, nr_inodes=inodes)
    whole = spec(layout=layout, disk={"check": check, "reserve": 0})
    result = run(whole, prefix=mounts.prefix)
    assert result.code == 20, result
    assert "inode" in said()["message"]
    assert not check or not asked_for_content(hub)
    assert seen.marker() is None
    mounts.call("mount", "-o", "remount,nr_inodes=2000", volume.path)
    result = run(whole, prefix=mounts.prefix)
    assert result.code == 0, result
    place = "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + repo.head().sha
    assert seen.files(place) == content_of(repo)


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs util-linux")
def test_a_limit_on_file_sizes_is_an_error_and_not_a_death(run, hub, volume, said):
    repo = tiny(hub, 4 * MIB)
    result = run(spec(), prefix=("prlimit", "--fsize=%d" % MIB))
    assert result.code == 20, result
    assert said()["reason"] == "TooLarge" and "model.safetensors" in said()["message"]
    assert volume.marker() is None
    assert run(spec()).code == 0
    assert volume.files("acme/tiny") == content_of(repo) and volume.partials() == []


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs util-linux")
def test_few_descriptors_are_enough(run, hub, volume):
    repo = hub.model("acme/tiny", {"f/%03d.bin" % n: lfs(20_000 + n) for n in range(60)})
    result = run({"repos": [{"id": "acme/tiny"}]}, prefix=("prlimit", "--nofile=64"))
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


# Not ours to write.

def read_only(mounts, path):
    mounts.call("mount", "--bind", path, path)
    mounts.call("mount", "-o", "remount,ro,bind", path)


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_complete_volume_that_is_mounted_read_only_is_fine(run, hub, volume, mounts, layout):
    repo = tiny(hub, MIB)
    pinned = {"layout": layout, "repos": [{"id": "acme/tiny", "revision": repo.head().sha}]}
    assert run(pinned).code == 0
    hub.reset()
    read_only(mounts, volume.path)
    result = run(pinned, prefix=mounts.prefix)
    assert result.code == 0, result
    assert hub.count() == 0


def test_an_incomplete_volume_that_is_mounted_read_only_is_exit_22(run, hub, volume, mounts, said):
    repo = tiny(hub, MIB)
    assert run(spec()).code == 0
    repo.push({"config.json": "second"})
    hub.reset()
    read_only(mounts, volume.path)
    result = run(spec(), prefix=mounts.prefix)
    assert result.code == 22, result
    assert said()["reason"] == "ReadOnly" and str(volume.path) in said()["message"]
    assert not asked_for_content(hub)


def test_a_plan_for_a_read_only_volume_works(run, hub, volume, mounts):
    tiny(hub, MIB)
    volume.path.mkdir()
    read_only(mounts, volume.path)
    result = run(spec(), "--json", command="plan", prefix=mounts.prefix)
    assert result.code == 0, result
    assert json.loads(result.stdout)["totals"]["bytesToFetch"] == MIB + 2


@pytest.fixture
def as_nobody(public, start, hub):
    """as_nobody(spec) runs as a user without rights; target is public/volume, owned by root."""
    target = public / "volume"
    target.mkdir(mode=0o755)
    (public / "termination").touch()
    os.chmod(public / "termination", 0o666)

    def call(whole, user=NOBODY):
        (public / "spec.json").write_text(json.dumps(
            {"target": str(target), "endpoint": hub.endpoint, "disk": {"reserve": 0},
             "terminationMessage": str(public / "termination"), **whole}))
        os.chmod(public / "spec.json", 0o644)
        return start(None, "--spec", str(public / "spec.json"), bin=str(public / "hf-init"), prefix=user).wait()

    return call


def test_a_target_of_another_user_is_exit_22_with_uid_gid_and_mode(as_nobody, hub, public):
    tiny(hub, MIB)
    result = as_nobody(spec())
    assert result.code == 22, result
    said = json.loads((public / "termination").read_text())
    assert said["reason"] == "PermissionDenied" and said["retryable"] is False
    for fact in ("65534", "0755", str(public / "volume")):
        assert fact in said["message"], said
    assert not asked_for_content(hub)
    assert list((public / "volume").iterdir()) == []


def test_a_complete_volume_of_another_user_is_fine(as_nobody, hub, public):
    repo = tiny(hub, MIB)
    pinned = {"repos": [{"id": "acme/tiny", "revision": repo.head().sha}]}
    assert as_nobody(pinned, user=()).code == 0 and Volume(public / "volume").marker()
    hub.reset()
    result = as_nobody(pinned)
    assert result.code == 0, result
    assert hub.count() == 0


def test_a_volume_shared_by_group_works_for_every_member(as_nobody, hub, public):
    repo = tiny(hub, MIB)
    os.chown(public / "volume", 0, 2000)
    os.chmod(public / "volume", 0o2775)
    shared = {"fileMode": "0664", "dirMode": "0775"}
    first = ("setpriv", "--reuid=1001", "--regid=1001", "--groups=2000")
    second = ("setpriv", "--reuid=1002", "--regid=1002", "--groups=2000")
    result = as_nobody(spec(**shared), user=first)
    assert result.code == 0, result
    repo.push({"config.json": "second", "new/file.txt": "new"})
    result = as_nobody(spec(**shared), user=second)
    assert result.code == 0, result
    assert Volume(public / "volume").files("acme/tiny") == content_of(repo)


# Memory.

@pytest.fixture
def memory_limit():
    """memory_limit(bytes) gives a prefix that starts a process under that limit, and a reader of the group's files."""
    made = []

    def limit(count):
        name = "hf-init-test-" + uuid.uuid4().hex[:8]
        for base, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            group = os.path.join(base, name)
            try:
                os.mkdir(group)
                made.append(group)
                with open(os.path.join(group, file), "w") as limit_file:
                    limit_file.write(str(count))
                break
            except OSError:
                continue
        else:
            pytest.skip("no memory cgroup can be made here")

        def read(*names):
            for name in names:
                path = os.path.join(group, name)
                if os.path.exists(path):
                    with open(path) as file:
                        return file.read()
            return ""

        return ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', group), read

    yield limit
    for group in made:
        try:
            os.rmdir(group)
        except OSError:
            pass


@pytest.mark.parametrize("check", [True, False])
def test_a_volume_in_memory_has_no_more_room_than_the_container_has_memory(
        run, hub, volume, mounts, memory_limit, said, check):
    repo = tiny(hub, 100 * MIB)
    seen = mounts.tmpfs(volume.path, 1024 * MIB)
    prefix, _ = memory_limit(64 * MIB)
    result = run(spec(disk={"check": check, "reserve": 0}), prefix=(*prefix, *mounts.prefix))
    if check:
        assert result.code == 20, result
        assert said()["have"] < 64 * MIB and "memory" in said()["message"] and not asked_for_content(hub)
    else:                                                    # the kernel ends it, and the next one goes on
        assert result.code == -9 and seen.marker() is None, result
        assert run(spec(), prefix=mounts.prefix).code == 0
        assert seen.files("acme/tiny") == content_of(repo) and seen.partials() == []


@pytest.fixture
def on_disk():
    """A volume that is on a disk, where there is one: the memory of a tmpfs counts as the process's own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Volume(os.path.join(folder, "volume"))


@pytest.mark.parametrize("page_cache", ["auto", "drop"])
def test_64_mib_are_enough_for_a_file_of_512_mb(run, hub, on_disk, memory_limit, page_cache):
    if "asan" in os.environ.get("HF_INIT_BIN", ""):
        pytest.skip("a sanitizer needs memory of its own")
    repo = tiny(hub, 512_000_000)
    prefix, read = memory_limit(64 * MIB)
    result = run({"target": str(on_disk.path), "repos": [{"id": "acme/tiny"}], "pageCache": page_cache}, prefix=prefix)
    assert result.code == 0, result
    assert on_disk.files("acme/tiny") == content_of(repo)
    assert "oom_kill 0" in read("memory.oom_control", "memory.events")


@pytest.mark.parametrize("limit, size, policy", [
    (64 * MIB, 40 * MIB, "drop"), (64 * MIB, 4 * MIB, "keep"), (None, 40 * MIB, "keep")])
def test_the_page_cache_is_kept_where_the_files_fit_half_of_the_memory_left(
        run, hub, on_disk, memory_limit, limit, size, policy):
    tiny(hub, size)
    prefix, _ = memory_limit(limit) if limit else ((), None)
    result = run({"target": str(on_disk.path), "repos": [{"id": "acme/tiny"}], "log": {"level": "debug"}}, prefix=prefix)
    assert result.code == 0, result
    said, = [line for line in result.lines if line["msg"] == "page cache"]
    assert (said["policy"], said["bytes"]) == (policy, size + 2)
    assert limit is None or said["limit_bytes"] == limit and 2 * MIB < said["left_bytes"] < limit


@pytest.mark.skipif(not shutil.which("fincore"), reason="needs fincore")
@pytest.mark.parametrize("page_cache", ["keep", "drop"])
def test_page_cache_is_kept_or_dropped_as_told(run, hub, on_disk, page_cache):
    tiny(hub, 48 * MIB)
    result = run({"target": str(on_disk.path), "repos": [{"id": "acme/tiny"}], "pageCache": page_cache})
    assert result.code == 0, result
    path = on_disk / "acme/tiny/model.safetensors"
    resident = int(subprocess.run(["fincore", "-b", "-n", "-o", "RES", path], capture_output=True, text=True).stdout)
    assert resident > 40 * MIB if page_cache == "keep" else resident < 8 * MIB


def test_a_damaged_volume_that_is_full_has_no_marker_and_no_old_status(run, hub, volume, mounts):
    hub.model("acme/tiny", {"config.json": "{}", "w.bin": lfs(300_000)})
    seen = mounts.tmpfs(volume.path, 6 * MIB)
    assert run(spec(), prefix=mounts.prefix).code == 0
    (seen / "acme/tiny/config.json").unlink()
    mounts.call("sh", "-c", "dd if=/dev/zero of=%s/hog bs=4k 2> /dev/null; true" % volume.path)
    assert run(spec(), prefix=mounts.prefix).code == 20
    assert seen.marker() is None
    assert not (seen / ".hf-init/default.status.json").exists() or seen.status()["phase"] == "failed"

"""What the kernel lets a run write to."""
import ctypes
import os
import subprocess

import pytest
from conftest import BIN, content_of
from standin import lfs

SPEC = {"repos": [{"id": "acme/tiny"}]}


def landlock_version():
    """0 without Landlock. landlock_create_ruleset is number 444 on every architecture of ours."""
    version = ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1)
    return max(0, version)


needs_landlock = pytest.mark.skipif(landlock_version() < 2 or "asan" in BIN,
                                    reason="this kernel has no Landlock, or its first version; or AddressSanitizer is in the way")


@needs_landlock
def test_a_run_can_write_nowhere_but_below_its_target(start, hub, tmp_path, volume):
    """The termination message is the one path outside of the target that a run opens; another file in its place, put
    there after the start, is one that it may not open."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(1 << 20)})
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    running = start(SPEC)
    gate.wait()
    other = tmp_path / "other"
    other.write_text("not yours")
    os.replace(other, tmp_path / "termination")
    gate.release()
    assert running.wait().code == 0
    assert (tmp_path / "termination").read_text() == "not yours"
    assert volume.files(repo.id) == content_of(repo)


@needs_landlock
def test_the_kernel_confines_every_run_and_plan(hub, tmp_path, volume):
    hub.model("acme/tiny", {"a.txt": "a"})
    for command in ("run", "plan"):
        trace = tmp_path / f"trace-{command}"
        subprocess.run(["strace", "-f", "-qq", "-e", "trace=landlock_restrict_self,clone,clone3", "-o", str(trace), BIN, command,
                        "--repos", "acme/tiny", "--target", str(volume.path), "--endpoint", hub.endpoint],
                       env={}, check=True, capture_output=True, timeout=60)
        calls = trace.read_text()
        assert "landlock_restrict_self(" in calls and " = 0" in calls.split("landlock_restrict_self(")[1].splitlines()[0]
        if command == "run":
            before, after = calls.split("landlock_restrict_self(", 1)
            assert before.count("clone") <= 1, "of all threads only the one for signals came before"
            assert after.count("clone") >= 1


@needs_landlock
@pytest.mark.parametrize("command", ["ls", "verify", "prune"])
def test_who_only_asks_or_cleans_up_is_confined_as_well(run, hub, tmp_path, volume, command):
    hub.model("acme/tiny", {"a.txt": "a"})
    assert run(SPEC).code == 0
    trace = tmp_path / "trace"
    words = {"ls": ("acme/tiny", "--endpoint", hub.endpoint), "verify": ("--spec", str(tmp_path / "spec-0.yaml")),
             "prune": ("--target", str(volume.path))}[command]
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=landlock_restrict_self,connect,unlinkat", "-o", str(trace), BIN, command, *words],
                   env={}, check=True, capture_output=True, timeout=60)
    lines = [line.split(None, 1)[1] for line in trace.read_text().splitlines()]
    assert lines[0].startswith("landlock_restrict_self(") and lines[0].endswith(" = 0"), "before anything is asked or removed"


@needs_landlock
def test_who_answers_scrapers_is_confined_too_and_the_metrics_file_is_written(hub, tmp_path, volume):
    """The port is opened before, the thread that strangers talk to is started after."""
    hub.model("acme/tiny", {"a.txt": "a"})
    folder, pid = tmp_path / "textfile", os.getpid() % 65536
    folder.mkdir()
    trace = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=landlock_restrict_self,clone,clone3,bind", "-o", str(trace), BIN, "run",
                    "--repos", "acme/tiny", "--target", str(volume.path), "--endpoint", hub.endpoint, "--metrics-listen",
                    f"127.99.{pid >> 8}.{pid & 255}:9464", "--metrics-file", str(folder / "hf-init.prom")],
                   env={}, check=True, capture_output=True, timeout=60)
    before, after = trace.read_text().split("landlock_restrict_self(", 1)
    assert "= 0" in after.splitlines()[0]
    assert "htons(9464)" in before and before.count("clone") <= 1, "of all threads only the one for signals came before"
    assert os.listdir(folder) == ["hf-init.prom"] and "hf_init_ready" in (folder / "hf-init.prom").read_text()


def test_a_kernel_without_landlock_changes_nothing(hub, complete, start):
    repo = hub.model("acme/tiny", {"a.txt": "a", "w.bin": lfs(1 << 20)})
    inject = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=landlock_create_ruleset:error=ENOSYS")
    complete(start(SPEC, prefix=inject).wait(), repo)


def test_a_run_gains_no_privileges_and_nobody_of_its_uid_may_look_into_it(start, hub):
    hub.model("acme/tiny", {"w.bin": lfs(1 << 20)})
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    running = start(SPEC)
    gate.wait()
    status = open(f"/proc/{running.process.pid}/status").read()
    assert "NoNewPrivs:\t1" in status
    limits = open(f"/proc/{running.process.pid}/limits").read()
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size")] == [["0", "0"]]
    if "asan" not in BIN:
        owner = os.stat(f"/proc/{running.process.pid}/environ")
        assert (owner.st_uid, owner.st_gid) == (0, 0)
    gate.release()
    assert running.wait().code == 0

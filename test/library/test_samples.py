"""The samples of docs/samples do what their first lines say, compiled as they tell a stranger to."""
import json
import os
import signal
import subprocess

import pytest
from conftest import content_of
from library import ROOT, installed  # noqa: F401
from standin import lfs, xet

MIB = 1 << 20
SAMPLES = sorted(path.stem for path in (ROOT / "docs" / "samples").glob("*.c"))


@pytest.fixture(scope="session")
def programs(installed, tmp_path_factory):
    """{name: path} of the samples."""
    folder = tmp_path_factory.mktemp("samples")
    for name in SAMPLES:
        done = installed.compile(ROOT / "docs" / "samples" / f"{name}.c", folder / name)
        assert done.returncode == 0, done.stderr
    return {name: folder / name for name in SAMPLES}


@pytest.fixture
def call(programs, hub):
    """call(name, words…, VARIABLE=…) runs a sample against the stand-in Hub, with nothing else in its environment."""
    def run(name, *words, **env):
        return subprocess.run([programs[name], *map(str, words)], env={"HF_ENDPOINT": hub.endpoint, **env}, capture_output=True,
                              text=True, timeout=120)
    return run


def test_there_are_the_four(programs):
    assert SAMPLES == ["large-model", "one-file", "progress-and-logs", "snapshot"]


def test_one_file(call, hub, volume):
    hub.model("acme/tiny", {"config.json": "{}", "w.bin": xet(MIB)})
    done = call("one-file", "acme/tiny", "config.json", volume.path)
    assert done.returncode == 0 and done.stdout == f"{volume / 'acme/tiny/config.json'}\n", done
    assert list(volume.files("acme/tiny")) == ["config.json"]
    done = call("one-file", "acme/tiny", "no.json", volume.path)
    assert done.returncode == 12 and done.stderr.startswith("EntryNotFound: acme/tiny@main") and "next: " in done.stderr


def test_snapshot(call, hub, volume, tmp_path):
    repo = hub.model("acme/private", {"config.json": "{}", "w.safetensors": lfs(MIB), "w.bin": lfs(MIB), "original/w.safetensors": lfs(9)},
                     private=True)
    repo.push({"config.json": "{ }"}, branch="next")
    (tmp_path / "token").write_text(hub.token)
    done = call("snapshot", "acme/private", "next", volume.path, tmp_path / "token")
    assert done.returncode == 0, done
    folder, *rows = done.stdout.splitlines()
    assert folder == str(volume / f"models--acme--private/snapshots/{repo.head('next').sha}")
    assert [row.split()[::3] for row in rows] == [["3", "config.json"], [str(MIB), "w.safetensors"]]
    assert sorted(os.listdir(folder)) == ["config.json", "w.safetensors"]
    assert hub.leaks() == []


def test_snapshot_tells_failures_apart(call, hub, volume):
    hub.model("acme/tiny", {"config.json": "{}"})
    hub.model("acme/private", {"config.json": "{}"}, private=True)
    done = call("snapshot", "acme/tiny", "never", volume.path)
    assert done.returncode == 12 and "acme/tiny has no revision never\n" in done.stderr, done
    done = call("snapshot", "acme/private", "main", volume.path)
    assert done.returncode == 12 and "no access to acme/private" in done.stderr, done


def spec_of(hub, volume, tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"target": str(volume.path), "endpoint": hub.endpoint, "repos": [{"id": "acme/tiny"}],
                                "disk": {"reserve": 0}, "log": {"level": "debug"}}))
    return path


def test_progress_and_logs(call, hub, volume, tmp_path):
    hub.model("acme/tiny", {"config.json": "{}", "w.bin": xet(3 * MIB)})
    done = call("progress-and-logs", spec_of(hub, volume, tmp_path), HF_TOKEN=hub.token)
    assert done.returncode == 0, done
    last = done.stderr.splitlines()[-1]
    assert last.startswith("complete") and "100%" in last and "2 of 2 files" in last
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(line["ts"] and line["level"] and line["msg"] for line in lines) and len(lines) > 3
    assert hub.token not in done.stdout + done.stderr


def test_progress_and_logs_stops_at_ctrl_c_and_goes_on(programs, call, hub, volume, tmp_path):
    repo = hub.model("acme/tiny", {"w.bin": xet(24 * MIB)})
    spec = spec_of(hub, volume, tmp_path)
    gate = hub.gate(file="w.bin", host="cdn", at=1 << 20)
    process = subprocess.Popen([programs["progress-and-logs"], spec], env={}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert gate.wait()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        gate.release()  # not before: the rest would come faster than the signal
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130 and "Interrupted: " in err
    assert volume.marker() is None
    assert call("progress-and-logs", spec).returncode == 0
    assert volume.marker() and volume.files("acme/tiny") == content_of(repo)


FORMATS = {"config.json": "{}", "model-1.safetensors": xet(2 * MIB), "model-2.safetensors": xet(MIB), "consolidated.safetensors": xet(3 * MIB),
           "original/w.pth": lfs(MIB), "w.pth": lfs(MIB), "tokenizer.json": "[]", "README.md": "#"}


def test_large_model(call, hub, volume):
    hub.model("acme/large", FORMATS)
    done = call("large-model", "acme/large", volume.path, "1GiB")
    assert done.returncode == 0, done
    plan, disk, folder = done.stdout.splitlines()
    assert plan == f"4 files, {3 * MIB + 4} bytes, {3 * MIB + 4} of them to fetch"
    assert disk.endswith(": fits") and folder == str(volume.path)
    assert sorted(volume.files()) == ["config.json", "model-1.safetensors", "model-2.safetensors", "tokenizer.json"]


def test_large_model_says_no_first(call, hub, volume):
    hub.model("acme/large", FORMATS)
    done = call("large-model", "acme/large", volume.path, "1MiB")
    assert done.returncode == 20 and "TooLarge: " in done.stderr, done
    done = call("large-model", "acme/large", volume.path, "0", HF_INIT_DISK_RESERVE="1000TiB")
    assert done.returncode == 20 and "InsufficientDisk: " in done.stderr and "does not fit" in done.stdout, done
    assert hub.count(path="*/resolve/*") == 0

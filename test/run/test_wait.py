"""What `hf-init wait` promises: it ends when the volume is complete, or the file there, or the writer has failed."""
import os
import signal
import time

import pytest
from conftest import NOBODY
from standin import lfs

MB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}


@pytest.fixture
def waiting(start, until):
    """waiting(spec, *args): a wait that has said that it waits."""
    def begin(spec, *args):
        running = start(spec, *args, command="wait")
        time.sleep(0.3)
        assert running.process.poll() is None
        return running
    return begin


def test_a_complete_volume_is_not_waited_for(run, hub):
    hub.model("acme/tiny", {"a.txt": "a"})
    assert run(ONE).code == 0
    before = hub.count()
    result = run(ONE, command="wait")
    assert result.code == 0 and "the volume is complete" in result.stderr
    assert hub.count() == before, "it asks nobody"


def test_it_ends_when_the_marker_is_there(start, hub, waiting):
    hub.model("acme/tiny", {"w.bin": lfs(MB)})
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    waiter = waiting(ONE)                                   # before there is even a folder
    writer = start(ONE)
    gate.wait()
    assert waiter.process.poll() is None
    gate.release()
    assert writer.wait().code == 0
    assert waiter.wait().code == 0


def test_a_marker_of_another_spec_is_not_enough(run, hub):
    hub.model("acme/tiny", {"a.txt": "a", "b.txt": "b"})
    assert run({"repos": [{"id": "acme/tiny", "allow": ["a.txt"]}]}).code == 0
    result = run(ONE, "--timeout", "500ms", command="wait")
    assert result.code == 33 and "the marker is not there" in result.stderr


def test_one_file_can_be_waited_for(start, hub, volume, waiting):
    hub.model("acme/tiny", {"a.txt": "a", "w.bin": lfs(MB)})
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    below = waiting(ONE, "--file", "acme/tiny/a.txt")
    absolute = waiting(ONE, "--file", str(volume / "acme/tiny/a.txt"))
    late = waiting(ONE, "--file", "acme/tiny/w.bin")
    writer = start(ONE)
    gate.wait()
    assert below.wait().code == 0 and absolute.wait().code == 0
    assert late.process.poll() is None and volume.marker() is None
    gate.release()
    assert late.wait().code == 0 and writer.wait().code == 0


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_file_is_found_in_either_layout(run, hub, volume, layout):
    repo = hub.model("acme/tiny", {"w.bin": lfs(MB)})
    spec = {**ONE, "layout": layout}
    assert run(spec).code == 0
    path = "acme/tiny/w.bin" if layout == "dir" else f"models--acme--tiny/snapshots/{repo.head('main').sha}/w.bin"
    assert run(spec, "--file", path, command="wait").code == 0


def test_a_file_in_a_folder_that_lets_nobody_in_is_not_waited_for(run, hub, public):
    """Of another user's, as where writer and reader are pods of their own."""
    hub.model("acme/tiny", {"a.txt": "a"})
    target = public / "volume"
    assert run({**ONE, "target": str(target)}).code == 0
    words = ("--target", str(target), "--timeout", "20s", "--file", "acme/tiny/a.txt")
    nobody = {"command": "wait", "bin": str(public / "hf-init"), "prefix": NOBODY}
    assert run(None, *words, **nobody).code == 0
    os.chmod(target / "acme", 0o700)
    result = run(None, *words, **nobody)
    assert result.code == 22 and "uid 65534" in result.stderr and "dirMode" in result.stderr, result


def test_the_writers_failure_is_the_waiters(run, hub, waiting):
    waiter = waiting(ONE)
    assert run(ONE).code == 12                                # no such repo
    result = waiter.wait()
    assert result.code == 12 and "acme/tiny" in result.stderr


def test_an_old_failure_that_may_pass_is_waited_out(run, hub, waiting):
    hub.model("acme/tiny", {"a.txt": "a"})
    fault = hub.fault("status", path="*/revision/*", code=503, times=None)
    assert run({**ONE, "retry": {"attempts": 1, "maxWait": "1s"}}).code == 32
    waiter = waiting(ONE)
    fault.clear()
    assert run(ONE).code == 0
    assert waiter.wait().code == 0


def test_an_old_failure_is_told_of_and_the_next_run_is_waited_for(run, hub, waiting):
    """The repo that was not found then may be there now, and containers start in any order."""
    assert run(ONE).code == 12
    waiter = waiting(ONE)
    hub.model("acme/tiny", {"a.txt": "a"})
    assert run(ONE).code == 0
    result = waiter.wait()
    assert result.code == 0, result
    assert [line["reason"] for line in result.lines if "the run before failed" in line["msg"]] == ["RepoNotFound"]


def test_the_failure_of_the_run_that_was_waited_for_ends_it_after_an_old_one(run, hub, waiting):
    assert run(ONE).code == 12
    waiter = waiting(ONE)
    assert run(ONE).code == 12
    assert waiter.wait().code == 12


def test_when_nobody_comes_the_old_failure_stands_in_the_last_word(run, hub):
    assert run(ONE).code == 12
    result = run(ONE, "--timeout", "500ms", command="wait")
    assert result.code == 33 and "nobody has begun since a run failed" in result.stderr and "acme/tiny" in result.stderr


def test_a_writer_that_was_told_to_stop_has_not_failed(start, run, hub, waiting):
    hub.model("acme/tiny", {"w.bin": lfs(MB)})
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    waiter = waiting(ONE)
    writer = start(ONE)
    gate.wait()
    writer.signal(signal.SIGTERM)
    assert writer.wait().code == 143
    gate.release()
    assert run(ONE).code == 0
    assert waiter.wait().code == 0


def test_what_stands_in_a_status_does_not_reach_the_terminal_raw(run, hub, volume, waiting):
    assert run(ONE).code == 12
    path = volume / ".hf-init/default.status.json"
    text = path.read_text()
    waiter = waiting(ONE)
    path.write_text(text.replace('"message": "', '"message": "\\u001b[2J').replace('"message":"', '"message":"\\u001b[2J'))
    result = waiter.wait()
    assert result.code == 12 and "[2J" in result.stderr and "\x1b" not in result.stderr
    result = run(ONE, "--timeout", "300ms", "--log-format", "text", command="wait")
    assert result.code == 33 and "[2J" in result.stderr and "\x1b" not in result.stderr


@pytest.mark.parametrize("number,code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it(hub, waiting, number, code):
    waiter = waiting(ONE)
    waiter.signal(number)
    assert waiter.wait(5).code == code


@pytest.mark.parametrize("args", [("--timeout", "soon"), ("--timeout",), ("--file",), ("--json",), ("--file", "../x/config.json"), ("--file", "acme/tiny/")])
def test_slips_are_exit_2(run, hub, args):
    assert run(ONE, *args, command="wait").code == 2


def test_other_commands_have_no_such_options(run, hub):
    assert "has no --timeout" in run(ONE, "--timeout", "5s").stderr
    assert "has no --repair" in run(ONE, "--repair").stderr

"""Out of memory: the library aborts, and what it leaves behind says so. Every single allocation: test/torture/test_alloc.py."""
import json
import sys

import pytest
from conftest import SEAMS, content_of
from standin import lfs

ONE = {"repos": [{"id": "acme/tiny"}]}


@pytest.mark.parametrize("tenths", range(1, 10))
def test_whoever_runs_out_of_memory_says_so_everywhere_and_the_next_run_succeeds(run, hub, volume, message, tmp_path, tenths):
    repo = hub.model("acme/tiny", {"config.json": "{}", "w.bin": lfs(100_000)})
    counted = {**ONE, "target": str(tmp_path / "counted")}
    assert run(counted, bin=SEAMS, HF_SEAM_COUNT=tmp_path / "count").code == 0 and message()["exitCode"] == 0
    n = int.from_bytes((tmp_path / "count").read_bytes(), sys.byteorder) * tenths // 10
    # The variable is known before the spec, whose reading takes memory.
    result = run(ONE, bin=SEAMS, HF_SEAM_ALLOC=f"{n}+", HF_INIT_TERMINATION_MESSAGE=tmp_path / "termination")
    assert result.code == 1, result
    assert [line for line in result.stderr.splitlines() if line.startswith("hf-init: fatal: out of memory")], result
    said = message()
    assert (said["reason"], said["exitCode"]) == ("Internal", 1) and "out of memory" in said["message"]
    if (volume / ".hf-init/default.status.json").exists():
        status = volume.status()
        assert (status["phase"], status["error"]["exitCode"]) == ("failed", 1)
        assert "out of memory" in status["error"]["message"]
    else:
        assert tenths < 3, "the volume was opened long before"
    assert volume.marker() is None
    after = run(ONE)
    assert after.code == 0, after
    assert volume.files("acme/tiny") == content_of(repo) and volume.status()["phase"] == "complete"
    assert message()["exitCode"] == 0


def test_memory_that_is_gone_at_the_very_start_is_told_where_the_variable_says(start, tmp_path):
    result = start(None, bin=SEAMS, HF_SEAM_ALLOC="1+", HF_INIT_TERMINATION_MESSAGE=tmp_path / "termination").wait()
    assert result.code == 1 and len(result.stderr.splitlines()) <= 2, result
    assert json.loads((tmp_path / "termination").read_text())["exitCode"] == 1

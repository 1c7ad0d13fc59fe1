"""What a person at a terminal sees: a line per file, one for all, redrawn in place. The terminal is a real one, tmux's."""
import json
import os
import re
import shlex
import shutil
import subprocess
import time
import unicodedata

import pytest
from conftest import BIN
from standin import lfs

MB = 1 << 20
pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
LONG = "a-folder/another-folder/with-a-very-long-name-for-a-file-that-nobody-would-type-00001-of-00002.safetensors"
WIDE = "模型/权重文件.safetensors"


class Screen:
    """A terminal of tmux with a server of its own; text() is what it shows, line by line, without blanks at the end."""

    def __init__(self, folder, number, columns, rows=24):
        self.socket = str(folder / f"tmux{number}")     # of its own: the server before may not be gone yet
        self.size = ["-x", str(columns), "-y", str(rows)]
        self.code = folder / "code"

    def tmux(self, *words, **how):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *words], capture_output=True, text=True, timeout=20,
                              env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}, **how)

    def start(self, argv, env):
        words = ["env", "-i", "TERM=screen-256color", *(f"{k}={v}" for k, v in env.items()), *argv]
        self.tmux("-f", "/dev/null", "new-session", "-d", *self.size,
                  f"{shlex.join(words)}; echo $? > {shlex.quote(str(self.code))}; sleep 60", check=True)

    def text(self, *options):
        return [line.rstrip() for line in self.tmux("capture-pane", "-p", *options).stdout.splitlines()]

    def resize(self, columns):
        self.tmux("resize-window", "-x", str(columns), "-y", "24", check=True)

    def close(self):
        self.tmux("kill-server")


@pytest.fixture
def screen(tmp_path, hub, volume, request):
    """screen(columns, **env): a run of the spec in a terminal, held while it downloads; screen.release() lets it go."""
    opened = []

    def begin(columns, spec=None, command="run", args=(), prefix=(), **env):
        s = Screen(tmp_path, len(opened), columns)
        opened.append(s)
        path = tmp_path / "spec.json"
        path.write_text(json.dumps({"target": str(volume.path), "endpoint": hub.endpoint, "disk": {"reserve": 0},
                                    "terminationMessage": "", "repos": [{"id": "acme/tiny"}], **(spec or {})}))
        s.start([*prefix, BIN, command, "--spec", str(path), *args], {"LC_ALL": "C.UTF-8", **env})
        return s

    yield begin
    for s in opened:
        s.close()


@pytest.fixture
def held(hub):
    """A repo whose large files stop halfway."""
    hub.model("acme/tiny", {"config.json": b"{}", LONG: lfs(8 * MB), WIDE: lfs(4 * MB), "short.bin": lfs(2 * MB)})
    return hub.gate(host="cdn", at=MB)


def columns_of(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line if not unicodedata.combining(c))


def drawing(screen):
    """The lines with bars, the total being the last; [] until that is there."""
    lines = [line for line in screen.text() if re.search("[█─]|\\[[#.]+\\]", line)]
    return lines if lines and " of 4 files" in lines[-1] else []


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_bars_fit_the_screen(screen, held, until, columns):
    terminal = screen(columns)
    until(lambda: len(drawing(terminal)) == 4 and drawing(terminal)[-1].startswith("1 of 4 files"))
    time.sleep(0.3)
    lines = drawing(terminal)
    assert len(lines) == 4, "no line wrapped, and none is there twice"
    assert all(columns_of(line) < columns for line in lines)
    total = lines[-1]
    assert total.startswith("1 of 4 files") and ("MiB" in total) == (columns > 40)
    assert any(line.startswith("short.bin") for line in lines)
    assert any("…" in line or LONG in line for line in lines), "a long name loses its middle"
    assert any("█" in line for line in lines)
    held.release()
    until(lambda: terminal.code.exists())
    assert terminal.code.read_text() == "0\n"
    done = [line for line in terminal.text() if line]
    assert not any("█" in line for line in done) and "complete: 4 files" in "".join(done)


def test_log_lines_go_above_the_bars(screen, held, hub, until):
    terminal = screen(80, {"log": {"level": "debug"}})
    until(lambda: drawing(terminal))
    time.sleep(0.3)
    text = [line for line in terminal.text() if line]
    assert sum(" of 4 files" in line for line in text) == 1
    assert "DEBUG" in "".join(text[:-4]) and "DEBUG" not in "".join(text[-4:])
    held.release()
    until(lambda: terminal.code.exists())


def test_a_narrower_window_gets_narrower_bars(screen, held, until):
    terminal = screen(120)
    until(lambda: drawing(terminal))
    terminal.resize(60)
    time.sleep(0.5)
    assert drawing(terminal) and columns_of(drawing(terminal)[-1]) < 60
    held.release()
    until(lambda: terminal.code.exists())


def test_no_color_and_no_letters(screen, held, until):
    terminal = screen(80, NO_COLOR="1", LC_ALL="C")
    until(lambda: drawing(terminal))
    time.sleep(0.3)
    text = "\n".join(terminal.text("-e"))
    assert "\x1b[36m" not in text and "█" not in text and re.search(r"\[#*\.*\]", text)
    held.release()
    until(lambda: terminal.code.exists())


def test_who_only_looks_draws_none(screen, held, until, tmp_path):
    terminal = screen(80, command="plan")
    until(lambda: terminal.code.exists())
    lines = [line for line in terminal.text() if line]
    assert lines[0].startswith("REPO") and not any("resolving" in line for line in lines), lines


def test_shards_can_be_told_apart_at_80_columns(screen, hub, until):
    hub.model("acme/tiny", {f"model-{n:05}-of-00004.safetensors": lfs((1 + n) * MB) for n in range(1, 5)})
    gate = hub.gate(host="cdn", at=MB)
    terminal = screen(80)
    until(lambda: len({line.split()[0] for line in terminal.text() if line.startswith("model-")}) == 4)
    gate.release()
    until(lambda: terminal.code.exists())


def test_a_name_does_not_turn_the_line_around(screen, hub, until):
    hub.model("acme/tiny", {"rtl\u202egnp\u2066.bin": lfs(2 * MB)})
    gate = hub.gate(host="cdn", at=MB)
    terminal = screen(80)
    until(lambda: any(line.startswith("rtl?gnp?.bin ") for line in terminal.text()))
    gate.release()
    until(lambda: terminal.code.exists())


@pytest.mark.parametrize("threads", ["with threads", "on its own"])
def test_verify_draws_how_far_it_is_and_leaves_nothing_behind(screen, hub, volume, until, threads):
    hub.model("acme/tiny", {"a.bin": lfs(400 * MB), "wrong.bin": lfs(MB)})
    terminal = screen(80)
    until(lambda: terminal.code.exists(), 60)
    assert terminal.code.read_text() == "0\n"
    (volume / "acme/tiny/wrong.bin").write_bytes(b"x" * MB)
    terminal.close()
    terminal.code.unlink()
    seen = []

    def look(terminal):
        seen.extend(line for line in terminal.text() if line.startswith("verifying"))
        return terminal.code.exists()

    slowly = (shutil.which("strace") or "strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=pread64:delay_enter=4000")
    alone = ("-e", "inject=clone,clone3:error=EAGAIN:when=2+") if threads == "on its own" else ()
    terminal = screen(80, command="verify", prefix=(*slowly, *alone), LSAN_OPTIONS="detect_leaks=0")
    until(lambda: look(terminal), 60)
    assert terminal.code.read_text() == "40\n"
    assert any("█" in line and " of " in line and columns_of(line) < 80 for line in seen), seen
    done = [line for line in terminal.text() if line]
    assert not any("█" in line for line in done) and done[0] == "acme/tiny: wrong.bin: does not match its hash"


def test_quiet_is_quiet(screen, held, until, hub):
    terminal = screen(80, args=["-q"])
    until(lambda: hub.count(host="cdn") >= 3)
    time.sleep(0.4)
    assert not any(terminal.text())
    held.release()
    until(lambda: terminal.code.exists())


@pytest.mark.parametrize("env,spec", [({"TERM": "dumb"}, {}), ({}, {"progress": "lines"}), ({}, {"progress": "none"}),
                                      ({"HF_HUB_DISABLE_PROGRESS_BARS": "1"}, {})])
def test_who_wants_no_bars_gets_none(screen, held, until, hub, env, spec):
    terminal = screen(80, spec, **env)
    until(lambda: hub.count(host="cdn") >= 3)
    time.sleep(0.4)
    assert not any("█" in line or " of 4 files" in line for line in terminal.text())
    held.release()
    until(lambda: terminal.code.exists())

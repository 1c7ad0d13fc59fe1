"""What these tests share: the real clients, each in an environment of its own that test/interop/clients made below
build/interop, and the matrix that every outcome goes into.

Nothing is skipped in silence: a client that lacks something says so with client.lacks(reason), which stands in the
matrix; any other skip, and any cell without an outcome, fails the run."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import matrix  # noqa: E402

BUILT = HERE.parents[1] / "build" / "interop"

PRELUDE = """
import json, os, sys
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache
def say(value):
    print("=" + json.dumps(value, default=str), flush=True)
def fails(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__
"""
JAVASCRIPT = """
import { scanCacheDir } from "@huggingface/hub";
const say = (value) => console.log(JSON.stringify(value));
"""


class Client:
    """One client, and the Hub it talks to unless it is told otherwise."""

    def __init__(self, name, home, hub, properties):
        self.name, self.home, self.hub, self.properties = name, home, hub, properties
        self.folder = BUILT / ("loaders" if name in matrix.LOADERS else name)
        self.python = str(self.folder / "bin/python")
        self.started = []

    @property
    def version(self):
        """Of huggingface_hub, as numbers: (0, 29, 3)."""
        return tuple(int(part) for part in matrix.pins(self.folder.name)["huggingface_hub"].split("."))

    def environment(self, **env):
        """Nothing of this machine's settings, no look at anything but the stand-in Hub."""
        whole = {name: value for name, value in os.environ.items()
                 if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS")) and "proxy" not in name.lower()}
        whole.update(HF_HOME=str(self.home), HF_ENDPOINT=self.hub.endpoint, HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1",
                     HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_UPDATE_CHECK="1", NO_COLOR="1", COLUMNS="300",
                     HF_HUB_ETAG_TIMEOUT="120", HF_HUB_DOWNLOAD_TIMEOUT="120",  # of seconds; a machine may be busy
                     HTTPS_PROXY="http://127.0.0.1:9")  # where nobody is: the stand-in speaks http
        whole.update({k: str(v) for k, v in env.items()})
        return whole

    def start(self, code, prefix=(), **env):
        """Begins to run code there; gives the process."""
        process = subprocess.Popen([*prefix, self.python, "-B", "-c", PRELUDE + code], env=self.environment(**env),
                                   cwd=self.home.parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def __call__(self, code, prefix=(), **env):
        """Runs code there; gives what it said with say(), in order."""
        process = self.start(code, prefix, **env)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return [json.loads(line[1:]) for line in out.splitlines() if line.startswith("=")]

    def command(self, *words, **env):
        """Runs a program of the client's; gives the finished process."""
        return self._run([str(self.folder / "bin" / words[0]), *map(str, words[1:])], self.home.parent, env)

    def javascript(self, code, *args):
        """Runs code with @huggingface/hub; gives what it said with say(), in order."""
        done = self._run(["node", "--input-type=module", "-e", JAVASCRIPT + code, *map(str, args)], BUILT / "npm", {})
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _run(self, argv, folder, env):
        return subprocess.run(argv, env=self.environment(**env), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300)

    def note(self, text):
        """What a reader of the matrix should know of this cell, although it is a pass."""
        self.properties.append(("note", text))

    def lacks(self, reason):
        """This client has no such thing; the reason stands in the cell."""
        self.properties.append(("absent", reason))
        pytest.skip(reason)


@pytest.fixture
def client(request, hub, tmp_path):
    """The client of the cell: each generation of huggingface_hub, or the one that the mark names."""
    client = Client(request.param, tmp_path / "home", hub, request.node.user_properties)
    yield client
    for process in client.started:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def reader(volume, client):
    """reader(code) runs code with the volume as cache and without the Hub, as a main container does."""
    return lambda code, **env: client(code, **{"HF_HUB_CACHE": volume.path, "HF_HUB_OFFLINE": "1", **env})


# The matrix.

CELLS = {}


def pytest_configure(config):
    config.addinivalue_line("markers", "scenario(title, client): a row of docs/interop.md")


def pytest_generate_tests(metafunc):
    mark = metafunc.definition.get_closest_marker("scenario")
    if mark and "client" in metafunc.fixturenames:
        metafunc.parametrize("client", [mark.args[1]] if mark.args[1] else matrix.HUBS, indirect=True)


def pytest_collection_modifyitems(items):
    for item in items:
        mark = item.get_closest_marker("scenario")
        if mark:
            item.user_properties.append(("cell", [mark.args[0], mark.args[1] or item.callspec.params["client"]]))


def pytest_runtest_logreport(report):
    said = dict(report.user_properties)
    if "cell" not in said or (report.when != "call" and report.outcome == "passed"):
        return
    outcome, notes = report.outcome, [text for kind, text in report.user_properties if kind in ("note", "absent")]
    if outcome == "skipped" and "absent" in said:
        outcome = "absent"
    elif outcome != "passed":  # a skip for what this machine lacks is none of ours
        outcome, notes = "failed", [str(report.longrepr).strip().splitlines()[-1].replace("|", "/")]
    CELLS.setdefault(tuple(said["cell"]), matrix.Cell()).add(outcome, notes)


def pytest_sessionfinish(session, exitstatus):
    """The page is written when every cell has a pass or a reason. A part of the tests leaves it as it is."""
    wanted = set(matrix.wanted())
    if hasattr(session.config, "workerinput") or not wanted <= set(CELLS):
        return
    session.config.page = matrix.render(CELLS)
    if all(CELLS[cell].outcome in ("passed", "absent") for cell in wanted):
        matrix.PAGE.write_text(session.config.page, encoding="utf-8")
    else:
        session.exitstatus = exitstatus or 1


def pytest_terminal_summary(terminalreporter, config):
    page = getattr(config, "page", None)
    if page:
        terminalreporter.write_line(page[page.index("\n## ") + 1:])

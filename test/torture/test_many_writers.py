"""Two to eight processes on one volume, killed and stopped at random: 200 rounds, and no byte of any file is wrong. Where
locks are a no-op, as on some network volumes, too: what made others give up resuming is replayed here."""
import os
import random
import shutil
import signal
import threading
import time

import pytest
from conftest import content_of
from standin import lfs, xet

MIB = 1 << 20
RATE = 40 * MIB  # bytes a second of the CDN, over all connections: slow enough for everybody to meet
LANES = {"connections": 4, "partSize": "1MiB"}
NO_OP_LOCKS = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", "inject=flock:retval=0")

# The same, and every rename takes its time: all have looked before the first of them acts.
SLOW_NAMES = (*NO_OP_LOCKS[:-4], "-e", "trace=flock,/^(rename|link)", *NO_OP_LOCKS[-2:], "-e",
              "inject=/^(rename|link):delay_enter=200000")

# Specs of one volume. Those of one folder share its bytes; another folder or layout has its own.
SPECS = {
    "same": {"repos": [{"id": "acme/tiny"}]},
    "both": {"repos": [{"id": "acme/other"}, {"id": "acme/tiny"}]},
    "weights": {"repos": [{"id": "acme/tiny", "allow": ["*.safetensors"]}]},
    "aside": {"repos": [{"id": "acme/tiny", "path": "aside"}]},
    "cache": {"layout": "cache", "repos": [{"id": "acme/tiny"}, {"id": "acme/other"}]},
}
ROUNDS = [("calm", 30, 1), ("calm", 30, 2), ("killed", 35, 1), ("killed", 35, 2), ("stopped", 25, 1), ("stopped", 25, 2),
          ("replaced", 20, 1)]
assert sum(count for _, count, _ in ROUNDS) == 200


def spec(name, **more):
    return {"name": name, "concurrency": LANES, **SPECS[name], **more}


@pytest.fixture
def repos(hub):
    hub.throttle(RATE, host="cdn", per="all")
    small = {f"part-{n:02}.bin": lfs(20_000 + n) for n in range(12)}
    return {"acme/tiny": hub.model("acme/tiny", {"config.json": "{}", "a/notes.txt": "hello", "m.safetensors": xet(6 * MIB), **small}),
            "acme/other": hub.model("acme/other", {"config.json": "{ }", "other.safetensors": xet(3 * MIB)})}


def wanted(names, repos):
    """{folder: {path: file}}: what the volume must hold after runs of these specs."""
    folders = {}
    for name in names:
        for entry in SPECS[name]["repos"]:
            head = repos[entry["id"]].head()
            folder = entry.get("path", entry["id"])
            if SPECS[name].get("layout") == "cache":
                folder = "models--" + entry["id"].replace("/", "--") + "/snapshots/" + head.sha
            chosen = {path: file for path, file in head.files.items() if "allow" not in entry or path.endswith(".safetensors")}
            folders.setdefault(folder, {}).update(chosen)
    return folders


def all_bytes(names, repos):
    return sum(file.size for files in wanted(names, repos).values() for file in files.values())


def check_files(volume, names, repos, everybody, where):
    """All that the specs `names` want is there; all that is there is right, whichever of `everybody` put it there."""
    most = wanted(everybody, repos)
    for folder, files in wanted(names, repos).items():
        assert set(files) <= set(volume.files(folder)), (where, folder)
    for folder, files in most.items():
        for path, digest in volume.files(folder).items():
            assert digest == files[path].content.sha256, (where, folder, path)


def leases(volume):
    return sorted((volume / ".hf-init/leases").glob("*.lease"))


def age(lease, seconds=150):
    """So many seconds pass for this lease, on the volume's clock."""
    then = time.time() - seconds
    os.utime(lease, (then, then))


class Round:
    """One volume and the runs that were started on it."""

    def __init__(self, start, hub, volume, repos, number, dice, tmp_path):
        self.begin, self.hub, self.volume, self.repos, self.dice = start, hub, volume, repos, dice
        self.where = f"round {number}"
        self.runs, self.lost = [], set()  # (spec, run); the indexes of those that may not have ended well
        self.received = 0                 # bytes of files, by those who live to tell
        volume.path = tmp_path / f"volume-{number}"
        hub.reset()
        hub.throttle(RATE, host="cdn", per="all")

    def start(self, name):
        self.runs.append((name, self.begin(spec(name))))
        return self.runs[-1][1]

    def crowd(self, least=2, most=8):
        names = [self.dice.choice(list(SPECS)) for _ in range(self.dice.randint(least, most))]
        if self.dice.random() < 0.4:
            names = names[:1] * len(names)
        return [self.start(name) for name in names]

    def names(self, survivors=False):
        return [name for i, (name, _) in enumerate(self.runs) if not (survivors and i in self.lost)]

    def end(self, allowed=()):
        """Everybody ends, the survivors with 0; the lost may have been killed or end as `allowed` says."""
        for i, (_, running) in enumerate(self.runs):
            result = running.wait()
            codes = (0, -signal.SIGKILL, *allowed) if i in self.lost else (0,)
            assert result.code in codes, (self.where, self.names(), i, result)
            self.received += sum(line.get("received_bytes", 0) for line in result.lines)
        check_files(self.volume, self.names(survivors=True), self.repos, self.names(), self.where)
        for name in self.names(survivors=True):
            commits = {entry["id"]: entry["commit"] for entry in self.volume.marker(name)["repos"]}
            assert commits == {id: self.repos[id].head().sha for id in commits}, (self.where, name)

    def again(self):
        """A run of every spec afterwards succeeds, and where all survived it has nothing to fetch. Nothing is left over."""
        assert self.hub.left()
        self.hub.reset()
        for name in sorted(set(self.names())):
            result = self.begin(spec(name)).wait()
            assert result.code == 0, (self.where, result)
        if set(self.names(survivors=True)) >= set(self.names()):
            assert self.hub.count(host="cdn") == 0, (self.where, self.hub.requests(host="cdn"))
        check_files(self.volume, self.names(), self.repos, self.names(), self.where)
        left = [path for part in ("partials", "leases", "temp") for path in (self.volume / ".hf-init" / part).iterdir()]
        assert left == [], self.where
        shutil.rmtree(self.volume.path)


def calm(round):
    round.crowd()
    round.end()
    assert round.received <= 1.05 * all_bytes(round.names(), round.repos), (round.where, round.names())


def killed(round):
    crowd = round.crowd()
    round.lost = set(round.dice.sample(range(len(crowd)), round.dice.randint(1, len(crowd) - 1)))
    for i in sorted(round.lost, key=lambda _: round.dice.random()):
        time.sleep(round.dice.random() * 0.25)
        crowd[i].process.kill()
    round.end()


def stopped(round):
    crowd = round.crowd()
    for _ in range(round.dice.randint(1, 2 * len(crowd))):
        one = round.dice.choice(crowd)
        one.signal(signal.SIGSTOP)
        time.sleep(round.dice.random() * 0.2)
        if round.dice.random() < 0.7:
            one.signal(signal.SIGCONT)
    for one in crowd:
        one.signal(signal.SIGCONT)
    round.end()


def replaced(round):
    """The holder stands still in the middle of a file; two minutes and a half pass; the others go on, and it wakes up
    while they work or when they are done."""
    gate = round.hub.gate(file="m.safetensors", host="cdn", file_at=round.dice.randrange(64 * 1024, 6 * MIB - 64 * 1024))
    holder = round.start(round.dice.choice(["same", "both", "weights"]))
    round.lost = {0}
    assert gate.wait()
    holder.signal(signal.SIGSTOP)
    for lease in leases(round.volume):
        age(lease)
    others = round.crowd(1, 4)
    time.sleep(round.dice.choice([0.3, 1.2, 2.5]) * round.dice.random())
    gate.release()  # what was on its way to the holder waits in its socket
    if round.dice.random() < 0.4:
        for other in others:
            other.process.wait(60)
    holder.signal(signal.SIGCONT)
    round.end(allowed=(50,))


@pytest.mark.parametrize("kind,count,seed", ROUNDS)
def test_whatever_happens_to_some_the_files_are_right_and_the_others_succeed(start, hub, volume, repos, tmp_path, kind, count, seed):
    dice = random.Random(f"{kind} {seed}")
    for number in range(count):
        round = Round(start, hub, volume, repos, f"{kind}-{seed}-{number}", dice, tmp_path)
        globals()[kind](round)
        round.again()


# Who wakes up.

@pytest.mark.parametrize("name", ["one", "two"])
def test_who_wakes_up_after_a_push_leaves_the_newer_commit_alone(start, hub, volume, name):
    """The newer run has the same spec, or another one of the same folder; the older one still had many files to fetch."""
    files = {f"part-{n:03}.bin": lfs(30_000 + n) for n in range(300)}
    repo = hub.model("acme/tiny", files)
    whole = {"repos": [{"id": "acme/tiny"}], "concurrency": {"connections": 4}}
    latency = hub.latency(0.05, host="cdn")
    older = start({"name": "one", **whole})
    hub.log.wait(60, host="cdn")
    older.signal(signal.SIGSTOP)
    latency.clear()
    age(leases(volume)[0])
    repo.push({path: lfs(40_000 + n) for n, path in enumerate(files)})
    newer = start({"name": name, **whole}).wait()
    assert newer.code == 0, newer
    assert volume.files("acme/tiny") == content_of(repo) and volume.marker(name)
    time.sleep(6)  # longer than it may be silent about its lease
    older.signal(signal.SIGCONT)
    late = older.wait()
    assert late.code == 50, late
    assert volume.files("acme/tiny") == content_of(repo)
    assert volume.marker(name)["repos"][0]["commit"] == repo.head().sha
    assert volume.status(name)["phase"] == "complete", "the one that was replaced does not speak for the volume"


def test_a_write_that_comes_minutes_late_does_no_harm(start, hub, volume, until):
    """It was on its way when the holder was replaced, as on a network volume that did not answer, and comes when the file
    has its name."""
    repo = hub.model("acme/tiny", {"m.safetensors": xet(6 * MIB)})
    whole = {"repos": [{"id": "acme/tiny"}], "concurrency": {"connections": 2, "partSize": "1MiB"}}
    delay = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e",
             "inject=pwrite64:delay_enter=4000000:when=4")
    holder = start({"name": "one", **whole}, prefix=delay)
    until(lambda: any((volume / ".hf-init/partials").glob("*.journal")))
    time.sleep(0.5)
    age(leases(volume)[0])
    other = start({"name": "two", **whole}).wait()
    assert other.code == 0 and holder.process.poll() is None, other
    published = (volume / "acme/tiny/m.safetensors").stat()
    assert volume.files("acme/tiny") == content_of(repo)
    assert holder.wait().code in (0, 50)
    assert volume.files("acme/tiny") == content_of(repo) and volume.marker("two")
    assert (volume / "acme/tiny/m.safetensors").stat().st_size == published.st_size


def test_who_is_taken_for_dead_while_it_publishes_says_so(start, hub, volume, until):
    """Its disk takes seconds for a file, another one takes that away meanwhile: the end is that of who was replaced, not
    that of a broken disk."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(300_000)})
    holder = start({"name": "one", "repos": [{"id": "acme/tiny"}]},
                   prefix=("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=3000000"))
    until(lambda: volume.partials())
    time.sleep(0.3)
    age(leases(volume)[0])
    other = start({"name": "two", "repos": [{"id": "acme/tiny", "path": "aside"}]}).wait()
    assert other.code == 0 and holder.process.poll() is None, other
    result = holder.wait()
    assert result.code == 50 and "taken over by another process" in result.stderr, result
    assert volume.files("aside") == content_of(repo) and volume.marker("two") and volume.marker("one") is None


# Locks that everybody gets: two writers once appended to one partial, and the reference client gave resuming up.

@pytest.fixture
def died(start, hub, volume, until):
    """died(spec, size) kills a run in the middle of the large file; two minutes later by its lease. Returns how many
    bytes of it are noted."""

    def die(whole, size):
        gate = hub.gate(file="m.safetensors", host="cdn", file_at=size * 2 // 3)
        running = start(whole)
        assert gate.wait()
        noted = until(lambda: volume.status(whole["name"])["totals"]["bytesReceived"] >= size // 2 and
                      any((volume / ".hf-init/partials").glob("*.journal")) and volume.status(whole["name"])["totals"]["bytesReceived"])
        running.kill()
        gate.release()
        age(leases(volume)[0])
        assert hub.left()
        hub.reset()
        return noted

    return die


@pytest.mark.parametrize("count", [2, 5])
def test_of_many_that_find_a_dead_ones_bytes_one_goes_on_with_them(start, hub, volume, died, count):
    """No lease keeps them apart: each fills a folder of its own, and they want the same content."""
    size = 12 * MIB
    repo = hub.model("acme/tiny", {"m.safetensors": xet(size)})
    spec_of = [{"name": f"s{n}", "repos": [{"id": "acme/tiny", "path": f"p{n}"}], "concurrency": LANES} for n in range(count)]
    noted = died({**spec_of[0], "name": "dead", "repos": [{"id": "acme/tiny", "path": "dead"}]}, size)
    hub.throttle(RATE, host="cdn", per="all")
    results = [running.wait() for running in [start(whole, prefix=SLOW_NAMES) for whole in spec_of]]
    hub.log.settle()
    for n, result in enumerate(results):
        assert result.code == 0, result
        assert volume.files(f"p{n}") == content_of(repo) and volume.marker(f"s{n}")
    assert (count - 1) * size <= hub.bytes_sent(host="cdn") <= 1.05 * count * size - noted + len(LANES) * MIB
    assert volume.partials() == []


@pytest.mark.parametrize("count", [2, 6])
def test_without_locks_one_replaces_the_dead_and_the_others_wait(start, hub, volume, died, count):
    size = 12 * MIB
    repo = hub.model("acme/tiny", {"m.safetensors": xet(size)})
    whole = {"name": "s", "repos": [{"id": "acme/tiny"}], "concurrency": LANES}
    noted = died(whole, size)
    hub.throttle(RATE, host="cdn", per="all")
    results = [running.wait() for running in [start(whole, prefix=NO_OP_LOCKS) for _ in range(count)]]
    hub.log.settle()
    for result in results:
        assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert hub.bytes_sent(host="cdn") <= 1.05 * size - noted + 4 * MIB
    assert volume.partials() == [] and leases(volume) == []


def test_writers_that_nothing_keeps_apart_do_not_write_into_each_other(start, run, hub, volume, died):
    """Neither locks nor leases: whoever looks finds the place free, and all fetch at once into one folder, from where the
    dead one was. Some may find out and give up; no file is wrong at any moment."""
    size = 12 * MIB
    repo = hub.model("acme/tiny", {"m.safetensors": xet(size), **{f"part-{n}.bin": lfs(50_000 + n) for n in range(20)}})
    whole = {"name": "s", "repos": [{"id": "acme/tiny"}], "concurrency": LANES}
    died(whole, size)
    hub.throttle(RATE, host="cdn", per="all")
    over = threading.Event()

    def forget_leases():
        while not over.wait(0.002):
            for lease in leases(volume):
                lease.unlink(missing_ok=True)

    thread = threading.Thread(target=forget_leases)
    thread.start()
    try:
        runs = []
        for _ in range(5):
            runs.append(start(whole, prefix=NO_OP_LOCKS))
            time.sleep(0.15)
        codes = [running.wait().code for running in runs]
    finally:
        over.set()
        thread.join()
    assert set(codes) <= {0, 50}, codes
    there, right = volume.files("acme/tiny"), content_of(repo)
    assert there == {path: right[path] for path in there}
    assert run(whole).code == 0
    assert volume.files("acme/tiny") == right and volume.marker("s") and volume.partials() == []

"""Both at once on one cache

hf-init and Python write into the same cache at the same time, and either may be killed at any moment."""
import random
import time

from interop import FOLDER, blobs_are_right, content_of, fetched, scenario, snapshot, spec, tiny
from standin import lfs, xet

MIB = 1 << 20
ALL = "say(snapshot_download('acme/tiny'))"


@scenario("a part of a file is resumed by who began it, never by the other")
def test_neither_resumes_what_the_other_began(start, run, hub, volume, client, until):
    size = 24 * MIB
    tiny(hub, {"config.json": "{}", "model.safetensors": xet(size)})
    gate = hub.gate(file="model.safetensors", host="cdn", file_at=16 * MIB)
    ours = start(spec("cache"))
    assert gate.wait() and until(volume.partials)
    ours.kill()
    gate.release()
    assert hub.left()
    hub.reset()
    gate = hub.gate(file="model.safetensors", host="cdn", file_at=16 * MIB)
    theirs = client.start(ALL, HF_HUB_CACHE=volume.path)
    assert gate.wait() and until(lambda: list((volume / FOLDER / "blobs").glob("*.incomplete")))
    asked = hub.requests(host="cdn", file="model.safetensors")
    assert [r.range for r in asked if r.range not in (None, "bytes=0-")] == []  # from the start
    theirs.kill()
    theirs.communicate()
    gate.release()
    assert hub.left()
    parts = {path: path.stat().st_size for path in (volume / FOLDER / "blobs").glob("*.incomplete")}
    hub.reset()
    result = run(spec("cache"))
    assert result.code == 0 and blobs_are_right(volume.path), result
    assert 0 < hub.bytes_sent("model.safetensors", host="cdn") <= size
    assert {path: path.stat().st_size for path in parts} == parts and volume.partials() == []


@scenario("both at once, one or both killed at random, ten times; the end is right")
def test_both_at_once_killed_at_random(start, run, hub, volume, client, reader):
    rng = random.Random(client.name)
    repo = tiny(hub, {"config.json": "0", "same.bin": lfs(MIB), "a.bin": xet(2 * MIB), "b/b.bin": lfs(3 * MIB)})
    for number in range(10):
        text = str(number)
        repo.push({"config.json": text, "a.bin": xet(text.encode() * MIB), "b/b.bin": lfs(text.encode() * 3 * MIB)})
        throttle = hub.throttle(8 * MIB, host="cdn", per="all")
        theirs = client.start(ALL, HF_HUB_CACHE=volume.path)
        assert hub.log.wait(timeout_s=60, path="*/revision/main")  # it takes its time to get there
        ours = start(spec("cache"))
        killed = [[ours.process], [theirs], [ours.process, theirs]][number % 3]
        at = rng.randrange(1, 5 * MIB)
        while sent(hub) < at and any(process.poll() is None for process in (ours.process, theirs)):
            time.sleep(0.01)
        for process in killed:
            process.kill()
        throttle.clear()
        ended = ours.wait(180)
        code, said = wait(theirs)
        assert ended.code == 0 or ours.process in killed, (number, ended)
        assert code == 0 or theirs in killed, (number, said)
        assert hub.left()
        hub.reset()
        assert blobs_are_right(volume.path), number
    result = run(spec("cache"))
    assert result.code == 0 and volume.marker() and volume.partials() == [], result
    hub.reset()
    assert run(spec("cache")).code == 0 and hub.count() == 1
    assert reader(ALL) == [str(volume / snapshot(repo.head()))]
    assert volume.files(snapshot(repo.head())) == content_of(repo.head())
    client(ALL, HF_HUB_CACHE=volume.path)
    assert fetched(hub) == set()


def sent(hub):
    """Bytes of files so far, of transfers that are still going on, too."""
    return sum(record.sent for record in hub.requests(host="cdn"))


def wait(process):
    """Its exit code and what it wrote."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err

"""What `hf-init verify` promises: what is on the volume is what was published, or it says what is not."""
import os
import subprocess

import pytest
from conftest import content_of
from standin import lfs

MB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}
FILES = {"a.txt": "a", "sub/b.json": b"{}", "w.bin": lfs(3 * MB)}


def place(volume, repo, layout, name):
    folder = "acme/tiny" if layout == "dir" else f"models--acme--tiny/snapshots/{repo.head('main').sha}"
    return volume / folder / name


def damage(path, keep_time=True):
    """One bit in the middle, and the same size; the time as well unless told otherwise."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)
        file.seek(before.st_size // 2)
        file.write(bytes([byte[0] ^ 1]))
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture(params=["dir", "cache"])
def filled(request, run, hub, volume):
    """(repo, spec) of a volume that is complete."""
    repo = hub.model("acme/tiny", FILES)
    spec = {**ONE, "layout": request.param}
    assert run(spec).code == 0
    return repo, spec, request.param


def test_a_good_volume_is_called_good(run, hub, filled):
    before = hub.count()
    result = run(filled[1], command="verify")
    assert result.code == 0 and result.stdout == "" and "every file is what the marker says" in result.stderr
    assert hub.count() == before, "it asks nobody"


def test_a_flipped_bit_is_found_even_if_no_time_tells(run, hub, volume, filled):
    repo, spec, layout = filled
    damage(place(volume, repo, layout, "w.bin"))
    assert run(spec).code == 0, "a run believes size and time"
    result = run(spec, command="verify")
    assert result.code == 40
    assert result.stdout == "acme/tiny: w.bin: does not match its hash\n"
    assert volume.marker(), "who only looks changes nothing"


def test_missing_and_short_files_are_named(run, volume, filled):
    repo, spec, layout = filled
    os.unlink(place(volume, repo, layout, "a.txt"))
    os.truncate(place(volume, repo, layout, "w.bin"), 100)
    result = run(spec, command="verify")
    assert result.code == 40
    assert sorted(result.stdout.splitlines()) == ["acme/tiny: a.txt: missing", "acme/tiny: w.bin: has another size"]


def test_repair_fetches_what_is_wrong_and_nothing_else(run, hub, volume, filled, complete):
    repo, spec, layout = filled
    damage(place(volume, repo, layout, "w.bin"))
    sent = hub.bytes_sent("sub/b.json"), hub.bytes_sent("w.bin", host="cdn")
    result = run(spec, "--repair", command="verify")
    assert result.code == 0, result
    assert hub.bytes_sent("sub/b.json") == sent[0]
    assert hub.bytes_sent("w.bin", host="cdn") == sent[1] + 3 * MB
    assert run(spec, command="verify").code == 0
    if layout == "dir":
        assert volume.files("acme/tiny") == content_of(repo)


def test_repair_hashes_whatever_the_spec_says_of_verifying(run, hub, volume):
    repo, spec = hub.model("acme/tiny", FILES), {**ONE, "verify": "size"}
    assert run(spec).code == 0
    damage(place(volume, repo, "dir", "w.bin"), keep_time=False)
    assert run(spec, command="verify").code == 40
    assert run(spec, "--repair", command="verify").code == 0
    assert run(spec, command="verify").code == 0 and volume.files("acme/tiny") == content_of(repo)


def test_repair_stays_at_the_commit_that_was_there(run, hub, volume, filled):
    repo, spec, layout = filled
    first = repo.head("main").sha
    repo.push({"a.txt": "another"})
    damage(volume / ("acme/tiny/w.bin" if layout == "dir" else f"models--acme--tiny/snapshots/{first}/w.bin"))
    assert run(spec, "--repair", command="verify").code == 0
    assert volume.marker()["repos"][0]["commit"] == first


def test_repair_of_a_good_volume_needs_nobody_and_leaves_the_marker_alone(run, hub, volume, filled):
    before = volume.marker()
    for host in ("api", "cdn"):
        hub.down(host)
    assert run(filled[1], "--repair", command="verify").code == 0
    assert volume.marker()["repos"] == before["repos"]


def test_a_repair_that_cannot_begin_leaves_the_marker(run, hub, volume, filled):
    repo, spec, layout = filled
    for tree in volume.path.glob("**/trees/*.json"):
        tree.unlink()
    for host in ("api", "cdn"):
        hub.down(host)
    result = run({**spec, "onUnreachable": "fail", "retry": {"attempts": 1, "maxWait": "1s"}}, "--repair", command="verify")
    assert result.code == 30 and volume.marker()


@pytest.mark.parametrize("optional", [False, True])
def test_what_cannot_be_listed_any_more_is_not_called_good(run, hub, volume, optional):
    hub.model("acme/tiny", FILES)
    spec = {"repos": [{"id": "acme/tiny", "optional": optional}]}
    assert run(spec).code == 0
    trees = list(volume.path.glob("**/trees/*.json"))
    assert trees
    for tree in trees:
        tree.unlink()
    result = run(spec, command="verify")
    assert result.code == 40 and "the listing of commit" in result.stderr


def test_files_that_differ_count_more_than_one_that_cannot_be_read(run, volume, filled):
    repo, spec, layout = filled
    damage(place(volume, repo, layout, "w.bin"))
    path = place(volume, repo, layout, "a.txt")
    os.unlink(path)
    os.mkdir(path)
    assert run(spec, command="verify").code == 40


def test_without_a_marker_there_is_nothing_to_verify(run, hub):
    hub.model("acme/tiny", FILES)
    result = run(ONE, command="verify")
    assert result.code == 60 and "no marker of this spec" in result.stderr


def test_a_read_only_mount_can_be_verified(run, hub, volume):
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    hub.model("acme/tiny", FILES)
    assert run(ONE).code == 0
    subprocess.run(["mount", "--bind", volume.path, volume.path], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", volume.path], check=True)
        assert run(ONE, command="verify").code == 0
    finally:
        subprocess.run(["umount", volume.path], check=True)


def test_what_was_asked_for_and_no_more_is_verified(run, hub, volume):
    hub.model("acme/tiny", FILES)
    spec = {"repos": [{"id": "acme/tiny", "allow": ["*.txt"]}]}
    assert run(spec).code == 0
    assert run(spec, command="verify").code == 0

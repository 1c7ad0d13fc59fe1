"""What the caching mirror of manifests/mirror.yaml and of the chart promises."""
import os
import subprocess
import tempfile
import time

import pytest
from conftest import Volume, content_of
from mirror import Mirror, hub_by_name
from standin import git, lfs, xet
from standin.nginx import find_nginx

MIB = 1 << 20
pytestmark = pytest.mark.skipif(find_nginx() is None, reason="no nginx here")


@pytest.fixture
def hub():
    with hub_by_name() as hub:
        yield hub


@pytest.fixture
def mirror(hub):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        mirror = Mirror(hub, folder)
        yield mirror
        mirror.close()


def big(hub, size=40 * MIB + 1, **how):
    return hub.model("acme/big", {"config.json": git("{}" * 1000), "a/b.txt": "hello", "c.txt": "c", "d.txt": "d",
                                  "model.safetensors": xet(size), "other.bin": lfs(3 * MIB)}, **how)


@pytest.fixture
def client(start, mirror, tmp_path):
    """client("a"): an hf-init with a volume of its own that knows the mirror alone."""
    def begin(name, **env):
        volume = Volume(tmp_path / name)
        spec = {"target": str(volume.path), "endpoint": mirror.endpoint, "repos": [{"id": "acme/big"}],
                "concurrency": {"partSize": "8MiB"}}
        running = start(spec, **env)
        running.volume = volume
        return running
    return begin


def good(running, repo):
    result = running.wait()
    assert result.code == 0, result
    assert running.volume.files("acme/big") == content_of(repo)


def test_the_second_client_gets_every_byte_from_the_mirror(hub, mirror, client):
    repo = big(hub)
    mirror.start()
    good(client("one"), repo)
    asked, sent = hub.count(host="api"), hub.bytes_sent(host="cdn")
    large = repo.head().files["model.safetensors"].size + repo.head().files["other.bin"].size
    assert sent <= 1.01 * large
    good(client("two"), repo)
    assert hub.bytes_sent(host="cdn") == sent and hub.count(host="api") <= asked + 1  # where main is, if a minute has passed


def test_a_fleet_that_starts_together_fetches_once(hub, mirror, client):
    repo = big(hub)
    mirror.start()
    for running in [client(f"v{n}") for n in range(6)]:
        good(running, repo)
    large = repo.head().files["model.safetensors"].size + repo.head().files["other.bin"].size
    assert hub.bytes_sent(host="cdn") <= 1.05 * large


def test_the_token_is_the_mirrors_alone(hub, mirror, client):
    repo = big(hub, size=MIB, gated="auto")
    mirror.token(hub.token)
    mirror.start()
    good(client("one", HF_TOKEN=hub.stranger_token), repo)  # who has accepted no terms: it is not the client's that counts
    assert hub.leaks() == []
    found = subprocess.run(["grep", "-rlF", hub.token, str(mirror.folder / "cache"), str(mirror.folder / "access.log")],
                           capture_output=True, text=True)
    assert found.stdout == ""


def test_without_a_token_nobody_gets_what_is_gated(hub, mirror, client):
    big(hub, size=MIB, gated="auto")
    mirror.start()
    result = client("one", HF_TOKEN=hub.token).wait()
    assert result.code in (10, 11), result
    assert not [r for r in hub.requests() if r.token]


def test_a_hub_that_is_down_is_not_missed(hub, mirror, client):
    """Also when what it knows of the branch is older than it would like."""
    repo = big(hub, size=MIB)
    mirror.config.write_text(mirror.config.read_text().replace("302 307 1m;", "302 307 1s;"))
    mirror.start()
    good(client("one"), repo)
    hub.down("api", "cdn")
    time.sleep(2.1)  # nginx counts whole seconds
    good(client("two"), repo)


def test_a_new_commit_is_seen_and_what_it_shares_is_not_fetched_again(hub, mirror, client):
    repo = big(hub)
    mirror.start()
    good(client("one"), repo)
    sent = hub.bytes_sent("model.safetensors", host="cdn")
    old = repo.head().sha
    repo.push({"config.json": "{}"})
    path = f"/acme/big/resolve/{repo.head().sha}/model.safetensors"
    status, headers, body = mirror.ask(path, Range="bytes=16777210-16777225")
    assert status == 206 and headers["Content-Range"] == f"bytes 16777210-16777225/{40 * MIB + 1}"
    assert body == repo.head().files["model.safetensors"].content.read()[16777210:16777226]
    assert headers["X-Repo-Commit"] == repo.head().sha != old
    assert headers["ETag"] == headers["X-Linked-ETag"] == '"%s"' % repo.head().files["model.safetensors"].sha256
    assert hub.bytes_sent("model.safetensors", host="cdn") == sent


def test_only_the_hubs_own_storage_is_followed(hub, mirror):
    repo = big(hub, size=MIB)
    hub.fault("relocate", {"file": "model.safetensors", "host": "api"}, times=None, location="https://169.254.169.254/latest/")
    mirror.start()
    status, headers, _ = mirror.ask(f"/acme/big/resolve/{repo.head().sha}/model.safetensors")
    assert status == 302 and headers["Location"] == "https://169.254.169.254/latest/"


@pytest.mark.parametrize("path, method, status", [
    ("/healthz", "GET", 200), ("/api/whoami-v2", "GET", 404), ("/api/models?author=acme", "GET", 404), ("/", "GET", 404),
    ("/api/models/acme/big/revision/main", "DELETE", 403), ("/api/models/acme/big/commit/main", "POST", 403)])
def test_nothing_but_reading_repos_gets_through(hub, mirror, path, method, status):
    big(hub, size=MIB)
    mirror.token(hub.token)
    mirror.start()
    assert mirror.ask(path, method)[0] == status
    assert hub.count() == 0


def test_limits_of_the_moment_are_not_remembered(hub, mirror):
    """A cached answer that says `no requests left` would hold back clients for as long as it is cached."""
    big(hub, size=MIB)
    hub.rate_limit("api", quota=2, window_s=300)
    mirror.start()
    for _ in range(5):
        status, headers, _ = mirror.ask("/api/models/acme/big/revision/main")
        assert status == 200 and "RateLimit" not in headers and "RateLimit-Policy" not in headers
    assert hub.count(host="api") == 1

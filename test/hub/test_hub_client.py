"""The official client believes the stand-in: huggingface_hub downloads from it, in both of its layouts, and raises what
it raises at the real one. This is what keeps the stand-in honest."""
import hashlib
import json
import os
import subprocess
import sys

import pytest
from standin import Hub, Tls, git, lfs, xet

pytest.importorskip("huggingface_hub")

FILES = {
    ".gitattributes": "*.safetensors filter=lfs\n", "config.json": '{"model_type": "x"}', "empty.txt": b"",
    "tokenizer.json": git(300_000), "README.md": "text " * 1000, "names/a b/#%?+é.txt": "hi", "zero.bin": lfs(0),
    "model.safetensors": xet(12 << 20), "old/pytorch_model.bin": lfs(2_000_000)}

PRELUDE = """
import json, sys
from huggingface_hub import HfApi, snapshot_download, hf_hub_download, errors
def fails(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__, str(error)
    return None, ""
def say(value):
    print(json.dumps(value))
"""


def python(hub, tmp_path, code, token=None, **environment):
    """Runs code with the official client against the Hub; returns the JSON values it said, one per say()."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING")) and "proxy" not in k.lower()}
    env.update(HF_ENDPOINT=hub.endpoint, HF_HOME=str(tmp_path / "home"), HF_HUB_DISABLE_XET="1",
               HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1", NO_COLOR="1", **environment)
    if token:
        env["HF_TOKEN"] = token
    done = subprocess.run([sys.executable, "-c", PRELUDE + code], env=env, cwd=tmp_path, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(folder, commit):
    """Every file of the commit is there, byte for byte."""
    for path, file in commit.files.items():
        with open(os.path.join(folder, path), "rb") as found:
            assert hashlib.sha256(found.read()).hexdigest() == file.content.sha256, path


@pytest.fixture
def hub():
    with Hub(page_size=4, shuffle_tree=True) as hub:
        yield hub


def test_snapshots_of_every_kind_of_revision_in_both_layouts(hub, tmp_path):
    repo = hub.model("acme/tiny", FILES)
    commits = {"v1.0": repo.tag("v1.0"), "main": repo.push({"config.json": "second", "empty.txt": None}),
               "feat/x": repo.commit({"config.json": "branch"}, branch="feat/x"),
               "refs/pr/1": repo.pull_request(1, {"config.json": "pull"})}
    commits[commits["v1.0"].sha] = commits["v1.0"]
    said = python(hub, tmp_path, """
for revision in %r:
    say([revision, snapshot_download("acme/tiny", revision=revision),
         snapshot_download("acme/tiny", revision=revision, local_dir="dir-" + revision.replace("/", "-"))])
""" % list(commits))
    for revision, cached, local in said:
        assert cached.endswith("/snapshots/" + commits[revision].sha)
        check(cached, commits[revision])
        check(local, commits[revision])
    blobs = set(os.listdir(tmp_path / "home/hub/models--acme--tiny/blobs"))
    assert blobs == {file.etag for commit in commits.values() for file in commit.files.values()}
    assert hub.leaks() == []


def test_over_tls_with_a_token_and_s3_urls(tmp_path):
    with Hub(tls=Tls(leaf="chain"), url_style="s3", name="localhost") as hub:
        commit = hub.model("acme/secret", FILES, private=True).head()
        said = python(hub, tmp_path, 'say(snapshot_download("acme/secret"))', hub.token, SSL_CERT_FILE=hub.ca_path,
                      REQUESTS_CA_BUNDLE=hub.ca_path)
        check(said[0], commit)
        assert hub.leaks() == [] and set(hub.token_seen_by()) == {"api"}


def test_datasets_spaces_renamed_and_canonical_repos(hub, tmp_path):
    hub.model("acme/new", FILES)
    hub.alias("acme/old", "acme/new")
    hub.alias("tiny", "acme/new")
    rows = hub.dataset("acme/rows", {"data/%d.csv" % n: "a,%d\n" % n for n in range(20)})
    hub.space("acme/app", {"app.py": "pass"})
    said = python(hub, tmp_path, """
for repo, kind in (("acme/old", "model"), ("tiny", "model"), ("acme/rows", "dataset"), ("acme/app", "space")):
    say(snapshot_download(repo, repo_type=kind))
say(sorted(HfApi().list_repo_files("acme/rows", repo_type="dataset")))
say([f.path for f in HfApi().get_paths_info("acme/new", ["config.json", "names", "nope"])])
refs = HfApi().list_repo_refs("acme/rows", repo_type="dataset", include_pull_requests=True)
say([b.ref for b in refs.branches])
""")
    check(said[0], hub.catalogue.find("models", "acme/new").head())
    check(said[1], hub.catalogue.find("models", "acme/new").head())
    check(said[2], rows.head())
    assert said[4] == sorted(rows.head().files) and said[5:] == [["config.json", "names"], ["refs/heads/main"]]


def test_refusals_raise_what_the_real_hub_makes_raise(hub, tmp_path):
    hub.model("acme/tiny", FILES)
    hub.model("acme/secret", FILES, private=True)
    hub.model("acme/gated", FILES, gated="manual")
    hub.model("acme/off", FILES, disabled=True)
    hub.fault("rate-limit", host="api", repo="acme/limited", name="api", wait=9, times=None)
    stranger = hub.stranger_token
    rows = [
        ("GatedRepoError", "snapshot_download", "acme/gated", {"token": False}),
        ("GatedRepoError", "snapshot_download", "acme/gated", {"token": stranger}),
        ("RepositoryNotFoundError", "snapshot_download", "acme/secret", {"token": False}),
        ("RepositoryNotFoundError", "snapshot_download", "acme/secret", {"token": stranger}),
        ("RepositoryNotFoundError", "HfApi().model_info", "acme/none", {"token": False}),
        ("DisabledRepoError", "HfApi().model_info", "acme/off", {"token": False}),
        ("RevisionNotFoundError", "snapshot_download", "acme/tiny", {"revision": "nope", "token": False})]
    said = python(hub, tmp_path, """
for _, function, repo, how in %r:
    say(fails(eval(function), repo, **how))
say(fails(hf_hub_download, "acme/tiny", "nope.json"))
say(fails(HfApi().model_info, "acme/tiny", token="hf_wrong"))
say(fails(HfApi().model_info, "acme/limited"))
say(HfApi().whoami(token=%r)["name"])
""" % (rows, hub.token))
    for (wanted, _, repo, how), (name, text) in zip(rows, said):
        assert name == wanted, (repo, how, text)
    assert said[7][0] == "RemoteEntryNotFoundError"
    assert said[8][0] == "HfHubHTTPError" and "Invalid credentials" in said[8][1]
    assert "429" in said[9][1] and said[10] == "reader"


def test_it_lives_through_cuts_and_resumes_by_range(hub, tmp_path):
    repo = hub.model("acme/tiny", {"m.safetensors": xet(40 << 20)})
    hub.fault("cut", host="cdn", at=25 << 20)
    said = python(hub, tmp_path, 'say(snapshot_download("acme/tiny"))')
    check(said[0], repo.head())
    assert any(r.range and r.status == 206 for r in hub.requests(host="cdn"))

"""What hf-init promises about talking to the Hub: it finds what was asked for, the token goes nowhere else, and
whatever the network does, the files are right or the exit code says why they are not."""
import json
import os
import socket
import time

import pytest
from conftest import content_of
from standin import Hub, Proxy, git, lfs, xet

MB = 1 << 20
TINY = {"id": "acme/tiny"}
ONE = {"repos": [TINY]}
PARTS = {**ONE, "concurrency": {"partSize": "1MiB"}}
ONE_BY_ONE = {**ONE, "concurrency": {"partSize": "1MiB", "connections": 1}}
KNOWN = {".hf-init"}
UNKNOWN_HOST = "x" * 64 + ".test"        # no DNS name has a label of 64 letters: it fails without a name server


def patient(attempts, **more):
    return {**ONE, "retry": {"attempts": attempts, "maxWait": "1s"}, **more}


IMPATIENT = patient(1)


def tiny(hub, **settings):
    return hub.model("acme/tiny", {"config.json": b'{"a":1}', "sub/notes.txt": b"hello\n", "w.bin": lfs(3000)}, **settings)


def many(count):
    return {f"{n:03}.txt": f"{n}" for n in range(count)}


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def optional(ids):
    """A spec of many repos, each of which may fail for itself: one run, and its waits happen at the same time."""
    return {**IMPATIENT, "repos": [{"id": i, "optional": True} for i in ids]}


def reasons(volume):
    return {r["id"]: r.get("error", {}).get("reason") for r in volume.status()["repos"]}


def gaps(records):
    """Seconds between one request's answer and the next request."""
    return [b.began_at - a.ended_at for a, b in zip(records, records[1:])]


# Revisions, types, names.

@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
@pytest.mark.parametrize("revision", ["main", "feat/x y#1", "v1.0", "release/2.0", "refs/pr/7", "refs/convert/parquet"])
def test_every_form_of_revision_is_found_in_every_type_of_repo(run, hub, volume, complete, kind, revision):
    repo = hub.repo(kind, "acme/rows", {"config.json": b"main", "old.txt": "old"})
    repo.tag("v1.0")
    repo.commit({"config.json": b"branch"}, branch="feat/x y#1")
    repo.commit({"config.json": b"tagged"}, branch="tagged")
    repo.tag("release/2.0", "tagged")
    repo.pull_request(7, {"config.json": b"pull"})
    repo.convert("parquet", {"data/0.parquet": lfs(100)})
    complete(run({"repos": [{"id": "acme/rows", "type": kind, "revision": revision}]}), repo, revision)
    assert hub.count(path="*/revision/*") == 1 and hub.count(path="*/tree/*") == 1


def test_a_commit_is_used_as_it_is(run, hub, complete):
    repo = tiny(hub)
    sha = repo.head().sha
    repo.push({"config.json": b"newer"})
    complete(run({"repos": [{**TINY, "revision": sha}]}), repo, sha)
    assert hub.count(path="*/revision/*") == 0


@pytest.mark.parametrize("link_host", ["https://huggingface.co", "https://hub-ci.huggingface.co", None])
@pytest.mark.parametrize("prefix", ["", "/hf"])
def test_next_links_lead_to_the_endpoint_again(run, complete, link_host, prefix):
    with Hub(page_size=4, link_host=link_host, prefix=prefix) as hub:
        repo = hub.model("acme/tiny", many(10))
        complete(run(ONE, hub=hub), repo)
        assert hub.count(path="*/tree/*") == 3


def test_types_live_side_by_side(run, hub, volume):
    repos = [hub.model("acme/a", {"x.txt": "m"}), hub.dataset("acme/b", {"x.txt": "d", "data/y.bin": lfs(100)}),
             hub.space("acme/c", {"app.py": "s"})]
    assert run({"repos": [{"id": r.id, "type": r.kind} for r in repos]}).code == 0
    for repo in repos:
        assert volume.files(repo.id) == content_of(repo)


def test_the_wrong_type_is_a_missing_repo(run, hub, failed):
    hub.dataset("acme/rows", {"x.txt": "d"})
    failed(run({"repos": [{"id": "acme/rows"}]}), 12, "RepoNotFound", "acme/rows")


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_renamed_repo_is_found_under_its_old_name(run, hub, volume, layout):
    repo = hub.model("acme/old", {"config.json": b"{}", "w.bin": lfs(2 * MB)}, private=True)
    hub.rename("acme/old", "other/new")
    assert run({"layout": layout, "repos": [{"id": "acme/old"}]}, HF_TOKEN=hub.token).code == 0
    below = "acme/old" if layout == "dir" else f"models--acme--old/snapshots/{repo.head().sha}"
    assert volume.files(below) == content_of(repo)
    assert hub.leaks() == []


def test_a_canonical_name_of_one_word_is_found(run, hub, volume):
    repo = hub.model("openai/gpt2", {"config.json": b"{}"})
    hub.alias("gpt2", "openai/gpt2")
    assert run({"repos": [{"id": "gpt2"}]}).code == 0
    assert volume.files("gpt2") == content_of(repo)


def test_names_of_every_kind_arrive_under_their_own_name(run, hub, complete):
    names = ["a b.txt", "a#b", "100%", "what?.md", "a+b&c=d.txt", "%41.txt", "é.txt", "e\u0301.txt", "日本語/模型.bin", "~x",
             "dir with space/a;b@c:[d].bin", "quo\"te", "back\\slash", "$HOME", "*", "-rf", "x" * 200, "🙂"]
    repo = hub.model("acme/tiny", {name: (lfs if n % 2 else git)(name.encode()) for n, name in enumerate(names)})
    complete(run(ONE), repo)


def test_empty_and_tiny_files_arrive(run, hub, complete):
    repo = hub.model("acme/tiny", {"empty": b"", "empty.bin": lfs(b""), "empty.xet": xet(b""), "one": b"1",
                                   "one.bin": lfs(b"1"), "one.xet": xet(b"1")})
    complete(run(ONE), repo)


# Who may.

@pytest.mark.parametrize("gate", ["auto", "manual"])
def test_a_gated_repo_opens_with_the_right_token(run, hub, complete, gate):
    repo = tiny(hub, gated=gate)
    complete(run(ONE, HF_TOKEN=hub.token), repo)
    assert hub.leaks() == []


@pytest.mark.parametrize("who, words", [
    (None, ["acme/tiny@main is gated, and no token was sent", "Accept its terms at"]),
    ("stranger_token", ["the token (from HF_TOKEN, hf_…redacted) belongs to a user who has not accepted its terms",
                        "Accept them at"])])
def test_a_gated_repo_says_where_to_accept_the_terms(run, hub, volume, failed, who, words):
    hub.model("acme/open", {f"{n}.bin": lfs(2 * MB) for n in range(4)})
    tiny(hub, gated="auto")
    env = {"HF_TOKEN": getattr(hub, who)} if who else {}
    said = failed(run({"repos": [{"id": "acme/open"}, TINY]}, **env), 11, "Gated", *words)
    assert not said["retryable"] and "/acme/tiny" in said["hint"]
    refused = [r.file for r in hub.requests(status=(401, 403))]
    assert 1 <= len(refused) == len(set(refused)), "nothing to retry"
    assert volume.files("acme/tiny") == {}


def test_a_narrow_token_is_told_which_right_it_lacks(run, hub, failed):
    tiny(hub, gated="auto")
    hub.accounts.add("reader", "hf_narrow", gated=False)
    failed(run(ONE, HF_TOKEN="hf_narrow"), 11, "Forbidden", "fine-grained")


@pytest.mark.parametrize("who, words", [(None, "no token was sent"), ("stranger_token", "HF_TOKEN")])
def test_a_private_repo_looks_absent(run, hub, failed, who, words):
    tiny(hub, private=True)
    env = {"HF_TOKEN": getattr(hub, who)} if who else {}
    failed(run(ONE, **env), 12, "RepoNotFound", "private or absent", words)
    assert hub.count() == 1


def test_a_private_repo_opens_with_its_token(run, hub, complete):
    repo = tiny(hub, private=True)
    complete(run(ONE, HF_TOKEN=hub.token), repo)
    assert hub.leaks() == []


def test_a_disabled_repo_is_called_disabled(run, hub, failed):
    tiny(hub, disabled=True)
    failed(run(ONE, HF_TOKEN=hub.token), 11, "Disabled", "acme/tiny")
    assert hub.count() == 1


def test_a_bad_token_is_named_even_where_none_is_needed(run, hub, failed):
    tiny(hub)
    result = run(ONE, HF_TOKEN="hf_expired_long_ago")
    failed(result, 10, "Unauthorized", "HF_TOKEN")
    assert hub.count() == 1
    assert "hf_expired_long_ago" not in result.stderr


def test_an_expired_token_is_called_expired_and_its_file_is_read_again(run, hub, tmp_path, complete, failed):
    repo, secret = tiny(hub), tmp_path / "token"
    secret.write_text("hf_was_good_once")
    hub.accounts.add("reader", "hf_was_good_once")
    hub.fault("status", token="*hf_was_good_once", code=401, times=None,
              headers={"X-Error-Message": 'User Access Token "ci" is expired'})
    spec = {**ONE, "token": {"file": str(secret)}}
    failed(run(spec), 10, "Unauthorized", "is expired, revoked or mistyped", '"ci" is expired')
    assert hub.count() == 1
    hub.when(lambda _: secret.write_text(hub.token), token="*hf_was_good_once")
    complete(run(spec), repo)


def test_a_rotated_token_file_is_read_again(run, hub, tmp_path, complete):
    repo = hub.model("acme/tiny", many(30), private=True)
    secret = tmp_path / "token"
    secret.write_text(hub.token)

    def rotate(_):
        hub.accounts.add("reader", "hf_rotated")
        secret.write_text("hf_rotated")
        hub.accounts.revoke(hub.token)

    hub.when(rotate, file="*", after=5)
    complete(run({**ONE, "token": {"file": str(secret)}, "concurrency": {"connections": 2}}), repo)
    assert hub.count(status=401) > 0


# Endpoint lists and mirrors.

def test_a_mirror_is_asked_first_and_the_hub_not_at_all(run, hub, complete):
    repo = tiny(hub)
    with hub.mirror() as mirror:
        complete(run({**ONE, "endpoint": [mirror.endpoint, hub.endpoint]}), repo)
        assert hub.count() == 0 and mirror.count() > 0


def bad_mirror(kind):
    return lambda mirror: mirror.fault(kind, host="cdn", times=None)


def mirror_refuses_files(mirror):
    mirror.fault("status", path="*/resolve/*", code=404, times=None)


def mirror_fails(mirror):
    mirror.fault("status", code=503, times=None)


def mirror_fails_at_files(mirror):
    mirror.fault("status", path="*/resolve/*", code=502, times=None)


def mirror_has_html(mirror):
    mirror.fault("html", times=None)


def mirror_has_no_such_repo(mirror):
    mirror.fault("status", path="/api/*", code=404, headers={"X-Error-Code": "RepoNotFound"}, times=None)


def mirror_cannot_list(mirror):
    mirror.fault("status", path="*/tree/*", code=500, after=1, times=None)


def mirror_is_silent(mirror):
    mirror.fault("stall", times=None)


@pytest.mark.parametrize("trouble", [bad_mirror("flip"), bad_mirror("other-bytes"), bad_mirror("short"),
                                     bad_mirror("pointer"), bad_mirror("html"), mirror_refuses_files, mirror_fails,
                                     mirror_fails_at_files, mirror_has_html, mirror_has_no_such_repo, mirror_cannot_list,
                                     mirror_is_silent],
                         ids=lambda t: None if t.__name__ == "<lambda>" else t.__name__)
def test_behind_a_bad_mirror_there_is_the_hub(run, hub, complete, trouble):
    repo = hub.model("acme/tiny", {"a.txt": "a", "w.bin": lfs(2 * MB), "x.bin": lfs(1000)})
    with hub.mirror(page_size=2) as mirror:
        trouble(mirror)
        result = run({**ONE, "endpoint": [mirror.endpoint, hub.endpoint], "timeouts": {"stall": "1s"}})
        complete(result, repo)
        assert mirror.count() > 0 and hub.count() > 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://" + UNKNOWN_HOST])
def test_behind_a_dead_mirror_there_is_the_hub(run, hub, complete, url):
    repo = tiny(hub)
    complete(run({**ONE, "endpoint": [url.format(port=closed_port()), hub.endpoint]}), repo)


@pytest.mark.parametrize("pinned", [False, True])
def test_a_commit_waits_no_longer_for_a_bad_mirror_than_a_branch(run, hub, complete, pinned):
    """A listing stays with its endpoint: of a pinned commit it took all attempts, minutes of pauses, to leave it."""
    repo = tiny(hub)
    revision = repo.head().sha if pinned else "main"
    with hub.mirror() as mirror:
        mirror.fault("status", code=503, times=None)
        result = run({"repos": [{**TINY, "revision": revision}], "endpoint": [mirror.endpoint, hub.endpoint]})
        complete(result, repo)
        assert mirror.count() == 3


def test_a_token_that_the_mirror_was_shown_stays_off_its_cdn(run, hub, complete):
    repo = tiny(hub, private=True)
    with hub.mirror() as mirror:
        mirror.fault("status", file="w.bin", host="api", code=502, times=None)
        complete(run({**ONE, "endpoint": [mirror.endpoint, hub.endpoint]}, HF_TOKEN=hub.token), repo)
        assert hub.leaks() == mirror.leaks() == []


@pytest.mark.parametrize("poverty", [
    {"drop_headers": ["X-Repo-Commit", "ETag", "X-Linked-Etag", "X-Linked-Size"]},
    {"lengths": False}, {"ranges": False}, {"serve_direct": True}, {"link_host": "https://huggingface.co"},
    {"drop_headers": ["X-Repo-Commit", "ETag", "Accept-Ranges"], "lengths": False, "ranges": False, "serve_direct": True,
     "link_host": "https://huggingface.co", "prefix": "/hf"},
    {"drop_headers": ["X-Error-Code", "X-Error-Message", "X-Request-Id", "Content-Type"]},
], ids=lambda p: "+".join(p))
def test_a_poor_mirror_is_good_enough(run, hub, volume, poverty):
    repo = hub.model("acme/tiny", {"config.json": b"{}", "empty": b"", "w.bin": lfs(3 * MB + 5), "g.txt": git(2 * MB),
                                   **many(5)})
    with hub.mirror(page_size=3, **poverty) as mirror:
        assert run({**PARTS, "endpoint": mirror.endpoint}).code == 0
        assert volume.files("acme/tiny") == content_of(repo)


def test_a_mirror_without_ranges_is_resumed_from_the_start(run, hub, volume):
    repo = hub.model("acme/tiny", {"w.bin": lfs(3 * MB), "g.txt": git(300_000)})
    with hub.mirror(ranges=False, lengths=False) as mirror:
        mirror.fault("cut", file="*", status=200, at=200_000, each="file")
        assert run({**PARTS, "endpoint": mirror.endpoint}).code == 0
        assert volume.files("acme/tiny") == content_of(repo)


# Redirects.

def test_the_token_never_leaves_the_endpoint(run, hub, complete):
    repo = hub.model("acme/tiny", {"config.json": b"{}", "w.bin": lfs(3 * MB), "x.bin": xet(1000)}, gated="auto")
    hub.fault("cut", host="cdn", at=100)
    hub.fault("status", host="cdn", code=503)
    complete(run(PARTS, HF_TOKEN=hub.token), repo)
    assert hub.leaks() == [] and set(hub.token_seen_by()) == {"api"}


@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*", "*/resolve/*"])
def test_a_redirect_to_a_third_host_is_followed_without_the_token(run, hub, failed, path):
    tiny(hub)
    hub.fault("redirect", path=path, to=hub.sink + "/elsewhere", times=None)
    result = run(IMPATIENT, HF_TOKEN=hub.token)
    assert result.code in (12, 32), result
    assert hub.count(host="sink") > 0
    assert hub.leaks() == [] and set(hub.token_seen_by()) == {"api"}


def test_an_endpoint_that_redirects_to_another_is_told_of_where_the_token_is_missed(run, hub, failed):
    with Hub() as other:
        tiny(other, private=True)
        hub.fault("redirect", path="/api/*", to=other.endpoint + "/api/models/acme/tiny/revision/main", times=None)
        said = failed(run(ONE, HF_TOKEN=other.token), 12, "RepoNotFound", "no token was sent")
        assert other.endpoint in said["hint"] and "endpoint" in said["hint"]
        assert other.count() == 1 and other.token_seen_by() == {} and hub.leaks() == []


def test_another_port_is_another_host_to_the_token(run, hub, volume, complete):
    repo = tiny(hub)
    with hub.mirror() as other:
        hub.fault("redirect", path="*/resolve/*config.json", to=other.endpoint + f"/acme/tiny/resolve/{repo.head().sha}/"
                  "config.json", times=None)
        complete(run(ONE, HF_TOKEN=hub.token), repo)
        assert other.count(token=False) > 0 and other.count(token=True) == 0


def test_a_host_off_the_list_is_named_and_not_asked(run, hub, failed):
    tiny(hub)
    said = failed(run({**ONE, "allowedHosts": ["*.hf.co", "127.0.0.22"]}), 32, "HostNotAllowed", "127.0.0.2",
                  "allowedHosts")
    assert said["retryable"]
    assert hub.count(host="cdn") == 0
    assert hub.count(file="w.bin") == 1, "nothing to retry"


def test_hosts_on_the_list_are_asked(run, hub, complete):
    repo = tiny(hub)
    complete(run({**ONE, "allowedHosts": ["*.hf.co", "127.0.0.2"]}), repo)


def test_https_is_never_left(run, failed):
    with Hub(tls=True, cdn_tls=False) as hub:
        tiny(hub)
        failed(run({**IMPATIENT, "tls": {"caFile": hub.ca_path}}, hub=hub), 32, "BadAnswer", "leaves https")
        assert hub.count(host="cdn") == 0


NOWHERE = ["loop", "file:///etc/passwd", "ftp://127.0.0.2/x", "data:,x", "http://", "//", "http://a b/", "http://127.0.0.2:99999/",
           "http://u:p@127.0.0.2/x", "http://127.0.0.2/" + "x" * 60_000]


@pytest.mark.parametrize("path", ["/api/models/{}/tree/*", "/{}/resolve/*"])
def test_redirects_to_nowhere_are_refused(run, hub, volume, path):
    ids = [f"acme/m{n}" for n in range(len(NOWHERE))]
    faults = []
    for repo_id, to in zip(ids, NOWHERE):
        hub.model(repo_id, {"config.json": repo_id})
        faults.append(hub.fault("redirect", path=path.format(repo_id), to=to, times=None))
    assert run(optional(ids)).code == 0
    assert reasons(volume) == dict.fromkeys(ids, "BadAnswer")
    assert [f.hits < 50 for f in faults] == [True] * len(ids)
    assert hub.count(host="cdn") == 0 and volume.files() == {}


@pytest.mark.parametrize("to", ["https://127.0.0.3/x", "https://169.254.169.254/latest/meta-data/", "https://[::1]/x",
                                "https://localhost/x", "https://2130706433/x", "https://0x7f.1/x"])
def test_the_public_hub_cannot_send_us_to_ourselves(run, failed, to):
    with Hub(tls=True, name="hub.test", cdn_name="cdn.test") as hub:
        with Proxy(hosts={hub.origin[8:]: hub.address("api"), hub.cdn.origin[8:]: hub.address("cdn")}) as proxy:
            tiny(hub)
            hub.fault("redirect", path="*/resolve/*", to=to, times=None)
            failed(run({**IMPATIENT, "tls": {"caFile": hub.ca_path}}, hub=hub, HTTPS_PROXY=proxy.url), 32, "HostNotAllowed")
            assert {r.target for r in proxy.records} == {hub.origin[8:]}


# Signed URLs.

def test_one_signed_url_serves_all_ranges_of_a_file(run, hub, complete):
    repo = hub.model("acme/tiny", {"w.bin": lfs(6 * MB)})
    complete(run(ONE_BY_ONE), repo)
    assert hub.count(path="*/resolve/*") == 1
    assert hub.count(host="cdn", range=True) >= 5


@pytest.mark.parametrize("code", [401, 403, 410])
def test_a_refused_url_is_renewed_and_costs_no_attempt(run, hub, complete, code):
    repo = hub.model("acme/tiny", {"w.bin": lfs(6 * MB)}, gated="auto")
    fault = hub.fault("expired", host="cdn", code=code, after=1, times=2)
    complete(run({**ONE_BY_ONE, "retry": {"attempts": 1, "maxWait": "1s"}}, HF_TOKEN=hub.token), repo)
    assert fault.hits == 2 and hub.count(path="*/resolve/*") == 3
    assert hub.bytes_sent("w.bin", host="cdn") < 6 * MB + 2000
    assert hub.leaks() == []


@pytest.mark.parametrize("style", ["cloudfront", "s3"])
def test_a_url_about_to_expire_is_renewed_before(run, complete, style):
    with Hub(url_lifetime_s=30, url_style=style) as hub:
        repo = hub.model("acme/tiny", {"w.bin": lfs(4 * MB)})
        complete(run(ONE_BY_ONE, hub=hub), repo)
        assert hub.count(path="*/resolve/*") == hub.count(host="cdn", status=206) == 4


def test_urls_that_expire_in_the_middle_are_renewed_for_the_rest(start, hub, complete):
    repo = hub.model("acme/tiny", {"w.bin": lfs(4 * MB)})
    gate = hub.gate(file="w.bin", host="cdn", at=MB // 2)
    running = start(ONE)
    assert gate.wait()
    hub.expire_urls()
    hub.drop_connections("cdn", how="fin")
    gate.release()
    complete(running.wait(), repo)
    assert hub.count(host="cdn", status=403) >= 1
    assert hub.bytes_sent("w.bin", host="cdn") < 5 * MB


def test_a_cdn_that_always_refuses_is_given_up(run, hub, failed):
    hub.model("acme/tiny", {"w.bin": lfs(1000)})
    hub.fault("expired", host="cdn", times=None)
    failed(run(IMPATIENT), 32, "ServerError", "w.bin", "signed URL")
    assert hub.count(host="cdn") < 20


# Ranges.

RANGE_LIES = [("ignore-range", {}), ("content-range", {"value": "bytes 0-9/10"}), ("content-range", {"shift": 1}),
              ("content-range", {"total": 77}), ("content-range", {"drop": True}), ("content-range", {"value": "words"}),
              ("shift-body", {"by": 1}), ("multipart", {}), ("unsatisfiable", {}), ("unsatisfiable", {"total": 5})]


def lied_to(hub, times):
    """One repo for each lie: a file of two parts, the first of which is answered wrongly, or both for ever."""
    faults = {}
    for n, (kind, settings) in enumerate(RANGE_LIES):
        hub.model(f"acme/m{n}", {"w.bin": lfs(2 * MB + n)})
        faults[f"acme/m{n}"] = hub.fault(kind, host="cdn", repo=f"acme/m{n}",
                                               range="bytes=0-*" if times else True, times=times, **settings)
    return faults


def test_a_wrong_answer_to_a_range_is_survived(run, hub, volume):
    faults = lied_to(hub, times=1)
    result = run({**PARTS, "repos": [{"id": i} for i in faults]})
    assert result.code == 0, result
    late = [line["repo"] for line in result.lines if "do not match" in line["msg"]]
    assert late == [i for i, f in faults.items() if f.kind == "shift-body"], "all others show before a byte is written"
    for repo_id, fault in faults.items():
        assert volume.files(repo_id) == content_of(hub.catalogue.find("models", repo_id)), fault
        assert fault.hits == 1, fault
        assert hub.count(host="cdn", repo=repo_id, range=lambda r: not r or r.startswith("bytes=0-")) == 2, fault


def test_wrong_answers_to_all_ranges_never_make_a_file(run, hub, volume):
    faults = lied_to(hub, times=None)
    result = run({**PARTS, **optional(faults)})
    assert result.code == 0, result
    for repo_id, reason in reasons(volume).items():
        if reason is None:
            assert volume.files(repo_id) == content_of(hub.catalogue.find("models", repo_id))
            assert hub.count(host="cdn", repo=repo_id, range=False), "by asking for the whole of it"
        else:
            assert reason in ("BadAnswer", "IntegrityMismatch") and volume.files(repo_id) == {}, faults[repo_id]
    assert reasons(volume)["acme/m0"] is None
    assert all(0 < f.hits < 20 for f in faults.values()), faults


# Bodies that end, stop or crawl.

@pytest.mark.parametrize("how", ["fin", "rst"])
def test_parts_that_are_cut_go_on_where_they_ended(run, hub, complete, how):
    repo = hub.model("acme/tiny", {"w.bin": lfs(4 * MB)})
    hub.fault("cut", host="cdn", at=300_000, how=how, times=4)
    complete(run(PARTS), repo)
    if how == "fin":
        assert hub.bytes_sent("w.bin", host="cdn") == 4 * MB


def test_progress_forgives_earlier_failures(run, hub, complete):
    repo = hub.model("acme/tiny", {"w.bin": lfs(MB)})
    fault = hub.fault("cut", host="cdn", at=100_000, times=6)
    complete(run(IMPATIENT), repo)
    assert fault.hits == 6


BAD_ANSWERS = [
    ("chunked", {"unfinished": True}), ("chunked", {"bad_at": 500}),
    ("cut", {"at": 0}), ("cut", {"at": 0, "how": "rst"}), ("hangup", {}),
    ("wrong-length", {"by": 5}), ("wrong-length", {"by": -5}),
    ("no-length", {}), ("chunked", {}), ("close", {}), ("early", {"count": 5}),
    ("early", {"code": 100}), ("gzip", {}), ("gzip", {"layers": 2}),
    ("gzip", {"label": "br"}), ("etag", {}), ("bomb", {"size": 20 * MB}),
    ("endless", {}), ("endless", {"framing": "chunked"}),
    ("endless", {"framing": "length"}), ("raw", {"data": b"nothing HTTP\r\n\r\n"}),
    ("raw", {"data": b""}), ("huge-headers", {}), ("endless-head", {}),
    ("huge-headers", {"size": 20, "count": 6000}),
    ("set-headers", {"headers": {"Content-Length": "7"}, "twice": True}),
    ("status", {"code": 204}), ("status", {"code": 201, "body": "x"}),
    ("status", {"code": 300}), ("status", {"code": 418}), ("flip", {}),
    ("other-bytes", {}), ("pointer", {}), ("html", {}), ("html", {"code": 403}),
    ("html", {"code": 503}), ("status", {"code": 302, "body": "no Location"})]


@pytest.mark.parametrize("kind, where", [(lfs, {"host": "cdn"}), (git, {"host": "api", "status": 200})], ids=["cdn", "hub"])
def test_every_file_survives_one_bad_answer(run, hub, complete, kind, where):
    repo = hub.model("acme/tiny", {f"{n:02}-{fault}": kind(1500 + n) for n, (fault, _) in enumerate(BAD_ANSWERS)})
    faults = [hub.fault(fault, file=f"{n:02}-{fault}", **where, **settings)
              for n, (fault, settings) in enumerate(BAD_ANSWERS)]
    complete(run(ONE), repo)
    assert [f for f in faults if f.hits != 1] == []


def test_no_answer_is_worth_more_than_the_hash(run, hub, volume):
    kinds = ["endless", "bomb", "gzip", "flip", "other-bytes", "pointer", "short", "long"]
    faults = []
    for kind in kinds:
        hub.model("acme/" + kind, {"w.bin": lfs(1500), "a.txt": "a"})
        faults.append(hub.fault(kind, repo="acme/" + kind, file="w.bin", host="cdn", times=None))
    assert run(optional("acme/" + k for k in kinds)).code == 0
    want = {"acme/" + k: "BadAnswer" if k in ("bomb", "gzip") else "IntegrityMismatch" for k in kinds}
    assert reasons(volume) == want
    for record in volume.status()["repos"]:
        assert "w.bin" in record["error"]["message"] and record["id"] in record["error"]["message"], record
        assert "w.bin" not in volume.files(record["id"])
    assert all(f.hits <= 4 for f in faults), faults


def test_a_flipped_byte_costs_one_more_fetch(run, hub, complete):
    repo = hub.model("acme/tiny", {"w.bin": lfs(3 * MB), "g.txt": git(5000)})
    hub.fault("flip", host="cdn", file="w.bin", file_at=2 * MB)
    hub.fault("flip", file="g.txt", status=200, at=77)
    complete(run(PARTS), repo)
    assert hub.bytes_sent("w.bin", host="cdn") == 6 * MB


def test_a_login_page_as_large_as_the_file_is_no_file(run, hub, volume):
    page = "<!DOCTYPE html><h1>please log in</h1>"
    hub.model("acme/tiny", {"t.txt": "x" * len(page)})
    hub.fault("html", file="t.txt", body=page, times=None)
    assert run(IMPATIENT).code in (32, 40)
    assert volume.files() == {} and volume.marker() is None


@pytest.mark.parametrize("at", [None, 0, 1, 60_000])
def test_a_silent_transfer_is_tried_again_from_where_it_stopped(run, hub, complete, at):
    repo = hub.model("acme/tiny", {"w.bin": lfs(100_000)})
    fault = hub.fault("stall", host="cdn", at=at)
    began = time.monotonic()
    complete(run({**ONE, "timeouts": {"stall": "1s"}}), repo)
    assert fault.hits == 1 and time.monotonic() - began < 8
    if at:
        assert hub.requests(host="cdn", range=f"bytes={at}-99999")


@pytest.mark.parametrize("where", [{"path": "*/revision/*"}, {"path": "*/tree/*"}, {"path": "*/resolve/*"}, {"host": "cdn"}])
def test_silence_is_called_silence(run, hub, failed, where):
    tiny(hub)
    hub.fault("stall", times=None, **where)
    failed(run({**IMPATIENT, "timeouts": {"stall": "1s"}}), 30, "Stalled")


@pytest.mark.parametrize("fault, settings", [("throttle", {"bytes_per_s": 10}), ("drip-head", {"seconds": 0.2})])
def test_a_slow_loris_blocks_nobody(run, hub, complete, fault, settings):
    repo = hub.model("acme/tiny", {"w.bin": lfs(MB), "x.bin": lfs(5000), **many(10)})
    slow = hub.fault(fault, file="x.bin", host="cdn", **settings)
    began = time.monotonic()
    complete(run({**ONE, "timeouts": {"stall": "1s"}}), repo)
    assert slow.hits == 1 and time.monotonic() - began < 20


def test_slow_but_steady_is_no_stall(run, hub, volume, complete):
    repo = hub.model("acme/tiny", {"w.bin": lfs(60_000)})
    hub.throttle(20_000, host="cdn")
    complete(run({**ONE, "timeouts": {"stall": "1s"}}), repo)
    assert hub.count(host="cdn") == 1 and volume.status()["totals"]["retries"] == 0


# Rate limits.

@pytest.mark.parametrize("form, wait", [("seconds", 2), ("date", 3), (None, 0), ("soon", 0), ("-5", 0),
                                        ("Mon, 01 Jan 2024 00:00:00 GMT", 0)])
@pytest.mark.parametrize("path", ["*/tree/*", "*/resolve/*"])
def test_429_is_waited_for_in_every_form(run, hub, complete, path, form, wait):
    repo = tiny(hub)
    hub.fault("rate-limit", path=path, wait=wait, form=form)
    complete(run({**ONE, "concurrency": {"connections": 1}}), repo)
    refused = hub.requests(status=429)[0]
    later = [r.began_at - refused.ended_at for r in hub.requests(bucket=refused.bucket) if r.seq > refused.seq]
    assert min(later) < 6
    if form == "seconds":
        assert min(later) > 1.95
    if form == "date":
        assert min(later) > 1.5, "a date knows whole seconds only"


def test_an_exhausted_bucket_is_left_alone_before_it_says_429(run, hub, complete):
    repo = hub.model("acme/tiny", {**many(12), "w.bin": lfs(4 * MB)})
    hub.fault("set-headers", path="/acme/tiny/resolve/*", after=4,
              headers={"RateLimit": '"resolvers";r=0;t=2', "RateLimit-Policy": '"fixed window";"resolvers";q=5;w=300'})
    complete(run({**ONE, "concurrency": {"connections": 2}}), repo)
    told = [r for r in hub.requests() if "set-headers" in r.faults][0]
    asked = [r.began_at - told.ended_at for r in hub.requests(bucket="resolvers")]
    assert [a for a in asked if a > 0.1] and min(a for a in asked if a > 0.1) > 1.95


def test_a_quota_is_used_window_by_window(run, hub, complete):
    repo = hub.model("acme/tiny", many(24))
    hub.rate_limit("resolvers", quota=10, window_s=2, retry_after="seconds")
    complete(run({**ONE, "concurrency": {"connections": 4}}), repo)
    assert hub.count(status=429) <= 8, "at most what was in flight when a window was used up"


def test_a_closed_gate_holds_nobody_at_the_cdn(start, hub, until, complete):
    repo = hub.model("acme/tiny", {"a.txt": "a", "w.bin": lfs(4 * MB), "z.txt": "z"})
    hub.fault("rate-limit", file="z.txt", wait=3)
    before = hub.gate(file="z.txt", before=True)          # after the fault, whose answer it holds
    parts = hub.gate(host="cdn", at=1000)
    running = start(PARTS)
    assert len(hub.log.wait(4, host="cdn")) == 4
    before.release()
    refused = until(lambda: [r for r in hub.requests(status=429) if r.done])[0]
    parts.release()
    complete(running.wait(), repo)
    assert len([r for r in hub.requests(host="cdn") if r.ended_at < refused.ended_at + 2]) == 4
    later = [r.began_at - refused.ended_at for r in hub.requests(bucket="resolvers")]
    assert min(wait for wait in later if wait > 0.2) > 2.9  # what was on its way already does not count


def test_429_for_ever_is_called_rate_limited(run, hub, failed):
    tiny(hub)
    hub.fault("rate-limit", path="*/resolve/*", times=None)
    said = failed(run(patient(2)), 31, "RateLimited", "too many requests")
    assert said["retryable"]
    assert said["httpStatus"] == 429 and "token" in said["hint"]


def test_an_absurd_wait_ends_with_the_deadline(run, hub, failed):
    tiny(hub)
    fault = hub.fault("rate-limit", path="*/tree/*", wait=10 ** 9, times=None)
    failed(run({**ONE, "timeouts": {"total": "2s"}}), 33, "DeadlineExceeded")
    assert fault.hits == 1


# Servers in trouble.

@pytest.mark.parametrize("where", [{"path": "*/revision/*"}, {"path": "*/tree/*"}, {"path": "*/resolve/*"}, {"host": "cdn"}],
                         ids=["revision", "tree", "resolve", "cdn"])
def test_a_storm_passes(run, hub, volume, where):
    codes = [500, 502, 503, 504, 408, 425, 520, 524]
    repos = {code: hub.model(f"acme/m{code}", {"w.bin": lfs(code)}) for code in codes}
    faults = [hub.fault("status", repo=f"acme/m{code}", code=code, times=2, **where) for code in codes]
    assert run({"repos": [{"id": repo.id} for repo in repos.values()]}).code == 0
    for repo in repos.values():
        assert volume.files(repo.id) == content_of(repo)
    assert [f.hits for f in faults] == [2] * len(codes)


@pytest.mark.parametrize("where", [{"path": "*/revision/*"}, {"path": "*/tree/*"}, {"host": "cdn"}],
                         ids=["revision", "tree", "cdn"])
def test_one_page_in_a_storm_does_not_end_the_run(run, hub, complete, where):
    repo = tiny(hub)
    storm = hub.fault("status", code=503, times=2, **where)
    page = hub.fault("html", after=2, **where)
    complete(run(ONE), repo)
    assert (storm.hits, page.hits) == (2, 1)


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*", "*/resolve/*", "/xet-bridge-us/*"])
def test_as_many_attempts_as_the_spec_says(run, hub, failed, path, attempts):
    hub.model("acme/tiny", {"w.bin": lfs(1000)})
    fault = hub.fault("status", path=path, code=503, times=None)
    said = failed(run(patient(attempts)), 32, "ServerError", "acme/tiny")
    assert fault.hits == attempts + 1
    assert said["retryable"] and said["httpStatus"] == 503


def test_retry_after_of_a_503_is_kept(run, hub, complete):
    repo = tiny(hub)
    hub.fault("status", path="*/tree/*", code=503, headers={"Retry-After": "2"})
    complete(run(ONE), repo)
    assert gaps(hub.requests(path="*/tree/*"))[0] >= 1.95


def test_waits_are_spread(run, hub, failed):
    hub.model("acme/tiny", {"w.bin": lfs(1000)})
    hub.fault("status", path="*/revision/*", code=503, times=None)
    failed(run(patient(6)), 32, "ServerError")
    waits = gaps(hub.requests(path="*/revision/*"))
    assert len(waits) == 6 and max(waits) < 1.5 and len({round(w, 2) for w in waits}) > 1


def test_a_name_that_does_not_exist_is_a_matter_of_dns(run, failed):
    failed(run({**IMPATIENT, "endpoint": "http://" + UNKNOWN_HOST}), 30, "DnsFailure", UNKNOWN_HOST)


def test_a_cdn_whose_name_does_not_exist_is_a_matter_of_dns(run, hub, failed):
    tiny(hub)
    hub.fault("redirect", file="w.bin", host="api", to=f"http://{UNKNOWN_HOST}/x?Signature=secret", times=None)
    result = run(IMPATIENT)
    failed(result, 30, "DnsFailure", UNKNOWN_HOST)
    assert "secret" not in result.stderr


def test_a_closed_port_is_unreachable(run, failed):
    began = time.monotonic()
    failed(run({**IMPATIENT, "endpoint": f"http://127.0.0.1:{closed_port()}"}), 30, "Unreachable", "127.0.0.1")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("how", ["rst", "fin", "hello-stall", "hello-rst", "stall"])
@pytest.mark.parametrize("tls", [False, True])
def test_doors_that_shut_are_tried_again_and_then_unreachable(run, complete, failed, how, tls):
    with Hub(tls=tls) as hub:
        repo = tiny(hub)
        spec = {**patient(2), "timeouts": {"connect": "1s", "stall": "1s"}}
        if tls:
            spec["tls"] = {"caFile": hub.ca_path}
        hub.door(how)
        complete(run(spec, hub=hub), repo)
        hub.door(how, times=None)
        result = run({**spec, "name": "other", "repos": [{**TINY, "path": "b"}], "retry": {"attempts": 1, "maxWait": "1s"},
                      "onUnreachable": "fail"}, hub=hub)
        assert result.code == 30, result


def test_the_hub_may_go_away_and_come_back(start, hub, until, complete):
    repo = hub.model("acme/tiny", {"w.bin": lfs(4 * MB), **many(10)})
    gate = hub.gate(host="cdn", at=MB // 2)
    running = start(PARTS)
    assert gate.wait()
    hub.down()
    gate.release()
    time.sleep(0.5)
    hub.up()
    complete(running.wait(), repo)
    assert hub.bytes_sent("w.bin", host="cdn") < 6 * MB


@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*"])
@pytest.mark.parametrize("code", [200, 403, 502])
def test_a_captive_portal_is_called_by_its_name(run, hub, failed, path, code):
    tiny(hub)
    hub.fault("html", path=path, code=code, times=None)
    reason = "ServerError" if code == 502 else "ProxyInterference"
    failed(run(IMPATIENT), 32, reason)
    assert hub.count() <= 4


@pytest.mark.parametrize("framing", ["chunked", "no-length"])
@pytest.mark.parametrize("name, kind", [("config.json", git), ("w.bin", lfs)])
def test_a_page_of_unknown_length_in_place_of_a_file_is_a_captive_portal_too(run, hub, volume, failed, framing, name, kind):
    hub.model("acme/tiny", {name: kind(3000)})
    hub.fault("html", file=name, status=200, times=None)
    hub.fault(framing, file=name, status=200, times=None)
    failed(run(IMPATIENT), 32, "ProxyInterference", name, "an HTML page")
    assert volume.files() == {} and hub.count(file=name, status=200) == 2


def test_a_file_that_is_a_page_may_come_as_one(run, hub, complete):
    names = ["index.html", "OLD.HTM", "x.xhtml"]
    repo = hub.model("acme/tiny", {name: "<!doctype html>" + name for name in names})
    hub.fault("set-headers", path="*/resolve*", status=200, headers={"Content-Type": "text/html"}, times=None)
    hub.fault("chunked", path="*/resolve*", status=200, times=None)
    complete(run(ONE), repo)


BAD_JSON = [("json-cut", {}), ("json-cut", {"at": 1}), ("json-text", {"text": ""}), ("json-text", {"text": "null"}),
            ("json-text", {"text": "{"}), ("json-text", {"text": '"sha"'}), ("json-text", {"text": "NaN"}),
            ("json-deep", {}), ("json-text", {"text": "\x00"}), ("bomb", {"size": 80 * MB})]


@pytest.mark.parametrize("verb", ["revision", "tree"])
def test_json_that_is_none_is_asked_for_again_and_then_refused(run, hub, volume, verb):
    ids = [f"acme/m{n}" for n in range(len(BAD_JSON))]

    def spoil(times):
        return [hub.fault(kind, path=f"/api/models/{repo_id}/{verb}/*", times=times, **settings)
                for repo_id, (kind, settings) in zip(ids, BAD_JSON)]

    for repo_id in ids:
        hub.model(repo_id, {"config.json": repo_id})
    faults = spoil(None)
    assert run(optional(ids)).code == 0
    assert reasons(volume) == dict.fromkeys(ids, "BadAnswer")
    assert [f.hits for f in faults] == [2] * len(ids)
    hub.reset()
    faults = spoil(1)
    assert run(optional(ids)).code == 0
    assert reasons(volume) == dict.fromkeys(ids)
    assert [f.hits for f in faults] == [1] * len(ids)


def test_a_commit_that_is_none_is_refused(run, hub, volume):
    shas = [None, "", "main", "A" * 40, "../" * 13 + "e", 7, "0" * 39, "0" * 64, ["0" * 40]]
    ids = [f"acme/m{n}" for n in range(len(shas))]
    for repo_id, sha in zip(ids, shas):
        hub.model(repo_id, {"config.json": b"{}"})
        hub.fault("json-edit", path=f"/api/models/{repo_id}/revision/*", set={"sha": sha}, times=None)
    assert run(optional(ids)).code == 0
    assert reasons(volume) == dict.fromkeys(ids, "BadAnswer")
    assert set(os.listdir(volume.path)) <= KNOWN


# Hostile listings.

BAD_ENTRIES = [
    {"size": -1}, {"size": 2 ** 63}, {"size": 1e999}, {"size": "big"}, {"size": None}, {"oid": "../../x"}, {"oid": ""},
    {"oid": "Z" * 40}, {"oid": None}, {"lfs": {"oid": "../../x", "size": 3000}}, {"lfs": {"oid": "", "size": 3000}},
    {"lfs": "yes"}, {"lfs": {"oid": "a" * 64, "size": -5}}, {"path": None}, {"path": 7}, {"path": ["a"]}]


def test_entries_that_make_no_sense_are_refused(run, hub, volume):
    ids = [f"acme/m{n}" for n in range(len(BAD_ENTRIES))]
    for repo_id, change in zip(ids, BAD_ENTRIES):
        hub.model(repo_id, {"w.bin": lfs(3000), "a.txt": "a"})
        hub.fault("list-change", path=f"/api/models/{repo_id}/tree/*", name="w.bin", set=change, times=None)
    assert run(optional(ids)).code == 0
    assert {i: r in ("BadAnswer", "UnsafeName") for i, r in reasons(volume).items()} == dict.fromkeys(ids, True)
    assert set(os.listdir(volume.path)) <= KNOWN


@pytest.mark.parametrize("names", [["config.json/x"], ["sub"], ["w.bin/a/b"]])
def test_a_name_that_is_file_and_folder_is_hostile(run, hub, volume, failed, names):
    tiny(hub)
    hub.fault("list-add", path="*/tree/*", names=names, times=None)
    failed(run(IMPATIENT), 42, "UnsafeName")
    assert volume.files() == {}


def test_two_entries_for_one_file_are_hostile_if_they_differ(run, hub, volume):
    tiny(hub)
    hub.fault("list-twice", path="*/tree/*", name="w.bin", set={"size": 5, "lfs": {"oid": "a" * 64, "size": 5}}, times=None)
    assert run(IMPATIENT).code in (32, 42)
    assert volume.files() == {} and volume.marker() is None


def test_an_entry_that_comes_twice_is_one_file(run, hub, complete):
    repo = tiny(hub)
    hub.fault("list-twice", path="*/tree/*", name="w.bin", times=None)
    complete(run(ONE), repo)


@pytest.mark.parametrize("name", ["x" * 256, "a/" * 3000 + "b", ".hf-init/default.complete.json", "\udcff.txt", "a\nb", "\x1b[2J",
                                  "a\x7f", "COM1/../x", ".cache/huggingface/download/x"])
def test_strange_names_do_no_harm(run, hub, volume, name):
    tiny(hub)
    hub.fault("list-add", path="*/tree/*", names=[name], times=None)
    result = run(IMPATIENT)
    assert result.code in (11, 12, 21, 32, 42), result
    assert volume.marker() is None
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("to", ["self", "https://evil.test/api/x", "//127.0.0.3/x", "file:///etc/passwd", "http://u:p@127.0.0.1/"])
def test_next_links_that_lead_astray_are_refused(run, hub, failed, to):
    tiny(hub)
    hub.fault("next-link", path="*/tree/*", to=to, times=None)
    failed(run(IMPATIENT, HF_TOKEN=hub.token), 32, "BadAnswer")
    assert hub.count(path="*/tree/*") <= 4 and hub.leaks() == []


@pytest.mark.parametrize("to", ["self", "https://evil.test/api/x"])
@pytest.mark.parametrize("page", [0, 1, 2])
def test_one_next_link_that_leads_astray_costs_one_page(run, complete, to, page):
    with Hub(page_size=2) as hub:
        repo = hub.model("acme/tiny", many(7))
        hub.fault("next-link", path="*/tree/*", to=to, after=page)
        complete(run(ONE, hub=hub), repo)
        assert hub.count(path="*/tree/*") == 5


@pytest.mark.parametrize("head, end", [
    ("".join(f"X-{n}: x\r\n" for n in range(250)), '>; rel="next"'), ("", '; rel="next"'), ("", '>; title="x; rel=next')],
    ids=["many headers", "broken", "open quote"])
def test_a_next_link_that_cannot_be_read_is_not_the_end_of_a_listing(run, hub, complete, head, end):
    repo = hub.model("acme/tiny", many(5))
    page = json.dumps([entry for entry in repo.head().listing("", True) if entry["path"] == "000.txt"])
    link = f"Link: <{hub.endpoint}/api/models/acme/tiny/tree/{repo.head().sha}?cursor=x{end}"
    spoiled = hub.fault("raw", path="*/tree/*", data=f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}{link}\r\n"
                        f"Content-Length: {len(page)}\r\n\r\n{page}")
    complete(run(ONE), repo)
    assert spoiled.hits == 1 and hub.count(path="*/tree/*") == 2


def test_a_listing_that_goes_in_circles_is_left(run, hub, failed):
    tiny(hub)
    hub.fault("next-link", path="*/tree/*", to="again", times=None)
    failed(run({**IMPATIENT, "timeouts": {"total": "10s"}}), 32, "BadAnswer")
    assert hub.count(path="*/tree/*") < 50


def test_another_host_for_page_two_is_not_shown_the_token(run, hub, failed):
    tiny(hub)
    hub.fault("next-link", path="*/tree/*", to=hub.sink + "/api/models/acme/tiny/tree/main", times=None)
    failed(run(IMPATIENT, HF_TOKEN=hub.token), 32, "BadAnswer", "another host")
    assert hub.count(host="sink") == 0


def test_masked_xet_hashes_are_no_trouble(run, hub, complete):
    repo = hub.model("acme/tiny", {"x.bin": xet(1000), "config.json": b"{}"})
    hub.fault("mask-xet", path="*/tree/*", times=None)
    complete(run(ONE), repo)


# HTTP/2.

@pytest.fixture
def hub2():
    with Hub(tls=True, http2=True) as hub:
        yield hub


def two(hub, **more):
    return {**ONE, "tls": {"caFile": hub.ca_path}, **more}


def test_the_api_and_small_files_share_connections(run, hub2, complete):
    repo = hub2.model("acme/tiny", many(60))
    complete(run(two(hub2), hub=hub2), repo)
    assert {r.http for r in hub2.requests()} == {"HTTP/2"}
    assert len({r.conn for r in hub2.requests()}) <= 5, "one for each thread, one for the listing"


def test_bulk_has_connections_of_its_own(run, hub2, complete):
    repo = hub2.model("acme/tiny", {**many(60), "w.bin": lfs(8 * MB)})
    complete(run(two(hub2, concurrency={"partSize": "1MiB"}), hub=hub2), repo)
    assert {r.http for r in hub2.requests(path="/api/models/*")} == {"HTTP/2"}
    assert {r.http for r in hub2.requests(host="cdn")} == {"HTTP/1.1"}
    assert hub2.max_connections("cdn") >= 4


@pytest.mark.parametrize("fault, settings", [
    ("h2-reset", {"at": None, "code": "refused"}), ("h2-reset", {"at": 10, "code": "internal"}),
    ("h2-reset", {"at": 0, "code": "cancel"}), ("h2-goaway", {}), ("h2-goaway", {"last": 0}),
    ("h2-goaway", {"at": 10, "end": True}), ("h2-goaway", {"end": True}), ("h2-flood", {"what": "settings", "count": 100}),
    ("h2-flood", {"what": "ping", "count": 2000}), ("h2-flood", {"what": "continuation"}), ("h2-frame", {"type": 77, "size": 99}),
    ("cut", {"at": 5}), ("stall", {"at": 5}), ("stall", {})])
@pytest.mark.parametrize("path", ["*/tree/*", "*/resolve-cache/*"])
def test_a_stream_that_breaks_is_tried_again(run, hub2, complete, path, fault, settings):
    repo = hub2.model("acme/tiny", {f"{n}.txt": "x" * 400 for n in range(20)})
    bad = hub2.fault(fault, path=path, **settings)
    complete(run(two(hub2, timeouts={"stall": "1s"}), hub=hub2), repo)
    assert bad.hits == 1


def test_http2_that_is_agreed_on_and_not_spoken_is_given_up(run, failed):
    with Hub(tls=True, http2="lie") as hub:
        tiny(hub)
        began = time.monotonic()
        result = run(two(hub, retry={"attempts": 1, "maxWait": "1s"}, timeouts={"stall": "1s", "connect": "2s"}), hub=hub)
        assert result.code in (0, 30, 32) and time.monotonic() - began < 20, result


# Proxies and roots.

@pytest.fixture
def far():
    """A Hub that only a proxy can find."""
    with Hub(tls=True, name="hub.test", cdn_name="cdn.test") as hub:
        yield hub


def places(hub):
    return {hub.origin.split("://")[1]: hub.address("api"), hub.cdn.origin.split("://")[1]: hub.address("cdn")}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("auth", [None, ("joe", "p@ss:w/rd")])
def test_a_proxy_leads_to_the_hub_and_the_cdn(run, far, complete, variable, auth):
    repo = tiny(far, gated="auto")
    with Proxy(auth, places(far)) as proxy:
        result = run(two(far), hub=far, HF_TOKEN=far.token, **{variable: proxy.url})
        complete(result, repo)
        assert {r.target for r in proxy.records} == set(places(far))
        assert "p%40ss" not in result.stderr and "p@ss" not in result.stderr
    assert far.leaks() == []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "all_proxy"])
def test_plain_http_goes_through_its_proxy_too(run, hub, complete, variable):
    repo = tiny(hub)
    with Proxy() as proxy:
        complete(run(ONE, **{variable: proxy.url}), repo)
        assert len(proxy.records) > 0


@pytest.mark.parametrize("no_proxy", ["*", "127.0.0.1,127.0.0.2", "127.0.0.0/8", "example.com, 127.0.0.1 127.0.0.2"])
def test_no_proxy_is_heeded(run, hub, complete, no_proxy):
    repo = tiny(hub)
    with Proxy() as proxy:
        complete(run(ONE, HTTP_PROXY=proxy.url, NO_PROXY=no_proxy), repo)
        assert proxy.records == []


def test_no_proxy_of_some_hosts_leaves_the_others(run, hub, complete):
    repo = tiny(hub)
    with Proxy() as proxy:
        complete(run(ONE, HTTP_PROXY=proxy.url, NO_PROXY="127.0.0.1"), repo)
        assert proxy.records and all("//127.0.0.2:" in r.target for r in proxy.records)


@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_that_wants_a_password_is_named(run, failed, tls):
    with Hub(tls=tls) as hub, Proxy(("joe", "secret")) as proxy:
        tiny(hub)
        url = f"http://joe:wrongword@{proxy.address}"
        result = run({**IMPATIENT, "tls": {"caFile": hub.ca_path}}, hub=hub, HTTPS_PROXY=url, HTTP_PROXY=url)
        said = failed(result, 32, "ProxyInterference", "407" if tls else "proxy")
        assert hub.count() == 0
        assert "wrongword" not in result.stderr + str(said)


@pytest.mark.parametrize("fault, settings, code, reason", [
    ("status", {"code": 502}, 32, "ProxyInterference"), ("status", {"code": 403}, 32, "ProxyInterference"),
    ("html", {}, 30, None), ("stall", {}, 30, None)])
def test_a_proxy_in_the_way_is_named(run, far, failed, volume, fault, settings, code, reason):
    tiny(far)
    with Proxy(hosts=places(far)) as proxy:
        proxy.fault(fault, times=None, **settings)
        result = run(two(far, retry={"attempts": 1, "maxWait": "1s"}, timeouts={"connect": "1s", "stall": "1s"}), hub=far,
                     HTTPS_PROXY=proxy.url)
        if reason:
            failed(result, code, reason, "proxy")
        else:
            assert result.code in (13, 30, 32), result
        assert far.count() == 0


def test_a_silent_proxy_is_not_taken_for_a_silent_hub(run, far, failed):
    tiny(far)
    with Proxy(hosts=places(far)) as proxy:
        proxy.fault("stall", times=None)
        result = run(two(far, retry={"attempts": 1, "maxWait": "1s"}, timeouts={"connect": "1s"}), hub=far,
                     HTTPS_PROXY=proxy.url)
        failed(result, 30, "Unreachable", "the proxy opened no way to hub.test within 1 s")
        assert far.count() == 0 and proxy.records


@pytest.mark.parametrize("code", [502, 503, 504])
def test_a_proxy_that_has_no_way_for_a_moment_is_asked_again(run, far, complete, code):
    """It was asked once more within the second, and that was the end of the run."""
    repo = tiny(far)
    with Proxy(hosts=places(far)) as proxy:
        proxy.fault("status", times=4, code=code)
        complete(run(two(far), hub=far, HTTPS_PROXY=proxy.url), repo)


def test_a_tunnel_that_is_cut_is_dug_again(run, far, complete):
    repo = far.model("acme/tiny", {"w.bin": lfs(3 * MB), "config.json": b"{}"})
    with Proxy(hosts=places(far)) as proxy:
        proxy.fault("cut", target="cdn.test:*", at=MB, how="rst")
        proxy.fault("cut", target="hub.test:*", at=3000)
        complete(run(two(far), hub=far, HTTPS_PROXY=proxy.url), repo)


def test_a_dead_proxy_is_unreachable(run, hub, failed):
    tiny(hub)
    failed(run(IMPATIENT, HTTP_PROXY=f"http://127.0.0.1:{closed_port()}"), 30, "Unreachable")
    assert hub.count() == 0
    failed(run(IMPATIENT, HTTP_PROXY=f"http://{UNKNOWN_HOST}:1"), 30, "DnsFailure", "proxy")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_roots_from_the_environment_are_added(run, complete, variable):
    with Hub(tls=True) as hub:
        repo = tiny(hub)
        complete(run(ONE, hub=hub, **{variable: hub.ca_path}), repo)


# Limits of the run.

def test_bandwidth_is_kept(run, hub, complete):
    repo = hub.model("acme/tiny", {"w.bin": lfs(4 * MB), "x.bin": lfs(2 * MB)})
    began = time.monotonic()
    complete(run({**PARTS, "bandwidth": "2MiB/s"}), repo)
    assert 2.0 < time.monotonic() - began < 8


def test_the_deadline_ends_the_run_and_the_next_one_goes_on(run, hub, volume, failed, complete):
    repo = hub.model("acme/tiny", {"w.bin": lfs(6 * MB), "x.txt": "x"})
    slow = hub.throttle(2 * MB, host="cdn", per="all")
    began = time.monotonic()
    said = failed(run({**PARTS, "timeouts": {"total": "1s"}}), 33, "DeadlineExceeded", "timeouts.total")
    assert time.monotonic() - began < 3 and said["retryable"]
    first = hub.bytes_sent("w.bin", host="cdn")
    slow.clear()
    complete(run(PARTS), repo)
    assert first > 0 and hub.bytes_sent("w.bin", host="cdn") < 6 * MB + first / 2 + MB


def hub_is_down(hub):
    hub.down()


def hub_fails(hub):
    hub.fault("status", code=503, times=None)


def hub_limits(hub):
    hub.fault("rate-limit", times=None)


def hub_is_a_portal(hub):
    hub.fault("html", times=None)


@pytest.mark.parametrize("trouble, code", [(hub_is_down, 30), (hub_fails, 32), (hub_limits, 31), (hub_is_a_portal, 32)])
def test_what_is_there_serves_when_the_hub_does_not(run, hub, volume, message, complete, trouble, code):
    repo = tiny(hub)
    complete(run(ONE), repo)
    trouble(hub)
    result = run(IMPATIENT)
    complete(result, repo)
    assert "unable to ask the Hub" in message()["message"]
    assert run({**IMPATIENT, "onUnreachable": "fail"}).code == code
    assert volume.status()["phase"] == "failed"
    (volume / "acme/tiny/w.bin").unlink()
    assert run(IMPATIENT).code == code, "what is incomplete does not serve"
    assert volume.marker() is None


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_what_is_there_serves_when_the_hub_names_a_commit_and_cannot_list_it(run, hub, volume, message, layout):
    repo = tiny(hub)
    older, spec = repo.head().sha, {**IMPATIENT, "layout": layout}
    assert run(spec).code == 0
    files = volume.files()
    repo.push({"config.json": b'{"a":2}'})
    hub.fault("status", path="*/tree/*", code=503, times=None)
    assert run({**spec, "onUnreachable": "fail"}).code == 32
    for _ in range(2):
        result = run(spec)
        assert result.code == 0, result
        assert "unable to ask the Hub" in message()["message"]
        assert [r["commit"] for r in volume.marker()["repos"]] == [older] and volume.files() == files
    next(p for p in volume.path.rglob("*") if not p.is_symlink() and p.is_file() and p.stat().st_size == 3000).unlink()
    assert run(spec).code == 32, "what is incomplete does not serve"
    assert volume.marker() is None
    hub.reset()
    assert run(spec).code == 0
    assert [r["commit"] for r in volume.marker()["repos"]] == [repo.head().sha]


def test_a_repo_that_is_gone_is_not_served_from_memory(run, hub, complete):
    repo = tiny(hub)
    complete(run(ONE), repo)
    hub.catalogue.remove("model", "acme/tiny")
    assert run(IMPATIENT).code == 12


@pytest.mark.parametrize("layout", ["dir", "cache"])
@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_asks_nobody(run, hub, volume, message, layout, variable):
    repo = tiny(hub)
    spec = {**IMPATIENT, "layout": layout}
    assert run(spec, **{variable: "1"}).code == 60
    assert hub.count() == 0 and message()["reason"] == "OfflineIncomplete"
    assert run(spec).code == 0
    hub.reset()
    assert run(spec, **{variable: "1"}).code == 0
    below = "acme/tiny" if layout == "dir" else f"models--acme--tiny/snapshots/{repo.head().sha}"
    (volume / below / "sub/notes.txt").resolve().unlink()
    (volume / below / "sub/notes.txt").unlink(missing_ok=True)
    assert run(spec, **{variable: "1"}).code == 60
    assert message()["reason"] == "OfflineIncomplete" and "sub/notes.txt" in message()["message"]
    assert hub.count() == 0 and volume.marker() is None


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_shards_cover_everything_once_and_end_with_a_marker(start, hub, volume, layout, together):
    repo = hub.model("acme/tiny", {**many(40), **{f"w{n}.bin": lfs(MB + n) for n in range(6)}})
    spec = {**ONE, "layout": layout}
    results = []
    if together:
        runs = [start({**spec, "shard": {"index": n, "count": 4}}) for n in range(4)]
        results = [r.wait() for r in runs]
    else:
        for n in range(4):
            assert volume.marker() is None
            results.append(start({**spec, "shard": {"count": 4}}, JOB_COMPLETION_INDEX=n).wait())
    assert [r.code for r in results] == [0] * 4, results
    below = "acme/tiny" if layout == "dir" else f"models--acme--tiny/snapshots/{repo.head().sha}"
    assert volume.files(below) == content_of(repo)
    assert volume.marker() is not None
    asked = [r.file for r in hub.requests(path="/acme/tiny/resolve/*.txt")]
    assert len(asked) == len(set(asked)) == 40
    assert sum(hub.bytes_sent(f"w{n}.bin", host="cdn") for n in range(6)) == sum(MB + n for n in range(6))


@pytest.mark.parametrize("first", [True, False])
def test_an_optional_repo_may_fail(run, hub, volume, message, first):
    repo = tiny(hub)
    hub.model("acme/extra", {"x.bin": lfs(1000), "y.txt": "y"}, gated="auto")
    both = [{"id": "acme/extra", "optional": True}, TINY]
    spec = {"repos": both if first else both[::-1]}
    assert run(spec).code == 0
    assert volume.files("acme/tiny") == content_of(repo) and volume.marker() is not None
    assert "acme/extra" in message()["message"] and "Gated" in message()["message"]
    extra = [r for r in volume.status()["repos"] if r["id"] == "acme/extra"][0]
    assert extra["state"] == "failed" and extra["error"]["reason"] == "Gated"
    hub.reset()
    assert run(spec, HF_TOKEN=hub.token).code == 0
    assert volume.files("acme/extra") == content_of(hub.catalogue.find("models", "acme/extra")), "the next run tries again"


def test_the_first_failure_in_spec_order_decides(run, hub, failed, volume):
    tiny(hub, disabled=True)
    result = run({"repos": [{"id": "acme/extra", "optional": True}, TINY, {"id": "acme/none"}]})
    failed(result, 11, "Disabled", "acme/tiny")
    assert volume.status()["repos"][2]["error"]["reason"] == "RepoNotFound"


def test_more_than_max_bytes_is_not_begun(run, hub, failed):
    hub.model("acme/tiny", {"w.bin": lfs(3000), "x.txt": "x"})
    failed(run({"repos": [{**TINY, "maxBytes": "3000"}]}), 20, "TooLarge", "acme/tiny", "3001")
    assert hub.count(path="*/resolve/*") == 0
    assert run({"repos": [{**TINY, "maxBytes": "3001"}]}).code == 0


@pytest.mark.parametrize("filters", [{"allow": ["*.gguf"]}, {"ignore": ["*"]}, {"allow": ["*.txt"], "ignore": ["*.txt"]}])
def test_nothing_selected_is_a_mistake(run, hub, failed, filters):
    tiny(hub)
    failed(run({"repos": [{**TINY, **filters}]}), 12, "NothingSelected", "acme/tiny")
    assert hub.count(path="*/resolve/*") == 0


def test_named_files_must_exist_and_are_fetched(run, hub, volume, failed):
    tiny(hub)
    failed(run({"repos": [{**TINY, "files": ["config.json", "nope.json"]}]}), 12, "EntryNotFound", "nope.json")
    assert hub.count(path="*/resolve/*") == 0
    assert run({"repos": [{**TINY, "files": ["config.json"]}]}).code == 0
    assert "config.json" in volume.files("acme/tiny")


def test_a_complete_pinned_spec_asks_nobody(run, hub, complete):
    repo = tiny(hub)
    spec = {"repos": [{**TINY, "revision": repo.head().sha}]}
    complete(run(spec), repo)
    hub.reset()
    complete(run(spec), repo)
    assert hub.count() == 0


def test_a_complete_moving_spec_asks_once(run, hub, complete):
    repo = tiny(hub)
    complete(run(ONE), repo)
    hub.reset()
    complete(run(ONE), repo)
    assert [r.path for r in hub.requests()] == ["/api/models/acme/tiny/revision/main"]

"""The stand-in Hub keeps its word: contents, routes, headers, refusals, the CDN, limits, mirrors."""
import gzip
import hashlib
import json
import time
import urllib.parse

import pytest
from asking import Client, ask, follow
from standin import Hub, Synthetic, lfs, xet

MIB = 1 << 20
CONFIG = b'{"model_type":"x"}'


@pytest.fixture
def hub():
    with Hub() as hub:
        yield hub


@pytest.fixture
def repo(hub):
    return hub.model("acme/tiny", {
        "config.json": CONFIG, "empty.txt": b"", "onnx/model.onnx": lfs(5000), "a b/#%?+é.txt": "hi",
        "model.safetensors": xet(3 * MIB + 5), "zero.bin": lfs(0)})


def api(hub, tail, **rest):
    return ask(hub.endpoint + "/api/" + tail, ca=hub.ca_path if hub.endpoint.startswith("https") else None, **rest)


def resolve(hub, path, revision="main", repo="acme/tiny", **rest):
    url = "%s/%s/resolve/%s/%s" % (hub.endpoint, repo, urllib.parse.quote(revision, safe=""), urllib.parse.quote(path))
    return follow(url, **rest)


def next_url(answer):
    link = answer["Link"]
    return link[1:].split(">")[0] if link and 'rel="next"' in link else None


# Content.

def test_the_known_digests_come_out(hub):
    files = hub.model("acme/v", {"empty": b"", "hello": "hello\n", "z": lfs(b"Z" * 1000)}).head().files
    assert files["empty"].oid == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert files["hello"].oid == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert files["z"].sha256 == "8fe15844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d"


def test_any_range_of_synthetic_content_is_the_same_as_that_part_of_the_whole():
    content = Synthetic(MIB + 777, "seed")
    whole = content.read()
    assert len(whole) == content.size and hashlib.sha256(whole).hexdigest() == content.sha256
    for begin, end in ((0, 1), (31, 33), (0, 32), (262143, 262145), (262144, 524288), (500_000, 999_999),
                       (content.size - 1, content.size), (7, 7)):
        assert content.read(begin, end) == whole[begin:end]
    chunks = {whole[at:at + 262144] for at in range(0, MIB, 262144)}
    assert len(chunks) == 4, "no chunk may be mistaken for another"
    assert Synthetic(1000, "a").read() != Synthetic(1000, "b").read()


def test_four_large_files_are_hashed_quickly_and_once(hub):
    repo = hub.model("acme/large", {"m-%d.safetensors" % n: xet(256 * MIB) for n in range(4)})
    began_at = time.monotonic()
    repo.head().entries()
    first = time.monotonic() - began_at
    hub.model("acme/again", {"m-0.safetensors": repo.head().files["m-0.safetensors"]}).head().entries()
    assert first < 20 and time.monotonic() - began_at - first < 0.5


# Repo info, tree, refs.

def test_info_names_the_commit_of_every_kind_of_revision(hub, repo):
    tag = repo.tag("v1.0")
    head = repo.push({"config.json": "2"})
    branch = repo.commit({"config.json": "3"}, branch="feat/x y#1")
    pull = repo.pull_request(7, {"config.json": "4"})
    parquet = repo.convert("parquet", {"0.parquet": lfs(10)})
    for revision, commit in (("main", head), ("v1.0", tag), ("feat/x y#1", branch), ("refs/pr/7", pull),
                             ("refs/convert/parquet", parquet), (tag.sha, tag)):
        quoted = urllib.parse.quote(revision, safe="")
        assert api(hub, "models/acme/tiny/revision/" + quoted).json["sha"] == commit.sha, revision
    assert api(hub, "models/acme/tiny").json["sha"] == head.sha
    assert len({c.sha for c in (tag, head, branch, pull, parquet)}) == 5
    answer = api(hub, "models/acme/tiny/revision/" + head.sha.upper())
    assert (answer.status, answer["X-Error-Code"]) == (404, "RevisionNotFound")


def test_info_with_expand_shows_only_what_was_named(hub, repo):
    assert set(api(hub, "models/acme/tiny?expand=sha&expand=private").json) == {"_id", "id", "sha", "private"}
    siblings = api(hub, "models/acme/tiny?blobs=true").json["siblings"]
    assert next(s for s in siblings if s["rfilename"] == "onnx/model.onnx")["lfs"]["size"] == 5000


def test_datasets_and_spaces_have_prefixes(hub):
    hub.dataset("acme/rows", {"r.csv": "1,2"})
    hub.space("acme/app", {"app.py": "pass"})
    hub.model("gpt2", {"config.json": CONFIG})
    assert api(hub, "datasets/acme/rows/revision/main").status == 200
    assert resolve(hub, "r.csv", repo="datasets/acme/rows")[-1].body == b"1,2"
    assert resolve(hub, "app.py", repo="spaces/acme/app")[-1].body == b"pass"
    assert resolve(hub, "config.json", repo="gpt2")[-1].body == CONFIG
    assert api(hub, "models/gpt2/tree/main").json[0]["path"] == "config.json"
    assert api(hub, "models/acme%2Frows").status == 401


def test_the_tree_shows_files_and_folders_with_sizes_and_ids(hub, repo):
    entries = {e["path"]: e for e in api(hub, "models/acme/tiny/tree/main?recursive=true").json}
    assert entries["config.json"] == {"type": "file", "oid": "8e07cfc20f2c66d26f8295d573a91a16deb27710", "size": 18,
                                      "path": "config.json"}
    assert entries["onnx"]["type"] == "directory"
    lfs_entry = entries["onnx/model.onnx"]
    file = repo.head().files["onnx/model.onnx"]
    assert lfs_entry["size"] == 5000 and lfs_entry["lfs"]["oid"] == file.sha256 and "xetHash" not in lfs_entry
    assert lfs_entry["lfs"]["pointerSize"] == len(file.pointer) and lfs_entry["oid"] != file.sha256
    assert len(entries["model.safetensors"]["xetHash"]) == 64
    assert entries["zero.bin"]["lfs"]["size"] == 0
    flat = {e["path"] for e in api(hub, "models/acme/tiny/tree/main").json}
    assert "onnx" in flat and "onnx/model.onnx" not in flat
    for folder in ("onnx", "a%20b"):
        assert len(api(hub, "models/acme/tiny/tree/main/" + folder).json) == 1
    assert api(hub, "models/acme/tiny/tree/main/nowhere").status == 404


def test_the_tree_is_paged_and_the_pages_are_the_whole():
    with Hub(page_size=7) as hub:
        hub.model("acme/many", {"d/%03d" % n: str(n) for n in range(30)})
        url, seen, pages = hub.endpoint + "/api/models/acme/many/tree/main?recursive=true&expand=false", [], 0
        while url:
            answer = ask(url)
            seen += [e["path"] for e in answer.json if e["type"] == "file"]
            pages, url = pages + 1, next_url(answer)
        assert pages == 5 and sorted(seen) == ["d/%03d" % n for n in range(30)]
        hub.shuffle_tree = True
        shuffled = [e["path"] for e in api(hub, "models/acme/many/tree/main?recursive=true").json]
        assert shuffled != sorted(shuffled)
        hub.link_host = "https://huggingface.co"
        assert next_url(api(hub, "models/acme/many/tree/main")) is None
        link = next_url(api(hub, "models/acme/many/tree/main?recursive=true"))
        assert link.startswith("https://huggingface.co/api/models/acme/many/tree/main?recursive=true&")
        assert api(hub, "models/acme/many/tree/main?cursor=junk").status == 400


def test_an_expanded_tree_has_fifty_entries_a_page(hub):
    hub.model("acme/many", {"%03d" % n: "" for n in range(60)})
    answer = api(hub, "models/acme/many/tree/main?expand=true")
    assert len(answer.json) == 50 and answer.json[0]["lastCommit"]["id"] and "expand=true" in answer["Link"]


def test_a_hundred_thousand_files_are_listed_in_seconds(hub):
    hub.model("acme/huge", {"d%02d/%05d" % (n % 50, n): b"%d" % n for n in range(100_000)})
    began_at, count, url = time.monotonic(), 0, hub.endpoint + "/api/models/acme/huge/tree/main?recursive=true"
    with Client(url, timeout=60) as client:
        while url:
            answer = client.ask(url, accept_encoding="gzip")
            count += sum(e["type"] == "file" for e in json.loads(gzip.decompress(answer.body)))
            url = next_url(answer)
    assert count == 100_000 and time.monotonic() - began_at < 60


def test_paths_info_takes_forms_and_json_and_leaves_out_the_unknown(hub, repo):
    form = urllib.parse.urlencode([("paths", "a b/#%?+é.txt"), ("paths", "nope"), ("paths", "onnx"),
                                   ("expand", "false")])
    got = api(hub, "models/acme/tiny/paths-info/main", method="POST", body=form,
              content_type="application/x-www-form-urlencoded").json
    assert [e["path"] for e in got] == ["a b/#%?+é.txt", "onnx"]
    body = json.dumps({"paths": ["config.json"], "expand": False})
    got = api(hub, "models/acme/tiny/paths-info/main", method="POST", body=body, content_type="application/json")
    assert [e["path"] for e in got.json] == ["config.json"]
    body = json.dumps({"paths": ["x"] * 1001})
    assert api(hub, "models/acme/tiny/paths-info/main", method="POST", body=body,
               content_type="application/json").status == 413


def test_refs_are_grouped_and_pull_requests_shown_on_demand(hub, repo):
    repo.tag("v1")
    repo.pull_request(3, {})
    repo.convert("parquet", {"x": "y"})
    refs = api(hub, "models/acme/tiny/refs").json
    assert [b["ref"] for b in refs["branches"]] == ["refs/heads/main"] and refs["tags"][0]["name"] == "v1"
    assert refs["converts"][0]["name"] == "parquet" and "pullRequests" not in refs
    assert api(hub, "models/acme/tiny/refs?include_prs=1").json["pullRequests"][0]["ref"] == "refs/pr/3"


def test_whoami_and_the_xet_token(hub, repo):
    assert api(hub, "whoami-v2").status == 401
    assert api(hub, "whoami-v2", token=hub.token).json["name"] == "reader"
    answer = api(hub, "models/acme/tiny/xet-read-token/" + repo.head().sha)
    assert answer.json["casUrl"] == answer["X-Xet-Cas-Url"] and answer.json["exp"] > time.time()


def test_json_is_gzipped_only_when_offered():
    with Hub() as hub:
        hub.model("acme/many", {"%03d" % n: "" for n in range(60)})
        plain, packed = (api(hub, "models/acme/many/tree/main", accept_encoding=e) for e in ("identity", "gzip"))
        assert plain["Content-Encoding"] is None and packed["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(packed.body)) == plain.json


def test_a_push_moves_the_branch_and_old_commits_stay(hub, repo):
    old = repo.head()
    new = repo.push({"config.json": "new", "empty.txt": None})
    assert resolve(hub, "config.json")[-1].body == b"new"
    assert resolve(hub, "config.json", old.sha)[-1].body == CONFIG
    assert resolve(hub, "empty.txt")[-1].status == 404
    assert set(new.files) == set(old.files) - {"empty.txt"}


# Files.

def test_a_public_git_blob_takes_a_relative_307(hub, repo):
    first, second = resolve(hub, "config.json")
    assert first.status == 307 and first["Location"].startswith("/api/resolve-cache/models/acme/tiny/")
    assert int(first["Content-Length"]) == len(first.body) != 18 and '"resolvers"' in first["RateLimit"]
    assert second.body == CONFIG and second["ETag"] == '"8e07cfc20f2c66d26f8295d573a91a16deb27710"'
    assert second["X-Repo-Commit"] == repo.head().sha and second["Accept-Ranges"] == "bytes"
    bare = urllib.parse.urljoin(hub.endpoint, first["Location"]).partition("?")[0]
    assert ask(bare, "HEAD")["Content-Length"] == "18", "the query of that URL is decoration"
    assert ask(bare, if_none_match=second["ETag"]).status == 304


def test_a_private_git_blob_is_served_at_once(hub):
    hub.model("acme/secret", {"config.json": CONFIG}, private=True)
    answers = resolve(hub, "config.json", repo="acme/secret", token=hub.token)
    assert [a.status for a in answers] == [200] and answers[0].body == CONFIG


@pytest.mark.parametrize("path", ["onnx/model.onnx", "model.safetensors"])
def test_large_files_take_a_302_to_the_cdn(hub, repo, path):
    file = repo.head().files[path]
    first, second = resolve(hub, path, token=hub.token)
    assert first.status == 302 and first["Location"].startswith(hub.cdn.origin + "/xet-bridge-us/")
    assert first["X-Linked-Size"] == str(file.size) and first["X-Linked-Etag"] == '"%s"' % file.sha256
    assert first["X-Repo-Commit"] == repo.head().sha and first["X-Xet-Hash"] == file.xet_hash
    assert ("xet-auth" in (first["Link"] or "")) == (file.kind == "xet")
    assert hashlib.sha256(second.body).hexdigest() == file.sha256
    assert len(second["ETag"]) == 66 and second["ETag"] != first["X-Linked-Etag"], "the CDN's ETag misleads"
    assert second["X-Repo-Commit"] is None and hub.leaks() == []
    assert ask(first["Location"], "HEAD")["Content-Length"] == str(file.size)


def test_names_hold_anything(hub):
    names = ["a b.txt", "100%.txt", "q?.txt", "x#y.txt", "a+b&c=d~x!$'()*;@:[]é%.bin", "日本/語.txt", "e\u0301.txt",
             "é.txt", "🎉", "new\nline", "tab\t", "..a", "a..", "con:", "%41", "a%2Fb"]
    hub.model("acme/names", {name: "content of " + name for name in names})
    listed = {e["path"] for e in api(hub, "models/acme/names/tree/main?recursive=true").json if e["type"] == "file"}
    assert listed == set(names)
    for name in names:
        assert resolve(hub, name, repo="acme/names")[-1].body == ("content of " + name).encode(), name


def test_text_is_gzipped_without_length_when_a_client_offers_it(hub):
    hub.model("acme/text", {"big.json": "x" * 5000})
    answer = resolve(hub, "big.json", repo="acme/text", accept_encoding="gzip")[-1]
    assert answer["Content-Encoding"] == "gzip" and answer["Content-Length"] is None
    assert answer["ETag"].startswith('W/"') and gzip.decompress(answer.body) == b"x" * 5000
    answer = resolve(hub, "big.json", repo="acme/text", accept_encoding="gzip", range="bytes=0-9")[-1]
    assert (answer.status, answer.body) == (206, b"x" * 10)


def test_raw_shows_the_pointer(hub, repo):
    file = repo.head().files["onnx/model.onnx"]
    answer = ask(hub.endpoint + "/acme/tiny/raw/main/onnx/model.onnx")
    assert answer.body == file.pointer and b"oid sha256:" + file.sha256.encode() in answer.body


def test_a_renamed_repo_redirects_api_and_files(hub, repo):
    hub.rename("acme/tiny", "acme/small")
    hub.alias("tiny", "acme/small")
    answer = api(hub, "models/acme/tiny/tree/main?recursive=true")
    assert (answer.status, answer["Location"]) == (307, "/api/models/acme/small/tree/main?recursive=true")
    answers = resolve(hub, "a b/#%?+é.txt")
    assert answers[0]["Location"] == "/acme/small/resolve/main/a%20b/%23%25%3F%2B%C3%A9.txt"
    assert [a.status for a in answers] == [307, 307, 200] and answers[-1].body == b"hi"
    assert follow(hub.endpoint + "/api/models/tiny")[-1].json["id"] == "acme/small"


# Refusals.

def test_every_refusal_has_its_status_code_and_message(hub, repo):
    hub.model("acme/secret", {"config.json": CONFIG}, private=True)
    hub.model("acme/gated", {"config.json": CONFIG, "w": xet(10)}, gated="manual")
    hub.model("acme/off", {"config.json": CONFIG}, disabled=True)
    narrow = hub.accounts.add("reader", "hf_narrow", gated=False)
    wrong = "Invalid credentials in Authorization header"
    rows = [
        ("acme/none", None, 401, "RepoNotFound", "Invalid username or password."),
        ("acme/secret", None, 401, "RepoNotFound", "Invalid username or password."),
        ("acme/none", hub.token, 404, "RepoNotFound", "Repository not found"),
        ("acme/secret", hub.stranger_token, 404, "RepoNotFound", "Repository not found"),
        ("acme/tiny", "hf_expired", 401, None, wrong),
        ("acme/gated", None, 401, "GatedRepo", "Access to model acme/gated is restricted."),
        ("acme/gated", hub.stranger_token, 403, "GatedRepo", "you are not in the authorized list"),
        ("acme/gated", narrow, 403, None, "fine-grained token"),
        ("acme/off", hub.token, 403, None, "Access to this resource is disabled."),
    ]
    for name, token, status, code, message in rows:
        answer = resolve(hub, "config.json", repo=name, token=token)[0]
        assert (answer.status, answer["X-Error-Code"]) == (status, code), (name, token)
        assert message in answer["X-Error-Message"] and message in answer.body.decode()
        if code != "GatedRepo" and name != "acme/gated":
            listing = api(hub, "models/%s/tree/main" % name, token=token)
            assert (listing.status, listing["X-Error-Code"]) == (status, code) and message in listing.json["error"]
    answer = resolve(hub, "config.json", "nope")[0]
    assert (answer.status, answer["X-Error-Code"]) == (404, "RevisionNotFound")
    answer = resolve(hub, "nope.json")[0]
    assert (answer.status, answer["X-Error-Code"], answer.body) == (404, "EntryNotFound", b"Entry not found")
    assert answer["X-Repo-Commit"] == repo.head().sha


def test_a_gated_repo_can_be_listed_but_its_xet_hashes_are_masked(hub):
    hub.model("acme/gated", {"w": xet(10)}, gated="auto")
    assert api(hub, "models/acme/gated/tree/main").json[0]["xetHash"] == "*" * 64
    assert "*" not in api(hub, "models/acme/gated/tree/main", token=hub.token).json[0]["xetHash"]
    assert api(hub, "models/acme/gated").json["gated"] == "auto"


def test_a_revoked_token_is_bad_from_then_on(hub, repo):
    assert api(hub, "models/acme/tiny", token=hub.token).status == 200
    hub.accounts.revoke(hub.token)
    assert api(hub, "models/acme/tiny", token=hub.token).status == 401


# The CDN.

@pytest.mark.parametrize("style, marker", [("cloudfront", "Expires="), ("s3", "X-Amz-Expires=")])
def test_a_signed_url_dies_at_its_hour(style, marker):
    with Hub(url_lifetime_s=1.2, url_style=style) as hub:
        hub.model("acme/tiny", {"w.bin": lfs(1000)})
        url = resolve(hub, "w.bin")[0]["Location"]
        assert marker in url and ask(url, range="bytes=10-19").status == 206
        time.sleep(1.3)
        answer = ask(url, range="bytes=10-19")
        assert answer.status == 403 and b"<Error>" in answer.body and answer["X-Error-Code"] is None
        assert resolve(hub, "w.bin")[-1].status == 200


def test_a_signature_fits_one_path_and_one_hour(hub, repo):
    url = resolve(hub, "onnx/model.onnx")[0]["Location"]
    other = resolve(hub, "model.safetensors")[0]["Location"]
    assert ask(url).status == 200
    assert ask(other.partition("?")[0] + "?" + url.partition("?")[2]).status == 403
    expires = url.split("Expires=")[1].split("&")[0]
    assert ask(url.replace(expires, str(int(expires) + 1))).status == 403
    assert ask(url.partition("?")[0]).status == 403
    hub.expire_urls()
    assert ask(url).status == 403


def test_a_token_at_the_cdn_is_refused_and_recorded(hub, repo):
    url = resolve(hub, "onnx/model.onnx", token=hub.token)[0]["Location"]
    assert hub.leaks() == [] and set(hub.token_seen_by()) == {"api"}
    assert ask(url, token=hub.token).status == 400
    assert ask(url + "&t=" + hub.token).status == 200
    assert len(hub.leaks()) == 2 and hub.token_seen_by()["cdn"] == 2
    assert ask(hub.sink + "/x", x_other=hub.token).status == 404 and hub.token_seen_by()["sink"] == 1


@pytest.mark.parametrize("asked, status, said, body", [
    ("bytes=0-0", 206, "bytes 0-0/5000", (0, 1)), ("bytes=100-199", 206, "bytes 100-199/5000", (100, 200)),
    ("bytes=4990-", 206, "bytes 4990-4999/5000", (4990, 5000)),
    ("bytes=-10", 206, "bytes 4990-4999/5000", (4990, 5000)),
    ("bytes=4990-9999", 206, "bytes 4990-4999/5000", (4990, 5000)), ("bytes=5000-", 416, "bytes */5000", (0, 0)),
    ("bytes=-0", 416, "bytes */5000", (0, 0)), ("bytes=9-1", 200, None, (0, 5000)), ("lines=1-2", 200, None, (0, 5000)),
    ("bytes=0-1,3-4", 200, None, (0, 5000))])
def test_ranges(hub, repo, asked, status, said, body):
    answer = resolve(hub, "onnx/model.onnx", range=asked)[-1]
    assert (answer.status, answer["Content-Range"]) == (status, said)
    assert answer.body == repo.head().files["onnx/model.onnx"].content.read(*body)


def test_if_range_with_another_etag_gets_the_whole(hub, repo):
    url = resolve(hub, "onnx/model.onnx")[0]["Location"]
    etag = ask(url)["ETag"]
    assert ask(url, range="bytes=5-9", if_range=etag).status == 206
    assert ask(url, range="bytes=5-9", if_range='"other"').status == 200


def test_an_empty_file_has_no_ranges(hub, repo):
    assert resolve(hub, "zero.bin")[-1].body == b"" and resolve(hub, "zero.bin", range="bytes=0-0")[-1].status == 416
    assert resolve(hub, "empty.txt")[-1]["Content-Length"] == "0"


# Limits.

def test_the_window_is_counted_down_and_then_it_is_429(hub, repo):
    hub.rate_limit("api", quota=2, window_s=1.5, retry_after="seconds")
    left = [api(hub, "models/acme/tiny")["RateLimit"].split(";")[1] for _ in range(2)]
    assert left == ["r=1", "r=0"]
    answer = api(hub, "models/acme/tiny")
    assert answer.status == 429 and answer["RateLimit"].startswith('"api";r=0;t=') and b"<html>" in answer.body
    assert int(answer["Retry-After"]) in (1, 2) and answer["RateLimit-Policy"] == '"fixed window";"api";q=2;w=2'
    assert resolve(hub, "config.json")[0].status == 307, "other buckets are not touched"
    assert api(hub, "models/acme/tiny", token=hub.token).status == 200, "each caller has a quota"
    time.sleep(1.6)
    assert api(hub, "models/acme/tiny").status == 200
    hub.rate_limit("api", quota=0, retry_after="date")
    assert api(hub, "models/acme/tiny")["Retry-After"].endswith("GMT")
    hub.rate_limit("api", quota=0)
    assert api(hub, "models/acme/tiny")["Retry-After"] is None


# Mirrors.

def test_a_careless_mirror_drops_headers_lengths_and_ranges(hub, repo):
    with hub.mirror(drop_headers=["X-Repo-Commit"], lengths=False, ranges=False, serve_direct=True, prefix="/hf",
                    link_host="https://huggingface.co", page_size=2) as mirror:
        answer = resolve(mirror, "model.safetensors", range="bytes=5-9")[-1]
        assert (answer.status, answer["Content-Length"], answer["X-Repo-Commit"]) == (200, None, None)
        assert hashlib.sha256(answer.body).hexdigest() == repo.head().files["model.safetensors"].sha256
        assert next_url(api(mirror, "models/acme/tiny/tree/main")).startswith("https://huggingface.co/api/")
        assert mirror.endpoint.endswith("/hf") and ask(mirror.origin + "/api/models/acme/tiny").status == 404
        assert hub.count() == 0 and mirror.count() == 3

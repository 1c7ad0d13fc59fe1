"""What other systems hand to their loaders: a row is a call as that system makes it, and what must come of it."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest
from conftest import BIN, NOBODY, product, sha256
from standin import Hub, lfs

FILES = {"config.json": b"{}", "tokenizer.json": b"[]", "sub/a.txt": b"a", "sub/deep/b.txt": b"b",
         "[x].txt": b"x", "w.bin": lfs(100_000)}
ALL = sorted(FILES)
JSONS = ["config.json", "tokenizer.json"]
URI = "hf://acme/tiny"


class Done:
    def __init__(self, process, folder, message):
        self.code, self.stdout, self.stderr = process.returncode, process.stdout, process.stderr
        self.folder, self.message = folder, message

    def files(self, below="."):
        base = self.folder / below
        return sorted(str(p.relative_to(base)) for p in base.rglob("*")
                      if p.is_file() and not {".cache", ".hf-init"} & set(p.relative_to(base).parts))

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


@pytest.fixture
def call(hub, tmp_path):
    """call(*words, program=, **env): hf-init in an empty folder that is also its HOME."""
    folder = tmp_path / "here"
    folder.mkdir()

    def begin(*words, program=(BIN,), **env):
        said = tmp_path / "termination"
        said.write_text("of an earlier run")
        env = {"HOME": str(folder), "HF_ENDPOINT": hub.endpoint, "HF_INIT_TERMINATION_MESSAGE": str(said),
               "HF_INIT_DISK_RESERVE": "0",
               "HF_INIT_RETRY_MAX_WAIT": "1s", "HF_INIT_RETRY_ATTEMPTS": "2", **env}
        env = {k: str(v) for k, v in env.items() if v is not None}
        done = subprocess.run([*program, *map(str, words)], capture_output=True, text=True, timeout=60,
                              cwd=folder, env=env, stdin=subprocess.DEVNULL)
        return Done(done, folder, said.read_text())
    return begin


@pytest.fixture
def repo(hub):
    repo = hub.model("acme/tiny", FILES)
    repo.tag("v1")
    repo.pull_request(1, {"pr.txt": b"pr"})
    repo.push({"new.txt": b"new"})
    hub.dataset("acme/data", {"rows.csv": b"1,2"})
    return repo


@pytest.fixture
def named(tmp_path):
    """named("load"): the program under that name."""
    def link(name):
        os.symlink(BIN, tmp_path / name)
        return (str(tmp_path / name),)
    return link


NOW = sorted([*ALL, "new.txt"])
SEVEN = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
         "config.json", "generation_config.json"]
LLMAZ = {"MODEL_SOURCE_TYPE": "modelhub", "MODEL_HUB_NAME": "Huggingface", "MODEL_ID": "acme/tiny", "REVISION": "v1"}
NIM = {"NIM_CACHE_PATH": "/model-store", "HF_HOME": "/model-store"}


@pytest.mark.parametrize("words, env, folder, files", [
    # KServe
    (["storage-initializer", URI, "m"], {}, "m", NOW),
    ([URI, "m"], {}, "m", NOW),
    ([URI + ":v1", "m"], {}, "m", ALL),
    ([URI + ":", "m"], {}, "m", NOW),
    ([URI + "@v1", "m/deeper/"], {}, "m/deeper", ALL),
    ([URI + ":refs/pr/1", "m"], {}, "m", sorted([*ALL, "pr.txt"])),
    ([URI + "@refs%2Fpr%2F1", "m"], {}, "m", sorted([*ALL, "pr.txt"])),
    ([URI + "/sub", "m"], {}, "m", ["sub/a.txt", "sub/deep/b.txt"]),
    ([URI + ":v1/sub/deep/", "m"], {}, "m", ["sub/deep/b.txt"]),
    ([URI + "@v1/config.json", "m"], {}, "m", ["config.json"]),
    ([URI + "/[x].txt", "m"], {}, "m", ["[x].txt"]),
    (["hf://datasets/acme/data", "m"], {}, "m", ["rows.csv"]),
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": '["*.json", "sub/deep/*"]'}, "m", sorted([*JSONS, "sub/deep/b.txt"])),
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": '"*.json"'}, "m", JSONS),
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": " config.json , sub/* ,"}, "m",
     ["config.json", "sub/a.txt", "sub/deep/b.txt"]),
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": "*.json"}, "m", JSONS),
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": "[ct]o*.json,[[]x*"}, "m", ["[x].txt", *JSONS]),   # no JSON
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": "[]"}, "m", NOW),
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": ""}, "m", NOW),
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": json.dumps(SEVEN)}, "m", JSONS),  # what is not there is no error
    ([URI, "m"], {"STORAGE_IGNORE_PATTERNS": "sub/*,*.bin,[[]*"}, "m", sorted([*JSONS, "new.txt"])),
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": '["*.json"]', "STORAGE_IGNORE_PATTERNS": '["tok*"]'}, "m", ["config.json"]),
    ([URI, "m"], {"STORAGE_ALLOW_PATTERNS": "*.json", "HF_INIT_ALLOW": "*.txt"}, "m",
     ["[x].txt", "new.txt", "sub/a.txt", "sub/deep/b.txt"]),
    ([URI, "m", "--revision", "v1"], {"HF_HUB_ENABLE_HF_TRANSFER": "1", "HF_XET_HIGH_PERFORMANCE": "1"}, "m", ALL),
    # KubeAI
    (["load", URI, "m"], {}, "m", NOW),
    # llmaz
    (["llmaz", "--target", "m"], LLMAZ, "m/models--acme--tiny", ALL),
    (["llmaz", "--target", "m"], {**LLMAZ, "MODEL_ALLOW_PATTERNS": "*.json,sub/*", "MODEL_IGNORE_PATTERNS": "tok*"},
     "m/models--acme--tiny", ["config.json", "sub/a.txt", "sub/deep/b.txt"]),
    (["llmaz"], {**LLMAZ, "MODEL_FILENAME": "[x].txt", "MODEL_IGNORE_PATTERNS": "w*", "HF_INIT_TARGET": "m"}, "m",
     ["[x].txt"]),
    (["llmaz", "--target", "m"], {"MODEL_ID": URI}, "m/models--acme--tiny", NOW),
    # AIBrix
    (["aibrix", "--model-uri", "acme/tiny", "--local-dir", "m"], {}, "m/acme/tiny", NOW),
    (["aibrix", "--enable-progress-bar", "--model-uri", "acme/tiny", "--model-name", "mine"],
     {"DOWNLOADER_LOCAL_DIR": "m", "HF_REVISION": "v1"}, "m/mine", ALL),
    (["aibrix", "--model-uri", URI, "--local-dir", "m", "--download-extra-config",
      '{"hf_revision": "v1", "allow_file_suffix": ["json"]}'],
     {"DOWNLOADER_ALLOW_FILE_SUFFIX": "txt, bin", "HF_REVISION": "none"}, "m/acme/tiny", JSONS),
    (["aibrix", "--model-uri", "acme/tiny", "--local-dir", "m"], {"DOWNLOADER_ALLOW_FILE_SUFFIX": "json, bin"},
     "m/acme/tiny", [*JSONS, "w.bin"]),
    # Kthena
    (["kthena", "--source", URI, "--output-dir", "m"], {"HF_REVISION": "v1"}, "m", ALL),
    (["kthena", "-s", "acme/tiny", "-o", "m", "-w8", "-c", '{"hf_revision": "v1"}'], {"HF_REVISION": "none"}, "m", ALL),
    # NIM: huggingface-cli download is `hf-init download`
    (["download", "acme/tiny", "--local-dir", "m", "--repo-type", "model", "--revision", "v1"], NIM, "m", ALL),
], ids=lambda v: " ".join(v)[:60] if isinstance(v, list) and v not in (ALL, NOW) else None)
def test_each_call_fetches_what_it_names_where_it_is_expected(call, repo, words, env, folder, files):
    done = call(*words, **env)
    assert done.code == 0, done
    assert done.files(folder) == files
    assert json.loads(done.message)["exitCode"] == 0 if words[0] != "download" else done.stdout.strip().endswith("/m")


@pytest.mark.parametrize("name, words, folder", [
    ("storage-initializer", [URI, "m"], "m"),
    ("load", [URI, "m"], "m"),
    ("aibrix_download", ["--model-uri", "acme/tiny", "--local-dir", "m"], "m/acme/tiny"),
    ("huggingface-cli", ["download", "acme/tiny", "--local-dir", "m", "--repo-type", "model"], "m"),
])
def test_links_are_called_by_their_name(call, repo, named, name, words, folder):
    done = call(*words, program=named(name))
    assert done.code == 0, done
    assert done.files(folder) == NOW


@pytest.mark.parametrize("dests, target", [
    (["m/a", "m/b"], "m"), (["m//x/../a", None], None),
    (["{}/m/a/", "{}/m/./b/c"], "m"), (["a", "b"], "."), (["{}/m/a", "{}/n"], "."),
])
def test_several_destinations_are_one_run_below_the_folder_that_holds_them(call, repo, tmp_path, dests, target):
    here = tmp_path / "here"
    dests = [d.format(here) if d else "m" for d in dests]
    done = call(URI + "@v1", dests[0], "hf://datasets/acme/data", dests[1])
    if target is None:
        assert done.code == 2 and "DEST of SRC 1" in done.stderr and ".." in done.stderr, done
        return
    assert done.code == 0, done
    assert done.files(here / dests[0]) == ALL and done.files(here / dests[1]) == ["rows.csv"]
    marker = json.loads((here / target / ".hf-init/default.complete.json").read_text())
    assert [r["id"] for r in marker["repos"]] == ["acme/tiny", "acme/data"]


def test_of_several_sources_one_that_fails_fails_the_run(call, repo, tmp_path):
    done = call("storage-initializer", URI, "m/a", "hf://acme/none", "m/b")
    assert done.code == 12 and "acme/none" in json.loads(done.message)["message"], done
    assert not (tmp_path / "here/m/.hf-init/default.complete.json").exists()


def test_sources_below_nothing_in_common_are_refused(call, repo):
    done = call(URI, "/mnt-a/x", "hf://acme/two", "/srv-b/y")
    assert done.code == 2 and "none in common but /" in done.stderr and "/mnt/models" in done.stderr, done


SECRET = "s3cr3tvalue"
AIBRIX = ["aibrix", "--model-uri", "acme/tiny"]
KTHENA = ["kthena", "-s", "acme/tiny", "-o", "m"]


def extra(text):
    return [*AIBRIX, "--download-extra-config", text]


@pytest.mark.parametrize("words, env, said", [
    # KServe: other schemes by name, and not a word of what else is in them
    *((["storage-initializer", scheme + "://joe:%s@bucket/x" % SECRET, "m"], {}, [scheme + ":// is not fetched", hint])
      for scheme, hint in [
        ("s3", "KServe"), ("gs", "KServe"), ("hdfs", "KServe"), ("webhdfs", "KServe"), ("modelscope", "KServe"),
        ("oci", "KServe"), ("pvc", "KServe"), ("file", "KServe"),
        ("https", "hf://ORG/NAME"), ("http", "hf://ORG/NAME"), ("HF", "KServe")]),
    (["storage-initializer", SECRET + "/../x://y", "m"], {}, ["is not fetched"]),
    (["storage-initializer", "/mnt/pvc/model", "m"], {}, ["SRC: /mnt/pvc/model is a path on this machine"]),
    (["storage-initializer", "acme/tiny", "m"], {}, ["no hf:// address", "write hf://ORG/NAME"]),
    (["storage-initializer", "hf://tiny", "m"], {}, ["SRC: ", "ORG/NAME"]),
    (["storage-initializer", "hf://", "m"], {}, ["SRC: "]),
    (["storage-initializer", "hf:///tiny", "m"], {}, ["SRC: "]),
    (["storage-initializer", "hf://acme/", "m"], {}, ["SRC: "]),
    (["storage-initializer", URI + "@", "m"], {}, ["SRC: ", "revision"]),
    (["storage-initializer", "hf://" + "a" * 600, "m"], {}, ["is no repo"]),
    (["storage-initializer"], {}, ["SRC DEST"]),
    ([URI], {}, ["pairs of SRC DEST", "1 words"]),
    ([URI, "m", URI], {}, ["pairs of SRC DEST"]),
    ([URI, ""], {}, ["DEST of SRC"]),
    ([URI, "s3://bucket"], {}, ["DEST of SRC", "folders"]),
    ([URI, "/", "--dry-run"], {}, [r'DEST: \"/\" is the root of the file system', "such as /models"]),
    ([URI, "/.", "hf://acme/two", "//", "--dry-run"], {}, [r'DEST: \"/\" is the root of the file system']),
    ([URI, "/", "hf://acme/two", "/m", "--dry-run"], {}, ["none in common but /"]),
    ([URI, "/m", "hf://acme/two", "/", "--dry-run"], {}, ["none in common but /"]),
    ([URI, "m", "hf://acme/two", "m"], {}, ["overlaps", "SRC 2"]),
    ([URI, "m", URI, "n"], {}, ["SRC 2", "listed twice"]),
    ([URI, "m"], {"STORAGE_CONFIG": "{" + SECRET}, ["STORAGE_CONFIG: is not JSON"]),
    ([URI, "m"], {"CONFIDENTIAL_ENABLED": "True"}, ["CONFIDENTIAL_ENABLED", "cannot decrypt"]),
    ([URI + "/sub", "m"], {"STORAGE_ALLOW_PATTERNS": "*.json"}, ["SRC names sub", "STORAGE_ALLOW_PATTERNS"]),
    ([URI, "m", "--tarket", "x"], {}, ["--target"]),
    # KubeAI
    (["load", URI], {}, ["takes SRC DEST"]),
    (["load", URI, "m", URI, "n"], {}, ["takes SRC DEST"]),
    (["load", "gs://bucket/x", "m"], {}, ["gs:// is not fetched", "KubeAI"]),
    (["load", "oss://bucket/x", "m"], {}, ["oss:// is not fetched", "KubeAI"]),
    (["load", URI, "s3://bucket/x"], {}, ["DEST of SRC", "folders"]),
    (["load", URI, "//", "--dry-run"], {}, [r'DEST: \"//\" is the root of the file system']),
    # llmaz
    (["llmaz", "--target", "/", "--dry-run"], LLMAZ, [r'--target: \"/\" is the root of the file system']),
    (["llmaz"], {}, ["llmaz needs MODEL_ID"]),
    (["llmaz", "x"], {}, ["takes no word"]),
    (["llmaz"], {**LLMAZ, "MODEL_SOURCE_TYPE": "objstore"}, ["MODEL_SOURCE_TYPE: refused", "modelhub"]),
    (["llmaz"], {**LLMAZ, "MODEL_HUB_NAME": "ModelScope"}, ["MODEL_HUB_NAME: refused", "Huggingface"]),
    (["llmaz"], {**LLMAZ, "MODEL_ID": "a/b/c"}, ["MODEL_ID: ", "not a repo id"]),
    (["llmaz"], {**LLMAZ, "REVISION": "a//b"}, ["REVISION: ", "no revision"]),
    (["llmaz"], {**LLMAZ, "MODEL_FILENAME": "../x"}, ["MODEL_FILENAME: ", "unsafe"]),
    # AIBrix
    (["aibrix"], {}, ["AIBrix needs --model-uri"]),
    (["aibrix", "--model-uri"], {}, ["--model-uri needs a value"]),
    (["aibrix", "--model-uri", "tos://bucket/x"], {}, ["--model-uri: tos:// is not fetched", "AIBrix"]),
    ([*AIBRIX, "--local-dir", "/", "--dry-run"], {}, [r'--local-dir: \"/\" is the root of the file system']),
    ([*AIBRIX, "--dry-run"], {"DOWNLOADER_LOCAL_DIR": "/."}, [r'DOWNLOADER_LOCAL_DIR: \"/.\" is the root']),
    ([*AIBRIX, "--model-name", "../up"], {}, ["--model-name: ", ".."]),
    (extra('{"num_threads": 0}'), {}, ["--download-extra-config: num_threads: ", "256"]),
    (extra('{"part_chunksize": 7}'), {}, ["part_chunksize: ", "MiB"]),
    (extra('{"hf_endpoint": "x"}'), {}, ["hf_endpoint: ", "not an endpoint"]),
    (extra('{"hf_token": "%s"}' % SECRET), {}, ["hf_token: refused", "HF_TOKEN"]),
    (extra('{"hf_token": "%s"' % SECRET), {}, ["--download-extra-config: is not JSON"]),
    (AIBRIX, {"DOWNLOADER_NUM_THREADS": "999"}, ["DOWNLOADER_NUM_THREADS: ", "256"]),
    (AIBRIX, {"DOWNLOADER_PART_CHUNKSIZE": "1"}, ["DOWNLOADER_PART_CHUNKSIZE: ", "MiB"]),
    # Kthena
    (["kthena", "-o", "m"], {}, ["Kthena needs --source"]),
    (["kthena", "-s", URI], {}, ["target is missing"]),
    (["kthena", "-s", URI, "-o", "/", "--dry-run"], {}, [r'--output-dir: \"/\" is the root of the file system']),
    (["kthena", "-o", "m", "-s"], {}, ["--source needs a value"]),
    (["kthena", "-s", "ms://acme/tiny", "-o", "m"], {}, ["--source: ms:// is not fetched", "Kthena"]),
    (["kthena", "-s", "obs://acme/tiny", "-o", "m"], {}, ["obs:// is not fetched"]),
    ([*KTHENA, "-w", "many"], {}, ["--max-workers: ", "many"]),
    ([*KTHENA, "-c", '{"hf_token": "%s"}' % SECRET], {}, ["--config: hf_token: refused"]),
    (KTHENA, {"HF_AUTH_TOKEN": SECRET + " x"}, ["HF_AUTH_TOKEN"]),
], ids=lambda v: (" ".join(v)[:60] if isinstance(v, list) else None))
def test_what_cannot_be_done_is_refused_with_place_and_reason(call, hub, repo, words, env, said):
    done = call(*words, **env)
    assert done.code == 2 and done.stdout == "" and done.files() == [], done
    message = json.loads(done.message)
    assert message["exitCode"] == 2 and message["reason"] in ("Usage", "SpecInvalid")
    for word in said:
        assert word in done.stderr, done
    assert SECRET not in done.stderr + done.message
    assert hub.count() == 0


def test_exit_compat_makes_every_failure_1(call, repo):
    assert call("storage-initializer", "hf://acme/none", "m").code == 12
    for words in ([URI], ["hf://acme/none", "m"], [URI, "m", "--tarket", "x"], [URI, "m", "-z"]):
        done = call("storage-initializer", "--exit-compat", *words)
        assert done.code == 1 and json.loads(done.message)["exitCode"] in (2, 12), done
    assert call("kthena", "--exit-compat", "-s", "acme/none", "-o", "m").code == 1
    assert call("storage-initializer", "--exit-compat", URI, "m").code == 0


def test_kserve_finds_the_lines_it_looks_for(call, repo):
    done = call("storage-initializer", URI, "m/a", "hf://datasets/acme/data", "m/b")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert lines.index(f"Copying contents of {URI} to local") < lines.index(f"Successfully copied {URI} to m/a")
    assert "Copying contents of hf://datasets/acme/data to local" in lines
    assert "Successfully copied hf://datasets/acme/data to m/b" in lines
    downloaded, = (line for line in lines if line.startswith("Model downloaded in "))
    assert float(downloaded.split()[3]) >= 0 and downloaded.endswith(" seconds.")
    failed = call("storage-initializer", "hf://acme/none", "n")
    assert "Copying contents" in failed.stderr and "Successfully" not in failed.stderr
    assert "Copying" not in call("storage-initializer", "-q", URI, "o").stderr


@pytest.mark.parametrize("variable, value", [("STORAGE_CONFIG", '{"type": "s3", "secret_access_key": "%s"}' % SECRET),
                                             ("STORAGE_OVERRIDE_CONFIG", '{"bucket": "%s"}' % SECRET)])
def test_credentials_of_other_stores_are_named_and_not_used(call, repo, variable, value):
    done = call(URI, "m", **{variable: value})
    assert done.code == 0 and f"KServe: without counterpart here, not used: {variable}\n" in done.stderr, done
    assert SECRET not in done.stderr + done.message
    assert "not used" not in call(URI, "n", **{variable: "{}"}).stderr


def test_kserves_ca_bundle_is_trusted(call, tmp_path):
    with Hub(tls=True) as hub:
        hub.model("acme/tiny", FILES)
        bundle = tmp_path / "certs"
        bundle.mkdir()
        env = {"HF_ENDPOINT": hub.endpoint, "CA_BUNDLE_CONFIGMAP_NAME": "global",
               "CA_BUNDLE_VOLUME_MOUNT_POINT": bundle}
        done = call(URI, "m", **env)
        assert done.code == 13 and f"{bundle}/cabundle.crt is not there" in done.stderr, done
        (bundle / "cabundle.crt").write_bytes(pathlib.Path(hub.ca_path).read_bytes())
        done = call(URI, "m", **env)
        assert done.code == 0 and done.files("m") == ALL, done


def test_any_uid_without_a_name_or_a_home(call, repo, public):
    (public / "m").mkdir()
    os.chmod(public / "m", 0o777)
    done = call(URI, public / "m", program=(*NOBODY, str(public / "hf-init")), HOME="")
    assert done.code == 0 and done.files(public / "m") == NOW, done


def test_a_dry_run_touches_nothing(call, repo, tmp_path):
    done = call(URI, "m", "--dry-run", "--json")
    assert done.code == 0 and json.loads(done.stdout)["totals"]["files"] == len(NOW), done
    assert not (tmp_path / "here/m").exists()


def test_a_loader_run_again_fetches_nothing(call, repo, hub):
    assert call("load", URI, "m").code == 0
    hub.reset()
    assert call("load", URI, "m").code == 0
    assert hub.count(host="cdn") == 0 and hub.count(path="*/resolve/*") == 0


def test_kubeai_finds_no_cache_folder(call, repo, tmp_path):
    assert call("load", URI, "m").code == 0
    assert not (tmp_path / "here/m/.cache").exists()
    assert call(URI, "n").code == 0 and (tmp_path / "here/n/.cache/huggingface").is_dir()   # KServe leaves it


def test_aibrix_prints_where_the_model_is(call, repo, tmp_path):
    done = call("aibrix", "--model-uri", "acme/tiny", "--local-dir", "m", "--model-name", "mine")
    assert done.stdout == f"{tmp_path}/here/m/mine\n", done


@pytest.mark.parametrize("env, words", [
    ({"DOWNLOADER_FORCE_DOWNLOAD": "TRUE"}, []), ({}, ["--download-extra-config", '{"force_download": true}']),
])
def test_aibrix_force_download_believes_nothing(call, repo, tmp_path, env, words):
    plain = ["aibrix", "--model-uri", "acme/tiny", "--local-dir", "m"]
    assert call(*plain).code == 0
    path = tmp_path / "here/m/acme/tiny/w.bin"
    good, times = sha256(path), os.stat(path)
    path.write_bytes(b"x" * 100_000)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert call(*plain).code == 0 and sha256(path) != good
    assert call(*plain, *words, **env).code == 0 and sha256(path) == good


def test_two_models_or_revisions_in_one_folder_keep_their_own_state(call, repo, hub, tmp_path):
    hub.model("acme/two", {"two.txt": b"2"})
    for env in ({}, {"REVISION": "v1"}, {"MODEL_ID": "acme/two"}, {"HF_INIT_NAME": "mine", "MODEL_ID": "acme/two"}):
        assert call("llmaz", "--target", "m", **{"MODEL_ID": "acme/tiny", **env}).code == 0
    markers = sorted((tmp_path / "here/m/.hf-init").glob("*.complete.json"))
    names = [m.name.rsplit("-", 1)[0] for m in markers]
    assert names == ["acme-tiny-v1", "acme-two-main", "mine.complete.json"], "main is no longer in its folder"


def test_tokens_reach_the_hub_by_the_variable_of_the_system(call, hub):
    hub.model("acme/shut", FILES, gated="manual")
    for words, name in [(["kthena", "-s", "acme/shut", "-o", "k"], "HF_AUTH_TOKEN"),
                        (["hf://acme/shut", "s"], "HF_TOKEN"),
                        (["llmaz", "--target", "l"], "HUGGING_FACE_HUB_TOKEN"),
                        (["load", "hf://acme/shut", "u"], "HF_TOKEN")]:
        assert call(*words, MODEL_ID="acme/shut").code == 11
        done = call(*words, MODEL_ID="acme/shut", **{name: hub.token})
        assert done.code == 0, done
        assert hub.token not in done.stderr + done.message


def test_an_endpoint_in_a_config_is_asked(call, repo, hub):
    config = json.dumps({"hf_endpoint": hub.endpoint, "ms_token": SECRET, "access_key": SECRET})
    done = call("kthena", "-s", "acme/tiny", "-o", "m", "-c", config, HF_ENDPOINT="http://127.0.0.1:9")
    assert done.code == 0 and done.files("m") == NOW, done
    assert "Kthena: without counterpart here, not used: ms_token, access_key\n" in done.stderr
    assert SECRET not in done.stderr


# OME's file.

OME = """\
auth_type: &default_auth_type "UserPrincipal"
hf_token: ""
cache_dir: "/tmp/.cache/huggingface"
endpoint: "%s"
max_retries: 5
retry_interval: "10s"
max_workers: 8
chunk_size: 10485760  # 10MB
enable_symlinks: true
disable_progress_bars: false
model_name: "acme/tiny"
local_path: "m"
revision: "v1"
repo_type: "model"
skip_sha: false
num_connections: 100
download_size_limit_gb: 650
enable_size_limit_check: true
source:
  oci: {enabled: true, obo_token: "%s"}
"""


@pytest.fixture
def ome(call, hub, tmp_path):
    """ome(text, *words, command=): with this as OME's file."""
    def begin(text, *words, command="run", **env):
        (tmp_path / "ome.yaml").write_text(text)
        return call(command, "--ome-config", tmp_path / "ome.yaml", *words, **env)
    return begin


def test_omes_own_sample_is_read_as_it_is(ome, hub, repo):
    done = ome(OME % (hub.endpoint, SECRET), HF_ENDPOINT="http://127.0.0.1:9")
    assert done.code == 0 and done.files("m") == ALL, done
    assert "OME: without counterpart here, not used: auth_type, cache_dir, enable_symlinks, source\n" in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize("line, setting, value", [
    ("revision: next", "repos[0].revision", "next"), ("repo_type: dataset", "repos[0].type", "dataset"),
    ("endpoint: https://mirror.test", "endpoint", "https://mirror.test"), ("max_workers: 8", "concurrency.files", "8"),
    ("num_connections: 100", "concurrency.connections", "100"),
    ("chunk_size: 10485760", "concurrency.partSize", "10MiB"),
    ("max_retries: 5", "retry.attempts", "5"), ("max_retries: 0", "retry.attempts", "1"),
    ("retry_interval: 1m0s", "retry.maxWait", "1m"),
    ("etag_timeout: 20s", "timeouts.connect", "20s"), ("download_size_limit_gb: 650", "repos[0].maxBytes", "650GiB"),
    ("download_size_limit_gb: 650\nenable_size_limit_check: false", "repos[0].maxBytes", "0"),
    ("skip_sha: true", "verify", "size"), ("skip_sha: false", "verify", "always"),
    ("disable_progress_bars: true", "progress", "lines"),
    ("enable_progress: false", "progress", "none"), ("progress_display_mode: log", "progress", "lines"),
    ("progress_display_mode: 1", "progress", "bars"), ("log_level: trace", "log.level", "debug"),
    ("log_level: WARN", "log.level", "warn"),
    ("revision:", "repos[0].revision", "main"), ("local_path: /else", "target", "/else"), ("", "repos[0].path", "."),
], ids=lambda v: v.replace("\n", " "))
def test_each_key_of_ome_becomes_its_setting(ome, hub, line, setting, value):
    text = "model_name: acme/tiny\n" + ("" if line.startswith("local_path") else "local_path: m\n") + line
    done = ome(text, "-v", command="validate", HF_INIT_RETRY_MAX_WAIT=None, HF_INIT_RETRY_ATTEMPTS=None)
    assert done.code == 0 and "not used" not in done.stderr, done
    row, = (row for row in done.stdout.splitlines() if row.split()[0] == setting)
    assert row.split()[-1] == value, done
    is_said = line and not line.endswith(":") and value not in ("0", "always")
    assert (f"ome.yaml:{text.count(chr(10)) + 1}:" in row) == bool(is_said), done   # its place, and no other
    assert hub.count() == 0


def test_flags_and_variables_are_stronger_than_omes_file(ome, repo):
    done = ome("model_name: acme/tiny\nlocal_path: m\nrevision: none\n", "--target", "n", HF_INIT_REVISION="v1")
    assert done.code == 0 and done.files("n") == ALL, done


def test_the_other_commands_read_omes_file_too(ome, repo):
    text = "model_name: acme/tiny\nlocal_path: m\n"
    assert ome(text, command="status").code == 3
    assert ome(text, "--json", command="plan").code == 0
    assert ome(text).code == 0
    for command in ("status", "verify", "wait"):
        assert ome(text, command=command).code == 0


def test_the_root_of_the_file_system_is_no_folder_for_ome_either(ome, hub):
    done = ome("model_name: acme/tiny\nlocal_path: /\n", command="validate")
    assert done.code == 2 and 'ome.yaml:2:13: local_path: "/" is the root of the file system' in done.stderr, done
    assert hub.count() == 0


@pytest.mark.parametrize("text, words, said", [
    ("local_path: m\n", [], ["OME needs model_name"]),
    ("model_name: acme/tiny\n", [], ["target is missing"]),
    ("model_name: acme/tiny\nlocal_path: m\nhf_token: %s\n" % SECRET, [],
     ["ome.yaml:3:11: hf_token: refused", "HF_TOKEN"]),
    ("model_name: acme/tiny\nlocal_path: m\nmax_workers: 0\n", [], ["ome.yaml:3:14: max_workers: ", "256"]),
    ("model_name: acme/tiny\nlocal_path: m\nverify_ssl: false\n", [], ["verify_ssl: refused", "--tls-ca-file"]),
    ("model_name: acme/tiny\nlocal_path: m\nenable_offline_mode: true\n", [],
     ["enable_offline_mode: refused", "HF_HUB_OFFLINE=1"]),
    ("model_name: acme/tiny\nlocal_path: m\nprogress_display_mode: 7\n", [], ["progress_display_mode: ", "7"]),
    ("model_name: oci://n/x\nlocal_path: m\n", [], ["model_name: oci:// is not fetched", "OME"]),
    ("model_name: [a/b, c/d]\nlocal_path: m\n", [], ["overlaps"]),
    ("model_name: acme/tiny\nmodel_name: acme/two\n", [], ["ome.yaml:2:1"]),
    ("model_name: [", [], ["ome.yaml:"]),
    ("- model_name\n", [], ["OME needs model_name"]),
    ("model_name: acme/tiny\nlocal_path: m\n", ["--spec", "x.yaml"], ["--spec and --ome-config"]),
    ("model_name: acme/tiny\nlocal_path: m\n", ["--ome-config", "none.yaml"], ["none.yaml: there is no such file"]),
], ids=lambda v: v.replace("\n", " ") if isinstance(v, str) else None)
def test_faults_of_omes_file_are_named(ome, hub, repo, text, words, said):
    done = ome(text, *words)
    assert done.code == 2 and done.files() == [], done
    for word in said:
        assert word in done.stderr, done
    assert SECRET not in done.stderr + done.message and json.loads(done.message)["exitCode"] == 2
    assert hub.count() == 0


# The image that holds nothing but hf-init.

@pytest.fixture
def image(tmp_path):
    """image(*argv): starts that in a root of its own, where every program is a link to hf-init."""
    if os.geteuid() != 0:
        pytest.skip("only root can change the root")
    root = tmp_path / "image"
    (root / "bin").mkdir(parents=True)
    shutil.copy(BIN, root / "hf-init")
    for name in ("load", "rm", "sleep", "bash"):
        os.symlink("/hf-init", root / "bin" / name)
    started = []

    def begin(*argv, **env):
        process = subprocess.Popen(argv, executable="/bin/" + os.path.basename(argv[0]), env=env,
                                   preexec_fn=lambda: os.chroot(root) or os.chdir("/"), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    begin.root = root
    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, err


@product
def test_kubeai_loads_and_evicts_where_nothing_but_hf_init_is(image, repo, hub):
    code, err = ended(image("load", URI, "/models/tiny-0a1b", HF_ENDPOINT=hub.endpoint, HF_INIT_DISK_RESERVE="0"))
    model = image.root / "models/tiny-0a1b"
    assert code == 0 and (model / "config.json").read_bytes() == b"{}", err
    (image.root / "models/other").mkdir()
    os.symlink("/models/other", model / "link")
    (image.root / "models/other/kept").touch()
    assert ended(image("bash", "-c", "rm -rf /models/tiny-0a1b")) == (0, "")
    assert not model.exists() and (image.root / "models/other/kept").exists()
    assert ended(image("bash", "-c", "rm -rf /models/tiny-0a1b")) == (0, "")   # gone already
    (image.root / "adapters/one").mkdir(parents=True)
    assert ended(image("/bin/rm", "-rf", "/adapters/one")) == (0, "") and not (image.root / "adapters/one").exists()


@product
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_kubeais_side_car_sleeps_until_it_is_told(image, until, number, code):
    process = image("sleep", "infinity")
    waits = ("128", "137")  # rt_sigtimedwait of amd64, of arm64
    until(lambda: pathlib.Path(f"/proc/{process.pid}/syscall").read_text().split()[0] in waits)
    process.send_signal(number)
    assert ended(process) == (code, "")


@product
@pytest.mark.parametrize("argv", [
    ["bash"], ["bash", "-c", "echo"], ["bash", "-c", "rm -rf /models/kept; echo"],
    ["bash", "-c", "rm -rf /models/kept /models/b"],
    ["bash", "-c", "rm -rf /models/*"], ["bash", "-c", "rm -rf /models/$HOME"],
    ["bash", "-c", "rm -rf /models/"], ["bash", "-c", "rm -rf /"],
    ["bash", "-x", "rm -rf /models/kept"], ["bash", "-c", "rm -rf"], ["bash", "-c", "rm -rf;/models/kept"],
    ["rm", "-rf", "/models"], ["rm", "-rf", "/models/../models/kept"], ["rm", "-rf", "/models/.."],
    ["rm", "-rf", "/models/.hf-init"], ["rm", "-rf", "/etc/kept"], ["rm", "/models/kept"],
    ["rm", "-rf", "/models/kept", "/models/b"],
    ["rm", "-rf", "/modelsx/kept"], ["rm", "-rf", "models/kept"], ["rm", "-rf", "/models/kept/deeper"],
    ["sleep", "1"], ["sleep"],
], ids=" ".join)
def test_the_stand_ins_for_a_shell_do_nothing_else(image, argv):
    for kept in ("models/kept/deeper", "models/b", "modelsx/kept", "etc/kept", "models/.hf-init"):
        (image.root / kept).mkdir(parents=True)
    before = sorted(image.root.rglob("*"))
    code, err = ended(image(*argv))
    assert code == 2 and err.startswith(f"hf-init as {argv[0]}: ") and sorted(image.root.rglob("*")) == before


@product
def test_what_cannot_be_removed_is_said(image):
    (image.root / "models").mkdir()
    (image.root / "models/file").touch()
    assert ended(image("rm", "-rf", "/models/file")) == (0, "")
    (image.root / "adapters").touch()
    code, err = ended(image("rm", "-rf", "/adapters/one"))
    assert code == 1 and "/adapters/one: Not a directory" in err


@pytest.mark.parametrize("command", ["storage-initializer", "load", "llmaz", "aibrix", "kthena"])
def test_each_has_help_whose_example_runs(call, hub, command):
    hub.model("Qwen/Qwen2.5-0.5B-Instruct", FILES)
    text = call(command, "--help")
    assert text.code == 0 and "Usage: hf-init " + command in text.stdout and command in call("--help").stdout
    examples = [line.split() for line in text.stdout.split("Examples:\n")[1].splitlines()]
    for number, words in enumerate(examples):
        env = dict(words.pop(0).split("=", 1) for _ in range(words[0] != "hf-init"))
        assert words.pop(0) == "hf-init"
        done = call(*(w.replace("./models", f"./models{number}") for w in words), **env)
        assert done.code == 0 and len(done.files(f"models{number}")) == len(FILES), done


@pytest.mark.parametrize("token", ["hf_" + "aB3dE6gH9" * 4, "hf_oauth_" + "aB3dE6gH9" * 2 + "._-" + "aB3dE6gH9"])
def test_a_token_that_stands_where_a_word_was_expected_is_not_repeated(run, token):
    for words in (("kthena", json.dumps({"hf_token": token})), ("run", token), (token,), ("llmaz", f"--x{token}")):
        result = run(None, *words[1:], command=words[0])
        assert result.code == 2 and "aB3dE6gH9" not in result.stderr + result.stdout, result

"""A node, nearly: podman plays pod manifests, with images that were built here, against the stand-in Hub over TLS.

Podman and buildah work below build/e2e in a mount namespace of their own, so the machine's images, containers and
volumes are neither seen nor touched. What podman (4.3, Debian 12) does otherwise than a kubelet is made up for in
`as_played` and in Pod, and nowhere else.
"""
import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, Mounts, Volume
from standin import Hub

FOLDER = ROOT / "build" / "e2e"
BASE = "localhost/hf-init-e2e/base:latest"
HERE = Path(__file__).parent
PINNED = re.search(r"^huggingface_hub==.*$", (ROOT / "test/requirements.txt").read_text(), re.M)[0]
READER = "localhost/hf-init-e2e/reader:" + hashlib.sha256(
    PINNED.encode() + b"".join(path.read_bytes() for path in sorted((HERE / "reader").iterdir()))).hexdigest()[:12]
MIB = 1 << 20

STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""
ENGINE = """
[containers]
log_driver = "k8s-file"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "{folder}/tmp"
[network]
network_backend = "cni"
network_config_dir = "{folder}/net"
"""


class Node:
    """Podman and buildah with storage of their own; with limits that a root without CAP_SYS_RESOURCE can set."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("storage.conf", STORAGE), ("containers.conf", ENGINE)):
            (folder / name).write_text(text.format(folder=folder))
        self.folder, self.mounts = folder, Mounts()
        # Runtimes of this age take a hybrid for cgroup v2, and find no controllers there.
        if os.path.ismount("/sys/fs/cgroup/unified"):
            self.mounts.call("umount", "/sys/fs/cgroup/unified")
        outside = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
        self.env = {**outside, "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
                    "CONTAINERS_CONF": str(folder / "containers.conf"), "BUILDAH_ISOLATION": "chroot"}
        self.clean()

    def start(self, *words, **more):
        return subprocess.Popen([*self.mounts.prefix, *map(str, words)], env={**self.env, **more.pop("env", {})},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, **more)

    def call(self, *words, check=True, timeout=600, **more):
        """Runs a command in the namespace; its stdout. A failure, unless check is off, tells all it said."""
        process = self.start(*words, **more)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError("%s: no end after %d s\n%s%s" % (shlex.join(map(str, words)), timeout, out, err))
        assert not check or process.returncode == 0, "%s: exit %d\n%s%s" % (
            shlex.join(map(str, words)), process.returncode, out, err)
        return out

    def podman(self, *words, **more):
        return self.call("podman", *words, **more)

    def inspect(self, container):
        return json.loads(self.podman("container", "inspect", container))[0]

    def clean(self):
        """No pod, container, volume or secret is left; images are."""
        for what in ("stop --all --time 0",  # first: whoever starts a pod holds it until its init containers end
                     "pod rm --all --force --time 0", "rm --all --force --time 0", "volume rm --all --force"):
            self.podman(*what.split(), check=False)
        for name in self.podman("secret", "ls", "--format", "{{.Name}}", check=False).split():
            self.podman("secret", "rm", name, check=False)

    def close(self):
        self.clean()
        self.mounts.close()

    # Images.

    def has(self, image):
        return self.start("podman", "image", "exists", image).wait() == 0

    def build_base(self):
        """This machine's own Debian or Ubuntu, bare but for Python: with the compiler that `make` here has."""
        if self.has(BASE):
            return
        codename = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)[1]
        sources = self.call("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
                            "Created-By: Packages").splitlines()
        mirror = next(line.split()[0] for line in sources if line.split()[1:] == [codename, "main"])
        tree = self.folder / "base"
        shutil.rmtree(tree, ignore_errors=True)
        self.call("debootstrap", "--variant=minbase", "--include=ca-certificates,python3", codename, tree, mirror,
                  timeout=1800)
        self.call("sh", "-c", 'tar -C "$1" -c . | podman import -q - "$2"', "sh", tree, BASE)
        shutil.rmtree(tree)

    def build_reader(self):
        if self.has(READER):
            return
        context = self.folder / "reader"
        shutil.rmtree(context, ignore_errors=True)
        shutil.copytree(HERE / "reader", context)
        version = self.podman("run", "--rm", "--network", "none", BASE, "python3", "-c",
                              "import sys; print('%d.%d' % sys.version_info[:2])").strip()
        self.call(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary=:all:",
                  "--python-version", version, "--target", context / "site", PINNED)
        self.call("buildah", "bud", "-q", "--build-arg", "BASE=" + BASE, "-t", READER, context)

    def make(self, target, **env):
        """`make TARGET` as a user types it, with our base; what it printed."""
        return self.call("make", "-C", ROOT, target, env={"BASE": BASE, **env}, timeout=3600)


@pytest.fixture(scope="session")
def node():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    node = Node(FOLDER)
    node.build_base()
    yield node
    node.close()


@pytest.fixture(scope="session")
def image(node):
    """The name of the image of this commit, for this machine; or that of HF_INIT_IMAGE, built before."""
    name = "localhost/hf-init:e2e"
    if "HF_INIT_IMAGE" in os.environ:
        node.podman("tag", os.environ["HF_INIT_IMAGE"], name)
        return name
    node.make("image")
    version = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M)[1]
    arch = json.loads(node.podman("info", "--format", "json"))["host"]["arch"]
    node.podman("tag", "localhost/hf-init:%s-%s" % (version, arch), name)
    return name


@pytest.fixture
def hub():
    """In place of the plain one: TLS with a root that no image knows."""
    with Hub(tls=True) as hub:
        yield hub


def readme_pod():
    """The manifests of the README's pod example, as they stand there."""
    text = (ROOT / "README.md").read_text().partition("## In a pod")[2]
    return list(yaml.safe_load_all(re.search(r"```yaml\n(.*?)```", text, re.S)[1]))


def one(documents, kind):
    found, = [d for d in documents if d["kind"] == kind]
    return found


def with_private_hub(documents, hub):
    """What somebody does whose Hub is not the public one: name it, and add its root beside the spec."""
    data = one(documents, "ConfigMap")["data"]
    data["ca.crt"] = Path(hub.ca_path).read_text()
    data["spec.yaml"] += yaml.safe_dump({"endpoint": hub.endpoint, "tls": {"caFile": "/etc/hf-init/ca.crt"}})
    return documents


def as_played(documents, image):
    """What podman needs told. Images are here, not in a registry. It restarts an init container that succeeded where
    restartPolicy is Always, the default (containers/podman#16343), and removes it when it is done unless told."""
    pod = one(documents, "Pod")
    pod["metadata"].setdefault("annotations", {})["io.podman.annotations.init.container.type"] = "always"
    pod["spec"].setdefault("restartPolicy", "OnFailure")
    for container in pod["spec"]["initContainers"]:
        container["image"] = image
    for container in pod["spec"]["containers"]:
        container["image"] = READER
    return documents


class Pod:
    """A pod that podman plays, on this machine's network."""

    def __init__(self, node, image, documents, folder):
        self.node = node
        self.name = one(documents, "Pod")["metadata"]["name"]
        path = folder / (self.name + ".yaml")
        path.write_text(yaml.safe_dump_all(as_played(documents, image)))
        self.playing = node.start("podman", "kube", "play", "--network", "host", path)

    def played(self, timeout=120):
        """Waits until the init containers have ended and, if well, the main ones have started; whether it was well."""
        out, err = self.playing.communicate(timeout=timeout)
        self.said = out + err
        return self.playing.returncode == 0

    def start(self):
        """What a kubelet does by itself once an init container has failed and its retry succeeded."""
        self.node.podman("pod", "start", self.name)

    def state(self, container="hf-init"):
        """State of a container as podman tells it; None before there is one."""
        found = self.node.podman("container", "inspect", self.name + "-" + container, check=False)
        return json.loads(found)[0]["State"] if found.strip() not in ("", "[]") else None

    def inspect(self, container="hf-init"):
        return self.node.inspect(self.name + "-" + container)

    def log(self, container="hf-init"):
        """Both streams of every attempt."""
        return Path(self.inspect(container)["HostConfig"]["LogConfig"]["Path"]).read_text()

    def volume(self, container="hf-init", at="/models"):
        """The volume mounted there, as this machine sees it."""
        source, = [m["Source"] for m in self.inspect(container)["Mounts"] if m["Destination"] == at]
        return Volume(source)

    def read_by(self, container="server"):
        """What the main container, once it has ended, says it has read."""
        name = self.name + "-" + container
        assert self.node.podman("wait", name, timeout=120).strip() == "0", self.log(container)
        return json.loads(self.node.podman("logs", name))


@pytest.fixture
def play(node, image, tmp_path):
    """play(documents) begins to play a pod: a Pod. Nothing of it is left afterwards."""
    node.build_reader()
    pods = []

    def begin(documents):
        pods.append(Pod(node, image, documents, tmp_path))
        return pods[-1]

    yield begin
    node.clean()
    for pod in pods:
        pod.playing.kill()
        pod.playing.communicate()


@pytest.fixture
def secret(node, tmp_path):
    """secret(name, key=value…) makes a Secret for variables; with volume=True for a volume, which podman wants in
    another form."""

    def make(name, volume=False, **data):
        path = tmp_path / name
        path.write_text(json.dumps({"data": data} if volume else
                                   {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}))
        node.podman("secret", "create", name, path)

    return make

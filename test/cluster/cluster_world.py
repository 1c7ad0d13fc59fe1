"""A cluster of one node, inside test/cluster/apart: etcd, API server, controllers, scheduler, containerd and kubelet as
test/cluster/build has made them, and the stand-in Hub outside, over TLS, found by name.

Pods have a network of their own, a bridge to the node, and a resolver with search domains and ndots:5. There are no
Services (nothing here asks for one) and no registry: `Cluster` brings the images under the names that manifests use.
"""
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, Volume
from standin import Hub

sys.path += [str(ROOT / "test/kubernetes"), str(ROOT / "test/torture")]
from hosts import Names  # noqa: E402
from objects import IMAGE, containers, is_ours, pod_of  # noqa: E402

BUILT = ROOT / "build/e2e-cluster"
NODE, PODS = "10.244.0.1", "10.244.0.0/24"
HUB, CDN = "10.99.0.1", "10.99.0.2"  # beyond the node's own network
PAUSE = "registry.k8s.io/pause:3.10"
MIB = 1 << 20
PODS_OF_THE_KUBELET = Path("/var/lib/kubelet/pods")

# restrict_oom_score_adj: a root without CAP_SYS_RESOURCE may not go below its own.
CONTAINERD = """
version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{pause}'
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['/usr/lib/cni', '/opt/cni/bin']
conf_dir = '{folder}/cni'
[plugins.'io.containerd.internal.v1.opt']
path = '{folder}/opt'
"""
CNI = {"cniVersion": "1.0.0", "name": "pods", "plugins": [{
    "type": "bridge", "bridge": "pods", "isGateway": True,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
    "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock", "cgroupDriver": "cgroupfs",
    "failCgroupV1": False, "failSwapOn": False, "makeIPTablesUtilChains": False,
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},  # its port is open to this network only
    "clusterDNS": [NODE], "clusterDomain": "cluster.local", "resolvConf": "",
    "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
    # The machine's disk is not this node's to judge.
    "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Mi", "imagefs.available": "1Mi"},
    "imageGCHighThresholdPercent": 100, "volumePluginDir": "/var/lib/kubelet/volume-plugins"}


class Cluster:
    """Its programs are children of this process, each with a log in folder/NAME.log."""

    running = None

    def __init__(self, folder):
        self.folder, self.processes, self.names = folder, {}, None
        self.token = secrets.token_hex(16)
        self.kubeconfig = folder / "kubeconfig"

    def begin(self, name, *flags):
        with open(self.folder / (name + ".log"), "w") as log:
            self.processes[name] = subprocess.Popen([BUILT / name, *map(str, flags)], stdin=subprocess.DEVNULL,
                                                    stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)

    def wait(self, what, condition, seconds=180):
        """Until the condition holds; what it gave. A program of the cluster that has ended ends the wait."""
        until = time.monotonic() + seconds
        while True:
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            if not ended and (found := condition()):
                return found
            assert not ended and time.monotonic() < until, "%s: %s\n%s" % (what, ended or "not in time", self.tails())
            time.sleep(0.2)

    def tails(self):
        logs = {name: (self.folder / (name + ".log")).read_text().splitlines() for name in self.processes}
        return "\n".join("--- %s\n%s" % (name, "\n".join(lines[-15:])) for name, lines in logs.items())

    def up(self):
        self.network()
        self.control()
        self.node()

    def network(self):
        for words in ("link add pods address 02:00:00:00:00:01 type bridge", "addr add %s/24 dev pods" % NODE, "link set pods up",
                      "addr add %s/32 dev lo" % HUB, "addr add %s/32 dev lo" % CDN):
            subprocess.run(["ip", *words.split()], check=True)
        self.names = Names({"hub.test": [HUB], "cdn.test": [CDN]}, address=NODE)

    def control(self):
        certificates = self.folder / "certificates"
        self.begin("etcd", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync", "--log-level", "warn")
        tokens, key = self.folder / "tokens.csv", self.folder / "accounts.key"
        tokens.write_text('%s,tests,tests,"system:masters"\n' % self.token)
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": "https://%s:6443" % NODE,
                                                    "certificate-authority": str(certificates / "apiserver.crt")}}],
            "users": [{"name": "tests", "user": {"token": self.token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "tests"}}]}))
        self.begin("kube-apiserver", "--etcd-servers", "http://127.0.0.1:2379", "--cert-dir", certificates,
                   "--advertise-address", NODE, "--service-cluster-ip-range", "10.96.0.0/24",
                   "--token-auth-file", tokens, "--authorization-mode", "RBAC",
                   "--kubelet-preferred-address-types", "InternalIP",
                   "--service-account-issuer", "https://kubernetes.default.svc",
                   "--service-account-key-file", key, "--service-account-signing-key-file", key)
        self.wait("API server", lambda: self.kubectl("get", "--raw", "/readyz", check=False) == "ok")
        self.begin("kube-controller-manager", "--kubeconfig", self.kubeconfig, "--leader-elect=false",
                   "--service-account-private-key-file", key)
        self.begin("kube-scheduler", "--kubeconfig", self.kubeconfig, "--leader-elect=false")

    def node(self):
        (self.folder / "cni").mkdir()
        (self.folder / "cni/pods.conflist").write_text(json.dumps(CNI))
        config, kubelet = self.folder / "containerd.toml", self.folder / "kubelet.json"
        config.write_text(CONTAINERD.format(folder=self.folder, pause=PAUSE))
        kubelet.write_text(json.dumps(KUBELET))
        os.environ["PATH"] = "%s:%s" % (BUILT, os.environ["PATH"])  # of the shim
        self.begin("containerd", "--config", config)
        self.wait("containerd", lambda: subprocess.run([BUILT / "ctr", "version"], capture_output=True).returncode == 0)
        self.load("hf-init", IMAGE)
        self.load("server", PAUSE)
        self.begin("kubelet", "--config", kubelet, "--kubeconfig", self.kubeconfig, "--hostname-override", "node",
                   "--node-ip", NODE)
        self.wait("node", lambda: self.conditions("node", "node").get("Ready") == "True")
        self.wait("account", lambda: self.kubectl("get", "serviceaccount", "default", check=False))
        # What the manifests ask of a node with GPUs.
        self.kubectl("label", "node", "node", "nvidia.com/gpu.present=true")
        gpus = {"nvidia.com/gpu": "16"}
        self.kubectl("patch", "node", "node", "--subresource=status", "--type=merge", "-p",
                     json.dumps({"status": {"capacity": gpus, "allocatable": gpus}}))

    def ctr(self, *words):
        done = subprocess.run([BUILT / "ctr", "-n", "k8s.io", *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def load(self, archive, name):
        """Imports build/e2e-cluster/ARCHIVE.tar, an OCI archive of one image, whose tag is that of the name."""
        self.ctr("images", "import", "--base-name", name.rpartition(":")[0], BUILT / (archive + ".tar"))
        assert name in self.ctr("images", "ls", "-q").split(), self.ctr("images", "ls")

    def tag(self, name, other):
        self.ctr("images", "tag", "--force", name, other)

    def down(self):
        """In the order in which nobody misses anybody; containers are left to the end of apart."""
        for name in reversed(self.processes):
            self.processes[name].terminate()
            try:
                self.processes[name].wait(20)
            except subprocess.TimeoutExpired:
                self.processes[name].kill()
                self.processes[name].wait()
        if self.names:
            self.names.close()

    # Talking to it.

    def run(self, *words, text=None, timeout=120):
        return subprocess.run([BUILT / "kubectl", "--kubeconfig", self.kubeconfig, *map(str, words)], input=text,
                              capture_output=True, text=True, timeout=timeout, env={"HOME": str(self.folder)})

    def kubectl(self, *words, check=True, **more):
        done = self.run(*words, **more)
        assert not check or done.returncode == 0, (words, done.stdout + done.stderr)
        return done.stdout

    def conditions(self, *which):
        found = self.kubectl("get", "-o", "json", *which, check=False)
        return {c["type"]: c["status"] for c in json.loads(found)["status"].get("conditions", [])} if found else {}


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory):
    """The one of a run, whichever modules import this; it goes down with the run."""
    if "HF_INIT_APART" not in os.environ:
        pytest.skip("wants test/cluster/apart around it: make e2e-cluster")
    if not Cluster.running:
        Cluster.running = Cluster(tmp_path_factory.mktemp("cluster"))
        request.config.add_cleanup(Cluster.running.down)
        Cluster.running.up()
    return Cluster.running


@pytest.fixture
def hub(cluster):
    """In place of the plain one: another host, with a name, and TLS with a root that no image knows."""
    with Hub(tls=True, host=HUB, cdn_host=CDN, name="hub.test", cdn_name="cdn.test") as hub:
        yield hub


def with_private_hub(documents, hub, **settings):
    """What somebody does whose Hub is not the public one: name it, and add its root beside each spec."""
    for document in documents:
        if document["kind"] == "ConfigMap" and "spec.yaml" in document["data"]:
            spec = {**yaml.safe_load(document["data"]["spec.yaml"]), "endpoint": hub.endpoint,
                    "tls": {"caFile": "/etc/hf-init/ca.crt"}, **settings}
            document["data"].update({"spec.yaml": yaml.safe_dump(spec), "ca.crt": Path(hub.ca_path).read_text()})
    return documents


def small(documents):
    """Requests that fit this node, 64 MiB for hf-init, and for the README's server, which says nothing of it, what
    `restricted` asks of any container. `latest` would be pulled."""
    for pod in filter(None, map(pod_of, documents)):
        for container in containers(pod):
            resources = container.setdefault("resources", {})
            requests, limits = resources.setdefault("requests", {}), resources.setdefault("limits", {})
            requests.update(cpu="10m", memory="8Mi")
            if is_ours(container):
                limits["memory"] = "64Mi"
            for part in (requests, limits):
                if "ephemeral-storage" in part:
                    part["ephemeral-storage"] = "2Gi"
            container.setdefault("securityContext", {"allowPrivilegeEscalation": False,
                                                     "capabilities": {"drop": ["ALL"]}})
            container["imagePullPolicy"] = "IfNotPresent"
    return documents


class Space:
    """A namespace of a test, where `restricted` is enforced unless told; its pods and volumes end with the test."""

    def __init__(self, cluster, name, folder, level="restricted"):
        self.cluster, self.name, self.folder, self.claims = cluster, name, folder, []
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=" + level)
        cluster.wait("account", lambda: self.get("serviceaccount", "default"))

    def kubectl(self, *words, **more):
        return self.cluster.kubectl("-n", self.name, *words, **more)

    def apply(self, documents):
        """As kubectl does it; foreign images are our server, and claims find volumes of this node."""
        for document in documents:
            for container in containers(pod_of(document)) if pod_of(document) else []:
                if not is_ours(container) and container["image"] != PAUSE:
                    self.cluster.tag(PAUSE, full_name(container["image"]))
            if document["kind"] == "PersistentVolumeClaim":
                self.volume_for(document)
            for claim in document.get("spec", {}).get("volumeClaimTemplates", []):
                for number in range(document["spec"]["replicas"]):
                    name = "%s-%s-%d" % (claim["metadata"]["name"], document["metadata"]["name"], number)
                    self.volume_for({**claim, "metadata": {"name": name}})
        return self.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(documents))

    def volume_for(self, claim):
        """A folder of the node, as a volume bound to the claim."""
        name = claim["metadata"]["name"]
        folder = self.folder / name
        folder.mkdir()
        self.claims.append("%s-%s" % (self.name, name))
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node"]}
        self.cluster.kubectl("apply", "-f", "-", text=json.dumps({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": self.claims[-1]}, "spec": {
                "accessModes": claim["spec"]["accessModes"], "capacity": claim["spec"]["resources"]["requests"],
                "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": self.name, "name": name},
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}}}}))

    def claimed(self, name):
        return Volume(self.folder / name)

    def secret(self, name="hf", **data):
        self.kubectl("create", "secret", "generic", name, *("--from-literal=%s=%s" % item for item in data.items()))

    def get(self, *which):
        """An object, or None before there is one."""
        found = self.kubectl("get", "-o", "json", "--ignore-not-found", *which)
        return json.loads(found) if found else None

    def pods(self, selector=""):
        """By age."""
        found = self.get("pods", "-l", selector)
        return sorted(found["items"] if found else [], key=lambda pod: pod["metadata"]["creationTimestamp"])

    def wait(self, what, condition, seconds=180):
        try:
            return self.cluster.wait(what, condition, seconds)
        except AssertionError as error:
            seen = self.kubectl("get", "pods,jobs,events", "-o", "wide", check=False)
            raise AssertionError("%s\n%s" % (seen, error)) from None

    def close(self):
        self.kubectl("delete", "deployment,daemonset,statefulset,job,pod", "--all", "--grace-period=1", "--wait")
        self.cluster.wait("pods of %s" % self.name, lambda: not self.pods())
        self.cluster.kubectl("delete", "namespace", self.name, "--wait=false")
        for claim in self.claims:
            self.cluster.kubectl("delete", "persistentvolume", claim, "--wait=false")


def full_name(image):
    """As containerd stores it."""
    first = image.partition("/")[0]
    return image if "." in first or ":" in first else "docker.io/" + image


@pytest.fixture
def space(cluster, request, tmp_path):
    """A namespace where `restricted` is enforced, or the level that the test names: parametrize it indirectly."""
    Space.count = getattr(Space, "count", 0) + 1
    space = Space(cluster, "test-%d" % Space.count, tmp_path, getattr(request, "param", "restricted"))
    yield space
    space.close()


# What a pod's status says.

def container_of(pod, name="hf-init"):
    """The status of a container, or an empty one before there is any."""
    status = pod.get("status", {}) if pod else {}
    for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
        if container["name"] == name:
            return container
    return {"state": {}, "lastState": {}, "restartCount": 0}


def ended(pod, name="hf-init", last=False):
    """{exitCode, reason, message, startedAt, finishedAt} of a container that has ended, or None."""
    return container_of(pod, name)["lastState" if last else "state"].get("terminated")


def is_running(pod, name):
    return "running" in container_of(pod, name)["state"]


def models_of(pod, volume="models"):
    """An emptyDir of a pod, seen from the node."""
    return Volume(PODS_OF_THE_KUBELET / pod["metadata"]["uid"] / "volumes/kubernetes.io~empty-dir" / volume)

"""Builds the images of a run, with buildah and storage of pod_world's own: ours, by `make image` as it stands, and the
one that stands where model servers do.

    images.py FOLDER     leaves FOLDER/hf-init.tar and FOLDER/server.tar, OCI archives with one tag
"""
import json
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "e2e")]
from conftest import ROOT  # noqa: E402
from pod_world import FOLDER, Node  # noqa: E402


def main():
    out = Path(sys.argv[1])
    node = Node(FOLDER)
    try:
        node.build_base()
        prefix = subprocess.run([ROOT / "deps/build", "--prefix"], capture_output=True, text=True, check=True).stdout
        node.make("image", IMAGE_FLAGS="--volume %s:/deps" % Path(prefix).parent)  # the libraries that are here
        arch = json.loads(node.podman("info", "--format", "json"))["host"]["arch"]
        with tarfile.open(out / "hf-init.tar", "w") as tar:
            tar.add(ROOT / "build/image" / arch, ".")
        context = out / "context"
        context.mkdir(exist_ok=True)
        for path in (out / "server", HERE / "server/Containerfile"):
            (context / path.name).write_bytes(path.read_bytes())
            (context / path.name).chmod(0o755)
        name = "localhost/hf-init-e2e/server"
        node.call("buildah", "bud", "-q", "--pull-never", "--format", "oci", "-t", name, context)
        (out / "server.tar").unlink(missing_ok=True)
        node.call("buildah", "push", "-q", name, "oci-archive:%s:3.10" % (out / "server.tar"))
    finally:
        node.close()


if __name__ == "__main__":
    main()

"""Reads an OCI layout, the folder that image/build leaves for each image."""
import gzip
import io
import json
import tarfile
from pathlib import Path


class Layout:
    """The one image, or the one index of images, in a layout.

    digest     of what a registry would serve under the tag, "sha256:…"
    document   that, parsed: a manifest, or an index with `manifests`
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        top, = json.loads((self.folder / "index.json").read_text())["manifests"]
        self.digest = top["digest"]
        self.document = json.loads(self.blob(self.digest))

    def blob(self, digest):
        return (self.folder / "blobs" / digest.replace(":", "/")).read_bytes()

    def config(self):
        return json.loads(self.blob(self.document["config"]["digest"]))

    def size_bytes(self):
        """What a node pulls: manifest, config and compressed layers."""
        parts = [self.document["config"], *self.document["layers"]]
        return len(self.blob(self.digest)) + sum(part["size"] for part in parts)

    def files(self):
        """{path: (mode, uid, gid, mtime, content)} of every file in it, layers laid over each other."""
        found = {}
        for layer in self.document["layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(self.blob(layer["digest"])))) as tar:
                for member in tar:
                    content = tar.extractfile(member).read() if member.isfile() else None
                    found["/" + member.name] = (member.mode & 0o7777, member.uid, member.gid, member.mtime, content)
        return found

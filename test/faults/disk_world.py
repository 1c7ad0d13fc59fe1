"""What the tests of the disk share: system calls that fail as told, and what a volume must look like."""

import os


from conftest import Volume, content_of
from standin import lfs

MIB = 1 << 20
FILES = {"config.json": b'{"a": 1}', "sub/notes.txt": b"hello\n", "model.bin": lfs(3 * MIB)}
ONE = {"repos": [{"id": "acme/tiny"}]}
CODES = {0, 1, 2, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 33, 40, 42, 50, 60}  # of the README; none of them is a crash
QUIET = ("strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null")


def inject(calls, how, *more):
    """A prefix for start(): the system calls end as `how` says, in the words of strace; more of the same may follow."""
    pairs = [(calls, how), *zip(more[::2], more[1::2])]
    traced = ",".join(calls for calls, _ in pairs)
    return (
        *QUIET,
        "-e",
        "trace=" + traced,
        *(word for calls, how in pairs for word in ("-e", f"inject={calls}:{how}")),
    )


def place_of(layout, repo):
    return repo.id if layout == "dir" else "models--%s/snapshots/%s" % (repo.id.replace("/", "--"), repo.head().sha)


def listing(volume):
    """Every name on the volume, our own files too."""
    found = set()
    for folder, folders, names in os.walk(volume.path):
        found.update(os.path.relpath(os.path.join(folder, name), volume.path) for name in folders + names)
    return found


def wrong(volume, repo, layout="dir"):
    """Files that are there under a name of the repo and hold something else; a link that leads nowhere is one."""
    base = volume / place_of(layout, repo)
    wanted, bad = content_of(repo), []
    for path in listing(Volume(base)):
        if not base.joinpath(path).is_dir() and not path.startswith(".cache/") and not path.startswith(".hf-init/"):
            whole = base / path
            if (
                path not in wanted
                or not whole.exists()
                or volume.files(whole.parent.relative_to(volume.path)).get(whole.name) != wanted[path]
            ):
                bad.append(path)
    return bad


def stray(volume):
    """What a run that is over must not leave: partials, leases, what was to be renamed."""
    return sorted(
        str(path.relative_to(volume.path))
        for name in ("partials", "leases", "temp")
        for path in volume.path.glob(f"**/.hf-init/{name}/*")
    )

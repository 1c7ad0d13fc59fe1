"""The library as `make install` leaves it, in a folder of its own, and a compiler that finds it by pkg-config alone."""
import fcntl
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = ROOT / "lib" / "hfinit.h"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-D_GNU_SOURCE")


def make(*words):
    """One at a time, and as if nobody above us were make: there is nothing to build, unless somebody changed the source."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    with open(ROOT / "build" / "install.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(["make", "-C", str(ROOT), *words], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class Installed:
    def __init__(self, libc, prefix):
        self.libc = libc
        self.prefix = prefix
        self.archive = prefix / "lib" / "libhfinit.a"
        deps = subprocess.run([ROOT / "deps" / "build", "--prefix", "musl"], capture_output=True, text=True, check=True)
        self.cc = deps.stdout.strip() + "/bin/cc" if libc == "musl" else os.environ.get("CC", "gcc")

    def pkg_config(self, *words):
        env = {"PATH": os.environ["PATH"], "PKG_CONFIG_LIBDIR": str(self.prefix / "lib" / "pkgconfig")}
        return subprocess.run(["pkg-config", *words, "hf-init"], env=env, capture_output=True, text=True, check=True).stdout.split()

    def compile(self, source, program, *flags, cc=None):
        """cc SOURCE $(pkg-config --cflags --libs --static hf-init)"""
        found = self.pkg_config("--cflags", "--libs", "--static")
        return subprocess.run([cc or self.cc, *STRICT, *flags, str(source), *found, "-o", str(program)],
                              capture_output=True, text=True)


@pytest.fixture(scope="session", params=["musl", "glibc"])
def installed(request, tmp_path_factory):
    libc = request.param
    if libc == "glibc" and not (ROOT / "build/glibc/dist/libhfinit.a").exists():
        pytest.skip("make VARIANT=glibc builds it; make torture does")
    prefix = tmp_path_factory.mktemp(libc)
    make("install", f"VARIANT={libc}", f"PREFIX={prefix}")
    return Installed(libc, prefix)

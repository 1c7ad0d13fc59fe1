"""What the benchmark needs: Debian packages, the peers in folders of their own, our helpers in C, certificates.

Everything but the Debian packages lands in build/bench. Runs outside the network namespace: it needs the registries."""
import os
import shutil
import subprocess
import sys

from . import BENCH, CDN_NAME, HUB_NAME, TOP, WORK

# program or file -> Debian package
PACKAGES = {
    "/usr/sbin/nginx": "nginx-light", "aria2c": "aria2", "curl": "curl", "node": "nodejs", "npm": "npm",
    "openssl": "openssl", "ip": "iproute2", "taskset": "util-linux", "pgrep": "procps", "sha256sum": "coreutils", "gcc": "gcc",
    "make": "make",
}
PEERS_PYTHON = ["huggingface_hub==2.4.0"]
PEERS_NODE = ["@huggingface/hub@2.17.5"]
HELPERS = ("launch", "wan", "relay", "limits")


def say(text):
    print(text, file=sys.stderr, flush=True)


def has(program):
    return os.path.exists(program) if program.startswith("/") else shutil.which(program) is not None


def packages():
    """Installs what is missing; names it where that cannot be done."""
    wanted = [package for program, package in PACKAGES.items() if not has(program)]
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        wanted.append("python3-venv")
    if not wanted:
        return
    if not has("apt-get"):
        sys.exit("bench: please install (names as in Debian): " + " ".join(wanted))
    say("bench: installing " + " ".join(wanted))
    policy = "/usr/sbin/policy-rc.d"  # a server among them must not start because it was installed
    mine = not os.path.exists(policy)
    try:
        if mine:
            with open(policy, "w") as file:
                file.write("#!/bin/sh\nexit 101\n")
            os.chmod(policy, 0o755)
        subprocess.run(["apt-get", "-qq", "update"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["apt-get", "-qq", "-y", "--no-install-recommends", "install"] + wanted, check=True,
                       stdout=subprocess.DEVNULL, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
    finally:
        if mine:
            os.unlink(policy)


def stamped(folder, content, make):
    """Runs `make` unless the folder was made for the same content."""
    stamp = folder / ".made-of"
    if stamp.exists() and stamp.read_text() == content:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make()
    stamp.write_text(content)


def peers():
    python, node = WORK / "python", WORK / "node"

    def make_python():
        say("bench: " + " ".join(PEERS_PYTHON) + " into build/bench/python")
        subprocess.run([sys.executable, "-m", "venv", str(python)], check=True)
        subprocess.run([str(python / "bin/pip"), "install", "-q", "--disable-pip-version-check"] + PEERS_PYTHON,
                       check=True)

    def make_node():
        say("bench: " + " ".join(PEERS_NODE) + " into build/bench/node")
        (node / "package.json").write_text('{"private": true}\n')
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"] + PEERS_NODE, check=True, cwd=node)

    stamped(python, " ".join(PEERS_PYTHON), make_python)
    stamped(node, " ".join(PEERS_NODE), make_node)


def helpers():
    for name in HELPERS:
        source, binary = BENCH / (name + ".c"), WORK / "bin" / name
        if not source.exists() or binary.exists() and binary.stat().st_mtime >= source.stat().st_mtime:
            continue
        binary.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([os.environ.get("CC", "gcc"), "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o",
                        str(binary), str(source)], check=True)


def certificates():
    """A root of our own and one ECDSA P-256 certificate for both hosts."""
    folder = WORK / "tls"
    if (folder / "server.pem").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*words):
        subprocess.run(("openssl",) + words, check=True, cwd=folder, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "3650", "-subj", "/CN=bench root",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=bench server")
    (folder / "server.ext").write_text(
        f"subjectAltName=DNS:{HUB_NAME},DNS:{CDN_NAME}\nbasicConstraints=critical,CA:FALSE\n"
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650",
            "-extfile", "server.ext", "-out", "server.pem")


def all_of_it():
    packages()
    peers()
    helpers()
    certificates()


def default_binary():
    return TOP / "build" / "hf-init"

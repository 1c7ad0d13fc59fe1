"""What the figures were taken on and with."""
import json
import os
import platform
import re
import subprocess

from . import TOP, WORK

PRIMITIVES = {"aes-128-gcm-open": "L2", "memcpy": "L3", "sha256": "L6", "sha256-pair": "L6"}  # of primitives.c


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return "?"
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def field(path, name):
    for line in open(path):
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "?"


def file_system(path):
    """Type of the file system that holds it."""
    best, kind = "", "?"
    for line in open("/proc/self/mounts"):
        _, point, fs = line.split()[:3]
        if (str(path) + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, fs
    return kind


def node_package(name):
    return json.loads((WORK / "node" / "node_modules" / name / "package.json").read_text())["version"]


def describe(binary, stock):
    """{name: text}, in the order in which it is shown."""
    flags = field("/proc/cpuinfo", "flags").split()
    good = [f for f in ("aes", "vaes", "vpclmulqdq", "sha_ni", "avx2", "avx512f") if f in flags]
    version = subprocess.run([str(binary), "version"], capture_output=True, text=True).stdout
    hashes = re.search(r"^ .*\bhashes\s+(.+)$", version, re.M)
    said = {
        "processor": f"{field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores ({'virtual' if 'hypervisor' in flags else 'bare'}), {' '.join(good)}",
        "memory": f"{int(field('/proc/meminfo', 'MemTotal').split()[0]) / 1e6:.0f} GB",
        "kernel": platform.release(),
        "volume": "tmpfs; S11 " + file_system(WORK),
        "fixtures": file_system(WORK) + ", in the page cache",
        "hf-init": version.partition("\n")[0].removeprefix("hf-init ") + (f", hashes {hashes[1].strip()}" if hashes else ""),
        "server": "nginx " + first_line("/usr/sbin/nginx", "-v").rpartition("/")[2] + ", TLS 1.3, AES-128-GCM, "
                  + " ".join(first_line("openssl", "version").split()[:2]),
        "huggingface_hub": first_line(str(WORK / "python/bin/python"), "-c", "import huggingface_hub as h; print(h.__version__)") + ", Python "
                           + platform.python_version() + ", HF_HUB_DISABLE_XET=1",
        "aria2c": first_line("aria2c", "--version").split()[-1],
        "curl": first_line("curl", "--version").split()[1],
        "@huggingface/hub": node_package("@huggingface/hub") + ", Node " + first_line("node", "--version"),
        "sha256sum": first_line("sha256sum", "--version").split()[-1],
        "TCP": "CUBIC, the kernel's default buffer limits (tcp_rmem 6 MB, tcp_wmem 4 MB)",
    }
    if stock:
        said["hf-init stock"] = first_line(str(stock), "version").removeprefix("hf-init ")
    return said


def limits():
    """L1 to L7 of this machine, a list of {limit, what, gb_per_s, cpu_s_per_gb}."""
    found = []
    done = subprocess.run([str(WORK / "bin" / "limits"), str(WORK)], capture_output=True, text=True, check=True)
    found += [json.loads(line) for line in done.stdout.splitlines()]
    primitives = TOP / "build" / "primitives"  # of `make primitives`; without it L2, L3 and L6 are left out
    if primitives.exists():
        done = subprocess.run([str(primitives)], capture_output=True, text=True, check=True)
        for one in map(json.loads, done.stdout.splitlines()):
            found.append({"limit": PRIMITIVES.get(one["name"], ""), "what": f"{one['name']}, {one['by'].partition(' (')[0]}",
                          "gb_per_s": one["gb_per_s"], "cpu_s_per_gb": 1 / one["gb_per_s"] if one["gb_per_s"] else 0})
    found.sort(key=lambda one: one["limit"] or "M")
    return found

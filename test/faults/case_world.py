"""A volume that takes File and file for one name, as SMB shares do: a folder shown again through FUSE, by the kernel's own
protocol (linux/fuse.h), and hf-init run on it. Started by test_hostile.py under `unshare -m`.

    case_world.py BINARY FOLDER FILE...     prints one JSON object: exit code, message, log and files of two runs
"""
import ctypes
import errno
import json
import os
import pathlib
import stat
import struct
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hub"))
from standin import Hub, lfs  # noqa: E402

HEAD = struct.Struct("<IIQQIIII")
(LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK, MKDIR, UNLINK, RMDIR, RENAME, LINK, OPEN, READ, WRITE, STATFS,
 RELEASE, FSYNC,
 FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR, CREATE, INTERRUPT, BATCH_FORGET, RENAME2) = (
    1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 25, 26, 27, 28, 29, 30, 35, 36, 42, 45)


def texts(data):
    return [part.decode() for part in data.split(b"\0")[:-1]]


class Volume:
    """Nodes are the inodes below `real`, each held open; names are looked for without case."""

    def __init__(self, real):
        self.fds = {1: os.open(real, os.O_PATH)}
        self.known = {}
        self.calls = {number: getattr(self, name.lower()) for name, number in globals().items()
                      if isinstance(number, int) and hasattr(self, name.lower())}

    def path(self, node):
        return f"/proc/self/fd/{self.fds[node]}"

    def name(self, parent, wanted):
        """As it is on disk, if there is one that differs in case alone."""
        return next((n for n in os.listdir(self.path(parent)) if n.lower() == wanted.lower()), wanted)

    def attributes(self, st):
        times = [int(t // 10 ** 9) for t in (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns)]
        rest = [int(t % 10 ** 9) for t in (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns)]
        return struct.pack("<6Q10I", st.st_ino, st.st_size, st.st_blocks, *times, *rest, st.st_mode, st.st_nlink,
                           st.st_uid,
                           st.st_gid, 0, 4096, 0)

    def entry(self, parent, name):
        fd = os.open(self.name(parent, name), os.O_PATH | os.O_NOFOLLOW, dir_fd=self.fds[parent])
        st = os.fstat(fd)
        key = (st.st_dev, st.st_ino)
        if key in self.known:
            os.close(fd)
        else:
            self.known[key] = len(self.fds) + 1
            self.fds[self.known[key]] = fd
        return struct.pack("<4Q2I", self.known[key], 0, 0, 0, 0, 0) + self.attributes(st)

    def opened(self, fd):
        return struct.pack("<QII", fd, 0, 0)

    def init(self, node, data):
        return struct.pack("<4I2H2I2HI7I", 7, 31, 1 << 17, 0, 16, 12, 1 << 17, 1, 32, 0, 0, *[0] * 7)

    def lookup(self, node, data):
        return self.entry(node, texts(data)[0])

    def getattr(self, node, data):
        return struct.pack("<QII", 0, 0, 0) + self.attributes(os.fstat(self.fds[node]))

    def setattr(self, node, data):
        valid, _, _, size, _, at, mt, _, at_ns, mt_ns, _, mode = struct.unpack_from("<2I6Q4I", data)
        if valid & 1:
            os.chmod(self.path(node), stat.S_IMODE(mode))
        if valid & 8:
            os.truncate(self.path(node), size)
        if valid & 32 and not valid & 256:
            os.utime(self.path(node), ns=(at * 10 ** 9 + at_ns, mt * 10 ** 9 + mt_ns))
        return self.getattr(node, data)

    def readlink(self, node, data):
        return os.readlink("", dir_fd=self.fds[node]).encode()

    def symlink(self, node, data):
        name, text = texts(data)
        os.symlink(text, self.name(node, name), dir_fd=self.fds[node])
        return self.entry(node, name)

    def mkdir(self, node, data):
        name = texts(data[8:])[0]
        os.mkdir(self.name(node, name), dir_fd=self.fds[node])
        return self.entry(node, name)

    def unlink(self, node, data):
        os.unlink(self.name(node, texts(data)[0]), dir_fd=self.fds[node])

    def rmdir(self, node, data):
        os.rmdir(self.name(node, texts(data)[0]), dir_fd=self.fds[node])

    def rename(self, node, data, head=8):
        to, (old, new) = struct.unpack_from("<Q", data)[0], texts(data[head:])
        if head > 8 and struct.unpack_from("<I", data, 8)[0]:
            raise OSError(errno.EINVAL, "flags")
        os.rename(self.name(node, old), self.name(to, new), src_dir_fd=self.fds[node], dst_dir_fd=self.fds[to])

    def rename2(self, node, data):
        self.rename(node, data, 16)

    def link(self, node, data):
        name = texts(data[8:])[0]
        os.link(self.path(struct.unpack_from("<Q", data)[0]), self.name(node, name), dst_dir_fd=self.fds[node],
                follow_symlinks=True)
        return self.entry(node, name)

    def create(self, node, data):
        flags, mode = struct.unpack_from("<II", data)
        name = texts(data[16:])[0]
        fd = os.open(self.name(node, name), (flags | os.O_CREAT) & ~os.O_APPEND, mode, dir_fd=self.fds[node])
        return self.entry(node, name) + self.opened(fd)

    def open(self, node, data):
        flags = struct.unpack_from("<I", data)[0]
        return self.opened(os.open(self.path(node), flags & ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND)))

    def opendir(self, node, data):
        return self.opened(0)

    def readdir(self, node, data):
        _, offset, size = struct.unpack_from("<QQI", data)
        out = b""
        for index, name in enumerate(sorted(os.listdir(self.path(node))), 1):
            raw = name.encode()
            record = struct.pack("<QQII", 1 << 40, index, len(raw), 0) + raw + bytes(-len(raw) % 8)
            if index > offset and len(out) + len(record) <= size:
                out += record
        return out

    def read(self, node, data):
        fd, offset, size = struct.unpack_from("<QQI", data)
        return os.pread(fd, size, offset)

    def write(self, node, data):
        fd, offset, size = struct.unpack_from("<QQI", data)
        return struct.pack("<II", os.pwrite(fd, data[40:40 + size], offset), 0)

    def statfs(self, node, data):
        s = os.statvfs(self.path(1))
        return struct.pack("<5Q4I6I", s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, s.f_bsize, 255, s.f_frsize,
                           0, *[0] * 6)

    def release(self, node, data):
        os.close(struct.unpack_from("<Q", data)[0])

    def fsync(self, node, data):
        pass

    flush = fsyncdir = releasedir = fsync

    def serve(self, device):
        while True:
            try:
                request = os.read(device, 1 << 18)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):
                    continue
                return                                # unmounted
            _, what, unique, node, *_ = HEAD.unpack_from(request)
            if what in (FORGET, BATCH_FORGET, INTERRUPT):
                continue
            code, answer = 0, None
            try:
                answer = self.calls[what](node, request[HEAD.size:]) if what in self.calls else None
                code = 0 if what in self.calls else -errno.ENOSYS
            except OSError as error:
                code = -error.errno
            answer = answer or b""
            os.write(device, struct.pack("<IiQ", 16 + len(answer), code, unique) + answer)


def main():
    binary, folder, *names = sys.argv[1:]
    real, shown = pathlib.Path(folder, "real"), pathlib.Path(folder, "shown")
    real.mkdir()
    shown.mkdir()
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if ctypes.CDLL(None, use_errno=True).mount(b"case", str(shown).encode(), b"fuse", 0, options):
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    threading.Thread(target=Volume(real).serve, args=(device,), daemon=True).start()
    seen = []
    with Hub() as hub:
        hub.model("acme/tiny", {name: lfs(1000 + n) for n, name in enumerate(names)})
        for layout in ("dir", "cache"):
            done = subprocess.run([binary, "run", "--repos", "acme/tiny", "--target", f"{shown}/{layout}", "--layout",
                                   layout,
                                   "--endpoint", hub.endpoint, "--disk-reserve", "0", "--termination-message", ""],
                                  env={}, capture_output=True, text=True, timeout=30)
            seen.append({"code": done.returncode, "log": done.stderr, "asked": hub.count(path="*/resolve/*"),
                         "marker": (real / layout / ".hf-init/default.complete.json").exists(),
                         "temps": os.listdir(real / layout / ".hf-init/temp")})
    print(json.dumps(seen))
    sys.stdout.flush()
    os._exit(0)                                        # the thread that serves the mount is not waited for


if __name__ == "__main__":
    main()

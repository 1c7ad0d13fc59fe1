#!/usr/bin/env python3
"""A file system in memory that goes wrong as it is told: what a volume may do that no kernel here does by itself.

    fusefs.py FOLDER < rules      mounts itself on FOLDER, in the mount namespace it was started in, prints "ready",
                                  and obeys each line of its input, a JSON object that is merged into the rules
                                  (null takes one back). Ends, and lets go of the volume, at the end of its input.

    fold      "case": A and a are one name · "form": so are NFC and NFD
    budget    bytes there is room for; full: the error when they are used up, ENOSPC or EDQUOT
    largest   bytes a file may have; more is EFBIG
    free      bytes that statfs claims to be free, whatever is true; "none": all of its numbers are 0
    fail      {operation: [error, times]}; times null: always. "all" stands for every operation
    lost      {operation: n}: done, but the n-th from now, from 0, is answered as a request that comes a second time
    slow      {operation: seconds} before the answer
    short     bytes that one read or write moves at most

It speaks the kernel's FUSE protocol 7.31 (linux/fuse.h). Operations are named as there, in lower case."""

import ctypes
import errno
import json
import os
import stat
import struct
import sys
import threading
import time
import unicodedata

LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK, MKDIR, UNLINK, RMDIR = 1, 2, 3, 4, 5, 6, 9, 10, 11
RENAME, LINK, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT = 12, 13, 14, 15, 16, 17, 18, 20, 25, 26
OPENDIR, READDIR, RELEASEDIR, FSYNCDIR, CREATE, INTERRUPT, BATCH_FORGET = 27, 28, 29, 30, 35, 36, 42
FALLOCATE, RENAME2 = 43, 45
NAMES = {value: name.lower() for name, value in globals().items() if isinstance(value, int) and name.isupper()}
DIRECT_IO = 1
PAGE = 4096
HEAD = struct.Struct("<IIQQIIIHH")
ROOT = 1


class Node:
    def __init__(self, number, mode, uid, gid):
        self.number, self.mode, self.uid, self.gid = number, mode, uid, gid
        self.children = {} if stat.S_ISDIR(mode) else None  # {folded name: (name, node)}
        self.data, self.pages = bytearray(), set()
        self.links = 1
        self.mtime = self.ctime = time.time_ns()

    def touch(self):
        self.mtime = self.ctime = time.time_ns()

    def attributes(self):
        size = len(self.data)
        seconds, rest = divmod(self.mtime, 10**9)
        changed, changed_rest = divmod(self.ctime, 10**9)
        return struct.pack(
            "<QQQQQQIIIIIIIIII",
            self.number,
            size,
            len(self.pages) * (PAGE // 512),
            seconds,
            seconds,
            changed,
            rest,
            rest,
            changed_rest,
            self.mode,
            self.links,
            self.uid,
            self.gid,
            0,
            PAGE,
            0,
        )

    def entry(self):
        return struct.pack("<QQQQII", self.number, 0, 0, 0, 0, 0) + self.attributes()


class Volume:
    def __init__(self):
        self.rules = {}
        self.nodes = {ROOT: Node(ROOT, stat.S_IFDIR | 0o755, 0, 0)}
        self.lock = threading.Lock()

    # --- rules ---

    def obey(self, line):
        with self.lock:
            for key, value in json.loads(line).items():
                self.rules[key] = value

    def strike(self, operation):
        """The errno that this operation meets now, or 0."""
        for name in (operation, "all"):
            found = (self.rules.get("fail") or {}).get(name)
            if found and (found[1] is None or found[1] > 0):
                found[1] = None if found[1] is None else found[1] - 1
                return getattr(errno, found[0])
        return 0

    def fold(self, name):
        fold = self.rules.get("fold")
        text = name.decode("utf-8", "surrogateescape")
        return {"case": text.casefold, "form": lambda: unicodedata.normalize("NFC", text)}.get(fold, lambda: text)()

    def room(self):
        """Pages that are left."""
        budget = self.rules.get("budget")
        return 1 << 40 if budget is None else budget // PAGE - sum(len(node.pages) for node in set(self.nodes.values()))

    def full(self):
        return OSError(getattr(errno, self.rules.get("full") or "ENOSPC"), "")

    # --- nodes ---

    def node(self, number):
        if number not in self.nodes:
            raise OSError(errno.ESTALE, "")
        return self.nodes[number]

    def find(self, folder, name):
        found = folder.children.get(self.fold(name))
        if not found:
            raise OSError(errno.ENOENT, "")
        return found[1]

    def put(self, folder, name, node):
        if len(name) > 255:
            raise OSError(errno.ENAMETOOLONG, "")
        folder.children[self.fold(name)] = (name, node)
        folder.touch()

    def make(self, folder, name, mode, head):
        if self.fold(name) in folder.children:
            raise OSError(errno.EEXIST, "")
        gid = folder.gid if folder.mode & stat.S_ISGID else head["gid"]
        node = Node(max(self.nodes) + 1, mode, head["uid"], gid)
        self.put(folder, name, node)
        self.nodes[node.number] = node
        return node

    def drop(self, folder, name):
        node = self.find(folder, name)
        del folder.children[self.fold(name)]
        folder.touch()
        node.links -= 1
        if node.links == 0 and not node.children:
            node.pages = set()  # it keeps what it has for those who have it open
        return node

    def resize(self, node, size):
        if size > (self.rules.get("largest") or 1 << 40):
            raise OSError(errno.EFBIG, "")
        del node.data[size:]
        node.data.extend(bytes(size - len(node.data)))
        node.pages = {page for page in node.pages if page * PAGE < size}
        node.touch()

    # --- operations: (node, body, head) to the bytes of the answer ---

    def do_lookup(self, node, body, head):
        return self.find(node, body.rstrip(b"\0")).entry()

    def do_getattr(self, node, body, head):
        return struct.pack("<QII", 0, 0, 0) + node.attributes()

    def do_setattr(self, node, body, head):
        valid, _, _, size, _, _, mtime, _, _, mtime_rest, _, mode, _, uid, gid, _ = struct.unpack(
            "<IIQQQQQQIIIIIIII", body[:88]
        )
        if valid & 1:
            node.mode = stat.S_IFMT(node.mode) | mode & 0o7777
        if valid & 2:
            node.uid = uid
        if valid & 4:
            node.gid = gid
        if valid & 8:
            self.resize(node, size)
        if valid & 256:
            node.mtime = time.time_ns()
        elif valid & 32:
            node.mtime = mtime * 10**9 + mtime_rest
        return self.do_getattr(node, body, head)

    def do_readlink(self, node, body, head):
        return bytes(node.data)

    def do_symlink(self, node, body, head):
        name, text = body.split(b"\0")[:2]
        made = self.make(node, name, stat.S_IFLNK | 0o777, head)
        made.data[:] = text
        return made.entry()

    def do_mkdir(self, node, body, head):
        mode, umask = struct.unpack("<II", body[:8])
        return self.make(
            node, body[8:].rstrip(b"\0"), stat.S_IFDIR | mode & ~umask & 0o7777 | node.mode & stat.S_ISGID, head
        ).entry()

    def do_unlink(self, node, body, head):
        if self.find(node, body.rstrip(b"\0")).children is not None:
            raise OSError(errno.EISDIR, "")
        self.drop(node, body.rstrip(b"\0"))
        return b""

    def do_rmdir(self, node, body, head):
        if self.find(node, body.rstrip(b"\0")).children:
            raise OSError(errno.ENOTEMPTY, "")
        self.drop(node, body.rstrip(b"\0"))
        return b""

    def do_rename(self, node, body, head, at=8):
        target = self.node(struct.unpack("<Q", body[:8])[0])
        old, new = body[at:].split(b"\0")[:2]
        moved, there = self.find(node, old), target.children.get(self.fold(new))
        if there and there[1] is moved:
            return b""
        if there and there[1].children is not None and moved.children is None:
            raise OSError(errno.EISDIR, "")
        if there:
            self.drop(target, new)
        del node.children[self.fold(old)]
        self.put(target, there[0] if there else new, moved)  # as vfat does: the name that was there stays
        node.touch()
        return b""

    def do_rename2(self, node, body, head):
        return self.do_rename(node, body, head, at=16)

    def do_link(self, node, body, head):
        linked = self.node(struct.unpack("<Q", body[:8])[0])
        name = body[8:].rstrip(b"\0")
        if self.fold(name) in node.children:
            raise OSError(errno.EEXIST, "")
        self.put(node, name, linked)
        linked.links += 1
        return linked.entry()

    def opened(self, node):
        return struct.pack("<QII", node.number, DIRECT_IO if self.rules.get("short") else 0, 0)

    def do_open(self, node, body, head):
        return self.opened(node)

    def do_opendir(self, node, body, head):
        return struct.pack("<QII", node.number, 0, 0)

    def do_create(self, node, body, head):
        flags, mode, umask, _ = struct.unpack("<IIII", body[:16])
        made = self.make(node, body[16:].rstrip(b"\0"), stat.S_IFREG | mode & ~umask & 0o7777, head)
        return made.entry() + self.opened(made)

    def do_read(self, node, body, head):
        _, offset, size = struct.unpack("<QQI", body[:20])
        return bytes(node.data[offset : offset + min(size, self.rules.get("short") or size)])

    def do_write(self, node, body, head):
        _, offset, size = struct.unpack("<QQI", body[:20])
        size = min(size, self.rules.get("short") or size)
        room, fresh = self.room(), []
        for page in range(offset // PAGE, (offset + size + PAGE - 1) // PAGE):
            if page not in node.pages:
                if len(fresh) == room:
                    size = page * PAGE - offset
                    break
                fresh.append(page)
        if size <= 0:
            raise self.full()
        if offset + size > len(node.data):
            self.resize(node, offset + size)
        node.data[offset : offset + size] = body[40 : 40 + size]
        node.pages.update(fresh)
        node.touch()
        return struct.pack("<II", size, 0)

    def do_fallocate(self, node, body, head):
        _, offset, length, mode = struct.unpack("<QQQI", body[:28])
        pages = set(range(offset // PAGE, (offset + length + PAGE - 1) // PAGE)) - node.pages
        if mode:
            raise OSError(errno.EOPNOTSUPP, "")
        if len(pages) > self.room():
            raise self.full()
        if offset + length > len(node.data):
            self.resize(node, offset + length)
        node.pages |= pages
        return b""

    def do_statfs(self, node, body, head):
        free = self.rules.get("free")
        if free == "none":
            return bytes(80)
        blocks = free // PAGE if free is not None else min(self.room(), 1 << 30)
        return struct.pack(
            "<QQQQQIIIIIIIIII", max(blocks, 1 << 20), blocks, blocks, 1 << 20, 1 << 20, PAGE, 255, PAGE, *[0] * 7
        )

    def do_readdir(self, node, body, head):
        _, offset, size = struct.unpack("<QQI", body[:20])
        out = b""
        for at, (name, child) in enumerate(sorted(node.children.values(), key=lambda item: item[0])):
            entry = struct.pack("<QQII", child.number, at + 1, len(name), stat.S_IFMT(child.mode) >> 12) + name
            entry += bytes(-len(entry) % 8)
            if at >= offset and len(out) + len(entry) > size:
                break
            out += entry if at >= offset else b""
        return out

    def do_fsync(self, node, body, head):
        return b""

    do_fsyncdir = do_flush = do_release = do_releasedir = do_fsync

    def answer(self, operation, number, body, head):
        """The errno and the bytes for one request."""
        with self.lock:
            failed = self.strike(operation)
            handler = getattr(self, "do_" + operation, None)
            if failed or not handler:
                return failed or errno.ENOSYS, b""
            try:
                out = handler(self.node(number), body, head)
            except OSError as error:
                return error.errno, b""
            lost = self.rules.get("lost") or {}
            if operation in lost:
                lost[operation] -= 1
                twice = errno.EEXIST if operation in ("link", "symlink", "mkdir") else errno.ENOENT
                return twice if lost[operation] == -1 else 0, out
            return 0, out


class Server:
    def __init__(self, folder):
        self.volume = Volume()
        self.waiting = {}  # {request: timer of its answer}
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"fusefs", os.fsencode(folder), b"fuse", 2 | 4, options.encode()) != 0:  # nosuid, nodev
            sys.exit("mount: " + os.strerror(ctypes.get_errno()))

    def reply(self, unique, failed, out):
        try:
            out = b"" if failed else out
            os.write(self.fd, struct.pack("<IiQ", 16 + len(out), -failed, unique) + out)
        except OSError:
            pass  # whoever asked has gone

    def serve(self, unique, operation, number, body, head):
        seconds = (self.volume.rules.get("slow") or {}).get(operation)
        if seconds:
            request = unique, operation, number, body, head
            self.waiting[unique] = threading.Timer(seconds, self.answer, request)
            self.waiting[unique].start()
        else:
            self.answer(unique, operation, number, body, head)

    def answer(self, unique, *request):
        self.reply(unique, *self.volume.answer(*request))

    def greet(self, unique):
        big_writes, max_pages = 1 << 5, 1 << 22
        out = struct.pack("<IIIIHHIIHHI", 7, 31, 1 << 17, big_writes | max_pages, 16, 12, 1 << 20, 1, 256, 0, 0)
        self.reply(unique, 0, out + bytes(64 - len(out)))

    def loop(self):
        while True:
            try:
                request = os.read(self.fd, (1 << 20) + (1 << 16))
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                continue
            _, code, unique, number, uid, gid, _, _, _ = HEAD.unpack(request[: HEAD.size])
            body = request[HEAD.size :]
            if code == INIT:
                self.greet(unique)
            elif code == INTERRUPT:  # who asked is being killed, and cannot go before it has an answer
                (unique,) = struct.unpack("<Q", body[:8])
                if unique in self.waiting:
                    self.waiting.pop(unique).cancel()
                    self.reply(unique, errno.EINTR, b"")
            elif code not in (FORGET, BATCH_FORGET):
                self.serve(unique, NAMES.get(code, "unknown"), number, body, {"uid": uid, "gid": gid})


def main():
    server = Server(sys.argv[1])
    threading.Thread(target=server.loop, daemon=True).start()
    os.stat(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        server.volume.obey(line)
        print("obeyed", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()

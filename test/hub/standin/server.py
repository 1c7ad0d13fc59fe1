"""Sockets: listeners and connections, one thread per connection.

Every socket operation has a time-out, a client that goes away ends its thread in silence, and close() leaves neither
threads nor sockets behind.
"""
from __future__ import annotations

import select
import socket
import struct
import threading
import time

from . import wire

IDLE_S = 120          # how long a connection may lie idle, and how long one read or write may take
BATCH = 1 << 20       # bytes handed to the kernel at once
_GONE = (getattr(select, "POLLRDHUP", 0x2000) | select.POLLHUP | select.POLLERR | select.POLLNVAL)


class Gone(Exception):
    """The other side has left, or the Hub is being closed."""


class Cut(Exception):
    """A fault ends the connection: `how` is fin (an orderly TCP end), rst, or clean (with TLS close_notify)."""

    def __init__(self, how):
        super().__init__(how)
        self.how = how


class Conn:
    """One accepted connection."""

    def __init__(self, listener, sock, number):
        self.listener, self.sock, self.number = listener, sock, number
        self.tls = self.alpn = None
        self._buffer = b""
        self.condemned = None         # how this connection is to end, when someone else wants it to

    def read_more(self):
        try:
            data = self.sock.recv(65536)
        except (OSError, ValueError) as error:
            raise Gone(str(error))
        if not data:
            raise Gone("end of stream")
        self._buffer += data

    def read_request(self, other=None):
        """The next request; None when the bytes `other` come in its place and are left to be read; Gone at the end."""
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > wire.MAX_HEAD:
                raise wire.BadRequest("headers of more than %d bytes" % wire.MAX_HEAD)
            self.read_more()
        if other and self._buffer.startswith(other[:len(self._buffer)]):
            return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        request = wire.parse_head(head)
        if request.header("expect", "").lower() == "100-continue":
            self.send([b"HTTP/1.1 100 Continue\r\n\r\n"])
        if "chunked" in request.header("transfer-encoding", "").lower():
            request.body = self._read_chunks()
        else:
            request.body = self.read_exactly(int(request.header("content-length") or 0))
        return request

    def buffered(self):
        """How many bytes were read ahead."""
        return len(self._buffer)

    def read_exactly(self, count):
        while len(self._buffer) < count:
            self.read_more()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _read_line(self):
        while b"\r\n" not in self._buffer:
            self.read_more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _read_chunks(self):
        body = b""
        while True:
            size = int(self._read_line().split(b";")[0], 16)
            body += self.read_exactly(size)
            self._read_line()
            if size == 0:
                return body

    def check(self):
        """Raises when this connection is to end."""
        if self.listener.closing:
            raise Gone("the Hub is closed")
        if self.condemned:
            raise Cut(self.condemned)

    def send(self, buffers):
        """Sends all buffers; in one system call where the kernel takes them."""
        self.check()
        try:
            if self.tls or not hasattr(self.sock, "sendmsg"):
                self.sock.sendall(b"".join(buffers) if len(buffers) > 1 else buffers[0])
                return
            total = sum(len(b) for b in buffers)
            sent = self.sock.sendmsg(buffers)
            while sent < total:
                total -= sent
                rest = []
                for buffer in buffers:
                    if sent >= len(buffer):
                        sent -= len(buffer)
                    else:
                        rest.append(memoryview(buffer)[sent:])
                        sent = 0
                buffers = rest
                sent = self.sock.sendmsg(buffers)
        except (OSError, ValueError) as error:
            raise Gone(str(error))

    def wait(self, event=None, seconds=None):
        """Sleeps until the event is set or the time is over; raises Gone when the client leaves or the Hub closes."""
        until = None if seconds is None else time.monotonic() + seconds
        poll = select.poll()
        try:
            poll.register(self.sock, _GONE & ~select.POLLNVAL)
        except (OSError, ValueError) as error:
            raise Gone(str(error))
        while not (event is not None and event.is_set()):
            left = 0.02 if until is None else until - time.monotonic()
            if left <= 0:
                return
            self.check()
            if any(flags & _GONE for _, flags in poll.poll(0)):
                raise Gone("the client has left")
            time.sleep(min(left, 0.02)) if event is None else event.wait(min(left, 0.02))

    def close(self, how="clean"):
        try:
            if how == "rst":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == "clean" and self.tls:
                self.sock.settimeout(0)
                self.sock.unwrap()
        except (OSError, ValueError):
            pass
        try:
            if how != "rst":
                self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            self.sock.close()
        except OSError:
            pass


class Listener:
    """One address on which one part of the Hub answers. `serve(conn)` is called in a thread per connection.

    `doors` are connection faults: each is asked with the fresh connection, before TLS, and may keep it.
    """

    def __init__(self, role, host, port, serve, log=None, tls=None, doors=None):
        self.role, self.host, self.serve, self.log = role, host, serve, log
        self.tls = tls
        self.doors = doors
        self.closing = False
        self._paused = threading.Event()
        self._conns = {}
        self._lock = threading.Lock()
        self._sock = None
        self.port = port
        self.open()

    def open(self):
        """Starts listening: at first, or again after shut()."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.host, self.port))
        sock.listen(1024)
        self._sock, self.port = sock, sock.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=(sock,), name="hub-%s" % self.role, daemon=True)
        self._thread.start()

    def shut(self):
        """Stops listening: new connections are refused, those that are open go on."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        sock.close()
        self._thread.join(5)

    def backlog(self):
        """A connection waits to be accepted."""
        poll, sock = select.poll(), self._sock
        if sock is None:
            return False
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))

    def pause(self, paused=True):
        """While paused no connection is served: the kernel completes them, and then there is silence."""
        (self._paused.set if paused else self._paused.clear)()

    def drop_connections(self, how="rst"):
        """Ends all connections: idle ones at once, busy ones at their next write."""
        for conn, _ in list(self._conns.values()):
            conn.condemned = how
            self._wake(conn, socket.SHUT_RD)

    def close(self):
        self.closing = True
        self.shut()
        for conn, thread in list(self._conns.values()):
            self._wake(conn, socket.SHUT_RDWR)
        for _, thread in list(self._conns.values()):
            thread.join(5)

    @staticmethod
    def _wake(conn, direction):
        """Makes the thread that waits on a connection see its end; that thread cleans up."""
        try:
            conn.sock.shutdown(direction)
        except OSError:
            pass

    def _accept(self, sock):
        while True:
            try:
                peer, _ = sock.accept()
            except OSError:
                if self._sock is sock and not self.closing:
                    time.sleep(0.05)      # out of descriptors: wait for some to come back
                    continue
                return
            while self._paused.is_set() and not self.closing and self._sock is sock:
                time.sleep(0.01)
            conn = Conn(self, peer, self.log.connected(self.role) if self.log else 0)
            thread = threading.Thread(target=self._run, args=(conn,), name="hub-conn", daemon=True)
            with self._lock:
                self._conns[conn] = conn, thread
            thread.start()

    def _run(self, conn):
        how = "clean"
        try:
            conn.sock.settimeout(IDLE_S)
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.doors:
                self.doors(conn)
            if self.tls:
                try:
                    conn.sock = self.tls.wrap_socket(conn.sock, server_side=True)
                    conn.tls, conn.alpn = conn.sock.version(), conn.sock.selected_alpn_protocol()
                except (OSError, ValueError) as error:
                    raise Gone("handshake: %s" % error)
            how = self.serve(conn) or "clean"
        except Cut as cut:
            how = cut.how
        except (Gone, OSError):
            how = conn.condemned or how
        finally:
            conn.close(how)
            with self._lock:
                self._conns.pop(conn, None)
            if self.log:
                self.log.disconnected(self.role)

"""HPACK, as much as a server needs: decodes everything, encodes without table and Huffman. (source: RFC 7541)"""
from __future__ import annotations

STATIC = [tuple(line.partition("=")[::2]) for line in (
    ":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204 "
    ":status=206 :status=304 :status=400 :status=404 :status=500 accept-charset accept-encoding=gzip,\xa0deflate "
    "accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control "
    "content-disposition content-encoding content-language content-length content-location content-range content-type "
    "cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since "
    "last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after "
    "server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate").split(" ")]
STATIC = [(name, value.replace("\xa0", " ")) for name, value in STATIC]

# Code lengths by symbol, 256 being the end; the code is canonical, so its bits follow from them.
_LENGTHS = [int(n) for n in (
    "13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28 6 10 10 12 13 6 8 "
    "11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10 13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 "
    "19 13 14 6 15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28 20 22 20 20 22 22 22 23 22 23 23 "
    "23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24 22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 "
    "21 22 21 23 22 23 23 20 22 22 22 23 22 22 23 26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 "
    "24 21 21 26 26 28 27 27 27 20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 "
    "27 27 26 30").split()]


def _codes():
    """(length, bits) → symbol."""
    table, code, last = {}, 0, 0
    for symbol in sorted(range(257), key=lambda s: (_LENGTHS[s], s)):
        code <<= _LENGTHS[symbol] - last
        last = _LENGTHS[symbol]
        table[last, code] = symbol
        code += 1
    return table


_SYMBOLS = _codes()


class Malformed(Exception):
    pass


def unhuffman(data):
    out, length, bits = bytearray(), 0, 0
    for byte in data:
        for shift in range(7, -1, -1):
            bits = bits << 1 | byte >> shift & 1
            length += 1
            symbol = _SYMBOLS.get((length, bits))
            if symbol is not None:
                out.append(symbol)
                length = bits = 0
    if length > 7 or bits != (1 << length) - 1:
        raise Malformed("padding")
    return bytes(out)


class Decoder:
    """One direction of one connection."""

    def __init__(self):
        self._table = []
        self._limit = 4096

    def decode(self, data):
        """A header block → list of (name, value)."""
        headers, at = [], 0
        while at < len(data):
            first = data[at]
            if first & 0x80:
                index, at = _integer(data, at, 7)
                headers.append(self._entry(index))
            elif first & 0xE0 == 0x20:
                self._limit, at = _integer(data, at, 5)
                self._shrink()
            else:
                keep = first & 0x40
                index, at = _integer(data, at, 6 if keep else 4)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = _string(data, at)
                value, at = _string(data, at)
                headers.append((name, value))
                if keep:
                    self._table.insert(0, (name, value))
                    self._shrink()
        return headers

    def _entry(self, index):
        try:
            return STATIC[index - 1] if 0 < index <= len(STATIC) else self._table[index - len(STATIC) - 1]
        except IndexError:
            raise Malformed("no header %d" % index)

    def _shrink(self):
        while sum(len(n) + len(v) + 32 for n, v in self._table) > self._limit:
            self._table.pop()


def _integer(data, at, bits):
    try:
        value = data[at] & (1 << bits) - 1
        at += 1
        if value < (1 << bits) - 1:
            return value, at
        shift = 0
        while True:
            byte = data[at]
            at += 1
            value += (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value, at
    except IndexError:
        raise Malformed("integer")


def _string(data, at):
    if at >= len(data):
        raise Malformed("string")
    huffman = data[at] & 0x80
    size, at = _integer(data, at, 7)
    text = bytes(data[at:at + size])
    if len(text) != size:
        raise Malformed("string")
    return (unhuffman(text) if huffman else text).decode("latin-1"), at + size


def _write_integer(value, bits, flags):
    if value < (1 << bits) - 1:
        return bytes([flags | value])
    out, value = [flags | (1 << bits) - 1], value - ((1 << bits) - 1)
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + [value])


def encode(headers):
    """Header lines → a block of literals, which no table needs to know."""
    out = []
    for name, value in headers:
        name, value = name.lower().encode("latin-1"), str(value).encode("utf-8", "surrogateescape")
        out += [b"\0", _write_integer(len(name), 7, 0), name, _write_integer(len(value), 7, 0), value]
    return b"".join(out)


def remembered(name, value):
    """A header line that goes into the table of the receiver; the latest is number 62 there, one byte: 0xbe."""
    name, value = name.encode("latin-1"), value.encode("latin-1")
    return b"\x40" + _write_integer(len(name), 7, 0) + name + _write_integer(len(value), 7, 0) + value

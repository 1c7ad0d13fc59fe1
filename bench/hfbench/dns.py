"""A name server for the namespace: answers A questions from a table, everything else with "no such data".

    dns.py NAME=ADDRESS[,ADDRESS]...      on 127.0.0.1:53"""
import socket
import struct
import sys


def question_of(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode(errors="replace"))
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0], query[12:at + 5]


def answer(query, table):
    name, kind, question = question_of(query)
    addresses = table.get(name, []) if kind == 1 else []
    flags = 0x8180 if name in table else 0x8183
    head = query[:2] + struct.pack(">HHHHH", flags, 1, len(addresses), 0, 0)
    records = (b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(a) for a in addresses)
    return head + question + b"".join(records)


def main():
    table = {name.lower(): addresses.split(",") for name, addresses in (word.split("=") for word in sys.argv[1:])}
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))
    print("ready", flush=True)
    while True:
        query, client = sock.recvfrom(1500)
        try:
            sock.sendto(answer(query, table), client)
        except (IndexError, struct.error):
            pass


if __name__ == "__main__":
    main()

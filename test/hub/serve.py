#!/usr/bin/env python3
"""Starts a stand-in Hub for people and scripts: prints one line of JSON with its addresses when it is ready, and ends
on SIGTERM, on SIGINT, when its parent goes away, or when standard input is a pipe that is closed.

    python3 test/hub/serve.py --port 8080
    python3 test/hub/serve.py --tls --repos my-repos.json
"""
import argparse
import json
import os
import select
import signal
import stat
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from standin import Hub  # noqa: E402
from standin.recipes import add_demo, load  # noqa: E402


def wait_for_the_end(stay, parent):
    """Returns when it is time to go."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())
    try:
        piped = stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        piped = False
    while not asked.wait(0.2):
        if not stay and os.getppid() != parent:
            return
        if piped and select.select([0], [], [], 0)[0] and not os.read(0, 4096):
            return


def main():
    parent = os.getppid()  # now: it may be gone by the time the Hub is up
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="address of the API host (default: %(default)s)")
    parser.add_argument("--cdn-host", default="127.0.0.2", help="address of the CDN (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port of the API host; 0: any")
    parser.add_argument("--cdn-port", type=int, default=0)
    parser.add_argument("--name", help="what URLs call the API host, if not by its address")
    parser.add_argument("--cdn-name", help="the same for the CDN")
    parser.add_argument("--tls", nargs="?", const="{}", metavar="JSON",
                        help='speak TLS; settings such as \'{"leaf": "expired", "versions": "1.2", "key": "rsa"}\'')
    parser.add_argument("--repos", metavar="FILE", help="repositories as JSON, see standin/recipes.py; default: a demo")
    parser.add_argument("--options", metavar="JSON", default="{}", help='more of Hub(), e.g. \'{"page_size": 20}\'')
    parser.add_argument("--bytes-per-s", type=int, metavar="N", help="speed limit of each CDN connection")
    parser.add_argument("--stay", action="store_true", help="do not end when the parent process goes away")
    args = parser.parse_args()
    tls = (json.loads(args.tls) or True) if args.tls else None
    with Hub(tls=tls, host=args.host, cdn_host=args.cdn_host, port=args.port, cdn_port=args.cdn_port, name=args.name,
             cdn_name=args.cdn_name, **json.loads(args.options)) as hub:
        if args.repos:
            load(hub, args.repos)
        else:
            add_demo(hub)
        if args.bytes_per_s:
            hub.throttle(args.bytes_per_s, host="cdn")
        print(json.dumps({"endpoint": hub.endpoint, "cdn": hub.cdn.origin, "ca": hub.ca_path if tls else None,
                          "token": hub.token, "pid": os.getpid()}), flush=True)
        wait_for_the_end(args.stay, parent)


if __name__ == "__main__":
    main()

"""Serves a campus from the command line until it is told to stop."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence

from coursekeep_campus.generated import generated
from coursekeep_campus.model import Campus
from coursekeep_campus.server import CampusServer
from coursekeep_campus.times import parse, present

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coursekeep-campus", description="A small LMS that speaks the Canvas API, for demos and tests."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port of the LMS; 0 takes a free one")
    parser.add_argument("--files-port", type=int, default=0, help="port of the file storage; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another campus (default: %(default)s)")
    parser.add_argument(
        "--courses", type=int, default=40, help="courses of the generated campus (default: %(default)s)"
    )
    parser.add_argument("--delay-ms", type=float, default=0.0, help="milliseconds added to every answer")
    parser.add_argument(
        "--now", type=parse, default=None, help="the campus's present (RFC 3339); default: the real one"
    )
    parser.add_argument("--no-throttle", action="store_true", help="never throttle")
    return parser


def _campus(options: argparse.Namespace) -> Campus:
    return generated(seed=options.seed, courses=options.courses, now=options.now or present())


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. The one line on standard output says where, with which tokens, and which courses."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = CampusServer(
        _campus(options),
        delay=options.delay_ms / 1000,
        throttle=not options.no_throttle,
        host=options.host,
        port=options.port,
        files_port=options.files_port,
    )
    with server:
        line = {"url": server.url, "files_url": server.files_url, "tokens": server.tokens, "courses": server.known}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Serves a campus from the command line until it is told to stop."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence

from coursekeep_campus.cartridges import cartridges
from coursekeep_campus.change import add_large_file
from coursekeep_campus.generated import generated
from coursekeep_campus.model import Campus, combine
from coursekeep_campus.moodle import MoodleServer, moodle_content
from coursekeep_campus.moodle import Options as MoodleOptions
from coursekeep_campus.oulad import oulad
from coursekeep_campus.server import CampusServer
from coursekeep_campus.state import Options
from coursekeep_campus.throttle import Throttle
from coursekeep_campus.times import parse, present

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coursekeep-campus",
        description="A small LMS that speaks the API of Canvas or Moodle, for demos and tests.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port of the LMS; 0 takes a free one")
    parser.add_argument("--files-port", type=int, default=0, help="port of the file storage; 0 takes a free one")
    parser.add_argument("--moodle", action="store_true", help="be a Moodle instead of a Canvas")
    parser.add_argument("--oulad", metavar="DIR", help="serve the presentations of the OULAD dataset in this folder")
    parser.add_argument("--cartridges", metavar="DIR", help="serve every Common Cartridge below this folder")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another campus (default: %(default)s)")
    parser.add_argument(
        "--courses",
        type=int,
        help="courses of the generated campus (default: 40, or none beside --oulad, --cartridges)",
    )
    parser.add_argument("--large-file", type=int, metavar="BYTES", help="put a file of this size into the first course")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="milliseconds added to every answer")
    parser.add_argument(
        "--now", type=parse, default=None, help="the campus's present (RFC 3339); default: the real one"
    )
    parser.add_argument("--max-per-page", type=int, default=100, help="largest page (default: %(default)s)")
    parser.add_argument("--no-throttle", action="store_true", help="never throttle")
    parser.add_argument("--throttle-status", type=int, choices=(403, 429), default=403, help="how throttling is told")
    return parser


def _campus(options: argparse.Namespace) -> Campus:
    now = options.now or present()
    parts = [oulad(options.oulad, now=now)] if options.oulad else []
    parts += [cartridges(options.cartridges, now=now)] if options.cartridges else []
    if options.courses or not parts:
        parts.insert(0, generated(seed=options.seed, courses=options.courses or 40, now=now))
    campus = combine(parts)
    if options.large_file:
        add_large_file(campus, min(campus.known["ended"]), options.large_file)
    return campus


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. One line on standard output says where, with which tokens, and which courses."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        server = _moodle(options) if options.moodle else _canvas(options)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"coursekeep-campus: {error}\n")
        return 2
    try:
        server.start()
    except OSError as error:
        ports = f"port {options.port}" if options.moodle else f"ports {options.port} and {options.files_port}"
        sys.stderr.write(f"coursekeep-campus: cannot listen on {options.host}, {ports}: {error}\n")
        return 2
    try:
        line = {"url": server.url, "files_url": server.files_url, "tokens": server.tokens, "courses": server.known}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        stop.wait()
    finally:
        server.stop()
    return 0


def _moodle(options: argparse.Namespace) -> MoodleServer:
    if options.oulad or options.cartridges or options.large_file:
        raise ValueError("--moodle has generated content only: leave out --oulad, --cartridges and --large-file")
    site = moodle_content(seed=options.seed, courses=options.courses or 12, now=options.now)
    settings = MoodleOptions(delay=options.delay_ms / 1000)
    return MoodleServer(site, options=settings, host=options.host, port=options.port)


def _canvas(options: argparse.Namespace) -> CampusServer:
    return CampusServer(
        _campus(options),
        options=Options(
            delay=options.delay_ms / 1000,
            throttle=None if options.no_throttle else Throttle(status=options.throttle_status),
            max_per_page=options.max_per_page,
        ),
        host=options.host,
        port=options.port,
        files_port=options.files_port,
    )


if __name__ == "__main__":
    sys.exit(main())

"""Uploading to an object store: what an archive does with a large file, beside curl with the same bytes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fakes.s3_archive import options
from fakes.s3_server import S3Server, s3_server

from bench.table import Measurement
from coursekeep_daemon.package.storage import Staged
from coursekeep_daemon.package.targets.s3_client import S3Client
from coursekeep_daemon.package.targets.s3_commit import upload

__all__ = ["measure_objects"]

_SIZE = 200 << 20


def measure_objects(rounds: int = 3) -> list[Measurement]:
    """Upload a file with both in turns, ours confirmed by asking for it again; best of `rounds`."""
    with tempfile.TemporaryDirectory() as home, s3_server(Path(home) / "store") as server:
        file = Path(home) / "large.bin"
        with file.open("wb") as out:
            for _ in range(_SIZE >> 20):
                out.write(os.urandom(1 << 20))
        client = S3Client(server.bucket, "bench", options(server))
        staged = Staged(path=file, sha512="", size=_SIZE)
        ours, curl = [], []
        for number in range(rounds):
            ours.append(_rate(partial(upload, client, {f"ours/{number}": staged})))
            curl.append(_rate(partial(_curl, server, file, f"bench/curl/{number}")))
    return [
        Measurement(
            what="upload of 200 MB to an object store, beside curl -T",
            measured=f"archive {max(ours):.0f} MB/s",
            beside=f"curl {max(curl):.0f} MB/s",
            value=max(ours) / max(curl),
            wanted=">= 0.7",
        )
    ]


def _rate(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return _SIZE / 1e6 / (time.perf_counter() - start)


def _curl(server: S3Server, file: Path, key: str) -> None:
    command = ["curl", "--silent", "--show-error", "--fail", "--upload-file", str(file)]
    signed = ["--aws-sigv4", f"aws:amz:{server.region}:s3", "--user", f"{server.owner.key}:{server.owner.secret}"]
    subprocess.run([*command, *signed, f"{server.url}/{server.bucket}/{key}"], check=True)

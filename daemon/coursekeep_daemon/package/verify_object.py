"""Check an OCFL object: its inventories, every stored byte, and the bag of one version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from coursekeep_daemon.package.bag import escapes
from coursekeep_daemon.package.errors import NoSuchPackage, PackageDamaged
from coursekeep_daemon.package.ocfl import INVENTORY, OBJECT_DECLARATION, SIDECAR, Inventory, sidecar_matches
from coursekeep_daemon.package.report import VerifyReport
from coursekeep_daemon.package.storage import storage_errors
from coursekeep_daemon.package.trees import LogicalTree, Unreadable, hash_file, walk
from coursekeep_daemon.package.verify_bag import check_bag

__all__ = ["check_object"]

_VERSION = re.compile(r"v[1-9][0-9]*")


def check_object(directory: Path, version: int | None, report: VerifyReport, prefix: str = "") -> None:
    """Check an object and the bag of a version (None: the newest), reporting paths behind `prefix`.

    Raises `NoSuchPackage` where the version does not exist, `StorageUnavailable` where the place cannot be read.
    """
    with storage_errors(directory):
        _Check(directory, report, prefix).run(version)


class _Check:
    def __init__(self, directory: Path, report: VerifyReport, prefix: str) -> None:
        self._directory = directory
        self._report = report
        self._prefix = prefix
        #: SHA-512 of the stored files that could be read
        self._known: dict[Path, str] = {}

    def run(self, version: int | None) -> None:
        self._declaration()
        inventory = self._inventory("")
        if inventory is None:
            return
        self._entries(inventory)
        for number in inventory.versions:
            self._version(inventory, number)
        self._paths(inventory)
        self._content(inventory)
        if version is not None and version not in inventory.versions:
            raise NoSuchPackage(f"The package {inventory.id} has no version {version}; it has 1 to {inventory.head}.")
        number = version or inventory.head
        self._report.objects.append({"id": inventory.id, "path": self._prefix.rstrip("/") or ".", "version": number})
        self._bag(inventory, number)

    def _problem(self, path: str, what: str) -> None:
        self._report.problem(self._prefix + path, what)

    def _declaration(self) -> None:
        name, text = OBJECT_DECLARATION
        path = self._directory / name
        if not path.is_file() or path.read_bytes() != text:
            self._problem(name, "it is missing or has other content than OCFL demands")

    def _inventory(self, below: str) -> Inventory | None:
        path = self._directory / below / INVENTORY
        beside = self._directory / below / SIDECAR
        if not path.is_file():
            self._problem(f"{below}{INVENTORY}", "it is missing")
            return None
        data = path.read_bytes()
        if not beside.is_file():
            self._problem(f"{below}{SIDECAR}", "it is missing")
        elif not sidecar_matches(data, beside.read_bytes()):
            self._problem(f"{below}{INVENTORY}", f"it does not match its checksum in {SIDECAR}")
        try:
            return Inventory.parse(data)
        except PackageDamaged as error:
            self._problem(f"{below}{INVENTORY}", str(error))
            return None

    def _entries(self, inventory: Inventory) -> None:
        allowed = {OBJECT_DECLARATION[0], INVENTORY, SIDECAR, "logs", "extensions"}
        for entry in sorted(self._directory.iterdir()):
            if _VERSION.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink():
                if int(entry.name[1:]) not in inventory.versions:
                    self._problem(entry.name, "the inventory has no such version; perhaps a commit was interrupted")
            elif entry.name not in allowed:
                self._problem(entry.name, "it does not belong in an object")

    def _version(self, inventory: Inventory, number: int) -> None:
        directory = self._directory / f"v{number}"
        if not directory.is_dir():
            self._problem(f"v{number}", "the directory of this version is missing")
            return
        for entry in sorted(directory.iterdir()):
            if entry.name not in (INVENTORY, SIDECAR, "content"):
                self._problem(f"v{number}/{entry.name}", "it does not belong in a version")
        own = self._inventory(f"v{number}/")
        if own is None:
            return
        if number == inventory.head and own != inventory:
            self._problem(f"v{number}/{INVENTORY}", "it differs from the object's inventory")
        expected = {n: inventory.files(n) for n in range(1, number + 1)}
        if own.id != inventory.id or {n: own.files(n) for n in own.versions} != expected:
            self._problem(f"v{number}/{INVENTORY}", "it tells another history than the object's inventory")

    def _paths(self, inventory: Inventory) -> None:
        """Check that the inventory's paths are safe, unique and used."""
        used: set[str] = set()
        for number, version in inventory.versions.items():
            used |= version.state.keys()
            self._distinct(f"v{number}", (path for paths in version.state.values() for path in paths))
        for digest in sorted(used - inventory.manifest.keys()):
            self._problem(INVENTORY, f"no stored file has the digest {digest[:16]}... that a version refers to")
        for digest in sorted(inventory.manifest.keys() - used):
            self._problem(INVENTORY, f"no version refers to the digest {digest[:16]}... of a stored file")
        self._distinct("manifest", (path for paths in inventory.manifest.values() for path in paths))

    def _distinct(self, where: str, paths: Iterable[str]) -> None:
        seen: set[str] = set()
        for path in paths:
            if escapes(path):
                self._problem(INVENTORY, f"{where}: the path {path!r} leads elsewhere")
            if path in seen:
                self._problem(INVENTORY, f"{where}: the path {path!r} stands there twice")
            seen.add(path)
        parents = {parent for path in seen for parent in _parents(path)}
        for path in sorted(seen & parents):
            self._problem(INVENTORY, f"{where}: the path {path!r} is a file and a directory")

    def _content(self, inventory: Inventory) -> None:
        """Hash every stored file once, and compare with the manifest."""
        listed = {path: digest for digest, paths in inventory.manifest.items() for path in paths}
        stored: dict[str, Path] = {}
        for number in inventory.versions:
            content = self._directory / f"v{number}" / "content"
            if content.is_dir():
                found = walk(content, self._report, f"{self._prefix}v{number}/content/")
                stored |= {path.removeprefix(self._prefix): file for path, file in found.items()}
        for path in sorted(listed.keys() - stored.keys()):
            self._problem(path, "the inventory lists it, but it is missing")
        for path in sorted(stored):
            if path not in listed:
                self._problem(path, "the inventory does not list it")
            else:
                self._hash(path, stored[path], listed[path])

    def _hash(self, path: str, file: Path, digest: str) -> None:
        try:
            found = hash_file(file, ("sha512",), self._report)["sha512"]
        except Unreadable as error:
            self._problem(path, str(error))
            return
        self._known[file] = found
        if found != digest.lower():
            self._problem(path, f"its sha512 is {found}, but {digest} was recorded")

    def _bag(self, inventory: Inventory, number: int) -> None:
        files: dict[str, Path] = {}
        for path, digest in inventory.files(number).items():
            stored = self._stored(inventory.manifest, digest)
            if stored is not None and not escapes(path):
                files[path] = stored
        check_bag(LogicalTree(files, self._known, self._report), self._report, f"{self._prefix}v{number}:")

    def _stored(self, manifest: Mapping[str, list[str]], digest: str) -> Path | None:
        for path in manifest.get(digest, []):
            if self._directory / path in self._known:
                return self._directory / path
        return None


def _parents(path: str) -> Iterable[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path

"""Check an OCFL object: its inventories, every stored byte, and the bag of one version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coursekeep_daemon.package.bag import escapes
from coursekeep_daemon.package.errors import NoSuchPackage, PackageDamaged
from coursekeep_daemon.package.ocfl import INVENTORY, OBJECT_DECLARATION, SIDECAR, Inventory, sidecar_matches
from coursekeep_daemon.package.report import VerifyReport
from coursekeep_daemon.package.storage import storage_errors
from coursekeep_daemon.package.surplus import surplus
from coursekeep_daemon.package.targets.base import Listing, Place
from coursekeep_daemon.package.trees import Hashed, LogicalTree, Unreadable, hash_stored
from coursekeep_daemon.package.verify_bag import check_bag

__all__ = ["check_object"]


def check_object(place: Place, version: int | None, report: VerifyReport, prefix: str = "") -> None:
    """Check an object and the bag of a version (None: the newest), reporting paths behind `prefix`.

    Raises `NoSuchPackage` where the version does not exist, `StorageUnavailable` where the place cannot be read.
    """
    with storage_errors(place.address):
        _Check(place, report, prefix).run(version)


class _Check:
    def __init__(self, place: Place, report: VerifyReport, prefix: str) -> None:
        self._place = place
        self._report = report
        self._prefix = prefix
        self._listing = Listing(files=frozenset(), folders=frozenset())
        #: what the stored files are that could be read
        self._known: dict[str, Hashed] = {}

    def run(self, version: int | None) -> None:
        self._listing = self._place.listing()
        self._declaration()
        inventory = self._inventory("")
        if inventory is None:
            return
        for found in surplus(self._listing, inventory):
            self._problem(found.path, found.what)
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
        if self._read(name) != text:
            self._problem(name, "it is missing or has other content than OCFL demands")

    def _read(self, path: str) -> bytes | None:
        try:
            return self._place.read(path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def _inventory(self, below: str) -> Inventory | None:
        data = self._read(below + INVENTORY)
        if data is None:
            self._problem(below + INVENTORY, "it is missing")
            return None
        beside = self._read(below + SIDECAR)
        if beside is None:
            self._problem(below + SIDECAR, "it is missing")
        elif not sidecar_matches(data, beside):
            self._problem(below + INVENTORY, f"it does not match its checksum in {SIDECAR}")
        try:
            return Inventory.parse(data)
        except PackageDamaged as error:
            self._problem(below + INVENTORY, str(error))
            return None

    def _version(self, inventory: Inventory, number: int) -> None:
        if f"v{number}" not in self._listing.folders:
            self._problem(f"v{number}", "the directory of this version is missing")
            return
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
        folders = tuple(f"v{number}/content/" for number in inventory.versions)
        for path in sorted(listed):
            if self._may_be_there(path, folders):
                self._hash(path, listed[path])
            else:
                self._problem(path, "the inventory lists it, but it is missing")

    def _may_be_there(self, path: str, folders: tuple[str, ...]) -> bool:
        if path in self._listing.files:
            return path.startswith(folders)
        return not self._listing.complete and path.startswith(folders) and not escapes(path)

    def _hash(self, path: str, digest: str) -> None:
        try:
            found = hash_stored(self._place, path, self._report)
        except Unreadable as error:
            self._problem(path, str(error))
            return
        self._known[path] = found
        if found.sha512 != digest.lower():
            self._problem(path, f"its sha512 is {found.sha512}, but {digest} was recorded")

    def _bag(self, inventory: Inventory, number: int) -> None:
        files: dict[str, str] = {}
        for path, digest in inventory.files(number).items():
            stored = self._stored(inventory.manifest, digest)
            if stored is not None and not escapes(path):
                files[path] = stored
        tree = LogicalTree(self._place, files, self._known, self._report)
        check_bag(tree, self._report, f"{self._prefix}v{number}:")

    def _stored(self, manifest: Mapping[str, list[str]], digest: str) -> str | None:
        return next((path for path in manifest.get(digest, []) if path in self._known), None)


def _parents(path: str) -> Iterable[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path

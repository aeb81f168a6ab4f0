"""Mend a package from its copies: byte for byte, from whichever copy has bytes that match their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from coursekeep_daemon.package.copying import bring_up, fetch
from coursekeep_daemon.package.errors import NoSuchPackage, PackageDamaged, PackageError, StorageUnavailable
from coursekeep_daemon.package.ocfl import INVENTORY, OBJECT_DECLARATION, SIDECAR, Inventory, sidecar, sidecar_matches
from coursekeep_daemon.package.report import Problem, VerifyReport
from coursekeep_daemon.package.storage import Staging, storage_errors
from coursekeep_daemon.package.surplus import surplus
from coursekeep_daemon.package.targets.base import Place, join
from coursekeep_daemon.package.trees import Unreadable, hash_stored

__all__ = ["Mended", "RepairReport", "Surplus", "repair"]

log = structlog.get_logger(__name__)

#: paths that one line names at most
_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Mended:
    """A file that was written anew."""

    #: address of the archive or replica in which it was damaged, and of the one that the bytes came from
    at: str
    source: str
    #: path below the package
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Surplus:
    """A file, or a folder as a whole, that the inventory does not know. It is left where it is."""

    #: address of the archive or replica in which it lies
    at: str
    #: path below the package
    path: str
    what: str


@dataclass(slots=True)
class RepairReport:
    """What a repair found and did. `whole` only where every copy that was reached is whole now, and has no more."""

    object_id: str
    mended: list[Mended] = field(default_factory=list)
    #: what no copy has
    lost: list[Problem] = field(default_factory=list)
    #: what lies there beside: verification reports it, and nobody but a person can tell whether it may go
    surplus: list[Surplus] = field(default_factory=list)
    #: copies that could not be reached, with the reason
    unreached: dict[str, str] = field(default_factory=dict)
    checked_bytes: int = 0

    @property
    def whole(self) -> bool:
        """Tell whether nothing is lost, and nothing lies there that does not belong."""
        return not self.lost and not self.surplus

    @property
    def repaired(self) -> bool:
        """Tell whether nothing is lost: all that a repair can do is done, and a check may judge."""
        return not self.lost

    @property
    def detail(self) -> str:
        """Say in one line what was done, and what is lost."""
        said = [f"files mended: {len(self.mended)}"]
        if self.lost:
            said.append(f"lost in every copy: {_named([each.path for each in self.lost])}")
        if self.surplus:
            said.append(f"not in the inventory, left alone: {_named([each.path for each in self.surplus])}")
        said += [f"not reached: {address}" for address in self.unreached]
        return "; ".join(said)

    def to_json(self) -> dict[str, Any]:
        """Return the report for people's and programs' reading."""
        return {
            "package_id": self.object_id,
            "whole": self.whole,
            "mended": [{"at": each.at, "path": each.path, "from": each.source} for each in self.mended],
            "lost": [{"path": each.path, "what": each.what} for each in self.lost],
            "surplus": [{"at": each.at, "path": each.path, "what": each.what} for each in self.surplus],
            "unreached": dict(self.unreached),
            "checked_bytes": self.checked_bytes,
        }


@dataclass(slots=True)
class _Copy:
    """One copy: what is wrong in it, by path below the package."""

    place: Place
    staging: Staging
    inventory: Inventory | None = None
    data: bytes = b""
    bad: set[str] = field(default_factory=set)


def repair(object_id: str, copies: Sequence[tuple[Place, Staging]]) -> RepairReport:
    """Check all copies of a package, the archive's own first, and mend what one of them has whole.

    What no copy has stays as it is, and is named; so is what the inventory does not know. Raises `PackageDamaged` where
    no copy has an inventory that matches its checksum, or two tell different histories, and `StorageUnavailable` where
    the archive itself is away.
    """
    report = RepairReport(object_id)
    with ExitStack() as stack:
        reached = list(_reached(copies, report, stack))
        found = [_read_inventory(copy, report) for copy in reached]  # of every copy
        if not any(found):
            raise NoSuchPackage(f"There is no package {object_id} in the archive, nor in a replica that was reached.")
        _Repair(object_id, reached, report).run()
    if report.mended or report.lost or report.surplus:
        counts = {"mended": len(report.mended), "lost": len(report.lost), "surplus": len(report.surplus)}
        log.warning("package_copies_mended", package=object_id, **counts)
    return report


def _reached(copies: Sequence[tuple[Place, Staging]], report: RepairReport, stack: ExitStack) -> Iterator[_Copy]:
    for number, (place, staging) in enumerate(copies):
        try:
            with storage_errors(place.address):
                if not place.target.exists:
                    raise StorageUnavailable(f"There is no archive at {place.target.address}. {place.target.remedy}")
        except StorageUnavailable as error:
            if number == 0:
                raise
            report.unreached[place.target.address] = str(error)
            continue
        stack.enter_context(staging)
        yield _Copy(place=place, staging=staging)


def _read_inventory(copy: _Copy, report: RepairReport) -> bool:
    """Finish what is unfinished, and read the inventory where it can be trusted; tell whether anything is there."""
    with storage_errors(copy.place.address):
        before = _read(copy.place, SIDECAR)
        with suppress(PackageDamaged):  # this is what we are here for
            copy.place.recover(copy.staging)
        copy.staging.clear()
        copy.staging.prepare()
        data = _read(copy.place, INVENTORY)
        if data is not None and sidecar_matches(data, _read(copy.place, SIDECAR) or b""):
            copy.inventory, copy.data = Inventory.parse(data), data
            if copy.inventory.id != report.object_id:
                raise PackageDamaged(
                    f"At {copy.place.address} lies the package {copy.inventory.id}. Nothing was changed."
                )
            if not sidecar_matches(data, before or b""):
                report.mended.append(_from_inventory(copy, SIDECAR))
        return any(_read(copy.place, path) is not None for path in (INVENTORY, SIDECAR, OBJECT_DECLARATION[0]))


class _Repair:
    """One repair, with all copies locked."""

    def __init__(self, object_id: str, copies: list[_Copy], report: RepairReport) -> None:
        self._copies = copies
        self._report = report
        known = [copy for copy in copies if copy.inventory is not None]
        if not known:
            raise PackageDamaged(
                f"No copy of package {object_id} has an inventory that matches its checksum. Nothing was changed."
            )
        best = max(known, key=lambda copy: copy.inventory.head if copy.inventory else 0)
        assert best.inventory is not None
        self._best, self._inventory, self._data = best, best.inventory, best.data
        for copy in known:
            self._check_history(copy)

    def run(self) -> None:
        # the best copy first: those that lack versions are then brought up from it
        for copy in sorted(self._copies, key=lambda each: each is not self._best):
            self._check(copy)
        for copy in sorted(self._copies, key=lambda each: each is not self._best):
            if copy is not self._best and (copy.inventory is None or copy.inventory.head < self._inventory.head):
                self._bring_up(copy)
            for path in self._in_order(copy.bad):
                self._mend(copy, path)
        for copy in self._copies:
            self._name_surplus(copy)

    def _name_surplus(self, copy: _Copy) -> None:
        at = copy.place.target.address
        with storage_errors(copy.place.address):
            found = list(surplus(copy.place.listing(), self._inventory))
        self._report.surplus += [Surplus(at=at, path=each.path, what=each.what) for each in found]

    def _check_history(self, copy: _Copy) -> None:
        assert copy.inventory is not None
        same = {n: version for n, version in self._inventory.versions.items() if n <= copy.inventory.head}
        if copy.inventory.versions != same:
            raise PackageDamaged(
                f"The copies of package {self._inventory.id} at {copy.place.target.address} and "
                f"{self._best.place.target.address} tell different histories. Nothing was changed."
            )

    def _check(self, copy: _Copy) -> None:
        """Find what is damaged or missing."""
        counts = VerifyReport("object", copy.place.address)
        with storage_errors(copy.place.address):
            copy.bad = {path for path in self._descriptions() if not self._is_right(copy.place, path)}
            for path, digest in self._content().items():
                try:
                    if hash_stored(copy.place, path, counts).sha512 != digest.lower():
                        copy.bad.add(path)
                except Unreadable:
                    copy.bad.add(path)
        self._report.checked_bytes += counts.checked_bytes

    def _content(self) -> dict[str, str]:
        return {path: digest for digest, paths in self._inventory.manifest.items() for path in paths}

    def _descriptions(self) -> list[str]:
        """Return what an object consists of beside its content, in the order in which it is written."""
        folders = [f"v{number}/" for number in sorted(self._inventory.versions)]
        pairs = [f"{folder}{name}" for folder in folders for name in (INVENTORY, SIDECAR)]
        return [OBJECT_DECLARATION[0], *pairs, INVENTORY, SIDECAR]

    def _is_right(self, place: Place, path: str) -> bool:
        found = _read(place, path)
        if path == OBJECT_DECLARATION[0]:
            return found == OBJECT_DECLARATION[1]
        folder = path.removesuffix(SIDECAR).removesuffix(INVENTORY)
        if folder in ("", f"v{self._inventory.head}/"):
            return found == (self._data if path.endswith(INVENTORY) else sidecar(self._data))
        data = found if path.endswith(INVENTORY) else _read(place, folder + INVENTORY)
        if found is None or data is None:
            return False
        beside = _read(place, folder + SIDECAR)
        return beside is not None and sidecar_matches(data, beside) and self._tells(data, int(folder[1:-1]))

    def _tells(self, data: bytes, number: int) -> bool:
        """Tell whether an older version's inventory has the history that it must have."""
        try:
            found = Inventory.parse(data)
        except PackageDamaged:
            return False
        return found.versions == {n: version for n, version in self._inventory.versions.items() if n <= number}

    def _in_order(self, bad: set[str]) -> list[str]:
        """Return paths in the order of a commit: content, inventories of versions, and the root's sidecar last."""
        return [*sorted(bad & self._content().keys()), *(path for path in self._descriptions() if path in bad)]

    def _bring_up(self, copy: _Copy) -> None:
        """Give a copy the versions that it lacks; each appears as a whole."""
        before = copy.inventory.head if copy.inventory else 0
        try:
            done = bring_up(self._best.place, copy.place, copy.staging)
        except PackageDamaged:
            return  # what can be had is mended file by file
        finally:
            copy.staging.clear()
            copy.staging.prepare()
        source = self._best.place.target.address
        for number in done:
            self._report.mended.append(Mended(at=copy.place.target.address, source=source, path=f"v{number}"))
        if before + len(done) == self._inventory.head:
            self._check(copy)

    def _mend(self, copy: _Copy, path: str) -> None:
        for other in self._copies:
            if other is not copy and path not in other.bad and self._replace(copy, path, other):
                return
        if (data := self._derived(path)) is not None:
            self._write(copy, path, data)
            self._report.mended.append(_from_inventory(copy, path))
            copy.bad.discard(path)
            return
        if all(path in other.bad for other in self._copies) and path not in {each.path for each in self._report.lost}:
            self._report.lost.append(Problem(path=path, what="it is damaged or missing in every copy"))

    def _derived(self, path: str) -> bytes | None:
        """Return those bytes that follow from the inventory alone."""
        if path == OBJECT_DECLARATION[0]:
            return OBJECT_DECLARATION[1]
        if path in (INVENTORY, f"v{self._inventory.head}/{INVENTORY}"):
            return self._data
        if path in (SIDECAR, f"v{self._inventory.head}/{SIDECAR}"):
            return sidecar(self._data)
        return None

    def _replace(self, copy: _Copy, path: str, other: _Copy) -> bool:
        digest = self._content().get(path)
        if digest is None:
            data = _read(other.place, path)
            if data is None:
                return False
            self._write(copy, path, data)
        else:
            try:
                staged = fetch(other.place, path, digest, copy.staging)
            except PackageDamaged:
                return False  # it went bad between the look and the copy
            with storage_errors(copy.place.address):
                copy.place.target.replace(join(copy.place.path, path), staged, aside=_aside(copy.place, path))
            self._confirm(copy, path, digest)
        copy.bad.discard(path)
        source = other.place.target.address
        self._report.mended.append(Mended(at=copy.place.target.address, source=source, path=path))
        return True

    def _write(self, copy: _Copy, path: str, data: bytes) -> None:
        staged = copy.staging.write(data)
        with storage_errors(copy.place.address):
            copy.place.target.replace(join(copy.place.path, path), staged, aside=_aside(copy.place, path))
        self._confirm(copy, path, hashlib.sha512(data, usedforsecurity=False).hexdigest())

    def _confirm(self, copy: _Copy, path: str, digest: str) -> None:
        try:
            found = hash_stored(copy.place, path, VerifyReport("object", copy.place.address)).sha512
        except Unreadable as error:
            raise StorageUnavailable(f"{path} at {copy.place.address} cannot be read behind its repair.") from error
        if found != digest.lower():
            raise PackageError(
                f"{path} at {copy.place.address} is wrong again right behind its repair: test the storage."
            )


def _read(place: Place, path: str) -> bytes | None:
    try:
        return place.read(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _from_inventory(copy: _Copy, path: str) -> Mended:
    return Mended(at=copy.place.target.address, source="its inventory", path=path)


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")


def _aside(place: Place, path: str) -> str:
    return f"{place.path.rpartition('/')[2]}-{path.replace('/', '-')}"

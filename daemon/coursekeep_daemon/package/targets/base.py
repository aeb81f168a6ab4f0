"""Archive targets: the places that keep packages, as the rest of the package room sees them.

A target knows how bytes get to where they stay: in files of a disk, or in objects of an object store. What the bytes
mean is known above it. All paths are relative to the target's root and have `/` between their parts. What is missing
raises `FileNotFoundError`; other faults raise `OSError` or what `coursekeep_daemon.package.errors` names, and callers
put `storage_errors` around.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import IO, Protocol, Self

from coursekeep_daemon.package.ocfl import Inventory
from coursekeep_daemon.package.storage import Staged, Staging

__all__ = ["Found", "Listing", "NewVersion", "OnStep", "Opened", "Place", "Target", "join"]

OnStep = Callable[[StrEnum], None]


class Opened:
    """A stored file that is open for reading, and its size. Close it, or use it as a context manager."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file = file
        self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What lies below one place, by paths relative to it."""

    files: frozenset[str]
    #: every folder, also an empty one
    folders: frozenset[str]
    #: links and special files, which have no business in a package
    strange: frozenset[str] = field(default_factory=frozenset)
    #: False where a file may be there that is not among `files`: some object stores leave keys out of lists
    complete: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """An object at a target, or something that is none."""

    path: str
    #: why it is no object; None where it is one
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewVersion:
    """The newest version of an inventory, ready to be put into its place."""

    inventory: Inventory
    #: the bytes of inventory.json
    data: bytes
    #: key of `staged` -> path below the object
    stored: Mapping[str, str]
    staged: Mapping[str, Staged]
    #: False where others may write the same bytes to the same paths, as several that copy one version do
    private: bool = True

    @property
    def name(self) -> str:
        """Return the version's folder."""
        return f"v{self.inventory.head}"


class Target(Protocol):
    """A place that keeps packages. Any thread may use it; it holds no open files."""

    @property
    def address(self) -> str:
        """Return what people call it: a directory, or `s3://bucket/prefix`."""

    @property
    def remedy(self) -> str:
        """Return what to do where the storage root is not found."""

    @property
    def exists(self) -> bool:
        """Tell whether there is a storage root."""

    def prepare(self) -> bool:
        """Create the storage root, or check that it is one of ours; tell whether it was created."""

    def probe(self) -> int:
        """Write and remove something small; return the free bytes where work is done."""

    def space(self) -> tuple[int, int]:
        """Return free bytes, and all bytes, of the disk on which packages are built."""

    def staging(self, name: str) -> Staging:
        """Return the part of the staging area of one object, not yet locked."""

    def staging_names(self) -> list[str]:
        """Return of which objects something lies in the staging area."""

    def read(self, path: str) -> bytes:
        """Return a small file as a whole."""

    def open(self, path: str) -> Opened:
        """Open a file for reading from its beginning to its end."""

    def listing(self, path: str) -> Listing:
        """Return what lies below a path."""

    def survey(self) -> Iterator[Found]:
        """Yield every object of the storage root, and what is none and does not belong there."""

    def load(self, path: str) -> tuple[Inventory | None, bool]:
        """Return an object's inventory, None where there is no object, and whether a commit was left unfinished.

        With True the inventory is not to be used before `recover`.
        """

    def recover(self, path: str, staging: Staging) -> Inventory | None:
        """Bring an interrupted commit to its end or take it back; needs the object's part of the staging area."""

    def content_folder(self, staging: Staging, number: int) -> str:
        """Return what stands before the paths of a new version's files below `vN/content/`; empty, or ends in `/`."""

    def commit(self, path: str, staging: Staging, version: NewVersion, on_step: OnStep) -> None:
        """Make a version the head. A crash at any moment leaves the old head or this one. Raises `PackageBusy`."""

    def append(self, path: str, line: bytes) -> None:
        """Append a line to a file, which may be new, and wait until it is kept."""

    def replace(self, path: str, staged: Staged, *, aside: str) -> None:
        """Put bytes in the place of a damaged or missing file of an object; what was there is kept as `aside` in the
        quarantine where the target keeps no earlier states by itself."""

    def clean(self, older_than: timedelta) -> list[str]:
        """Remove uploads that no inventory names, if they are old enough; return their paths."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One object at a target."""

    target: Target
    #: below the target's root; empty where the object is the root
    path: str

    @property
    def address(self) -> str:
        """Return what people call it."""
        return join(self.target.address, self.path)

    def read(self, below: str) -> bytes:
        """Return a small file as a whole. Raises `FileNotFoundError`."""
        return self.target.read(join(self.path, below))

    def open(self, below: str) -> Opened:
        """Open a file. Raises `FileNotFoundError`."""
        return self.target.open(join(self.path, below))

    def listing(self) -> Listing:
        """Return what lies below the object."""
        return self.target.listing(self.path)

    def load(self) -> tuple[Inventory | None, bool]:
        """Return the inventory, and whether a commit was left unfinished."""
        return self.target.load(self.path)

    def recover(self, staging: Staging) -> Inventory | None:
        """Bring an interrupted commit to its end, or take it back."""
        return self.target.recover(self.path, staging)


def join(*parts: str) -> str:
    """Join parts of a path; empty ones are left out."""
    return "/".join(part for part in parts if part)

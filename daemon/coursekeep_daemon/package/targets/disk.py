"""An archive target of plain files, below one directory of a disk that is mounted here."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from coursekeep_daemon.package import guide
from coursekeep_daemon.package.commit import commit, load, recover
from coursekeep_daemon.package.errors import StorageUnavailable
from coursekeep_daemon.package.ocfl import LAYOUT_FILES, OBJECT_DECLARATION, ROOT_DECLARATION, Inventory
from coursekeep_daemon.package.storage import Staged, Staging, names_in, storage_errors, sync_directory, sync_file
from coursekeep_daemon.package.targets.base import Found, Listing, NewVersion, OnStep, Opened

__all__ = ["Disk"]

#: inside of `extensions/` OCFL looks for no objects, and it is on the archive's own file system (decision 004)
_STAGING = "extensions/coursekeep-staging"
_QUARANTINE = "extensions/coursekeep-quarantine"
#: what may lie in a directory that becomes an archive
_HARMLESS = frozenset({"lost+found", "extensions", "README.txt", "ocfl_layout.json"})


class Disk:
    """A directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._area = root / _STAGING
        self._quarantine = root / _QUARANTINE

    @property
    def address(self) -> str:
        return str(self.root)

    @property
    def remedy(self) -> str:
        return "Check that its disk is mounted."

    @property
    def exists(self) -> bool:
        return (self.root / ROOT_DECLARATION[0]).is_file()

    def prepare(self) -> bool:
        self.root.mkdir(parents=True, exist_ok=True)
        new = not self.exists
        if new:
            self._create()
        self._check_root()
        return new

    def probe(self) -> int:
        with Staging(self._area, f"probe-{uuid.uuid4().hex}") as probe:
            probe.prepare()
            sync_file(probe.write(b"Coursekeep can write here.\n" * 1000).path)
            return shutil.disk_usage(self.root).free

    def space(self) -> tuple[int, int]:
        usage = shutil.disk_usage(self.root)
        return usage.free, usage.total

    def staging(self, name: str) -> Staging:
        return Staging(self._area, name)

    def staging_names(self) -> list[str]:
        return names_in(self._area)

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def open(self, path: str) -> Opened:
        file = (self.root / path).open("rb")
        return Opened(file, os.fstat(file.fileno()).st_size)

    def listing(self, path: str) -> Listing:
        top = self.root / path
        files: set[str] = set()
        folders: set[str] = set()
        strange: set[str] = set()
        with storage_errors(top):
            for directory, below, names in os.walk(top, onerror=_fail):
                for name in (*below, *names):
                    entry = Path(directory, name)
                    mode = entry.lstat().st_mode
                    kind = files if stat.S_ISREG(mode) else folders if stat.S_ISDIR(mode) else strange
                    kind.add(entry.relative_to(top).as_posix())
                below[:] = [name for name in below if not Path(directory, name).is_symlink()]
        return Listing(files=frozenset(files), folders=frozenset(folders), strange=frozenset(strange))

    def survey(self) -> Iterator[Found]:
        for directory, below, files in os.walk(self.root):
            here = Path(directory)
            path = here.relative_to(self.root).as_posix()
            if here == self.root:
                below[:] = sorted(entry for entry in below if entry not in ("extensions", "lost+found"))
            elif OBJECT_DECLARATION[0] in files:
                below.clear()
                yield Found(path=path)
            else:
                below.sort()
                for file in sorted(files):
                    yield Found(path=f"{path}/{file}", problem="a file that belongs to no object")
                if not below and not files:
                    yield Found(path=path, problem="an empty directory, which OCFL does not allow")

    def load(self, path: str) -> tuple[Inventory | None, bool]:
        return load(self.root / path)

    def recover(self, path: str, staging: Staging) -> Inventory | None:
        return recover(self.root / path, staging, self._quarantine)

    def content_folder(self, staging: Staging, number: int) -> str:
        return ""

    def commit(self, path: str, staging: Staging, version: NewVersion, on_step: OnStep) -> None:
        commit(self.root / path, self.root, staging, version, on_step=on_step)

    def append(self, path: str, line: bytes) -> None:
        target = self.root / path
        with storage_errors(target):
            target.parent.mkdir(exist_ok=True)
            handle = os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                size = os.fstat(handle).st_size
                torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # a crash cut the line before
                os.write(handle, (b"\n" if torn else b"") + line)
                os.fsync(handle)
            finally:
                os.close(handle)

    def replace(self, path: str, staged: Staged, *, aside: str) -> None:
        target = self.root / path
        with storage_errors(target):
            if target.is_symlink() or target.exists():
                self._set_aside(target, aside)
            target.parent.mkdir(parents=True, exist_ok=True)
            sync_file(staged.path)
            os.rename(staged.path, target)
            sync_directory(target.parent)

    def clean(self, older_than: timedelta) -> list[str]:
        return []  # what is not finished lies in the staging area, which is cleared at every start

    def _set_aside(self, target: Path, name: str) -> None:
        """Keep what is damaged in the quarantine."""
        place = self._quarantine / name
        place.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while (kept := place.with_name(f"{place.name}-{number}")).exists():
            number += 1
        try:
            os.link(target, kept, follow_symlinks=False)  # so its place is never empty
        except OSError:  # a directory, or a file system without links
            os.rename(target, kept)
        sync_directory(kept.parent)

    def _create(self) -> None:
        others = sorted({entry.name for entry in self.root.iterdir()} - _HARMLESS)
        if others:
            raise StorageUnavailable(
                f"The directory {self.root} is no archive, and not empty: it holds {', '.join(others[:3])}. "
                "Choose an empty or new directory for archive.url."
            )
        files = {**LAYOUT_FILES, "README.txt": guide.root_readme()}
        name, text = ROOT_DECLARATION
        files[name] = text  # last: with it the root counts as one
        for path, content in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            sync_file(target)
            sync_directory(target.parent)
        sync_directory(self.root)

    def _check_root(self) -> None:
        """Refuse a storage root that other software has laid out in another way."""
        for path, content in (*LAYOUT_FILES.items(), ROOT_DECLARATION):
            target = self.root / path
            if not target.is_file() or target.read_bytes() != content:
                raise StorageUnavailable(
                    f"The archive at {self.root} is not laid out as Coursekeep does it: {path} is missing or "
                    "different. Restore that file from a copy, or choose another directory for archive.url."
                )


def _fail(error: OSError) -> None:
    raise error

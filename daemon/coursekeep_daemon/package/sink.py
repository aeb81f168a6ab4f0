"""One file on its way into a package: hashed while it arrives, checked against what the LMS promised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from coursekeep_daemon.package.errors import PackageError, WrongContent, WrongSize
from coursekeep_daemon.package.storage import HashedFile, Staged

__all__ = ["FileSink", "parse_digest"]


class FileSink:
    """Takes the bytes of one file. Ends with `finish` or `abort`; any thread may use it, one at a time."""

    def __init__(
        self,
        file: HashedFile,
        *,
        name: str,
        size: int | None = None,
        digest: tuple[str, str] | None = None,
        done: Callable[[Staged], None],
    ) -> None:
        self._file = file
        self._name = name
        self._expected_size = size
        self._expected_digest = digest
        self._done = done
        self._open = True

    @property
    def open(self) -> bool:
        """Tell whether neither `finish` nor `abort` was called."""
        return self._open

    @property
    def size(self) -> int:
        """Return how many bytes have arrived."""
        return self._file.size

    def write(self, data: bytes) -> None:
        """Append bytes, best a mebibyte at once. Raises `StorageFull`, `StorageUnavailable`."""
        self._file.write(data)

    def finish(self) -> None:
        """Take the file into the package, with its record of kind `files` or `native_exports`.

        Raises `WrongSize` or `WrongContent` where it is not what the LMS promised; its bytes are then gone, and the
        caller records a gap with `PackageWriter.missing`.
        """
        if not self._open:
            raise PackageError(f"The file {self._name!r} is finished or aborted already.")
        self._open = False
        try:
            staged = self._file.finish()
            self._check(staged)
        except BaseException:
            self._file.abort()
            raise
        self._done(staged)

    def abort(self) -> None:
        """Give the file up and remove its bytes. Does nothing behind `finish`."""
        if self._open:
            self._open = False
            self._file.abort()

    def _check(self, staged: Staged) -> None:
        if self._expected_size and staged.size != self._expected_size:
            raise WrongSize(f"{self._name!r} has {staged.size} bytes, but the LMS promised {self._expected_size}.")
        if self._expected_digest is not None:
            algorithm, promised = self._expected_digest
            found = staged.sha512 if algorithm == "sha512" else self._file.also()
            if found != promised:
                raise WrongContent(f"{self._name!r} has the {algorithm} {found}, but the LMS promised {promised}.")


def parse_digest(digest: str | None) -> tuple[str, str] | None:
    """Split `algorithm:hex`; None where there is none, or of an algorithm that cannot be computed here."""
    if digest is None:
        return None
    algorithm, _, value = digest.partition(":")
    algorithm = algorithm.strip().lower().replace("-", "")
    # algorithms of a length that the caller chooses (shake) prove nothing without one
    if algorithm not in hashlib.algorithms_available or not value or algorithm.startswith("shake"):
        return None
    return algorithm, value.strip().lower()

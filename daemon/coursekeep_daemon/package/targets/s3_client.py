"""A bucket of an object store that speaks S3: reading that goes on after a cut, writing that is confirmed, and
writing under a condition that knows its own lost answers.

Synchronous: obstore works outside of the interpreter's lock, so threads really run beside each other.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from coursekeep_daemon.package.errors import PackageDamaged, PackageError, StorageUnavailable
from coursekeep_daemon.package.storage import BLOCK
from coursekeep_daemon.package.targets.base import Opened
from coursekeep_daemon.package.targets.s3_errors import FAULTS, said, storage_error

if TYPE_CHECKING:
    from obstore import GetOptions, PutMode

__all__ = ["Kept", "Meta", "S3Client", "S3Options"]

T = TypeVar("T")

#: bytes of a part of an upload, how many parts of one file are under way, and how many parts S3 takes
_PART = 8 << 20
_PARTS_AT_ONCE = 3
_MOST_PARTS = 9_000
#: how often something is tried whose outcome another writer can change, and a read that was cut
_TRIES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Options:
    """How an object store is reached. What is None comes from the environment, as `AWS_...`, or from the machine."""

    endpoint: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    path_style: bool = True
    #: how often a request is tried again that failed for the store's or the network's sake, and for how long at most
    retries: int = 8
    patience: timedelta = timedelta(seconds=60)
    #: for one request; a part of an upload is one
    timeout: timedelta = timedelta(seconds=60)

    def __repr__(self) -> str:
        return f"S3Options(endpoint={self.endpoint!r}, region={self.region!r})"  # nothing that is secret


@dataclass(frozen=True, kw_only=True, slots=True)
class Meta:
    """What a list says of an object."""

    key: str
    size: int
    e_tag: str | None
    modified: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A small object as it was read, with the mark by which a later state is told from it."""

    data: bytes
    e_tag: str | None


class S3Client:
    """A prefix of a bucket; keys are relative to it. Raises `StorageUnavailable` and `StorageFull`."""

    def __init__(self, bucket: str, prefix: str, options: S3Options) -> None:
        """Take an address. Asks nobody."""
        self.bucket = bucket
        self.address = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        self._store = _store(bucket, prefix, options)

    def get(self, key: str) -> Kept:
        """Return a small object. Raises `FileNotFoundError`."""
        for _ in range(_TRIES):
            answer = self._ask(key, lambda: obstore.get(self._store, key))
            try:
                data = bytes(answer.bytes())
            except FAULTS as error:
                if not _was_cut(error):
                    raise self._meaning(error, key) from None
                continue
            if len(data) == answer.meta["size"]:
                return Kept(data=data, e_tag=answer.meta["e_tag"])
        raise StorageUnavailable(f"Reading from the object store was cut again and again: {self._where(key)}.")

    def find(self, key: str) -> Kept | None:
        """Return a small object, None where there is none."""
        try:
            return self.get(key)
        except FileNotFoundError:
            return None

    def head(self, key: str) -> Meta | None:
        """Return what the store says of an object, None where there is none."""
        try:
            about = self._ask(key, lambda: obstore.head(self._store, key))
        except FileNotFoundError:
            return None
        return _meta(about)

    def open(self, key: str) -> Opened:
        """Open an object for reading. Raises `FileNotFoundError`; reading raises `PackageError`."""
        stream = _Stream(self, key)
        return Opened(io.BufferedReader(stream, BLOCK), stream.size)

    def fetch(self, key: str, options: GetOptions) -> Any:
        """Begin to read an object. Raises `FileNotFoundError`, and `PackageDamaged` where it is another now."""
        try:
            return self._ask(key, lambda: obstore.get(self._store, key, options=options))
        except PreconditionError:
            raise PackageDamaged(f"The object {self._where(key)} was replaced while it was read.") from None

    def put(self, key: str, data: bytes) -> None:
        """Write a small object over whatever is there."""
        self._ask(key, lambda: obstore.put(self._store, key, data, use_multipart=False))

    def put_if(self, key: str, data: bytes, before: Kept | None) -> bool:
        """Write a small object where its key is as it was: `before`, None for absent. Tell whether it is this one now.

        An answer that is lost is asked for again, and then refused, for the object is there. So what is there is
        compared with what was to be written.
        """
        mode: PutMode = "create" if before is None else {"e_tag": before.e_tag}
        for _ in range(_TRIES):
            try:
                self._ask(key, lambda: obstore.put(self._store, key, data, mode=mode, use_multipart=False))
                return True
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                found = self.find(key)
            if found is not None and found.data == data:
                return True
            if found != before:
                return False
            # some stores answer so to both of two that come together, though neither has written yet
        raise StorageUnavailable(f"The object store refuses a condition that holds: {self._where(key)}.")

    def upload(self, key: str, path: Path, size: int) -> str | None:
        """Write a file of any size over whatever is there; return the mark that the store gave it."""
        if size <= _PART:
            data = path.read_bytes()
            return self._ask(key, lambda: obstore.put(self._store, key, data, use_multipart=False))["e_tag"]
        part = max(_PART, -(-size // _MOST_PARTS))

        def put() -> str | None:
            return obstore.put(
                self._store, key, path, use_multipart=True, chunk_size=part, max_concurrency=_PARTS_AT_ONCE
            )["e_tag"]

        return self._ask(key, put)

    def list(self, prefix: str) -> Iterator[Meta]:
        """Yield the objects below a prefix, in the store's order. Some stores leave keys out."""
        last: str | None = None
        cuts = 0
        while True:
            try:
                for page in obstore.list(self._store, prefix or None, offset=last, chunk_size=1000):
                    for about in page:
                        yield _meta(about)
                        last, cuts = about["path"], 0
            except FAULTS as error:  # a missing bucket among them
                cuts += 1
                if cuts > _TRIES or not _was_cut(error):
                    raise self._meaning(error, prefix) from None
            else:
                return

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are gone already do not matter."""
        for start in range(0, len(keys), 1000):
            some = keys[start : start + 1000]
            with suppress(FileNotFoundError):
                self._ask(some[0], partial(obstore.delete, self._store, some))

    def copy(self, key: str, to: str) -> None:
        """Copy an object within the store. Raises `FileNotFoundError`."""
        self._ask(key, lambda: obstore.copy(self._store, key, to))

    def _ask(self, key: str, call: Callable[[], T]) -> T:
        """Call the store. What is missing and what a condition forbids is the caller's to judge."""
        try:
            return call()
        except FileNotFoundError as error:
            if said(error)[0] == "NoSuchBucket":
                raise self._meaning(error, key) from None
            raise FileNotFoundError(errno.ENOENT, "No such object", self._where(key)) from None
        except (AlreadyExistsError, PreconditionError):
            raise
        except FAULTS as error:
            raise self._meaning(error, key) from None

    def _meaning(self, error: Exception, key: str) -> PackageError:
        return storage_error(error, self._where(key), self.bucket)

    def _where(self, key: str) -> str:
        return f"{self.address}/{key}" if key else self.address


class _Stream(io.RawIOBase):
    """An object that is read from its beginning to its end; a cut connection is taken up where it broke off."""

    def __init__(self, client: S3Client, key: str) -> None:
        super().__init__()
        self._client = client
        self._key = key
        answer = client.fetch(key, {})
        self.size: int = answer.meta["size"]
        self._mark: str | None = answer.meta["e_tag"]
        self._pieces = iter(answer.stream(min_chunk_size=BLOCK))
        self._rest = memoryview(b"")
        self._at = 0
        #: cuts since the last byte, and where that was
        self._cuts = 0
        self._cut_at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest and self._at < self.size:
            self._next()
        taken = min(len(buffer), len(self._rest))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def _next(self) -> None:
        try:
            piece = next(self._pieces, None)
        except FAULTS as error:
            self._again(error)
            return
        if piece is None:
            self._again(None)
            return
        self._rest = memoryview(bytes(piece))
        self._at += len(self._rest)
        if self._at > self.size:
            raise PackageDamaged(f"More bytes came than {self._client.address}/{self._key} has.")

    def _again(self, error: Exception | None) -> None:
        """Go on where the stream broke off, with the same state of the object."""
        self._cuts = self._cuts + 1 if self._at == self._cut_at else 1
        self._cut_at = self._at
        if self._cuts > _TRIES or (error is not None and not _was_cut(error)):
            self._give_up(error)
        options: GetOptions = {"range": (self._at, self.size)}
        if self._mark is not None and not self._mark.startswith("W/"):
            options["if_match"] = self._mark
        answer = self._client.fetch(self._key, options)
        if answer.meta["e_tag"] != self._mark:
            raise PackageDamaged(f"The object {self._client.address}/{self._key} was replaced while it was read.")
        self._pieces = iter(answer.stream(min_chunk_size=BLOCK))

    def _give_up(self, error: Exception | None) -> NoReturn:
        raise StorageUnavailable(
            f"Reading {self._client.address}/{self._key} was cut after {self._at:,} of {self.size:,} bytes."
        ) from error


def _was_cut(error: Exception) -> bool:
    """Tell whether an answer broke off, rather than told something."""
    return isinstance(error, (BaseError, OSError)) and said(error)[1] is None


def _meta(about: Any) -> Meta:
    return Meta(key=about["path"], size=about["size"], e_tag=about["e_tag"], modified=about["last_modified"])


def _store(bucket: str, prefix: str, options: S3Options) -> S3Store:
    clear = (options.endpoint or "").startswith("http://")
    set_: dict[str, Any] = {
        "endpoint": options.endpoint,
        "region": options.region,
        "access_key_id": options.access_key_id,
        "secret_access_key": options.secret_access_key,
        "virtual_hosted_style_request": not options.path_style,
        "checksum_algorithm": "SHA256",  # buckets with object lock ask for one
    }
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options={"connect_timeout": timedelta(seconds=10), "timeout": options.timeout, "allow_http": clear},
        retry_config={"max_retries": options.retries, "retry_timeout": options.patience},
        **{key: value for key, value in set_.items() if value is not None},
    )

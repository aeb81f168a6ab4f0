"""Packages below a prefix of an object store that speaks S3: listed, and read by ranges, never fetched as a whole.

Every range is asked for with the ETag that the object had when it was found, and what comes is compared with it, so
that an object replaced meanwhile is an error, and never a mixture of two. Nothing that the store says about an error
is repeated but its code: answers of some stores hold access keys and what was signed.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from coursekeep import ConnectorError, CredentialsNeeded, MalformedAnswer, NoAccess, NotFound, RetryLater
from coursekeep_connectors.packages.place import Found, PackageFile, Place, Stamp, id_of, path_of, replaced
from coursekeep_connectors.packages.settings import PackagesSettings

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta

__all__ = ["Bucket"]

#: bytes that are asked for at one time, and how many such blocks of one object are kept
_BLOCK = 2 * 2**20
_KEPT = 3
_PAGE = 1000
#: a range is tried again for half a minute; then the whole course is, later
_TRIES: dict[str, Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
_WAITS: dict[str, Any] = {"connect_timeout": timedelta(seconds=10), "timeout": timedelta(seconds=60)}

_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
#: how a machine of a cloud is asked for credentials when none are set; nothing else here is a PUT
_ASKED_MACHINE = re.compile(r"performing PUT \S+/latest/api/token")
_ELSEWHERE = "incorrectly configured region"
_CREDENTIALS = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
_REGION = {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}


class Bucket(Place):
    """A prefix of a bucket."""

    def __init__(self, settings: PackagesSettings) -> None:
        """Take settings. Asks nobody."""
        self._bucket, self._prefix = settings.bucket, settings.prefix
        self._store = _store(settings)
        self.address = settings.path
        if settings.s3_endpoint is not None:  # names of buckets are unique within one store only
            self.address += f"?endpoint={settings.s3_endpoint.rstrip('/')}"

    def files(self) -> Iterator[Found]:
        """Yield all objects in the order of their keys."""
        found: list[Found] = []
        try:
            for page in obstore.list(self._store, self._prefix or None, chunk_size=_PAGE):
                found += [self._found(about) for about in page]
        except (BaseError, OSError, ValueError) as error:
            raise self._meaning(error, None) from None
        yield from sorted(found, key=lambda each: each.id)

    def find(self, id_: str) -> Found | None:
        """Return the object of an id."""
        path = path_of(id_)
        if path is None:
            return None
        try:
            return self._found(obstore.head(self._store, self._key(path)))
        except FileNotFoundError:
            return None
        except (BaseError, OSError, ValueError) as error:
            raise self._meaning(error, id_) from None

    def open(self, found: Found) -> PackageFile:
        """Open an object as it was found; the first range tells whether it still is."""
        path = path_of(found.id)
        if path is None:
            raise NotFound("there is no such object", where=found.id)
        return _Object(self, self._key(path), found)

    def fetch(self, key: str, found: Found, start: int, end: int) -> bytes:
        """Return a range of an object in the state in which it was found."""
        options: GetOptions = {"range": (start, end)}
        if _is_strong(found.stamp[1]):
            options["if_match"] = found.stamp[1]
        try:
            answer = obstore.get(self._store, key, options=options)
            stamp, data = _stamp(answer.meta), bytes(answer.bytes())
        except FileNotFoundError as error:
            raise self._gone(error, found) from None
        except (BaseError, OSError, ValueError) as error:
            raise self._meaning(error, found.id) from None
        if stamp != found.stamp:
            raise replaced(found.id)
        if len(data) != end - start:
            raise RetryLater(f"{len(data):,} bytes came in place of {end - start:,}", where=found.id)
        return data

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _found(self, about: ObjectMeta) -> Found:
        path = about["path"].removeprefix(f"{self._prefix}/" if self._prefix else "")
        return Found(id=id_of(path), name=PurePosixPath(path).name, stamp=_stamp(about))

    def _gone(self, error: Exception, found: Found) -> ConnectorError:
        if _said(error)[0] == "NoSuchBucket":
            return self._meaning(error, found.id)
        return NotFound("the object is gone", where=found.id)

    def _meaning(self, error: Exception, id_: str | None) -> ConnectorError:
        """Say what happens next. Nothing of the error's own text is repeated but a code and a status."""
        where = self.address if id_ is None else id_
        code, status, text = _said(error)
        if isinstance(error, PreconditionError) or status in (412, 416):
            return replaced(where)
        if isinstance(error, InvalidPathError):
            return MalformedAnswer("an object's key has empty parts, `.`, `..` or control characters", where=where)
        if code == "NoSuchBucket":
            return NotFound(f"the bucket {self._bucket} does not exist", where=where, status=status)
        if code in _REGION or status in (301, 307) or _ELSEWHERE in text:
            return NoAccess("the bucket lies in another region; set s3_region", where=where, status=status)
        if code in _CREDENTIALS or isinstance(error, UnauthenticatedError) or status == 401:
            said = f" ({code})" if code else ""
            return CredentialsNeeded(f"the object store refuses the credentials{said}", where=where, status=status)
        if _ASKED_MACHINE.search(text):
            return CredentialsNeeded("no credentials are set, and the environment has none", where=where)
        if isinstance(error, PermissionDeniedError) or status == 403:
            return self._denied(code, id_, where)
        if status is not None and 400 <= status < 500 and status not in (408, 429):
            said = f" and {code}" if code else ""
            return MalformedAnswer(f"the object store answered {status}{said}", where=where, status=status)
        said = f"answered {status}" if status else "could not be reached, or did not answer in time"
        return RetryLater(f"the object store {said}", where=where, status=status)

    def _denied(self, code: str | None, id_: str | None, where: str) -> ConnectorError:
        if id_ is None:
            return NoAccess("the credentials may not list the bucket", where=where, status=403)
        if code is None:  # an answer to HEAD has no body: a list says why
            try:
                next(iter(obstore.list(self._store, self._prefix or None, chunk_size=1)), None)
            except (BaseError, OSError, ValueError) as error:
                if isinstance(found := self._meaning(error, None), CredentialsNeeded):
                    return found
        return NoAccess("the credentials may not read the object", where=where, status=403)


class _Object(PackageFile):
    """An object: read by large ranges, of which the last few are kept."""

    def __init__(self, bucket: Bucket, key: str, found: Found) -> None:
        super().__init__(found.name, found.stamp)
        self._bucket = bucket
        self._key = key
        self._found = found
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def pread(self, offset: int, size: int) -> bytes:
        """Return bytes from an offset."""
        end = min(offset + size, self.size)
        pieces: list[bytes] = []
        while offset < end:
            number, start = divmod(offset, _BLOCK)
            piece = self._block(number)[start : start + end - offset]
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Forget what was read."""
        with self._lock:
            self._blocks.clear()

    def _block(self, number: int) -> bytes:
        with self._lock:
            block = self._blocks.get(number)
            if block is None:
                start = number * _BLOCK
                block = self._bucket.fetch(self._key, self._found, start, min(start + _BLOCK, self.size))
                self._blocks[number] = block
                while len(self._blocks) > _KEPT:
                    self._blocks.popitem(last=False)
            self._blocks.move_to_end(number)
            return block


def _store(settings: PackagesSettings) -> S3Store:
    """Make the client; what is not set comes from the environment, as `AWS_...`."""
    set_: dict[str, Any] = {"endpoint": settings.s3_endpoint, "region": settings.s3_region}
    for name in ("access_key_id", "secret_access_key"):
        secret = getattr(settings, f"s3_{name}")
        set_[name] = None if secret is None else secret.get_secret_value()
    known = {key: value for key, value in set_.items() if value is not None}
    clear = (settings.s3_endpoint or "").startswith("http://")
    waits = {**_WAITS, "allow_http": True} if clear else _WAITS
    return S3Store(settings.bucket, client_options=waits, retry_config=_TRIES, **known)  # type: ignore[arg-type]  # dicts


def _stamp(about: ObjectMeta) -> Stamp:
    """Return size and ETag, in one spelling: some stores leave out the quotes in lists. Without ETag, the time."""
    tag = about["e_tag"]
    if not tag:
        return about["size"], about["last_modified"].replace(microsecond=0).isoformat()
    return about["size"], tag if tag.startswith("W/") else '"' + tag.strip('"') + '"'


def _is_strong(mark: str) -> bool:
    """Tell whether a mark is an ETag that `If-Match` can compare: not a weak one, nor a time."""
    return mark.startswith('"')


def _said(error: Exception) -> tuple[str | None, int | None, str]:
    """Return the code, the status and the text of an error."""
    text = str(error).partition("Debug source")[0]
    code, status = _CODE.search(text), _STATUS.search(text)
    return code and code[1], int(status[1]) if status else None, text

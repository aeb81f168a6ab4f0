"""What an object store's errors mean, and what to do. Nothing that it says is repeated but its code and its status:
answers of some stores hold access keys and what was signed."""

from __future__ import annotations

import re

from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, UnauthenticatedError

from coursekeep_daemon.package.errors import PackageError, StorageFull, StorageUnavailable

__all__ = ["FAULTS", "said", "storage_error"]

#: what obstore raises; a missing object is a `FileNotFoundError`, and so an `OSError`
FAULTS = (BaseError, OSError, ValueError)

_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
#: how a machine of a cloud is asked for credentials when none are set; nothing else here is a PUT
_ASKED_MACHINE = re.compile(r"performing PUT \S+/latest/api/token")

_FULL = {
    "InsufficientCapacity",
    "InsufficientStorage",
    "InsufficientStorageSpace",
    "QuotaExceeded",
    "QuotaExceededException",
    "ServiceQuotaExceededException",
    "XMinioAdminBucketQuotaExceeded",
    "XMinioStorageFull",
}
_SLOW = {"RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests"}
_CREDENTIALS = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
_REGION = {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}


def said(error: Exception) -> tuple[str | None, int | None, str]:
    """Return the code, the status and the text of an error."""
    text = str(error).partition("Debug source")[0]
    code, status = _CODE.search(text), _STATUS.search(text)
    return code and code[1], int(status[1]) if status else None, text


def storage_error(error: Exception, where: str, bucket: str) -> PackageError:
    """Return what an error means for the archive: full, unavailable, or a fault of our own."""
    code, status, text = said(error)
    answer = f" ({code or status})" if code or status else ""
    if code in _FULL or status == 507:
        return StorageFull(f"The object store is full, or its quota is used up{answer}, at {where}. Make room there.")
    if isinstance(error, (InvalidPathError, ValueError)):
        return PackageError(f"A key below {where} is none that can be used: it has empty parts, `.` or `..`.")
    return StorageUnavailable(f"{_unavailable(error, code, status, text, bucket)}{answer}: {where}.")


def _unavailable(error: Exception, code: str | None, status: int | None, text: str, bucket: str) -> str:
    """Say why nothing can be had now, and what to do."""
    if code == "NoSuchBucket":
        return f"The bucket {bucket} does not exist; create it, or correct archive.url"
    if code in _REGION or status in (301, 307) or "incorrectly configured region" in text:
        return f"The bucket {bucket} lies in another region; set region in [archive.s3]"
    if code == "RequestTimeTooSkewed":
        return "The clock of this machine and that of the object store differ too much; set the clock"
    if _ASKED_MACHINE.search(text):
        return "There are no credentials for the object store; set access_key_id and secret_access_key in [archive.s3]"
    if code in _CREDENTIALS or isinstance(error, UnauthenticatedError) or status == 401:
        return "The object store refuses the credentials; renew those of [archive.s3]"
    if isinstance(error, PermissionDeniedError) or status == 403:
        return f"The object store does not allow it; let the credentials list, read, write and delete in {bucket}"
    if code in _SLOW or status in (429, 503):
        return "The object store asks to slow down, or is overloaded; work goes on when it is well"
    if status is not None and 400 <= status < 500:
        return "The object store refuses the request"
    return "The object store cannot be reached, or did not answer in time; check its endpoint and the network"

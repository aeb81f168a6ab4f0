"""From an address in the settings to an archive target."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from coursekeep import SettingsError
from coursekeep_daemon.package.targets.base import Target
from coursekeep_daemon.package.targets.disk import Disk
from coursekeep_daemon.package.targets.s3 import S3
from coursekeep_daemon.package.targets.s3_client import S3Options

__all__ = ["open_target", "split_s3"]

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


def open_target(url: str, work: Path | None, options: S3Options, *, key: str = "archive.url") -> Target:
    """Return the target at an address; `work` is where versions for an object store are built. Touches nothing.

    Raises `SettingsError` for other addresses, naming the setting `key`.
    """
    scheme, separator, path = url.partition("://")
    if separator and scheme == "file" and path:
        return Disk(Path(unquote(path)).absolute())
    if separator and scheme == "s3" and work is not None and (found := split_s3(path)):
        return S3(*found, work, options)
    raise SettingsError(
        f"{key}: {url!r} is no place for an archive. Use file:// with a path, such as file://./archive or "
        "file:///srv/archive, or s3:// with a bucket and a prefix, such as s3://example-archive/courses."
    )


def split_s3(path: str) -> tuple[str, str] | None:
    """Split `bucket/prefix`; None where it is none."""
    bucket, _, prefix = path.partition("/")
    prefix = prefix.strip("/")
    parts = prefix.split("/") if prefix else []
    if not _BUCKET.fullmatch(bucket) or any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        return None
    return bucket, prefix

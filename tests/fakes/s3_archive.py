"""Archives in the object store of the tests, and what lies in it by plain lists."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import fakes.package_kit as kit
import obstore
from fakes.s3_server import S3Server

from coursekeep_daemon.package import Archive
from coursekeep_daemon.package.targets import S3Options

__all__ = ["download", "keys", "options", "s3_archive"]


def options(server: S3Server, **more: Any) -> S3Options:
    """Return how to reach a server; impatient, so that tests need not wait."""
    values: dict[str, Any] = {
        "endpoint": server.url,
        "region": server.region,
        "access_key_id": server.owner.key,
        "secret_access_key": server.owner.secret,
        "retries": 2,
        "patience": timedelta(seconds=5),
    }
    return S3Options(**{**values, **more})


def s3_archive(server: S3Server, prefix: str, work: Path, **more: Any) -> Archive:
    """Return a prepared archive whose clock stands still."""

    def clock() -> datetime:
        return kit.NOW

    url = f"s3://{server.bucket}/{prefix}"
    archive = Archive.open(url, organization="Example University", clock=clock, work=work, s3=options(server), **more)
    archive.prepare()
    return archive


def keys(server: S3Server, prefix: str) -> list[str]:
    """Return what lies below a prefix."""
    return sorted(
        about["path"].removeprefix(f"{prefix}/") for page in obstore.list(server.store(), prefix) for about in page
    )


def download(server: S3Server, prefix: str, folder: Path) -> Path:
    """Fetch everything below a prefix as anybody would: list it, and write each object to a file."""
    for key in keys(server, prefix):
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bytes(obstore.get(server.store(), f"{prefix}/{key}").bytes()))
    return folder

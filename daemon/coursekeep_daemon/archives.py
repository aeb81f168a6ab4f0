"""The archive and its replicas, as the settings say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coursekeep_daemon.package import Archive, S3Options
from coursekeep_daemon.secrets import resolve_secrets
from coursekeep_daemon.sections import S3Settings
from coursekeep_daemon.settings import Settings

__all__ = ["open_archive", "s3_options", "work_directory"]


def open_archive(settings: Settings) -> Archive:
    """Return the archive, with its replicas. Touches nothing.

    Raises `SettingsError` where an address is none, or a secret is not there.
    """
    archive = settings.archive
    work = work_directory(settings)
    for_replicas = s3_options(settings, replica=True)
    replicas = [
        Archive.open(
            url, organization=archive.organization, work=work, s3=for_replicas, key=f"archive.replicas[{number}]"
        )
        for number, url in enumerate(archive.replicas)
    ]
    addresses = [archive.url.rstrip("/"), *(url.rstrip("/") for url in archive.replicas)]
    if len(set(addresses)) < len(addresses):
        raise settings.origin.error(("archive", "replicas"), "an archive is no copy of itself: name each place once")
    return Archive.open(
        archive.url, organization=archive.organization, work=work, s3=s3_options(settings), replicas=replicas
    )


def work_directory(settings: Settings) -> Path:
    """Return where versions are built that go into an object store."""
    return settings.daemon.data_dir / "staging"


def s3_options(settings: Settings, *, replica: bool = False) -> S3Options:
    """Return how an object store is reached, secrets resolved. Raises `SettingsError` for a secret that is missing."""
    archive = settings.archive
    at: Sequence[str] = ("archive", "s3")
    section: S3Settings = archive.s3
    if replica and archive.replica_s3 is not None:
        at, section = ("archive", "replica_s3"), archive.replica_s3
    kept = {"access_key_id": section.access_key_id, "secret_access_key": section.secret_access_key}
    found = resolve_secrets(kept, at, settings.origin)
    return S3Options(endpoint=section.endpoint, region=section.region, path_style=section.path_style, **found)

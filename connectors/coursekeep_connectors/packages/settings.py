"""Settings of a folder of course packages, on a disk or in an object store."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from coursekeep import SettingsModel

__all__ = ["PackagesSettings"]

_S3 = "s3://"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


class PackagesSettings(SettingsModel):
    """What an operator may set for one folder of course packages."""

    path: str = Field(
        title="Folder",
        description="Folder of exported courses, with all folders in it, relative to the settings file;"
        " or `s3://BUCKET/PREFIX`.",
    )
    s3_endpoint: str | None = Field(
        None,
        title="S3 endpoint",
        description="Address of the object store, for example https://s3.example.edu; without it, Amazon's.",
        pattern="^https?://[^/?#@]+/?$",
    )
    s3_region: str | None = Field(None, title="S3 region", description="Region of the bucket, where it has one.")
    s3_access_key_id: SecretStr | None = Field(
        None,
        title="S3 access key id",
        description="Credentials that may list and read the bucket; without them, those of the daemon's environment.",
    )
    s3_secret_access_key: SecretStr | None = Field(
        None, title="S3 secret access key", description="The secret that belongs to the access key id."
    )
    max_entries: int = Field(
        100_000, ge=1, title="Most entries", description="Entries that one package may hold; one with more is refused."
    )
    max_unpacked: int = Field(
        200 * 2**30,
        ge=1,
        title="Largest unpacked size",
        description="Bytes that the entries of one package may have together; a package with more is refused.",
    )
    max_ratio: float = Field(
        200.0,
        ge=1,
        title="Largest ratio",
        description="How many times its own size a package may unpack to, beyond the first 64 MiB.",
    )
    max_depth: int = Field(
        64, ge=4, title="Deepest nesting", description="Folders within folders in a package, and elements in its XML."
    )
    max_document: int = Field(
        32 * 2**20,
        ge=2**20,
        title="Largest document",
        description="Bytes of XML or HTML that are held in memory at one time; what is larger is not read into"
        " records, and named as a gap.",
    )

    @field_validator("path", mode="before")
    @classmethod
    def _as_text(cls, path: Any) -> Any:
        return os.fspath(path) if isinstance(path, os.PathLike) else path

    @field_validator("path", mode="after")
    @classmethod
    def _anchored(cls, path: str, info: ValidationInfo) -> str:
        if path.startswith(_S3):
            return _bucket_and_prefix(path)
        if _SCHEME.match(path):
            raise ValueError("only folders and s3:// can be read")
        folder = (info.context or {}).get("folder")
        return path if folder is None else str(Path(folder) / path)

    @model_validator(mode="after")
    def _together(self) -> Self:
        named = [name for name, value in self if name.startswith("s3_") and value is not None]
        if named and not self.in_s3:
            raise ValueError(f"{', '.join(named)} can be used only where path begins with {_S3}")
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError("s3_access_key_id and s3_secret_access_key belong together: set both, or neither")
        return self

    @property
    def in_s3(self) -> bool:
        """Tell whether the packages lie in an object store."""
        return self.path.startswith(_S3)

    @property
    def folder(self) -> Path:
        """The folder on a disk."""
        return Path(self.path)

    @property
    def bucket(self) -> str:
        """The bucket in an object store."""
        return self.path.removeprefix(_S3).partition("/")[0]

    @property
    def prefix(self) -> str:
        """The folder in the bucket; empty for all of it."""
        return self.path.removeprefix(_S3).partition("/")[2]


def _bucket_and_prefix(path: str) -> str:
    """Return the address in its one spelling. Raises ValueError."""
    bucket, _, prefix = path.removeprefix(_S3).partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("s3:// is followed by the name of a bucket: s3://BUCKET/PREFIX")
    parts = [part for part in prefix.split("/") if part]
    if {".", ".."} & set(parts):
        raise ValueError("a prefix has no `.` or `..` in it")
    return _S3 + "/".join([bucket, *parts])

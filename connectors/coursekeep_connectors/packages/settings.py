"""Settings of a folder of course packages."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from coursekeep import SettingsModel

__all__ = ["PackagesSettings"]


class PackagesSettings(SettingsModel):
    """What an operator may set for one folder of course packages."""

    path: Path = Field(
        title="Folder",
        description="Folder of exported courses, with all folders in it; relative to the settings file.",
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
        64 * 2**20,
        ge=2**20,
        title="Largest document",
        description="Bytes of XML or HTML that are held in memory at one time; what is larger is not read into"
        " records, and named as a gap.",
    )

    @field_validator("path", mode="after")
    @classmethod
    def _anchored(cls, path: Path, info: ValidationInfo) -> Path:
        folder = (info.context or {}).get("folder")
        return path if folder is None else Path(folder) / path

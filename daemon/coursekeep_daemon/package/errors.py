"""What can go wrong with packages, split by what happens next.

::

    PackageError
    ├── StorageFull           no space or quota left: hold the work until there is room
    ├── StorageUnavailable    the archive is missing, read-only or not allowed: hold the work until it is back
    ├── PackageBusy           another writer has this package open: try again later
    ├── PackageDamaged        what is stored does not match its own checksums: leave it alone and tell a person
    ├── NoSuchPackage         there is no such object or version
    ├── OtherSource           the package at this place holds a course of another LMS
    └── FileRefused           one file is not what the LMS promised: a gap, with `reason`
        ├── WrongSize
        └── WrongContent
"""

from __future__ import annotations

from typing import ClassVar

from coursekeep import CoursekeepError, GapReason

__all__ = [
    "FileRefused",
    "NoSuchPackage",
    "OtherSource",
    "PackageBusy",
    "PackageDamaged",
    "PackageError",
    "StorageFull",
    "StorageUnavailable",
    "WrongContent",
    "WrongSize",
]


class PackageError(CoursekeepError):
    """Base of everything that goes wrong with packages and their storage."""


class StorageFull(PackageError):
    """The storage of the archive has no space or quota left."""


class StorageUnavailable(PackageError):
    """The storage of the archive is missing, read-only, not allowed, or holds something else."""


class PackageBusy(PackageError):
    """Another writer is at work on this package."""


class PackageDamaged(PackageError):
    """What is stored does not match its own checksums, in a way that no interrupted write explains."""


class NoSuchPackage(PackageError):
    """The archive holds no such package, or the package no such version."""


class OtherSource(PackageError):
    """The package at this place holds a course of another LMS."""


class FileRefused(PackageError):
    """The bytes received are not the file that the LMS promised. They have been removed."""

    #: reason for the gap that the caller records
    reason: ClassVar[GapReason] = GapReason.MALFORMED


class WrongSize(FileRefused):
    """More or fewer bytes than the LMS promised."""

    reason = GapReason.WRONG_SIZE


class WrongContent(FileRefused):
    """As many bytes as promised, but others: the LMS's own digest differs."""

    reason = GapReason.WRONG_CONTENT

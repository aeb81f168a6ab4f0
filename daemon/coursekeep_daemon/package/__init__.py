"""The package: the only package that knows the format."""

from coursekeep_daemon.package.archive import Archive
from coursekeep_daemon.package.commit import Step
from coursekeep_daemon.package.completeness import KindCount
from coursekeep_daemon.package.completeness import Status as CompletenessStatus
from coursekeep_daemon.package.context import Committed, Head, PackageContext
from coursekeep_daemon.package.errors import (
    FileRefused,
    NoSuchPackage,
    OtherSource,
    PackageBusy,
    PackageDamaged,
    PackageError,
    StorageFull,
    StorageUnavailable,
    WrongContent,
    WrongSize,
)
from coursekeep_daemon.package.reading import NamedGap, NamedGaps, StatedCompleteness
from coursekeep_daemon.package.repair import Mended, RepairReport
from coursekeep_daemon.package.report import Pace, Problem, VerifyReport
from coursekeep_daemon.package.schemas import RecordRefused
from coursekeep_daemon.package.sink import FileSink
from coursekeep_daemon.package.targets import S3Options, S3Step
from coursekeep_daemon.package.verify import verify_address, verify_path
from coursekeep_daemon.package.writer import PackageWriter

__all__ = [
    "Archive",
    "Committed",
    "CompletenessStatus",
    "FileRefused",
    "FileSink",
    "Head",
    "KindCount",
    "Mended",
    "NamedGap",
    "NamedGaps",
    "NoSuchPackage",
    "OtherSource",
    "Pace",
    "PackageBusy",
    "PackageContext",
    "PackageDamaged",
    "PackageError",
    "PackageWriter",
    "Problem",
    "RecordRefused",
    "RepairReport",
    "S3Options",
    "S3Step",
    "StatedCompleteness",
    "Step",
    "StorageFull",
    "StorageUnavailable",
    "VerifyReport",
    "WrongContent",
    "WrongSize",
    "verify_address",
    "verify_path",
]

"""Where packages are kept: files of a disk, or objects of an object store."""

from coursekeep_daemon.package.targets.base import Found, Listing, NewVersion, OnStep, Opened, Place, Target, join
from coursekeep_daemon.package.targets.disk import Disk
from coursekeep_daemon.package.targets.opening import open_target
from coursekeep_daemon.package.targets.s3 import S3
from coursekeep_daemon.package.targets.s3_client import S3Options
from coursekeep_daemon.package.targets.s3_commit import S3Step

__all__ = [
    "S3",
    "Disk",
    "Found",
    "Listing",
    "NewVersion",
    "OnStep",
    "Opened",
    "Place",
    "S3Options",
    "S3Step",
    "Target",
    "join",
    "open_target",
]

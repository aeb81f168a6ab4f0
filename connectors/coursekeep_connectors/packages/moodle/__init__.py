"""Moodle course backups: those of 2.0 to 5.x, and those of 1.9."""

from coursekeep_connectors.packages.moodle.first import read_moodle_1
from coursekeep_connectors.packages.moodle.reader import read_moodle

__all__ = ["read_moodle", "read_moodle_1"]

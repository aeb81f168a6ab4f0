"""The connector for Moodle."""

from coursekeep_connectors.moodle.connector import MoodleConnector
from coursekeep_connectors.moodle.settings import MoodleSettings

__all__ = ["MoodleConnector", "MoodleSettings"]

"""A small Moodle: its web services over HTTP, for demos and tests."""

from coursekeep_campus.moodle.call import Options
from coursekeep_campus.moodle.content import moodle_content
from coursekeep_campus.moodle.model import Moodle
from coursekeep_campus.moodle.server import MoodleServer

__all__ = ["Moodle", "MoodleServer", "Options", "moodle_content"]

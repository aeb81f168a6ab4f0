"""A whole service over a Moodle campus on loopback, for the tests of the rooms together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes.service_bench import Bench

from coursekeep_campus.moodle import MoodleServer

__all__ = ["MoodleBench"]


class MoodleBench(Bench):
    """Makes services whose only integration is a Moodle."""

    def __init__(self, folder: Path, server: MoodleServer, **integration: Any) -> None:
        self.folder = folder
        settings = {"connector": "moodle", "base_url": server.url, "token": server.token, "max_concurrency": 16}
        self.integration = settings | integration

"""What an undisturbed daemon makes of every course, in both of the states that the laboratory gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from fakes.daemon_process import DaemonProcess
from faults.lab import Lab
from faults.places import Folder

from coursekeep_daemon.package import Archive

__all__ = ["Content", "Courses", "contents"]

#: the files of a version that come from the LMS, by digest
Content = Mapping[str, tuple[str, ...]]

_FROM_LMS = ("data/records/", "data/files/", "data/native/")


def contents(inventory: Mapping[str, Any]) -> list[Content]:
    """Return what each version holds, the oldest first, without what tells when and by whom it was made."""
    numbers = sorted(inventory["versions"], key=lambda name: int(name[1:]))
    return [_content(inventory["versions"][number]["state"]) for number in numbers]


def _content(state: Mapping[str, list[str]]) -> Content:
    found = {digest: tuple(sorted(p for p in paths if p.startswith(_FROM_LMS))) for digest, paths in state.items()}
    return {digest: paths for digest, paths in sorted(found.items()) if paths}


class Courses:
    """The courses of the LMS: each has two names in turn, and so two contents; here is known which versions are due."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._names: dict[str, tuple[str, str]] = {}
        self._reference: dict[str, list[Content]] = {}
        #: the states that were archived, per course, the oldest first
        self.due: dict[str, list[int]] = {course: [] for course in lab.courses}
        self._state = dict.fromkeys(lab.courses, 0)

    @staticmethod
    def package(course: str) -> str:
        """Return the id of a course's package."""
        return Archive.object_id("main", course)

    def learn(self) -> None:
        """Archive everything twice with a daemon of its own, undisturbed, the second time after a change."""
        lab = self._lab
        calm = DaemonProcess(
            lab.folder / "calm",
            lab.base_url,
            lab.campus_token,
            {"integrations.main": f"timeout = 30.0\n{lab.CONNECTOR}", "engine": "concurrency = 8"},
        )
        request = {"ids": list(lab.courses)}
        with calm.running():
            first = calm.finished(calm.start_run("ids", request))
            names = {item["course_id"]: item["course_name"] for item in calm.items(first["id"])}
            self._names = {course: (name, f"{name}, changed") for course, name in names.items()}
            for course in lab.courses:
                self._tell(course, 1)
            second = calm.finished(calm.start_run("ids", request, on_existing="refresh"))
        for course in lab.courses:
            self._tell(course, 0)
        lab.campus_started.append(self.tell_again)
        for run in (first, second):
            assert run["counts"]["completed"] == len(lab.courses), run["counts"]
        for course in lab.courses:
            self._reference[course] = contents(Folder(calm.archive).inventory(self.package(course)))
            assert len(self._reference[course]) == 2, course

    def change(self, courses: list[str]) -> None:
        """Change courses in the LMS, or give them their first state; the next run owes a version of each."""
        for course in courses:
            if self.due[course]:
                self._state[course] = 1 - self._state[course]
                self._tell(course, self._state[course])
            self.due[course].append(self._state[course])

    def tell_again(self) -> None:
        """Tell an LMS that was started anew what it was told before."""
        for course, state in self._state.items():
            if state:
                self._tell(course, state)

    def _tell(self, course: str, state: int) -> None:
        url = f"http://127.0.0.1:{self._lab.campus.port}/campus/touch"
        httpx.post(url, json={"course": course, "name": self._names[course][state]}, timeout=30).raise_for_status()

    def expected(self, course: str) -> list[Content]:
        """Return what the versions of a course must hold, the oldest first."""
        return [self._reference[course][state] for state in self.due[course]]

    def stored(self, course: str) -> list[Content]:
        """Return what the versions of a course hold."""
        return contents(self._lab.place.inventory(self.package(course)))

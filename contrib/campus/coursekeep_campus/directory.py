"""Finds objects that Canvas addresses without their course: files, folders, groups, quiz attempts, outcomes."""

from __future__ import annotations

from typing import TypeVar

from coursekeep_campus.content import Doc, GroupSpace, StoredFile
from coursekeep_campus.model import Campus, Course
from coursekeep_campus.replies import not_found

__all__ = ["Directory"]

T = TypeVar("T")


class Directory:
    """An index over the courses that are held as a whole. Courses made on demand have no such objects."""

    def __init__(self, campus: Campus) -> None:
        self._campus = campus
        self._files: dict[int, tuple[Course, StoredFile]] = {}
        self._folders: dict[int, tuple[Course, Doc]] = {}
        self._groups: dict[int, tuple[Course, Doc, GroupSpace]] = {}
        self._categories: dict[int, tuple[Course, Doc]] = {}
        self._quiz_submissions: dict[int, tuple[Course, Doc]] = {}
        self._outcomes: dict[int, tuple[Course, Doc]] = {}
        self.build()

    def build(self) -> None:
        """Read the campus anew, after something was added to it."""
        for course in self._campus.courses.values():
            if course.eager:
                self._add(course)
            elif course.root_folder is not None:
                self._folders[course.root_folder["id"]] = (course, course.root_folder)

    def add_file(self, course: Course, file: StoredFile) -> None:
        """Make one more file known, for example that of an export."""
        self._files[file.id] = (course, file)

    def file(self, number: int) -> tuple[Course, StoredFile]:
        """Find a file and its course. Raises 404, as all of these."""
        return _found(self._files, number)

    def media(self, entry: str) -> int:
        """Find the file of a recording."""
        for _, file in self._files.values():
            if entry and file.doc["media_entry_id"] == entry:
                return file.id
        raise not_found()

    def folder(self, number: int) -> tuple[Course, Doc]:
        """Find a folder of a course or group."""
        return _found(self._folders, number)

    def group(self, number: int) -> tuple[Course, Doc, GroupSpace]:
        """Find a group and what it keeps."""
        return _found(self._groups, number)

    def category(self, number: int) -> tuple[Course, Doc]:
        """Find a group set."""
        return _found(self._categories, number)

    def quiz_submission(self, number: int) -> tuple[Course, Doc]:
        """Find a quiz submission."""
        return _found(self._quiz_submissions, number)

    def outcome(self, number: int) -> tuple[Course, Doc]:
        """Find a learning outcome."""
        return _found(self._outcomes, number)

    def _add(self, course: Course) -> None:
        content = course.content
        self._files.update((file.id, (course, file)) for file in content.all_files())
        self._folders.update((doc["id"], (course, doc)) for doc in content.folders)
        self._categories.update((doc["id"], (course, doc)) for doc in content.group_categories)
        self._outcomes.update((number, (course, doc)) for number, doc in content.outcomes.items())
        for docs in content.quiz_submissions.values():
            self._quiz_submissions.update((doc["id"], (course, doc)) for doc in docs)
        for group in content.groups:
            space = content.group_spaces.setdefault(group["id"], GroupSpace())
            self._groups[group["id"]] = (course, group, space)
            self._folders.update((doc["id"], (course, doc)) for doc in space.folders)


def _found(table: dict[int, T], number: int) -> T:
    try:
        return table[number]
    except KeyError:
        raise not_found() from None

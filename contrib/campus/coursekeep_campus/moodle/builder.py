"""Builds one course: ids, moments and files in one place, so that content is the same for the same seed."""

from __future__ import annotations

import mimetypes
from typing import Any
from urllib.parse import quote

from coursekeep_campus.content import Bytes
from coursekeep_campus.moodle.model import ORIGIN, Activity, Doc, Moodle, MoodleCourse, StoredFile

__all__ = ["DAY", "Builder"]

DAY = 86_400


class Builder:
    """One course in the making."""

    def __init__(self, site: Moodle, course: MoodleCourse, *, students: list[int], teacher: int) -> None:
        """Take the course to fill. Ids begin anew per course, far apart."""
        self.site = site
        self.course = course
        self.students = students
        self.teacher = teacher
        self._next = course.id * 10_000
        self.start = course.startdate

    def id(self) -> int:
        """Return an id that nothing else has."""
        self._next += 1
        return self._next

    def at(self, days: float) -> int:
        """Return a moment so many days after the start of the course."""
        return int(self.start + days * DAY)

    def name_of(self, user_id: int) -> str:
        """Return somebody's full name."""
        return self.site.users[user_id].fullname

    def section(self, name: str, *, visible: int = 1) -> int:
        """Add a section and return its id."""
        section_id = self.id()
        number = len(self.course.sections)
        self.course.sections.append(
            {
                "id": section_id,
                "name": name,
                "visible": visible,
                "summary": f"<p>Summary of {name}</p>",
                "summaryformat": 1,
                "section": number,
                "hiddenbynumsections": 0,
                "uservisible": True,
                "component": None,
                "itemid": None,
            }
        )
        return section_id

    def activity(self, modname: str, name: str, section: int, **doc: Any) -> Activity:
        """Add an activity; `doc` are the fields of its own type."""
        instance, cmid = self.id(), self.id()
        common = {
            "id": instance,
            "coursemodule": cmid,
            "course": self.course.id,
            "name": name,
            "intro": f"<p>Introduction to {name}</p>",
            "introformat": 1,
            "introfiles": [],
            "lang": "",
            "section": section,
            "visible": True,
            "groupmode": 0,
            "groupingid": 0,
            "timemodified": self.at(1),
        }
        made = Activity(cmid=cmid, id=instance, modname=modname, doc={**common, **doc}, section=section)
        self.course.activities.append(made)
        return made

    def file(
        self,
        context: int,
        component: str,
        area: str,
        item: int | None,
        name: str,
        data: bytes,
        *,
        folder: str = "/",
        generated: bool = False,
        trap: str = "",
        query: str = "",
    ) -> Doc:
        """Store a file and return how Moodle lists it."""
        middle = "" if item is None else f"{item}/"
        path = f"{context}/{component}/{area}/{middle}{folder.strip('/')}/{name}".replace("//", "/")
        mimetype = mimetypes.guess_type(name)[0] or "application/octet-stream"
        modified = self.at(2)
        stored = StoredFile(
            path=path,
            content=Bytes(data=data),
            mimetype=mimetype,
            timemodified=modified,
            generated=generated,
            trap=trap,
        )
        self.site.files[path] = stored
        self.site.homes[path] = self.course.id
        return {
            "filename": name,
            "filepath": folder,
            "filesize": 0 if generated else len(data),
            "fileurl": f"{ORIGIN}/webservice/pluginfile.php/{quote(path)}{query}",
            "timemodified": modified,
            "mimetype": mimetype,
            "isexternalfile": False,
            "icon": "f/unknown",
        }

    def content(self, file: Doc, *, author: int | None = None) -> Doc:
        """Return a file as `core_course_get_contents` lists it."""
        user = author or self.teacher
        extra = {"sortorder": 0, "userid": user, "author": self.name_of(user), "license": "cc-4.0"}
        return {"type": "file", **file, "timecreated": file["timemodified"], **extra}

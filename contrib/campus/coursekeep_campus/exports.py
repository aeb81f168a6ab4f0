"""Content exports: started, polled through a Progress that advances with every look, and then a file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from coursekeep_campus.cartridge_writer import cartridge_of
from coursekeep_campus.content import ORIGIN, Bytes, Doc, StoredFile
from coursekeep_campus.model import Campus, Course
from coursekeep_campus.replies import not_found
from coursekeep_campus.shapes_material import file_doc
from coursekeep_campus.times import stamp

__all__ = ["EXPORT_TYPES", "Export", "Exports"]

EXPORT_TYPES = ("common_cartridge", "qti", "zip", "quizzes2")

#: progress at each look: queued, running, done
_STEPS = (0.0, 50.0, 100.0)


@dataclass(kw_only=True, slots=True)
class Export:
    """One export of one course; `step` is an index into the steps of its progress."""

    id: int
    course: Course
    type: str
    user_id: int
    step: int = 0
    file: StoredFile | None = None

    @property
    def done(self) -> bool:
        """Tell whether the export came to its end, good or bad."""
        return self.step >= len(_STEPS) - 1

    @property
    def state(self) -> str:
        """Return the export's own state, in Canvas's words."""
        if self.done:
            return "failed" if self.course.export_fails else "exported"
        return "exporting" if self.step else "created"


class Exports:
    """The exports of one server. Ids of their files lie beyond those of all courses."""

    def __init__(self, campus: Campus) -> None:
        self._now = campus.now
        self._ids = itertools.count(700_001)
        self._exports: dict[int, Export] = {}

    def start(self, course: Course, type_: str, user_id: int) -> Export:
        """Start an export."""
        export = Export(id=next(self._ids), course=course, type=type_, user_id=user_id)
        self._exports[export.id] = export
        return export

    def of_course(self, course: Course) -> list[Export]:
        """Return the exports of a course, newest first."""
        return [export for export in reversed(self._exports.values()) if export.course is course]

    def get(self, number: int) -> Export:
        """Find an export; its progress has the same number. Raises 404."""
        if number not in self._exports:
            raise not_found()
        return self._exports[number]

    def advance(self, export: Export) -> StoredFile | None:
        """Take one step. Returns the file where this step made it."""
        if export.done:
            return None
        export.step += 1
        if export.state != "exported":
            return None
        data = cartridge_of(export.course)
        suffix = {"zip": "zip", "qti": "zip"}.get(export.type, "imscc")
        name = f"{export.course.code.lower().replace(' ', '-')}-export.{suffix}"
        doc = file_doc(export.id, name, len(data), self._now, content_type="application/zip", verifier="export")
        export.file = StoredFile(doc=doc, content=Bytes(data=data), verifier="export")
        return export.file

    def describe(self, export: Export) -> Doc:
        """Describe an export as Canvas does; the attachment only when it is there."""
        doc: Doc = {
            "id": export.id,
            "user_id": export.user_id,
            "created_at": stamp(self._now),
            "workflow_state": export.state,
            "export_type": export.type,
            "course_id": export.course.id,
            "progress_url": f"{ORIGIN}/api/v1/progress/{export.id}",
        }
        if export.file is not None:
            doc["attachment"] = export.file.doc
        return doc

    def progress(self, export: Export) -> Doc:
        """Describe the progress of an export."""
        failed = export.state == "failed"
        running = "running" if export.step else "queued"
        return {
            "id": export.id,
            "context_id": export.id,
            "context_type": "ContentExport",
            "user_id": export.user_id,
            "tag": "content_export",
            "completion": _STEPS[export.step],
            "workflow_state": ("failed" if failed else "completed") if export.done else running,
            "created_at": stamp(self._now),
            "updated_at": stamp(self._now),
            "message": "The export could not be packed." if failed else None,
            "url": f"{ORIGIN}/api/v1/progress/{export.id}",
        }

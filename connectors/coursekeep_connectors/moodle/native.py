"""Backups that Moodle made of the course by itself: the only full copy, with question bank, rubrics, tracks and logs.

No function of Moodle's core starts a backup, so that only those are kept that are there. They lie in the file area
`automated`, and those that somebody made by hand in the area `course`.
"""

from __future__ import annotations

from coursekeep import Expected, Gap, GapReason, Kind, MalformedAnswer, NativeExport, NoAccess, NotFound, Unavailable
from coursekeep_connectors.moodle.reading import Parts, Reading, reason_of
from coursekeep_connectors.moodle.values import Json, text, whole

__all__ = ["backups"]

_FUNCTION = "core_files_get_files"
_AREAS = ("automated", "course")


async def backups(reading: Reading) -> Parts:
    """Yield the course's backups, or the gap where they may not be listed."""
    found: list[Json] = []
    for area in _AREAS:
        try:
            found += await _listed(reading, area)
        except (NoAccess, NotFound, Unavailable, MalformedAnswer) as error:
            detail = f"backups in the area {area} cannot be listed: {error}"
            yield Gap(kind=Kind.NATIVE_EXPORTS, reason=reason_of(error), id=area, detail=detail, count=None)
            if isinstance(error, Unavailable):
                return
    found.sort(key=lambda item: (whole(item.get("timemodified")) or 0, text(item.get("filename")) or ""), reverse=True)
    chosen = found[:1] if reading.settings.backups == "newest" else found
    yield Expected(kind=Kind.NATIVE_EXPORTS, count=len(chosen), basis="backups listed")
    names: set[str] = set()
    for item in chosen:
        name, url = text(item.get("filename")), text(item.get("url"))
        if not name or not url or name in names:
            detail = "a backup without a name or address of its own"
            yield Gap(kind=Kind.NATIVE_EXPORTS, reason=GapReason.MALFORMED, id=name or "backup", detail=detail)
            continue
        names.add(name)
        yield NativeExport(
            name=name,
            url=reading.calls.relocated(url),
            size=whole(item.get("filesize")) or None,
            format="moodle_backup",
        )


async def _listed(reading: Reading, area: str) -> list[Json]:
    arguments = {
        "contextid": -1,
        "component": "backup",
        "filearea": area,
        "itemid": 0,
        "filepath": "/",
        "filename": "",
        "contextlevel": "course",
        "instanceid": reading.course.id,
    }
    _, items = await reading.listing(_FUNCTION, arguments, key="files")
    return [item for item in items if not item.get("isdir") and str(item.get("filename", "")).endswith(".mbz")]

"""Writes a course as a small Common Cartridge, byte for byte the same every time."""

from __future__ import annotations

import io
import zipfile
from xml.sax.saxutils import escape, quoteattr

from coursekeep_campus.content import Content
from coursekeep_campus.model import Course

__all__ = ["cartridge_of"]

_LARGEST = 1 << 20
_MOMENT = (1980, 1, 1, 0, 0, 0)


def cartridge_of(course: Course) -> bytes:
    """Pack pages, files and the outline of a course. People and their work are not part of a cartridge."""
    members = {**_pages(course.content), **_files(course.content)}
    members["course_settings/canvas_export.txt"] = b"Made by a campus, for tests.\n"
    members["imsmanifest.xml"] = _manifest(course, sorted(members))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members, key=lambda member: (member != "imsmanifest.xml", member)):
            info = zipfile.ZipInfo(name, _MOMENT)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, members[name])
    return packed.getvalue()


def _pages(content: Content) -> dict[str, bytes]:
    return {
        f"wiki_content/{page.doc['page_id']}.html": (
            f"<html><head><title>{escape(page.doc['title'])}</title></head><body>{page.doc['body'] or ''}</body></html>"
        ).encode()
        for page in content.pages
    }


def _files(content: Content) -> dict[str, bytes]:
    # Named by id: what people call their files is not fit for paths.
    return {f"web_resources/{file.id}": file.content.data for file in content.files if file.content.size <= _LARGEST}


def _manifest(course: Course, members: list[str]) -> bytes:
    resources = "".join(
        f'<resource identifier="r{number}" type="webcontent" href={quoteattr(name)}>'
        f"<file href={quoteattr(name)}/></resource>"
        for number, name in enumerate(members)
    )
    items = "".join(
        f'<item identifier="m{module["id"]}"><title>{escape(module["name"])}</title></item>'
        for module in course.content.modules
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<manifest identifier="course{course.id}" xmlns="http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1">'
        "<metadata><schema>IMS Common Cartridge</schema><schemaversion>1.1.0</schemaversion></metadata>"
        '<organizations><organization identifier="org" structure="rooted-hierarchy">'
        f'<item identifier="root">{items}</item></organization></organizations>'
        f"<resources>{resources}</resources></manifest>\n"
    ).encode()

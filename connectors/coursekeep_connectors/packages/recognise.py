"""What a file is, told by its content: which format, and what the format says about its course."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import MalformedAnswer
from coursekeep_connectors.packages.container import Container, Entry, Reader, Toll
from coursekeep_connectors.packages.documents import Documents, child, children, descendants, text_of
from coursekeep_connectors.packages.gunzip import Cursor, Marks
from coursekeep_connectors.packages.place import PackageFile
from coursekeep_connectors.packages.settings import PackagesSettings
from coursekeep_connectors.packages.tarred import TarContainer, walk_tar
from coursekeep_connectors.packages.values import moment, stamp
from coursekeep_connectors.packages.zipped import ZipContainer

__all__ = ["Format", "NotAPackage", "Sight", "look", "open_container"]

_MANIFEST = "imsmanifest.xml"
_CANVAS = "course_settings/course_settings.xml"
_MOODLE = ("moodle_backup.xml", "course/course.xml")
#: bytes of a description in a tar file
_LARGEST = 16 * 2**20


class Format(StrEnum):
    """The formats that are known here; stable words, which stand in packages."""

    CARTRIDGE = "common_cartridge"
    MOODLE = "moodle_backup"
    MOODLE_1 = "moodle_backup_1"
    BLACKBOARD = "blackboard_package"
    BRIGHTSPACE = "brightspace_package"

    @property
    def for_people(self) -> str:
        """Return the name for people."""
        return _TITLES[self]


_TITLES = {
    Format.CARTRIDGE: "Common Cartridge",
    Format.MOODLE: "Moodle backup",
    Format.MOODLE_1: "Moodle 1.9 backup",
    Format.BLACKBOARD: "Blackboard package",
    Format.BRIGHTSPACE: "Brightspace package",
}


class NotAPackage(Exception):
    """The file is none of the known formats; the message says what it is instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What a package says about its course."""

    format: Format
    name: str | None = None
    code: str | None = None
    sis_id: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    category_id: str | None = None
    category: str | None = None


def look(file: PackageFile, limits: PackagesSettings, halt: threading.Event | None = None) -> Sight:
    """Recognise a file. Of a Moodle backup, only as much is read as comes before the course's description.

    Raises `NotAPackage`; `MalformedAnswer` for a package that is damaged or refused; and as `PackageFile.pread`.
    """
    magic = file.pread(0, 4)
    if magic[:2] == b"\x1f\x8b":
        return _look_into_tar(file, limits, halt or threading.Event())
    if magic in (b"PK\x03\x04", b"PK\x05\x06"):
        container = ZipContainer(file, Toll(file, limits))
        return _look_into_zip(Documents(container, largest=limits.max_document, deepest=limits.max_depth))
    raise NotAPackage("neither a zip file nor a gzipped tar file")


def open_container(file: PackageFile, limits: PackagesSettings, halt: threading.Event | None = None) -> Container:
    """Open a package of any format. Raises `NotAPackage`, `MalformedAnswer`, and as `PackageFile.pread`."""
    magic, toll = file.pread(0, 4), Toll(file, limits)
    if magic[:2] == b"\x1f\x8b":
        return TarContainer(file, toll, halt)
    if magic in (b"PK\x03\x04", b"PK\x05\x06"):
        return ZipContainer(file, toll)
    raise NotAPackage("neither a zip file nor a gzipped tar file")


def _look_into_tar(file: PackageFile, limits: PackagesSettings, halt: threading.Event) -> Sight:
    seen = 0
    for entry, found in walk_tar(Cursor(file, Marks(halt=halt)), Toll(file, limits)):
        seen += 1
        if entry.name in _MOODLE and entry.size <= _LARGEST:
            data = b""
            while len(data) < entry.size and (more := found.read(entry.size - len(data))):
                data += more
            documents = Documents(_Single(file, entry, data), largest=_LARGEST, deepest=limits.max_depth)
            return _moodle(documents, entry.name)
    raise NotAPackage(f"a gzipped tar file of {seen:,} entries, but without a Moodle backup's moodle_backup.xml")


def _look_into_zip(documents: Documents) -> Sight:
    entries = documents.container.entries
    for name in _MOODLE[::-1]:
        if name in entries and "moodle_backup.xml" in entries:
            return _moodle(documents, name)
    if "moodle.xml" in entries:
        return _moodle_1(documents)
    if ".bb-package-info" in entries:
        return Sight(format=Format.BLACKBOARD, **_blackboard(documents))
    if _MANIFEST in entries:
        return _manifest(documents)
    raise NotAPackage(f"a zip file of {len(entries):,} entries, but without the description of any known format")


def _manifest(documents: Documents) -> Sight:
    with closing(documents.container.open(_MANIFEST)) as reader:
        head = reader.read(64 * 1024)
    if b"blackboard.com/content-packaging" in head:
        return Sight(format=Format.BLACKBOARD, **_blackboard(documents))
    root = documents.xml(_MANIFEST)
    title = text_of(root, "metadata", "lom", "general", "title")
    name = title.strip() if title else None
    if b"desire2learn" in head.lower() or "orgunitconfig.xml" in documents.container.entries:
        return Sight(format=Format.BRIGHTSPACE, name=name)
    schema = (text_of(root, "metadata", "schema") or "").strip()
    types = [resource.get("type", "") for resource in descendants(child(root, "resources"), "resource")]
    if "Common Cartridge" not in schema and not any(_is_cartridge_type(type_) for type_ in types):
        raise NotAPackage(f"an IMS content package of the schema {schema or 'unknown'!r}, not a Common Cartridge")
    if _CANVAS not in documents.container.entries:
        return Sight(format=Format.CARTRIDGE, name=name)
    settings = documents.xml(_CANVAS)
    return Sight(
        format=Format.CARTRIDGE,
        name=text_of(settings, "title") or name,
        code=text_of(settings, "course_code"),
        start_at=moment(text_of(settings, "start_at")),
        end_at=moment(text_of(settings, "conclude_at")),
    )


def _is_cartridge_type(type_: str) -> bool:
    return type_.startswith(("imswl_", "imsdt_", "imsbasiclti_")) or "imscc_" in type_


def _moodle(documents: Documents, name: str) -> Sight:
    root = documents.xml(name)
    if name == "moodle_backup.xml":
        root = _required(child(root, "information"), name)
        before = "original_course_"
        return Sight(
            format=Format.MOODLE,
            name=text_of(root, f"{before}fullname"),
            code=text_of(root, f"{before}shortname"),
            start_at=stamp(text_of(root, f"{before}startdate")),
            end_at=stamp(text_of(root, f"{before}enddate")),
        )
    category = child(root, "category")
    return Sight(
        format=Format.MOODLE,
        name=text_of(root, "fullname"),
        code=text_of(root, "shortname"),
        sis_id=_said(text_of(root, "idnumber")),
        start_at=stamp(text_of(root, "startdate")),
        end_at=stamp(text_of(root, "enddate")),
        category_id=None if category is None else category.get("id"),
        category=text_of(category, "name"),
    )


def _moodle_1(documents: Documents) -> Sight:
    for _, header in documents.stream("moodle.xml", "HEADER"):
        return Sight(
            format=Format.MOODLE_1,
            name=text_of(header, "FULLNAME"),
            code=text_of(header, "SHORTNAME"),
            sis_id=_said(text_of(header, "IDNUMBER")),
            start_at=stamp(text_of(header, "STARTDATE")),
            category_id=text_of(header, "CATEGORY", "ID"),
            category=text_of(header, "CATEGORY", "NAME"),
        )
    raise NotAPackage("a zip file whose moodle.xml does not describe a course")


def _blackboard(documents: Documents) -> dict[str, Any]:
    """Return what the course's own settings say; nothing where they cannot be found."""
    if not documents.has(_MANIFEST):
        return {}
    for resource in descendants(documents.xml(_MANIFEST), "resource"):
        file = next((value for key, value in resource.attrib.items() if key.endswith("}file")), "")
        if resource.get("type") == "course/x-bb-coursesetting" and documents.has(file):
            course = documents.xml(file)
            dates = child(course, "DATES")
            said = {key: next(children(course, key), None) for key in ("TITLE", "COURSEID")}
            values = {key: None if found is None else found.get("value") for key, found in said.items()}
            return {
                "name": values["TITLE"],
                "code": values["COURSEID"],
                "start_at": _dated(dates, "COURSESTART"),
                "end_at": _dated(dates, "COURSEEND"),
            }
    return {}


def _dated(dates: Element | None, name: str) -> datetime | None:
    found = child(dates, name)
    text = "" if found is None else found.get("value", "")
    return moment(text.replace(" UTC", "Z").replace(" ", "T"))


def _said(text: str | None) -> str | None:
    return None if text is None or text == "$@NULL@$" else text


def _required(found: Element | None, name: str) -> Element:
    if found is None:
        raise MalformedAnswer("it does not describe a course", where=name)
    return found


class _Single(Container):
    """One entry that was read already."""

    def __init__(self, file: PackageFile, entry: Entry, data: bytes) -> None:
        super().__init__(file)
        self._data = data
        self.entries = {entry.name: entry}

    def open(self, name: str) -> Reader:
        """Open the entry."""
        return BytesIO(self._data)

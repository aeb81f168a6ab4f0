"""Files of a Moodle backup: stored once by their SHA-1, listed in files.xml once for each place that they are in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import GapReason, MalformedAnswer, Part, RemoteFile
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import elements, facts, identified, said
from coursekeep_connectors.packages.package import address_of
from coursekeep_connectors.packages.values import stamp, whole

__all__ = ["FILES", "file_parts", "note_attachments"]

FILES = "files.xml"
#: files that are sorted at one time by their place in the package; sorted, they are read in one go
_SORTED = 10_000
#: files of submissions and posts of which it is remembered to which they belong
_NOTED = 500_000
_ATTACHED = {
    ("assignsubmission_file", "submission_files"),
    ("assignsubmission_onlinetext", "submissions_onlinetext"),
    ("assignfeedback_file", "feedback_files"),
    ("mod_forum", "attachment"),
    ("mod_forum", "post"),
}
_GROUPS = {
    "assignsubmission_file": "submissions",
    "assignsubmission_onlinetext": "submissions",
    "assignfeedback_file": "feedback",
    "assignfeedback_editpdf": "feedback",
    "mod_forum": "discussions",
    "question": "quizzes",
}


def note_attachments(backup: Backup) -> None:
    """Remember which files belong to submissions, feedback and posts."""
    noted = 0
    if backup.documents.has(FILES):
        for file in _listed(backup):
            component, area = said(file, "component") or "", said(file, "filearea") or ""
            if (component, area) in _ATTACHED:
                place = (component, area, said(file, "contextid") or "", said(file, "itemid") or "")
                backup.attached[place].append(file.get("id", ""))
                noted += 1
                if noted > _NOTED:
                    raise MalformedAnswer(f"more than {_NOTED:,} files belong to submissions and posts", where=FILES)


def file_parts(backup: Backup) -> Iterator[Part]:
    """Yield all files, some at a time in the order in which their bytes lie in the package."""
    batch: list[tuple[int, RemoteFile]] = []
    for element in _listed(backup):
        file, place = _file(backup, element)
        batch.append((place, file))
        if len(batch) == _SORTED:
            yield from _in_order(batch)
            batch = []
    yield from _in_order(batch)


def _in_order(batch: list[tuple[int, RemoteFile]]) -> Iterator[Part]:
    return (file for _, file in sorted(batch, key=lambda pair: pair[0]))


def _listed(backup: Backup) -> Iterator[Element]:
    """Yield the files, without the entries that stand for folders."""
    return (file for file in elements(backup.documents, FILES, "file") if said(file, "filename") != ".")


def _file(backup: Backup, element: Element) -> tuple[RemoteFile, int]:
    digest = (said(element, "contenthash") or "").lower()
    entry_name = f"files/{digest[:2]}/{digest}"
    entry = backup.documents.container.entries.get(entry_name)
    if entry is not None:
        backup.package.used.add(entry_name)
    extra: dict[str, Any] = facts(element, "filename", "filesize", "mimetype", "filepath", "userid", "contenthash")
    file = RemoteFile(
        group=_GROUPS.get(said(element, "component") or "", "course"),
        id=element.get("id", ""),
        name=said(element, "filename") or digest,
        url=address_of(backup.package.course_id, backup.documents.container.file.stamp, entry_name) if entry else "",
        withheld=None if entry else GapReason.NOT_FOUND,
        size=whole(said(element, "filesize")),
        digest=f"sha1:{digest}" if digest else None,
        content_type=said(element, "mimetype"),
        folder=said(element, "filepath"),
        created_at=stamp(said(element, "timecreated")),
        updated_at=stamp(said(element, "timemodified")),
        person_id=identified(element, "userid"),
        extra=extra,
    )
    return file, entry.place if entry else -1

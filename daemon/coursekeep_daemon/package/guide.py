"""The README texts: for whoever opens an archive or a package with no other help than a text viewer."""

from __future__ import annotations

from coursekeep_daemon.package.crate import Described
from coursekeep_daemon.package.jsontext import rfc3339
from coursekeep_daemon.package.ocfl import Inventory

__all__ = ["human_size", "package_readme", "root_readme"]

_ROOT = """\
AN ARCHIVE OF COURSES
=====================

This directory holds courses that were taught with a learning management system (LMS) and archived by a program named
Coursekeep. Nothing here needs that program. Everything is plain files: text in UTF-8, JSON, and the files that teachers
and students had uploaded, unchanged. They hold personal data; handle them accordingly.

HOW IT IS ARRANGED
------------------

The directory is a storage root of the Oxford Common File Layout, OCFL 1.1 (https://ocfl.io/1.1/spec/). Each course is
one "object": a directory that holds the file 0=ocfl_object_1.1. Its place follows from its id by the rule described in
ocfl_layout.json: the first nine hexadecimal digits of the SHA-256 of the id, three a directory, then the id itself
with ":" written as %3a. To see all courses, look for their descriptions:

    find . -path '*/content/data/course.json'

An object looks like this:

    0=ocfl_object_1.1           marks the directory as an object
    inventory.json              every version, every file, every SHA-512 checksum
    inventory.json.sha512       checksum of the inventory
    v1/content/                 the first version: open data/README.txt in it
    v2/content/                 only what was new or different when the course was captured again
    logs/                       what happened to the object later, such as checks; not part of any version

The directory extensions/ here holds the layout's settings, and a working place of the program (coursekeep-staging),
which may be deleted while the program does not run. What is in extensions/coursekeep-quarantine, if it exists, was
found unfinished and set aside; no object refers to it.

FINDING THE FILES OF A LATER VERSION
------------------------------------

A version directory stores only bytes that no earlier version has. To find the file data/records/grades.jsonl as of
version 3 in an object: open inventory.json; under "versions", "v3", "state" look for the path; beside it stands its
checksum; under "manifest" the same checksum names the stored file, for example
"v1/content/data/records/grades.jsonl". With an OCFL tool a whole version is put together in one step, for example

    ocfl-object.py extract --objdir OBJECT --objver v3 --dstdir NEW_DIRECTORY

(from ocfl-py for Python; rocfl, gocfl and ocfl-java do the same).

WHAT A VERSION IS
-----------------

The files of any version together form a BagIt bag (RFC 8493), and the bag's data/ is a Research Object Crate
(RO-Crate 1.2). So each version can be handed on and checked by itself.

IS IT STILL INTACT?
-------------------

- The archive:            ocfl-root.py validate --root . --validate-objects --check-digests
- One object:             ocfl-validate.py OBJECT
- One version, extracted: bagit.py --validate NEW_DIRECTORY
- With nothing installed: cd OBJECT/v1/content && sha512sum -c manifest-sha512.txt tagmanifest-sha512.txt
  (version 1 only: later version directories do not hold all files of their version)
- With Coursekeep:        coursekeep package verify .

Do not edit, rename or delete anything inside of an object: all its versions would be reported as damaged.
"""

_PACKAGE = """\
{title}
{underline}

This is an archived course. It was read out of a learning management system (LMS), so that it can be understood in
later times without the LMS and without the program that wrote it. All files are plain: text in UTF-8, JSON, and the
files that teachers and students had uploaded, unchanged. They hold personal data; handle them accordingly.

    Course            {name}
    Id in the LMS     {course_id}
    LMS               {source}
    Kept by           {organization}
    Package           {object_id}
    This version      {version}, written {created} by {software}
    Completeness      {completeness}, {gaps} in gaps.jsonl

WHERE TO LOOK
-------------

    ro-crate-preview.html    an index to click through, in any browser
    course.json              the course: names, ids, term, dates
    completeness.json        for every kind of record: how many were expected, captured, missed
    gaps.jsonl               everything that could not be captured, and why; empty if nothing is missing
    records/                 people, enrolments, assignments, submissions, grades, discussions ...
    schemas/                 what each field in records/ means (JSON Schema)
    files/                   uploaded files, by what they belong to and by their id in the LMS
    native/api/              the LMS's own answers, from which records/ was made
    native/export/           the LMS's own export of the course, if it has one
    provenance/              how this version came about; what was removed from it, such as passwords
    ro-crate-metadata.json   the same overview for programs (RO-Crate 1.2)

HOW TO READ RECORDS
-------------------

Files ending in .jsonl hold one record a line; each line is a JSON object. Any text viewer shows them, any programming
language reads them, and a spreadsheet can import them after conversion. Each record has an "id", the LMS's own.
Fields ending in _id name a record in another file: person_id one in people.jsonl, assignment_id one in
assignments.jsonl; file_ids name records in files.jsonl, whose "path" is the file's place beside this text and whose
"name" is what it was called in the LMS. null means that the LMS did not say. Times are in UTC.

WHAT A GAP MEANS
----------------

Each line of gaps.jsonl is a part of the course that is not here: its kind, its id if it has one, the reason (locked,
no_access, not_found, not_offered, malformed, wrong_size, wrong_content, too_large, export_failed, unexplained), how
many records it accounts for ("count"; 0 if only a part of one is missing, null if nobody knows), and a sentence.
completeness.json sets these against what the LMS said there is, so that nothing is missing silently:

    expected = captured + gaps - surplus

"complete" means that the numbers add up and nothing is missing. "partial" means that something is missing, or that
nobody said how much there should be. "unavailable": the kind as a whole could not be read. "not-supported": it was not
asked for.

IS IT STILL INTACT?
-------------------

One directory above this text there are bagit.txt and manifest-sha512.txt: together with them this is a BagIt bag
(RFC 8493), and the manifest lists the SHA-512 checksum of every file. In the directory of bagit.txt run

    sha512sum -c manifest-sha512.txt tagmanifest-sha512.txt

or, with the program bagit.py, "bagit.py --validate DIRECTORY". (If you see only some of the files that the manifest
lists, read on.)

VERSIONS
--------

When the course was read again and had changed, a new version was written; the earlier ones stay. In the archive the
versions lie side by side as v1, v2 ... in an OCFL 1.1 object (https://ocfl.io/1.1/spec/), and each stores only bytes
that no earlier one has. inventory.json, beside the version directories, says for every version which stored file
belongs to which path: its "state" gives the checksum of each path, and its "manifest" the place of each checksum,
perhaps in an earlier version's directory. An OCFL tool puts a whole version together:

    ocfl-object.py extract --objdir OBJECT --objver v{version} --dstdir NEW_DIRECTORY

The versions up to this one:

{history}
"""


def human_size(octets: int) -> str:
    """Write a number of bytes for people."""
    if octets < 1000:
        return f"{octets} B"
    units = iter(("kB", "MB", "GB", "TB", "PB"))
    size, unit = octets / 1000, next(units)
    while size >= 999.95:
        size, unit = size / 1000, next(units, "EB")
    return f"{size:.1f} {unit}"


def root_readme() -> bytes:
    """Return the README.txt of a storage root."""
    return _ROOT.encode()


def package_readme(described: Described, head: Inventory | None) -> bytes:
    """Return the README.txt of a version; `head` is the inventory before it."""
    course = described.course
    title = _one_line(described.title)
    source = course["source"]
    gaps = described.completeness.gaps
    text = _PACKAGE.format(
        title=title,
        underline="=" * min(len(title), 120),
        name=_one_line(", ".join(filter(None, [course["name"], course["code"], course["term"]["name"]]))),
        course_id=_one_line(course["id"] + (f", {course['url']}" if course["url"] else "")),
        source=_one_line(", ".join(str(source[key]) for key in ("connector", "base_url") if source.get(key))),
        organization=_one_line(described.organization),
        object_id=described.object_id,
        version=described.version,
        created=rfc3339(described.created),
        software=_one_line(described.software),
        completeness=described.completeness.status,
        gaps=f"{gaps} line" if gaps == 1 else f"{gaps} lines",
        history="\n".join(_history(described, head)),
    )
    return text.encode("utf-8", "replace")


def _history(described: Described, head: Inventory | None) -> list[str]:
    earlier = sorted(head.versions.items()) if head is not None else []
    lines = [f"    v{number}  {version.created}  {version.message}" for number, version in earlier]
    return [*lines, f"    v{described.version}  {rfc3339(described.created)}  this version"]


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())

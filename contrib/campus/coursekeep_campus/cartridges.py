"""Real Common Cartridges as courses: every `.imscc` and cartridge `.zip` of a folder tree is one ended course.

They bring pages, files, discussions, quizzes, assignments, modules and web links, but nobody: the only person is a
made-up teacher. Packages are opened with care, since they come from strangers.
"""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coursekeep_campus.builder import Builder
from coursekeep_campus.cartridge_reader import Cartridge, read_into
from coursekeep_campus.content import Content, Person
from coursekeep_campus.model import Account, Campus, Course, Lazy, Term
from coursekeep_campus.times import present

__all__ = ["cartridges", "open_cartridge"]

_FIRST_COURSE = 30_001
_TERM = 30_001
_START = datetime(2018, 9, 1, tzinfo=UTC)

_MOST_MEMBERS = 20_000
_MOST_BYTES = 1 << 30
_SUFFIXES = (".imscc", ".zip")


def cartridges(directory: str | Path, now: datetime | None = None) -> Campus:
    """Read every cartridge below a folder; other files, and zips that are no cartridges, are left out.

    Raises FileNotFoundError where there is no such folder, ValueError for a cartridge that is broken or dangerous.
    """
    root = Path(directory)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder")
    campus = Campus(now=now or present())
    campus.accounts[1] = Account(id=1, name="Shared Courses", sis_id="SHARED")
    end = _START + timedelta(days=120)
    campus.terms[_TERM] = Term(id=_TERM, name="Shared courses", start_at=_START, end_at=end, created_at=_START)
    for path in sorted(path for path in root.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file()):
        with zipfile.ZipFile(path) as archive:
            if "imsmanifest.xml" in archive.namelist():
                course = _course(campus, open_cartridge(archive, str(path)), path, root)
                campus.courses[course.id] = course
    campus.known = {"ended": list(campus.courses), "running": [], "unknown": 999_999, "traps": {}}
    return campus


def open_cartridge(archive: zipfile.ZipFile, name: str) -> Cartridge:
    """Read the members of a cartridge into memory, after a look at their names and sizes.

    Raises ValueError for names that lead out of the package, links, too many members and too many bytes.
    """
    members = [info for info in archive.infolist() if not info.is_dir() and not _is_litter(info.filename)]
    if len(members) > _MOST_MEMBERS:
        raise ValueError(f"{name}: {len(members)} members are more than the {_MOST_MEMBERS} allowed")
    total = sum(info.file_size for info in members)
    if total > _MOST_BYTES:
        raise ValueError(f"{name}: {total} bytes unpacked are more than the {_MOST_BYTES} allowed")
    for info in members:
        parts = info.filename.replace("\\", "/").split("/")
        if info.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            raise ValueError(f"{name}: the member {info.filename!r} leads out of the package")
        if (info.external_attr >> 16) & 0o170000 == 0o120000:
            raise ValueError(f"{name}: the member {info.filename!r} is a link")
    return Cartridge(name=name, members={info.filename: archive.read(info) for info in members})


def _is_litter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.endswith(".DS_Store")


def _course(campus: Campus, cartridge: Cartridge, path: Path, root: Path) -> Course:
    number = len(campus.courses)
    teacher = Person(id=30_001, name="Teacher of shared courses", sortable_name="Teacher", login="shared")
    course = Course(
        id=_FIRST_COURSE + number,
        name=cartridge.title or path.stem,
        code=path.stem[:40],
        account_id=campus.root_id,
        term_id=_TERM,
        make=Content,
        lazy=Lazy(keep=1),
        state="completed",
        sis_id=str(path.relative_to(root)),
        created_at=_START,
        teachers=(teacher,),
        enrolled=1,
    )
    builder = Builder(
        course,
        first_id=course.id * 10_000,
        start=_START,
        now=campus.now,
        seed=f"cartridge/{number}",
        verifiers=number % 2 == 0,
    )
    course.make = lambda: builder.content
    read_into(builder, cartridge)
    builder.finish()
    return course

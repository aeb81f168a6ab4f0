"""OneRoster CSV files that are wrong, hostile, or laxer than the specification."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.oneroster_files import district, lines, write_folder, write_zip

from coursekeep import NO_RETRY, Course, CourseQuery, GapReason, Kind, MalformedAnswer, RetryLater
from coursekeep.testing import Export, collect
from coursekeep_connectors.oneroster import OneRosterConnector, OneRosterSettings

Tables = dict[str, list[str]]


def connector(path: Path, **settings: Any) -> OneRosterConnector:
    return OneRosterConnector(OneRosterSettings(path=path, **settings), retry=NO_RETRY)


def courses(path: Path, **settings: Any) -> list[Course]:
    """List all classes."""

    async def main() -> list[Course]:
        async with connector(path, **settings) as opened:
            return [course async for course in opened.courses(CourseQuery())]

    return asyncio.run(main())


def exported(path: Path, course_id: str = "c/1 ä", **settings: Any) -> Export:
    """Export one class."""

    async def main() -> Export:
        async with connector(path, **settings) as opened:
            course = await opened.course(course_id)
            assert course is not None
            return await collect(opened, course)

    return asyncio.run(main())


def changed(name: str, change: Callable[[list[str]], list[str]]) -> Tables:
    """Return the district with one file changed."""
    tables = district()
    return {**tables, name: change(tables[name])}


def replaced(name: str, old: str, new: str) -> Tables:
    """Return the district with some text of one file replaced."""
    return changed(name, lambda rows: [row.replace(old, new) for row in rows])


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (replaced("manifest", "file.results,bulk", "file.results,delta"), "delta: it holds only what changed"),
        (replaced("manifest", "oneroster.version,1.2", "oneroster.version,1.0"), "'1.0' is not read here"),
        (replaced("manifest", "file.users,bulk", "file.users,some"), "file.users is 'some'"),
        (replaced("manifest", "propertyName", "name"), "propertyName is missing"),
        (replaced("classes", "termSourcedIds", "terms"), "termSourcedIds is missing"),
        (replaced("classes", ",R2", ",R2,more"), "(classes.csv, line 2)"),
        (replaced("classes", "Physics 1", '"Physics" 1'), "(classes.csv, line 2)"),
        (replaced("classes", "c2,", ","), "sourcedId is empty (classes.csv, line 3)"),
        (replaced("classes", "c2,", "c3,"), "two different rows have the sourcedId 'c3' (classes.csv, line 4)"),
        (replaced("classes", "Physics 1", "Phy\0sics"), "NUL byte"),
        (replaced("academicSessions", "2024-06-30", "30/06/2024"), "endDate; write it as YYYY-MM-DD (academicSess"),
        (replaced("academicSessions", "2024-06-30", "2024-06-31"), "(academicSessions.csv, line 3)"),
        ({key: rows for key, rows in district().items() if key != "classes"}, "the file is missing"),
        ({key: rows for key, rows in district().items() if key != "manifest"}, "manifest.csv is missing"),
        (changed("classes", lambda rows: []), "is empty"),
    ],
)
def test_files_that_cannot_be_trusted_are_refused_with_their_place(tmp_path: Path, tables: Tables, said: str) -> None:
    """A delta, a missing column, a shifted row, an impossible date: the message names file, line and column."""
    with pytest.raises(MalformedAnswer) as caught:
        courses(write_zip(tmp_path / "x.zip", tables))
    assert said in str(caught.value)


def test_text_that_is_not_utf8_is_refused_unless_its_encoding_is_set(tmp_path: Path) -> None:
    """Bytes of cp1252 are never guessed at; with the setting they are read."""
    folder = write_folder(tmp_path, district())
    text = lines(district(), "classes").replace("Physics 1", "Müller’s")
    (folder / "classes.csv").write_bytes(text.encode("cp1252"))

    with pytest.raises(MalformedAnswer, match=r"not utf-8.*classes.csv, line"):
        courses(folder)
    (folder / "manifest.csv").write_bytes(lines(district(), "manifest").encode("cp1252"))
    assert courses(folder, encoding="cp1252")[0].name == "Müller’s"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_marks_and_line_ends_make_no_difference(tmp_path: Path, encoding: str, end: str) -> None:
    """Files with a byte order mark, and with any line ends, give the same classes."""
    folder = write_folder(tmp_path, district())
    before = courses(folder)
    text = lines(district(), "classes").replace("\r\n", end)
    (folder / "classes.csv").write_bytes(text.encode(encoding))

    assert courses(folder) == before


def test_exports_laxer_than_the_specification_are_read(tmp_path: Path) -> None:
    """Folders in the zip, other files beside, short rows, blank columns and blank lines do no harm."""
    tables = replaced("manifest", "file.results,bulk", "file.results,")
    tables["classes"] = [tables["classes"][0] + ",,", *tables["classes"][1:], ",,,"]
    path = write_zip(tmp_path / "x.zip", tables, prefix="export/2024/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/export/2024/._classes.csv", b"\0\1")
        archive.writestr("export/2024/notes.txt", "hello")

    assert [course.id for course in courses(path)] == ["c/1 ä", "c2", "c3"]
    assert len(exported(path).of(Kind.SUBMISSIONS)) == 3


def hostile(path: Path, kind: str) -> Path:
    """Write a zip that no student information system makes."""
    with zipfile.ZipFile(write_zip(path, district()), "a", zipfile.ZIP_DEFLATED) as archive:
        if kind == "escape":
            archive.writestr("../classes.csv", "x")
        elif kind == "absolute":
            archive.writestr("/etc/classes.csv", "x")
        elif kind == "twice":
            archive.writestr("more/classes.csv", "x")
        elif kind == "bomb":
            archive.writestr("demographics2.csv", b"0" * 70 * 2**20)
        elif kind == "entries":
            for number in range(1001):
                archive.writestr(f"{number}.txt", "")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    if kind == "lying":
        data = bytearray(path.read_bytes())
        at = data.index(b"PK\x01\x02")
        data[at + 24 : at + 28] = (7).to_bytes(4, "little")
        path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize("kind", ["escape", "absolute", "twice", "bomb", "entries", "cut", "lying"])
def test_hostile_zips_are_refused(tmp_path: Path, kind: str) -> None:
    """Escaping paths, files named twice, bombs, floods of entries, cut off files and lying sizes are refused whole."""
    with pytest.raises(MalformedAnswer):
        courses(hostile(tmp_path / "x.zip", kind), max_unpacked=64 * 2**20)


def test_files_that_are_away_are_asked_for_later(tmp_path: Path) -> None:
    """A share that is not mounted does not turn its courses into ones that never existed."""
    with pytest.raises(RetryLater):
        courses(tmp_path / "away.zip")


def test_passwords_do_not_even_reach_the_temporary_database(tmp_path: Path) -> None:
    """The rows that are kept for the time of a run hold no password, whatever its column is called."""

    async def main() -> str:
        async with connector(write_zip(tmp_path / "x.zip", district())) as opened:
            roster: Any = await opened._source.roster()
            return repr(list(roster.snapshot.rows("users")))

    assert "hush" not in asyncio.run(main())


def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    """A new export in place of the old one is noticed by the next call."""
    path = write_zip(tmp_path / "x.zip", district())

    async def main() -> list[str]:
        async with connector(path) as opened:
            first = await opened.course("c2")
            write_zip(path, replaced("classes", "Chemistry", "Advanced chemistry"))
            second = await opened.course("c2")
            assert first is not None
            assert second is not None
            return [first.name, second.name]

    assert asyncio.run(main()) == ["Chemistry", "Advanced chemistry"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("enrollments", Kind.ENROLLMENTS),
        ("lineItems", Kind.ASSIGNMENTS),
        ("results", Kind.SUBMISSIONS),
    ],
)
@pytest.mark.parametrize("how", ["broken", "missing"])
def test_a_file_that_cannot_be_read_is_a_gap_of_its_kind(tmp_path: Path, name: str, kind: Kind, how: str) -> None:
    """One bad file costs its own kind, by name, and nothing else; a file that is not offered is no gap."""
    tables = changed(name, lambda rows: [*rows[:1], 'x,"open'])
    if how == "missing":
        del tables[name]
    export = exported(write_zip(tmp_path / "x.zip", tables))

    (gap,) = export.gaps_of(kind)
    assert (gap.reason, gap.count) == (GapReason.MALFORMED, None)
    assert f"{name}.csv" in gap.detail
    assert export.of(Kind.SETTINGS)["class"]

    absent = {key: rows for key, rows in district().items() if key != name}
    absent["manifest"] = [row.replace(f"file.{name},bulk", f"file.{name},absent") for row in absent["manifest"]]
    assert exported(write_zip(tmp_path / "y.zip", absent)).gaps_of(kind) == []

"""The course source `csv`: files as they come."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.source_connector import NOW, KnownCourses, selected
from pydantic import ValidationError

from coursekeep import Course, Outcome
from coursekeep_connectors.csv import CsvParams, CsvSource
from coursekeep_connectors.id_column import find_column, references

#: beside the checkout, or beside the directory of worktrees
MESSY = next(
    (found for parent in Path(__file__).parents[4:6] if (found := parent / "shared" / "data" / "messy-csv").is_dir()),
    Path("messy-csv"),
)


def _refs(data: bytes | str) -> list[str]:
    text = CsvParams.model_validate({"text": data}).text
    return list(references(text, find_column(text)))


FILES: dict[str, tuple[bytes | str, list[str]]] = {
    "plain": ("course_id,name\n101,A\n102,B\n", ["101", "102"]),
    "byte order mark": (b"\xef\xbb\xbfcourse_id\n101\n", ["101"]),
    "byte order mark in text": ("\ufeffid;x\n101;1\n", ["101"]),
    "semicolon and CRLF": ("Canvas Course ID;Name\r\n101;A\r\n\r\n102;B\r\n", ["101", "102"]),
    "tab": ("name\tcanvas_course_id\nA\t101\n", ["101"]),
    "bar": ("id|name\n101|A\n", ["101"]),
    "sep line": ("sep=;\nid;name\n101;a,b,c\n", ["101"]),
    "cp1252": ("id;Titel\n101;Einf\u00fchrung \u2013 \u20ac\n".encode("cp1252"), ["101"]),
    "UTF-16 from Excel": ("id\tname\n101\t\u00fc\n".encode("utf-16"), ["101"]),
    "bare CR": ("id,name\r101,A\r102,B\r", ["101", "102"]),
    "quoted with line break and delimiter": ('name,id\n"A, or\nB","101"\n"say ""hi""",102\n', ["101", "102"]),
    "single column": ("ids\n101\n102\n", ["101", "102"]),
    "camel case and brackets": ("CourseID (number),x\n101,1\n", ["101"]),
    "blank rows and blanks": ("id,name\n , \n 101 ,A\n\u00a0102\u00a0,B\n,C\n", ["101", "102"]),
    "banner before the header": ("Export of 1 September\n\nid,name\n101,A\n", ["101"]),
    "kept zeros": ('sis_course_id\n="00123"\n', ["sis:00123"]),
    "SIS ids by header": ("sis_course_id,name\n2026,A\n", ["sis:2026"]),
    "SIS ids by their looks, the whole column": ("course_id\n101\nBIO-1\n", ["sis:101", "sis:BIO-1"]),
    "Canvas's own SIS file": ("course_id,short_name,long_name,status\n101,B,Bio,active\n", ["sis:101"]),
    "Canvas's report has both": ("canvas_course_id,course_id,short_name\n7,BIO-1,B\n", ["7"]),
    "prefix given": ("id\n101\nsis:BIO-1\n", ["101", "sis:BIO-1"]),
    "ragged rows": ("name,id\nA\nB,102,x,y\n", ["102"]),
}


@pytest.mark.parametrize(("data", "expected"), FILES.values(), ids=FILES.keys())
def test_files_as_they_come(data: bytes | str, expected: list[str]) -> None:
    """The column of course ids is found and read, however the file was saved."""
    assert _refs(data) == expected


REFUSED: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "empty"),
    "only blanks": ("\n ,\n", "empty"),
    "no id column": ("name,teacher\nA,B\n", "'name', 'teacher'.*course_id"),
    "header only": ("course_id\n", "names no course"),
    "Excel": (b"PK\x03\x04rest", "Excel.*save the sheet as CSV"),
    "old Excel": (b"\xd0\xcf\x11\xe0rest", "Excel"),
    "PDF": (b"%PDF-1.7", "PDF"),
    "NUL": ("id\n1\x00\n", "line 2 holds a NUL"),
    "no known encoding": (b"id,n\n1,\x81\x8d\n", "byte 8"),
    "unclosed quote": ('id,name\n1,A\n2,"B\n3,C\n', "line 3.*quotes"),
    "digits lost": ("course_id\n1.23457E+11\n", "lost digits"),
    "endless cell": ("id\n" + "1" * 140_000, "longer|larger"),
}


@pytest.mark.parametrize(("data", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_files_that_are_refused(data: bytes | str, said: str) -> None:
    """A file that cannot be read is refused as a whole, with what, where and what to do."""
    with pytest.raises((ValueError, ValidationError), match=said):
        CsvSource().validate(CsvParams.model_validate({"text": data}), NOW)


def test_selection_follows_the_file() -> None:
    """Rows become selections in the file's order, unknown ones too; repeated ones come once."""
    connector = KnownCourses(Course(id="101", name="A"), Course(id="102", name="B", sis_id="B-2"))

    found = selected(CsvSource(), connector, CsvParams(text="id\n102\n999\n101\n102\n"))

    assert [(item.ref, item.outcome) for item in found] == [
        ("102", Outcome.FOUND),
        ("999", Outcome.NOT_FOUND),
        ("101", Outcome.FOUND),
    ]


def test_two_hundred_thousand_rows() -> None:
    """A big file is read whole, and in the file's order."""
    text = "name,course_id\n" + "".join(f"Course {number},{number}\n" for number in range(200_000))
    params = CsvParams(text=text)

    CsvSource().validate(params, NOW)

    assert _refs(text) == [str(number) for number in range(200_000)]


@pytest.mark.skipif(not MESSY.is_dir(), reason="the messy files are not here")
def test_messy_files_are_read_or_refused() -> None:
    """No messy file of the wild raises anything but a refusal that says what to do."""
    refusals = {}
    for path in MESSY.rglob("*.?sv"):
        refusals[path.name] = _refusal(path.read_bytes())

    assert len(refusals) > 20
    assert all("csv: " in said for said in refusals.values() if said)
    assert "among the headers 'foo', 'bar', 'baz'" in refusals["test_utf8_bom.csv"]
    assert "NUL" in refusals["null_byte.csv"]


def _refusal(data: bytes) -> str:
    try:
        _refs(data)
    except ValueError as error:
        return str(error)
    return ""

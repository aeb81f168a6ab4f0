"""A CSV file's text, and the column in it that names courses.

Files come from spreadsheets, from Canvas's reports and from student information systems: with a byte order mark, in
UTF-8, UTF-16 or cp1252, separated by comma, semicolon, tab or bar. Nothing is guessed that could name another course.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["ACCEPTED", "Column", "decoded", "find_column", "references", "rows_of"]

#: longest cell; a longer one is a file that is no table of ids
_LONGEST = 131_072
_DELIMITERS = ",;\t|"
_HEADER_ROWS = 20

#: headers of LMS ids and of SIS ids, normalised; and those that may be either
_LMS = (
    "canvas course id", "lms course id", "canvas id", "lms id", "moodle course id", "course canvas id",
    "internal course id",
)  # fmt: skip
_SIS = (
    "sis course id", "course sis id", "sis id", "course code sis", "course id number", "id number", "idnumber",
    "course idnumber", "external course id", "course external id", "integration course id",
)  # fmt: skip
_EITHER = ("course id", "courseid", "id", "course", "course identifier", "course number", "ids", "course ids")
ACCEPTED = (*_LMS, *_SIS, *_EITHER)
#: columns of Canvas's own SIS files and reports, where `course_id` always is the SIS id
_SIS_FILE = {"short name", "long name", "term id", "account id", "status", "canvas course id", "section id"}

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_BINARY = (
    (b"PK\x03\x04", "an Excel or zip file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file"),
    (b"%PDF", "a PDF file"),
    (b"\x1f\x8b", "a gzip file"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """The column that was chosen."""

    index: int
    header: str
    #: True: all are SIS ids; False: all are ids of the LMS
    sis: bool
    #: rows up to and with the header
    skip: int


def decoded(data: bytes) -> str:
    """Return a file's text. Raises ValueError, saying what to do, for files that are no text."""
    for start, what in _BINARY:
        if data.startswith(start):
            raise ValueError(f"csv: this is {what}; save the sheet as CSV and send that")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strict(data, encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    return _strict(data, "cp1252")


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        named = "UTF-8 or Windows-1252" if encoding == "cp1252" else encoding.upper()
        raise ValueError(f"csv: byte {error.start + 1} is no {named}; save the file as CSV in UTF-8") from None


def rows_of(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that hold something, each with the number of its first line.

    Raises ValueError for text that is no table: NUL characters, an unclosed quote, endless cells.
    """
    text = text.removeprefix("\ufeff")
    if text.startswith("PK\x03\x04"):
        raise ValueError("csv: this is an Excel or zip file; save the sheet as CSV and send that")
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise ValueError(f"csv: line {line} holds a NUL character, so this is no text; save the sheet as CSV in UTF-8")
    delimiter, start = _delimiter(text)
    reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=delimiter, strict=True)
    first = text.count("\n", 0, start)
    line = first
    try:
        for row in reader:
            begun, line = line + 1, first + reader.line_num
            if any(cell.strip() for cell in row):
                if max(map(len, row)) > _LONGEST:
                    raise ValueError(f"csv: a cell in line {begun} is longer than {_LONGEST} characters")
                yield begun, row
    except csv.Error as error:
        raise ValueError(
            f"csv: the row that begins in line {line + 1} cannot be read: {error}; check its quotes"
        ) from None


def _delimiter(text: str) -> tuple[str, int]:
    """Return the delimiter and where the table begins: `sep=;` in the first line says it, else the first lines do."""
    announced = re.match(r"\s*\"?sep=(.)\"?\r?\n?", text)
    if announced and announced[1] in _DELIMITERS:
        return announced[1], announced.end()
    lines = [line for line in re.split(r"\r\n|\n|\r", text[:65_536])[:50] if line.strip()]
    scores = {mark: _score(lines, mark) for mark in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda mark: scores[mark])
    return (best if scores[best] > 0 else ","), 0


def _score(lines: Sequence[str], mark: str) -> int:
    """Count the lines with as many fields as the first that has more than one."""
    counts = [len(re.sub(r'"[^"]*"', "", line).split(mark)) for line in lines]
    widths = [count for count in counts if count > 1]
    return 0 if not widths else sum(1 for count in counts if count == widths[0])


def find_column(text: str) -> Column:
    """Return the column that names courses.

    Raises ValueError for a file without rows or without such a column; the message lists the headers found.
    """
    head: list[list[str]] = []
    for _, row in rows_of(text):
        head.append(row)
        found = _chosen(row)
        if found is not None:
            index, sis = found
            known = {_plain(cell) for cell in row}
            if sis is None:
                sis = bool(known & _SIS_FILE) or _any_text(text, index, len(head))
            return Column(index=index, header=row[index].strip(), sis=sis, skip=len(head))
        if len(head) >= _HEADER_ROWS:
            break
    if not head:
        raise ValueError("csv: the file is empty; it needs a header row with a column of course ids")
    headers = ", ".join(repr(cell.strip()[:40]) for cell in head[0][:30])
    accepted = ", ".join(name.replace(" ", "_") for name in ACCEPTED)
    raise ValueError(f"csv: no column of course ids among the headers {headers}; name one of them: {accepted}")


def _chosen(row: Sequence[str]) -> tuple[int, bool | None] | None:
    """Return the best column of a header row, and whether it holds SIS ids (None: its cells decide)."""
    plain = [_plain(cell) for cell in row]
    for names, sis in ((_LMS, False), (_SIS, True), (_EITHER, None)):
        for name in names:
            if name in plain:
                return plain.index(name), sis
    return None


def _any_text(text: str, index: int, skip: int) -> bool:
    """Tell whether a column that may be either holds anything that cannot be an id of the LMS.

    That is decided for the whole column: in a column of SIS ids, those that happen to be numbers are SIS ids too.
    """
    return any(not value.startswith("sis:") and not value.isdigit() for _, value in _cells(text, index, skip))


def _plain(header: str) -> str:
    """Normalise a header: case, accents' forms, brackets, underscores and camel case do not matter."""
    header = unicodedata.normalize("NFKC", header).strip().strip("\ufeff\u200b")
    header = re.sub(r"[\(\[].*?[\)\]]", " ", header)
    header = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)
    return " ".join(re.sub(r"[\W_]+", " ", header.casefold()).split())


def references(text: str, column: Column) -> Iterator[str]:
    """Yield the references of a column in the file's order, SIS ids as `sis:...`."""
    for line, value in _cells(text, column.index, column.skip):
        if re.fullmatch(r"\d+(\.\d+)?[eE]\+\d+", value):
            raise ValueError(
                f"csv: {value} in line {line} has lost digits in a spreadsheet; export column {column.header!r} as text"
            )
        yield f"sis:{value}" if column.sis and not value.startswith("sis:") else value


def _cells(text: str, index: int, skip: int) -> Iterator[tuple[int, str]]:
    for number, (line, row) in enumerate(rows_of(text)):
        if number < skip or index >= len(row):
            continue
        value = _clean(row[index])
        if value:
            yield line, value


def _clean(cell: str) -> str:
    """Take blanks of all kinds from the ends, and unwrap `="00123"`, by which spreadsheets keep zeros."""
    value = cell.strip().strip("\ufeff\u200b\u00a0").strip()
    wrapped = re.fullmatch(r'="?([^"]*)"?', value)
    return wrapped[1].strip() if wrapped else value

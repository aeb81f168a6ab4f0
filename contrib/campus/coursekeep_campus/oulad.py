"""The 22 real presentations of the Open University Learning Analytics Dataset, as courses.

Nothing is added: an enrolment for every row of studentInfo and a submission for every row of studentAssessment, without
Canvas's placeholders for work that was not handed in. What the data have no counterpart for in Canvas (gender, region's
deprivation, age) is left out; regions are sections, sites of the virtual learning environment are module items, weeks
are modules, the final result is the final grade. There are no teachers and no history of grades.

Presentations named B start in February, those named J in October; the day is taken as the first of the month.
"""

from __future__ import annotations

import csv
import gzip
import io
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

from coursekeep_campus.model import Account, Campus, Course, Lazy, Term
from coursekeep_campus.oulad_course import Presentation, SiteRow, StudentRow, content_of
from coursekeep_campus.shapes_material import folder_doc
from coursekeep_campus.times import present

__all__ = ["oulad"]

#: ids of this source, so that it can share a campus with others
_BASE = 20_000_000

#: contents made on demand that are kept; the largest takes about 10 MB
_KEEP = 6

_FILES = ("courses", "assessments", "vle", "studentInfo", "studentRegistration", "studentAssessment")


def oulad(directory: str | Path, now: datetime | None = None) -> Campus:
    """Read the dataset's folder. Files may be plain or gzip-compressed CSV.

    Raises FileNotFoundError naming the file that is missing, ValueError naming the file and line that cannot be read.
    """
    tables = _Tables(Path(directory))
    presentations = _presentations(tables)
    _add_assessments(tables, presentations)
    _add_sites(tables, presentations)
    _add_students(tables, presentations)
    _add_results(tables, presentations)
    return _campus(list(presentations.values()), now or present())


_Key = tuple[str, str]


@dataclass(slots=True)
class _Tables:
    directory: Path
    assessments: dict[int, _Key] = field(default_factory=dict)

    def rows(self, name: str, columns: tuple[str, ...]) -> Iterator[list[str]]:
        """Yield the rows of a table, with just these columns in this order."""
        path = self._path(name)
        with _opened(path) as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            if missing := [column for column in columns if column not in header]:
                raise ValueError(f"{path}: no column {missing[0]!r}; found {', '.join(header) or 'nothing'}")
            places = [header.index(column) for column in columns]
            for row in reader:
                if len(row) != len(header):
                    raise ValueError(f"{path}, line {reader.line_num}: {len(row)} fields instead of {len(header)}")
                yield [row[place] for place in places]

    def _path(self, name: str) -> Path:
        for suffix in (".csv", ".csv.gz"):
            path = self.directory / (name + suffix)
            if path.is_file():
                return path
        raise FileNotFoundError(f"{self.directory / name}.csv or .csv.gz is missing; the dataset needs {_FILES}")


def _opened(path: Path) -> TextIO:
    packed = path.suffix == ".gz"
    return io.TextIOWrapper(gzip.GzipFile(path) if packed else path.open("rb"), encoding="utf-8", newline="")


def _presentations(tables: _Tables) -> dict[_Key, Presentation]:
    columns = ("code_module", "code_presentation", "module_presentation_length")
    rows = sorted(tables.rows("courses", columns), key=lambda row: (row[1], row[0]))
    return {
        (module, code): Presentation(
            id=_BASE + number, module=module, code=code, start=_start(code), length=int(length), base=_BASE
        )
        for number, (module, code, length) in enumerate(rows, 1)
    }


def _start(code: str) -> datetime:
    return datetime(int(code[:4]), {"B": 2, "J": 10}[code[4:]], 1, tzinfo=UTC)


def _add_assessments(tables: _Tables, presentations: dict[_Key, Presentation]) -> None:
    columns = ("code_module", "code_presentation", "id_assessment", "assessment_type", "date", "weight")
    for module, code, number, kind, date, weight in tables.rows("assessments", columns):
        tables.assessments[int(number)] = (module, code)
        due = int(date) if date else None
        presentations[module, code].assessments.append((int(number), kind, due, float(weight)))


def _add_sites(tables: _Tables, presentations: dict[_Key, Presentation]) -> None:
    columns = ("code_module", "code_presentation", "id_site", "activity_type", "week_from", "week_to")
    for module, code, number, kind, first, last in tables.rows("vle", columns):
        row: SiteRow = (int(number), kind, int(first) if first else None, int(last) if last else None)
        presentations[module, code].sites.append(row)


def _add_students(tables: _Tables, presentations: dict[_Key, Presentation]) -> None:
    registered: dict[tuple[str, str, str], tuple[str, str]] = {}
    columns = ("code_module", "code_presentation", "id_student", "date_registration", "date_unregistration")
    for module, code, student, start, end in tables.rows("studentRegistration", columns):
        registered[module, code, student] = (start, end)
    columns = ("code_module", "code_presentation", "id_student", "region", "final_result")
    for number, (module, code, student, region, result) in enumerate(tables.rows("studentInfo", columns), 1):
        start, end = registered.get((module, code, student), ("", ""))
        dates = (int(start) if start else None, int(end) if end else None)
        row: StudentRow = (_BASE + number, int(student), region, result, *dates)
        presentations[module, code].students.append(row)


def _add_results(tables: _Tables, presentations: dict[_Key, Presentation]) -> None:
    results: dict[_Key, array[int]] = defaultdict(lambda: array("i"))
    columns = ("id_assessment", "id_student", "date_submitted", "is_banked", "score")
    for number, (assessment, student, day, banked, score) in enumerate(tables.rows("studentAssessment", columns), 1):
        key = tables.assessments[int(assessment)]
        # Scores are whole numbers from 0 to 100; -1 stands for none.
        values = (_BASE + number, int(assessment), int(student), int(day), int(banked), int(score) if score else -1)
        results[key].extend(values)
    for key, values_of in results.items():
        presentations[key].results = values_of


def _campus(presentations: list[Presentation], now: datetime) -> Campus:
    campus = Campus(now=now)
    campus.accounts[1] = Account(id=1, name="Open University Learning Analytics Dataset", sis_id="OULAD")
    for number, module in enumerate(sorted({p.module for p in presentations}), _BASE + 1):
        campus.accounts[number] = Account(id=number, name=f"Module {module}", parent_id=1, sis_id=module)
    for number, code in enumerate(sorted({p.code for p in presentations}), _BASE + 1):
        longest = max(p.length for p in presentations if p.code == code)
        start = _start(code)
        end = start + timedelta(days=longest)
        campus.terms[number] = Term(id=number, name=code, sis_id=code, start_at=start, end_at=end, created_at=start)
    lazy = Lazy(keep=_KEEP)
    for presentation in presentations:
        campus.courses[presentation.id] = _course(campus, presentation, lazy)
    ended = [course.id for course in campus.courses.values() if campus.has_ended(course)]
    running = [number for number in campus.courses if number not in ended]
    campus.known = {"ended": ended, "running": running, "unknown": 999_999, "traps": {}}
    return campus


def _course(campus: Campus, presentation: Presentation, lazy: Lazy) -> Course:
    account = next(a.id for a in campus.accounts.values() if a.sis_id == presentation.module)
    term = next(t.id for t in campus.terms.values() if t.sis_id == presentation.code)
    course = Course(
        id=presentation.id,
        name=f"{presentation.module} {presentation.code}",
        code=f"{presentation.module}-{presentation.code}",
        account_id=account,
        term_id=term,
        make=lambda: content_of(course, presentation),
        lazy=lazy,
        sis_id=f"{presentation.module}-{presentation.code}",
        start_at=presentation.start,
        end_at=presentation.start + timedelta(days=presentation.length),
        restrict_to_dates=True,
        created_at=presentation.start,
        student_count=len(presentation.students),
        enrolled=len(presentation.students),
        apply_weights=True,
        eager=False,
        root_folder=folder_doc(presentation.id, presentation.id, "course files", None),
    )
    return course
